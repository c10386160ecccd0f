//! Typed tree to Echo IR to LLVM IR to machine code.

pub mod compile;
pub mod emit;
mod hoist;
pub mod ir;
pub mod layout;
pub mod llvm;
pub mod loader;
pub mod lower;
pub mod ownership;
#[cfg(test)]
mod testing;

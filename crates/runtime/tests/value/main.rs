//! Tests of values through the rows of the symbol table, with hand-made types.

mod arrays;
mod deep;
mod floats;
mod formats;
mod globals;
mod keys;
mod maps;
mod prints;
mod sharing;
mod strings;
mod support;

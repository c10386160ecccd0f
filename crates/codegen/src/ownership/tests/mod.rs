//! One test for each hazard: a small function, and the counting it must get.

mod borrows;
mod counts;
mod faults;
mod random;

use echo_sema::types::{Ty, TyKind};
use echo_syntax::span::SourceMap;

use super::{insert, verify};
use crate::ir::{
    self, Arg, BlockId, Const, FunctionKind, Op, Operand, Place, RtArg, Step, Terminator, Var,
};
use crate::testing::{Build, NOWHERE};

impl Build {
    /// After the pass: the blocks as text. (The pass itself checks its result in debug builds.)
    fn counted(self) -> String {
        let (program, mut module) = self.module();
        insert(&program, &mut module);
        let text = ir::dump_function(&program, &module, &SourceMap::new(), &module.functions[0]);
        let body = text.find("b0:").expect("a block");
        text[body..].to_string()
    }

    /// The fault that the checks find in the function as it is, already counted.
    fn fault(self) -> String {
        let (program, module) = self.module();
        ir::verify(&program, &module).expect("well formed");
        verify(&program, &module).expect_err("a fault")
    }
}

/// Compares, each line without its indentation.
#[track_caller]
fn expect(found: &str, expected: &str) {
    let lines = |text: &str| {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.collect::<Vec<_>>().join("\n")
    };
    assert_eq!(lines(found), lines(expected), "found\n{found}");
}

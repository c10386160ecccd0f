//! Small functions that call themselves are unfolded: LLVM does not inline a function into itself, so there are copies of it to inline. The function
//! calls its first copy, that the next one, and the last one calls the function. A call in three then is a call of the machine, and those that end
//! the recursion often none.

use super::text;
use crate::ir::{FnId, Function, FunctionKind, Op};

/// Copies that are inlined into each other.
const MOST_COPIES: usize = 2;
/// Instructions of Echo IR in the function with all copies in it.
const MOST_INSTRUCTIONS: usize = 160;

/// How many copies of the function are to be inlined into it.
pub fn copies(function: &Function, id: FnId) -> usize {
    let instrs = || function.blocks.iter().flat_map(|block| &block.instrs);
    let is_loop = instrs().any(|instr| matches!(instr.op, Op::Poll));
    if function.kind != FunctionKind::Normal || function.defers || is_loop {
        return 0;
    }
    let calls = instrs()
        .filter(|instr| matches!(&instr.op, Op::Call { function, .. } if *function == id))
        .count();
    let (mut size, mut last) = (instrs().count(), instrs().count());
    let mut copies = 0;
    while calls > 0 && copies < MOST_COPIES {
        last *= calls;
        size += last;
        if size > MOST_INSTRUCTIONS {
            break;
        }
        copies += 1;
    }
    copies
}

/// The symbol of the function (0) or of one of its copies.
pub fn symbol(function: &Function, copy: usize) -> String {
    match copy {
        0 => text::function_symbol(function),
        copy => text::symbol(&format!("{}$copy{copy}", text::linkage_name(function))),
    }
}

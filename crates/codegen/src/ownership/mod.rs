//! Ownership: puts the counting into Echo IR that lowering leaves out.
//!
//! Lowering says of every use whether it borrows, consumes or mutates. Here, function by function:
//! 1. [`prepare`] brings the function into a form in which one rule fits all instructions;
//! 2. [`borrow`] finds the variables that need no count of their own, because they hold a part of what another variable keeps;
//! 3. [`count`] inserts `Dup` and `Drop` by liveness and fills the unwind lists.
//!
//! [`verify`](fn@verify) checks the result by other means, in tests and debug builds.
//!
//! # The rule
//! An *owned* variable holds exactly one count wherever it is live, and none elsewhere. Let `v` be used by an instruction. It is *kept* if it is
//! live behind it or also borrowed or mutated by it. Each consuming use takes one count; so `Dup v` stands before the instruction once
//! for each consuming use, less one if `v` is not kept. If `v` is kept but not live behind, `Drop v` stands behind. A variable that is defined
//! but not live is dropped at once; one that is live at the end of a block but not at the start of a successor is dropped on that edge. By
//! induction along each path the count is one where `v` is live and zero where it is not, and a value is given up as early as possible:
//! arrays that are updated in place are not shared by dead variables.
//!
//! The parameters of `Normal` and `Closure` functions are kept by the caller for the whole call; each consuming use has its own `Dup`.
//!
//! An instruction that unwinds has given away what it consumes (emission drops what it has not yet handed over) and has defined nothing:
//! what is owned then is what is kept or live behind and not defined by it. That is the unwind list, the youngest variable first.
//!
//! # Why borrowing is sound
//! A variable `d` with one definition, a load from a place below the local variable `r`, is *borrowed* if no instruction that defines or mutates `r`,
//! or lets it go, uses `d` or has `d` live behind it. Every use of `d` then counts as a use of `r`, so `r` is owned from the load to the last use.
//! - What `r` reaches does not change in between: values change only through a mutating use of the variable that owns them, or in a block
//!   whose only owner is somebody else; but the blocks `r` reaches have `r` (or a block it reaches) as an owner. `d` itself, which has no
//!   count, is never mutated: a variable with a mutating use is not borrowed.
//! - No reference `*T` leads to `r`: references come in as parameters, so they refer to variables of callers; and a call that is given
//!   `&r` mutates `r`.
//! - If `r` is itself such a parameter, what it refers to is kept by the caller for the whole call, and nothing but `r` leads there: no two
//!   references of a call overlap. References that the runtime gave out (to what a map holds) are no parameters, and nothing borrows from them.
//! - Nor can a callee that is passed `d` or `r` change it: a borrowed parameter is not mutated, and whoever keeps it makes it a `Dup`.
//!   Where one call borrows and mutates the same variable, [`prepare`] passes a copy.
//! - Globals are loaded as snapshots, which are values of the loading variable, with two exceptions. The main coroutine, the only one that
//!   changes them, reads through a variable that leads to the global like a reference: no other variable of the function does, and functions
//!   that it calls change no globals. A global that is assigned once stays what it is until the program ends, so others borrow from it too.
//! - Other coroutines see copies with counts of their own. So a borrow lives across suspension points as well; and when the
//!   coroutine is unwound there, `r` is in the unwind list and `d` in none.
//!
//! A borrow from a borrowed variable is a borrow from what that one borrows from. A borrow from a borrowed parameter is one from the caller's
//! value, which outlives the call. A consuming use of a borrowed variable gets its own `Dup`, before `r` is dropped.
//!
//! A name for a part (`let x = a[i]`) borrows only as long as what keeps the part lives anyway: a name must not keep a whole array.

mod borrow;
mod count;
mod liveness;
mod prepare;
#[cfg(test)]
mod tests;
mod verify;

pub use verify::verify;

use echo_sema::typed::Program;

use crate::ir::{self, Function, FunctionKind, Module, Var, VarSet};
use crate::layout;

/// Inserts the counting into all functions.
///
/// # Panics
/// In debug builds, when the module is not well formed or the result is not sound.
pub fn insert(program: &Program, module: &mut Module) {
    debug_check(ir::verify(program, module));
    for function in &mut module.functions {
        insert_into(program, function);
    }
    debug_check(ir::verify(program, module));
    debug_check(verify(program, module));
}

fn insert_into(program: &Program, function: &mut Function) {
    prepare::prepare(program, function);
    let owners = borrow::infer(program, function);
    count::insert(program, function, &owners);
}

fn debug_check(result: Result<(), String>) {
    if cfg!(debug_assertions)
        && let Err(fault) = result
    {
        panic!("Echo IR is broken: {fault}");
    }
}

/// The variables whose values are counted.
fn managed(program: &Program, function: &Function) -> VarSet {
    let mut set = VarSet::new(function.vars.len());
    for (number, var) in function.vars.iter().enumerate() {
        if layout::is_managed(program, var.ty) {
            set.insert(Var(number as u32));
        }
    }
    set
}

/// Whether the variable is a parameter that belongs to the caller.
fn is_callers(function: &Function, var: Var) -> bool {
    function.kind != FunctionKind::Entry && (var.0 as usize) < function.parameter_count
}

/// For each variable the one whose life a use of it prolongs: itself if it is owned, what it borrows from if it is borrowed; none if that
/// is the caller's, or if nothing is counted.
struct Owners(Vec<Option<Var>>);

impl Owners {
    /// Every counted variable owns its value.
    fn all_owned(program: &Program, function: &Function) -> Owners {
        let managed = managed(program, function);
        let vars = (0..function.vars.len() as u32).map(Var);
        Owners(
            vars.map(|var| {
                let owned = managed.contains(var) && !is_callers(function, var);
                owned.then_some(var)
            })
            .collect(),
        )
    }

    fn of(&self, var: Var) -> Option<Var> {
        self.0[var.0 as usize]
    }

    fn is_owned(&self, var: Var) -> bool {
        self.of(var) == Some(var)
    }
}

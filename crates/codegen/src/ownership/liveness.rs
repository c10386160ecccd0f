//! Which owned variables are live: their value, or one that borrows from it, is used before they get another.

use super::Owners;
use crate::ir::{Function, Liveness, Op, Terminator, VarSet};

pub fn solve(function: &Function, owners: &Owners) -> Liveness {
    Liveness::solve(function, |var| owners.of(var), |_| false)
}

/// From what is live behind an instruction to what is live before it.
pub fn before(live: &mut VarSet, op: &Op, owners: &Owners) {
    op.visit_definitions(&mut |var| live.remove(var));
    op.visit_uses(&mut |var, _| {
        if let Some(owner) = owners.of(var) {
            live.insert(owner);
        }
    });
}

pub fn before_terminator(live: &mut VarSet, terminator: &Terminator, owners: &Owners) {
    terminator.visit_uses(&mut |var, _| {
        if let Some(owner) = owners.of(var) {
            live.insert(owner);
        }
    });
}

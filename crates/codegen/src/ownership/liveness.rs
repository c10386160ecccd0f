//! Which owned variables are live: on some way from here their value is used before they get another.

use super::Owners;
use crate::ir::{Function, Op, Terminator, VarSet};

/// At the start and the end of every block.
pub struct Liveness {
    pub start: Vec<VarSet>,
    pub end: Vec<VarSet>,
}

/// Solves the equations backwards until nothing changes.
pub fn solve(function: &Function, owners: &Owners) -> Liveness {
    let empty = VarSet::new(function.vars.len());
    let mut live = Liveness {
        start: vec![empty.clone(); function.blocks.len()],
        end: vec![empty; function.blocks.len()],
    };
    let mut changed = true;
    while changed {
        changed = false;
        for number in (0..function.blocks.len()).rev() {
            for next in function.successors(number) {
                live.end[number].union(&live.start[next.0 as usize]);
            }
            let mut set = live.end[number].clone();
            let block = &function.blocks[number];
            if let Some(terminator) = &block.terminator {
                before_terminator(&mut set, terminator, owners);
            }
            for instr in block.instrs.iter().rev() {
                before(&mut set, &instr.op, owners);
            }
            changed |= live.start[number].union(&set);
        }
    }
    live
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

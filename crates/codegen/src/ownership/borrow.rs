//! Finds the variables that need no count of their own; see the module above for why that is sound.
//!
//! All candidates are taken for borrowed at first; those that some instruction speaks against are given up, until none is left to give
//! up. A variable that borrowed from a given-up one has then another owner, so each round looks at all again.

use std::collections::{HashMap, HashSet};

use echo_sema::typed::Program;
use echo_sema::types::TyKind;

use super::liveness::{self, Liveness};
use super::{Owners, is_callers, managed};
use crate::ir::{Function, Instr, Op, Operand, Place, Use, Var, VarSet};

/// Marks the borrowed variables and their loads.
pub fn infer(program: &Program, function: &mut Function) -> Owners {
    let base = Owners::all_owned(program, function);
    let live = liveness::solve(function, &base);
    let mut roots = candidates(program, function, &live);
    let owners = loop {
        let owners = resolve(&base, &roots);
        let given_up = conflicts(function, &live, &base, &owners, &roots);
        if given_up.is_empty() {
            break owners;
        }
        // What borrowed from one of them may borrow from it still, when that has a count.
        for var in &given_up {
            if !given_up.contains(&roots[var]) {
                roots.remove(var);
            }
        }
    };
    mark(function, &roots);
    owners
}

/// Of each candidate the variable its only load reads from.
type Roots = HashMap<Var, Var>;

/// What is known about a variable that may be a candidate.
#[derive(Clone, Copy, Default)]
struct Facts {
    definitions: usize,
    root: Option<Var>,
    /// The definition reads the whole root, not a part of it.
    whole: bool,
    /// Its value is taken over somewhere.
    consumed: bool,
    /// Something else than reading happens to it.
    excluded: bool,
}

fn candidates(program: &Program, function: &Function, live: &Liveness) -> Roots {
    let facts = collect_facts(program, function, live);
    let managed = managed(program, function);
    managed
        .iter()
        .skip_while(|var| (var.0 as usize) < function.parameter_count)
        .filter_map(|var| {
            let facts = facts[var.0 as usize];
            let root = facts.root?;
            // Where a copy of a whole variable is consumed, it moves on; a borrow would gain nothing unless the count is the caller's.
            let moves = facts.whole && facts.consumed && !is_callers(function, root);
            let fits = facts.definitions == 1 && !facts.excluded && root != var && !moves;
            (fits && managed.contains(root)).then_some((var, root))
        })
        .collect()
}

fn collect_facts(program: &Program, function: &Function, live: &Liveness) -> Vec<Facts> {
    let mut facts = vec![Facts::default(); function.vars.len()];
    for (number, block) in function.blocks.iter().enumerate() {
        let mut live = live.end[number].clone();
        let owners = Owners::all_owned(program, function);
        if let Some(terminator) = &block.terminator {
            liveness::before_terminator(&mut live, terminator, &owners);
            terminator.visit_uses(&mut |var, how| note_use(&mut facts, var, how));
        }
        for instr in block.instrs.iter().rev() {
            note(program, function, &mut facts, &instr.op, &live);
            liveness::before(&mut live, &instr.op, &owners);
        }
    }
    facts
}

fn note_use(facts: &mut [Facts], var: Var, how: Use) {
    let facts = &mut facts[var.0 as usize];
    facts.consumed |= how == Use::Consume;
    facts.excluded |= how == Use::Mutate;
}

fn note(program: &Program, function: &Function, facts: &mut [Facts], op: &Op, live: &VarSet) {
    op.visit_uses(&mut |var, how| note_use(facts, var, how));
    op.visit_definitions(&mut |var| facts[var.0 as usize].definitions += 1);
    op.visit_addresses(&mut |var| facts[var.0 as usize].excluded = true);
    match op {
        Op::Load {
            dst,
            place,
            borrow: false,
        } => {
            let root = function.vars[place.root.0 as usize].ty;
            if !matches!(program.types.kind(root), TyKind::Ref(_)) {
                facts[dst.0 as usize].root = Some(place.root);
            }
        }
        // The last use of a variable moves instead. A promise that becomes a future does not stay what it is.
        Op::Set {
            dst,
            value: Operand::Var(root),
        } if (is_callers(function, *root) || live.contains(*root))
            && function.vars[dst.0 as usize].ty == function.vars[root.0 as usize].ty =>
        {
            facts[dst.0 as usize].root = Some(*root);
            facts[dst.0 as usize].whole = true;
        }
        Op::Forget(var) => facts[var.0 as usize].excluded = true,
        Op::Select { cases, .. } => {
            for case in cases {
                facts[case.value.0 as usize].excluded = true;
            }
        }
        _ => {}
    }
}

/// The owners if all candidates are borrowed.
fn resolve(base: &Owners, roots: &Roots) -> Owners {
    let mut owners = base.0.clone();
    for &var in roots.keys() {
        let mut root = var;
        // A chain of definitions that dominate each other, so it ends.
        while let Some(&next) = roots.get(&root) {
            root = next;
        }
        owners[var.0 as usize] = base.of(root);
    }
    Owners(owners)
}

/// The candidates that an instruction speaks against.
fn conflicts(
    function: &Function,
    live: &Liveness,
    base: &Owners,
    owners: &Owners,
    roots: &Roots,
) -> HashSet<Var> {
    let mut borrowers: HashMap<Var, Vec<Var>> = HashMap::new();
    for &var in roots.keys() {
        if let Some(owner) = owners.of(var) {
            borrowers.entry(owner).or_default().push(var);
        }
    }
    let mut given_up = HashSet::new();
    if borrowers.is_empty() {
        return given_up;
    }
    for (number, block) in function.blocks.iter().enumerate() {
        let mut live = live.end[number].clone();
        if let Some(terminator) = &block.terminator {
            liveness::before_terminator(&mut live, terminator, base);
        }
        for instr in block.instrs.iter().rev() {
            for owner in disturbed(&instr.op, &live) {
                let affected = borrowers.get(&owner).into_iter().flatten();
                given_up.extend(affected.filter(|&&var| reaches(instr, var, &live)));
            }
            liveness::before(&mut live, &instr.op, base);
        }
    }
    given_up
}

/// The variables the instruction changes or lets go.
fn disturbed(op: &Op, live: &VarSet) -> Vec<Var> {
    let mut vars = Vec::new();
    op.visit_definitions(&mut |var| vars.push(var));
    op.visit_addresses(&mut |var| vars.push(var));
    op.visit_uses(&mut |var, how| match how {
        Use::Borrow => {}
        Use::Mutate => vars.push(var),
        // It could be kept, by a count that the borrow was to save.
        Use::Consume if live.contains(var) => {}
        Use::Consume => vars.push(var),
    });
    if let Op::Forget(var) = op {
        vars.push(*var);
    }
    vars
}

/// Whether the instruction uses the variable, or it is live behind it.
fn reaches(instr: &Instr, var: Var, live: &VarSet) -> bool {
    let mut used = live.contains(var);
    instr.op.visit_uses(&mut |other, _| used |= other == var);
    used
}

fn mark(function: &mut Function, roots: &Roots) {
    for &var in roots.keys() {
        function.vars[var.0 as usize].borrowed = true;
    }
    for block in &mut function.blocks {
        for instr in &mut block.instrs {
            match &mut instr.op {
                Op::Load { dst, borrow, .. } if roots.contains_key(dst) => *borrow = true,
                Op::Set {
                    dst,
                    value: Operand::Var(root),
                } if roots.contains_key(dst) => {
                    let (dst, root) = (*dst, *root);
                    instr.op = Op::Load {
                        dst,
                        place: Place {
                            root,
                            path: Vec::new(),
                            ty: function.vars[root.0 as usize].ty,
                        },
                        borrow: true,
                    };
                }
                _ => {}
            }
        }
    }
}

//! Finds the variables that need no count of their own; see the module above for why that is sound.
//!
//! All candidates are taken for borrowed at first; those that some instruction speaks against are given up, until none is left to give
//! up. A variable that borrowed from a given-up one has then another owner, so each round looks at all again.

use std::collections::{HashMap, HashSet};

use echo_sema::typed::Program;
use echo_sema::types::TyKind;

use super::{Owners, is_callers, liveness, managed};
use crate::ir::{Function, Liveness, Op, Operand, Place, Use, Var, VarSet};

/// Marks the borrowed variables and their loads.
pub fn infer(program: &Program, function: &mut Function) -> Owners {
    let base = Owners::all_owned(program, function);
    let live = liveness::solve(function, &base);
    let (mut roots, copies) = candidates(program, function, &live, &base);
    let conflicts = conflicts(function, &live, &base, &roots, &copies);
    let changeable = with_references(program, function, &base);
    loop {
        let owners = resolve(&changeable, &roots);
        let given_up: HashSet<Var> = conflicts
            .iter()
            .filter(|(var, disturbed)| {
                roots.contains_key(var) && owners.of(*var) == Some(*disturbed)
            })
            .map(|&(var, _)| var)
            .collect();
        if given_up.is_empty() {
            break;
        }
        // What borrowed from one of them may borrow from it still, when that has a count.
        for var in &given_up {
            if !given_up.contains(&roots[var]) {
                roots.remove(var);
            }
        }
    }
    mark(function, &roots);
    resolve(&base, &roots)
}

/// The owners as far as changing goes: what a reference refers to is the caller's to count, but this function's to change.
fn with_references(program: &Program, function: &Function, base: &Owners) -> Owners {
    let vars = (0..).map(Var).zip(&base.0);
    Owners(
        vars.map(|(var, &owner)| owner.or(is_reference(program, function, var).then_some(var)))
            .collect(),
    )
}

/// Whether the variable is a parameter `*T`, or leads to a global.
fn is_reference(program: &Program, function: &Function, var: Var) -> bool {
    let info = &function.vars[var.0 as usize];
    let is_parameter =
        || is_callers(function, var) && matches!(program.types.kind(info.ty), TyKind::Ref(_));
    info.global || is_parameter()
}

/// A part of a part of a part … is given a count of its own so many steps down: each is compared with all above it.
const MOST_ABOVE: usize = 16;

/// Of each candidate the variable its only load reads from.
type Roots = HashMap<Var, Var>;

/// What is known about a variable that may be a candidate.
#[derive(Clone, Copy, Default)]
struct Facts {
    definitions: usize,
    root: Option<Var>,
    /// The definition reads the whole root, not a part of it.
    whole: bool,
    /// Besides it is the root's last use.
    last: bool,
    /// Its value is taken over somewhere.
    consumed: bool,
    /// Something else than reading happens to it.
    excluded: bool,
}

/// The candidates, and which of them are made by the last use of another: where that borrows, a part of what somebody else keeps has got a name, so they borrow
/// too, but only as long as that is kept anyway. Else the value moves to them.
fn candidates(
    program: &Program,
    function: &Function,
    live: &Liveness,
    base: &Owners,
) -> (Roots, VarSet) {
    let facts = collect_facts(function, live, base);
    let managed = managed(program, function);
    let fitting = managed
        .iter()
        .filter(|var| (var.0 as usize) >= function.parameter_count)
        .filter_map(|var| {
            let facts = facts[var.0 as usize];
            let root = facts.root?;
            // Where a copy of a whole variable is consumed, it moves on; a borrow would gain nothing unless the count is the caller's.
            let moves = facts.whole && facts.consumed && !is_callers(function, root);
            let fits = facts.definitions == 1 && !facts.excluded && root != var && !moves;
            let lasts = managed.contains(root) || is_reference(program, function, root);
            (fits && lasts).then_some((var, root))
        });
    let (last, mut roots): (Roots, Roots) =
        fitting.partition(|&(var, _)| facts[var.0 as usize].last);
    let is_named_part = |root: &Var| {
        let above = std::iter::successors(Some(*root), |root| {
            roots.get(root).or(last.get(root)).copied()
        });
        roots.contains_key(root)
            && !facts[root.0 as usize].whole
            && above.take(MOST_ABOVE).count() < MOST_ABOVE
    };
    let named: Roots = last
        .iter()
        .filter(|(_, root)| is_named_part(root))
        .map(|(&var, &root)| (var, root))
        .collect();
    let mut copies = VarSet::new(function.vars.len());
    named.keys().for_each(|&var| copies.insert(var));
    roots.extend(named);
    (roots, copies)
}

fn collect_facts(function: &Function, liveness: &Liveness, base: &Owners) -> Vec<Facts> {
    let mut facts = vec![Facts::default(); function.vars.len()];
    let mut live = VarSet::new(function.vars.len());
    for (number, block) in function.blocks.iter().enumerate() {
        live.become_those(&liveness.end[number]);
        if let Some(terminator) = &block.terminator {
            liveness::before_terminator(&mut live, terminator, base);
            terminator.visit_uses(&mut |var, how| note_use(&mut facts, var, how));
        }
        for instr in block.instrs.iter().rev() {
            note(function, &mut facts, &instr.op, &live);
            liveness::before(&mut live, &instr.op, base);
        }
    }
    facts
}

fn note_use(facts: &mut [Facts], var: Var, how: Use) {
    let facts = &mut facts[var.0 as usize];
    facts.consumed |= how == Use::Consume;
    facts.excluded |= how == Use::Mutate;
}

fn note(function: &Function, facts: &mut [Facts], op: &Op, live: &VarSet) {
    op.visit_uses(&mut |var, how| note_use(facts, var, how));
    op.visit_definitions(&mut |var| facts[var.0 as usize].definitions += 1);
    op.visit_addresses(&mut |var| facts[var.0 as usize].excluded = true);
    match op {
        Op::Load {
            dst,
            place,
            borrow: false,
        } => facts[dst.0 as usize].root = Some(place.root),
        // A promise that becomes a future does not stay what it is.
        Op::Set {
            dst,
            value: Operand::Var(root),
        } if function.vars[dst.0 as usize].ty == function.vars[root.0 as usize].ty => {
            let facts = &mut facts[dst.0 as usize];
            facts.root = Some(*root);
            facts.whole = true;
            facts.last = !is_callers(function, *root) && !live.contains(*root);
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
    let mut open: HashSet<Var> = roots.keys().copied().collect();
    let mut chain = Vec::new();
    for &var in roots.keys() {
        let mut root = var;
        // A chain of definitions that dominate each other, so it ends.
        while open.remove(&root) {
            chain.push(root);
            root = roots[&root];
        }
        for var in chain.drain(..) {
            owners[var.0 as usize] = owners[root.0 as usize];
        }
    }
    Owners(owners)
}

/// The candidates as a forest: each below the variable it reads from.
struct Forest {
    /// The variables from above to below.
    order: Vec<Var>,
    /// By variable: where what is below it starts and ends in the order.
    below: Vec<(u32, u32)>,
}

impl Forest {
    fn new(vars: usize, roots: &Roots) -> Forest {
        let mut children: HashMap<Var, Vec<Var>> = HashMap::new();
        for (&var, &root) in roots {
            children.entry(root).or_default().push(var);
        }
        let mut forest = Forest {
            order: Vec::new(),
            below: vec![(0, 0); vars],
        };
        let tops: Vec<Var> = children
            .keys()
            .copied()
            .filter(|var| !roots.contains_key(var))
            .collect();
        for top in tops {
            forest.visit(top, &children);
        }
        forest
    }

    fn visit(&mut self, top: Var, children: &HashMap<Var, Vec<Var>>) {
        // What is to be entered, or left again.
        let mut work = vec![(top, false)];
        while let Some((var, leave)) = work.pop() {
            let at = self.order.len() as u32;
            if leave {
                self.below[var.0 as usize].1 = at;
                continue;
            }
            self.order.push(var);
            self.below[var.0 as usize].0 = at + 1;
            work.push((var, true));
            work.extend(
                children
                    .get(&var)
                    .into_iter()
                    .flatten()
                    .map(|&var| (var, false)),
            );
        }
    }

    fn below(&self, var: Var) -> &[Var] {
        let (start, end) = self.below[var.0 as usize];
        &self.order[start as usize..end as usize]
    }

    /// Those of the variables that are below the root.
    fn those_below<'a>(&'a self, root: Var, vars: &'a VarSet) -> impl Iterator<Item = Var> + 'a {
        let below = self.below(root);
        // Whichever are fewer.
        let (few, all) = if below.len() < vars.len() {
            (
                Some(below.iter().copied().filter(|&var| vars.contains(var))),
                None,
            )
        } else {
            (
                None,
                Some(vars.iter().filter(move |&var| self.is_below(var, root))),
            )
        };
        few.into_iter().flatten().chain(all.into_iter().flatten())
    }

    fn is_below(&self, var: Var, root: Var) -> bool {
        let place = self.below[var.0 as usize].0;
        let (start, end) = self.below[root.0 as usize];
        start < place && place <= end
    }
}

/// Each candidate with a variable above it that some instruction changes or lets go while the candidate is needed, and each of the copies with one that is not
/// live where the copy is: if that is its owner, it speaks against borrowing.
fn conflicts(
    function: &Function,
    liveness: &Liveness,
    base: &Owners,
    roots: &Roots,
    copies: &VarSet,
) -> HashSet<(Var, Var)> {
    let mut found = HashSet::new();
    if roots.is_empty() {
        return found;
    }
    let forest = Forest::new(function.vars.len(), roots);
    // The root is used, and what is live behind that need not include it.
    let ends = |root: Var, live: &VarSet, found: &mut HashSet<(Var, Var)>| {
        if base.is_owned(root) && !live.contains(root) {
            let copies = forest
                .those_below(root, live)
                .filter(|&var| copies.contains(var));
            found.extend(copies.map(|var| (var, root)));
        }
    };
    let mut live = VarSet::new(function.vars.len());
    for (number, block) in function.blocks.iter().enumerate() {
        let end = &liveness.end[number];
        for next in function.successors(number) {
            let start = &liveness.start[next.0 as usize];
            let mut ending = end
                .iter()
                .filter(|root| start.binary_search(root).is_err())
                .peekable();
            if ending.peek().is_some() {
                live.become_those(start);
                ending.for_each(|&root| ends(root, &live, &mut found));
            }
        }
        live.become_those(end);
        if let Some(terminator) = &block.terminator {
            terminator.visit_uses(&mut |root, _| ends(root, &live, &mut found));
            liveness::before_terminator(&mut live, terminator, base);
        }
        for instr in block.instrs.iter().rev() {
            for root in disturbed(&instr.op, &live) {
                instr.op.visit_uses(&mut |var, _| {
                    if forest.is_below(var, root) {
                        found.insert((var, root));
                    }
                });
                found.extend(forest.those_below(root, &live).map(|var| (var, root)));
            }
            instr
                .op
                .visit_uses(&mut |root, _| ends(root, &live, &mut found));
            instr.op.visit_definitions(&mut |var| {
                if copies.contains(var) {
                    found.extend(
                        std::iter::successors(roots.get(&var), |root| roots.get(root))
                            .filter(|&&root| base.is_owned(root) && !live.contains(root))
                            .map(|&root| (var, root)),
                    );
                }
            });
            liveness::before(&mut live, &instr.op, base);
        }
    }
    found
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

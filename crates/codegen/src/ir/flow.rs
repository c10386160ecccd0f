//! Control flow and sets of variables: what passes over Echo IR share.

use super::{BlockId, Function, Operand, Terminator, Use, Var};

impl Terminator {
    /// Calls `f` with the variable it uses.
    pub fn visit_uses(&self, f: &mut impl FnMut(Var, Use)) {
        match self {
            Terminator::Return(Some(Operand::Var(var))) => f(*var, Use::Consume),
            Terminator::Branch {
                condition: Operand::Var(var),
                ..
            }
            | Terminator::Switch {
                value: Operand::Var(var),
                ..
            } => f(*var, Use::Borrow),
            _ => {}
        }
    }

    /// All uses, as [`Terminator::visit_uses`] tells them.
    pub fn uses(&self) -> Vec<(Var, Use)> {
        let mut uses = Vec::new();
        self.visit_uses(&mut |var, how| uses.push((var, how)));
        uses
    }

    /// Where it may go; a target that is named twice is told twice.
    pub fn successors(&self) -> Vec<BlockId> {
        match self {
            Terminator::Jump(target) => vec![*target],
            Terminator::Branch {
                then, otherwise, ..
            } => vec![*then, *otherwise],
            Terminator::Switch {
                cases, otherwise, ..
            } => {
                let cases = cases.iter().map(|(_, target)| *target);
                cases.chain([*otherwise]).collect()
            }
            Terminator::Return(_) | Terminator::Unreachable => Vec::new(),
        }
    }

    /// Replaces every target.
    pub fn retarget(&mut self, mut f: impl FnMut(BlockId) -> BlockId) {
        match self {
            Terminator::Jump(target) => *target = f(*target),
            Terminator::Branch {
                then, otherwise, ..
            } => {
                *then = f(*then);
                *otherwise = f(*otherwise);
            }
            Terminator::Switch {
                cases, otherwise, ..
            } => {
                for (_, target) in cases {
                    *target = f(*target);
                }
                *otherwise = f(*otherwise);
            }
            Terminator::Return(_) | Terminator::Unreachable => {}
        }
    }
}

impl Function {
    /// The blocks a block may go to; none where it is not terminated.
    pub fn successors(&self, block: usize) -> Vec<BlockId> {
        let terminator = self.blocks[block].terminator.as_ref();
        terminator.map_or_else(Vec::new, Terminator::successors)
    }

    /// How many edges lead to each block.
    pub fn edge_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.blocks.len()];
        for block in 0..self.blocks.len() {
            for successor in self.successors(block) {
                counts[successor.0 as usize] += 1;
            }
        }
        counts
    }

    /// The blocks that go to each block; one that goes there twice is told twice.
    pub fn predecessors(&self) -> Vec<Vec<u32>> {
        let mut found = vec![Vec::new(); self.blocks.len()];
        for block in 0..self.blocks.len() {
            for successor in self.successors(block) {
                found[successor.0 as usize].push(block as u32);
            }
        }
        found
    }

    /// Which blocks the entry reaches.
    pub fn reachable(&self) -> Vec<bool> {
        let mut reached = vec![false; self.blocks.len()];
        let mut work = vec![0];
        while let Some(block) = work.pop() {
            if !std::mem::replace(&mut reached[block], true) {
                work.extend(self.successors(block).iter().map(|next| next.0 as usize));
            }
        }
        reached
    }
}

/// A set of variables of one function. Adding, removing and emptying take constant time, walking takes as long as there are members.
#[derive(Clone, Debug)]
pub struct VarSet {
    /// In no order.
    members: Vec<Var>,
    /// Where each member is in `members`; of others anything.
    places: Vec<u32>,
}

impl VarSet {
    /// The empty set of a function with so many variables.
    pub fn new(vars: usize) -> VarSet {
        VarSet {
            members: Vec::new(),
            places: vec![0; vars],
        }
    }

    pub fn contains(&self, var: Var) -> bool {
        let place = self.places[var.0 as usize] as usize;
        self.members.get(place) == Some(&var)
    }

    pub fn insert(&mut self, var: Var) {
        if !self.contains(var) {
            self.places[var.0 as usize] = self.members.len() as u32;
            self.members.push(var);
        }
    }

    pub fn remove(&mut self, var: Var) {
        if self.contains(var) {
            let place = self.places[var.0 as usize];
            self.members.swap_remove(place as usize);
            if let Some(moved) = self.members.get(place as usize) {
                self.places[moved.0 as usize] = place;
            }
        }
    }

    /// Takes these members instead of those it has.
    pub fn become_those(&mut self, vars: &[Var]) {
        self.members.clear();
        vars.iter().for_each(|&var| self.insert(var));
    }

    pub fn len(&self) -> usize {
        self.members.len()
    }

    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The members, in no order.
    pub fn iter(&self) -> impl Iterator<Item = Var> + '_ {
        self.members.iter().copied()
    }

    /// The members, in ascending order.
    pub fn sorted(&self) -> Vec<Var> {
        let mut members = self.members.clone();
        members.sort_unstable();
        members
    }
}

/// Which variables are live at the start and the end of every block: on some way from there their value is used before they get another.
/// In ascending order.
pub struct Liveness {
    pub start: Vec<Vec<Var>>,
    pub end: Vec<Vec<Var>>,
}

/// A variable and a block in which something happens to it.
type Event = (Var, u32);

impl Liveness {
    /// Solves the equations for the variables that `counts` maps uses to. Those that `by_address` names also get a value where their address is
    /// passed. Each variable is followed backwards from its uses, so this takes as long as the function and the answer are.
    pub fn solve(
        function: &Function,
        counts: impl Fn(Var) -> Option<Var>,
        by_address: impl Fn(Var) -> bool,
    ) -> Liveness {
        let blocks = function.blocks.len();
        let (uses, definitions) = events(function, counts, by_address);
        let predecessors = function.predecessors();
        let mut live = Liveness {
            start: vec![Vec::new(); blocks],
            end: vec![Vec::new(); blocks],
        };
        let mut seen = Seen {
            defined: vec![None; blocks],
            start: vec![None; blocks],
            end: vec![None; blocks],
        };
        let mut rest = definitions.as_slice();
        let mut work: Vec<u32> = Vec::new();
        for used in uses.chunk_by(|a, b| a.0 == b.0) {
            let var = used[0].0;
            rest = &rest[rest.partition_point(|&(defined, _)| defined < var)..];
            let here = rest.partition_point(|&(defined, _)| defined == var);
            for &(_, block) in &rest[..here] {
                seen.defined[block as usize] = Some(var);
            }
            for &(_, block) in used {
                seen.start[block as usize] = Some(var);
                live.start[block as usize].push(var);
                work.push(block);
            }
            while let Some(block) = work.pop() {
                for &before in &predecessors[block as usize] {
                    let at = before as usize;
                    if seen.end[at].replace(var) == Some(var) {
                        continue;
                    }
                    live.end[at].push(var);
                    if seen.defined[at] != Some(var) && seen.start[at].replace(var) != Some(var) {
                        live.start[at].push(var);
                        work.push(before);
                    }
                }
            }
        }
        live
    }
}

/// The variable for which each block was last come to.
struct Seen {
    defined: Vec<Option<Var>>,
    start: Vec<Option<Var>>,
    end: Vec<Option<Var>>,
}

/// Where variables are used before the block defines them, and where they are defined: each pair once, in ascending order.
fn events(
    function: &Function,
    counts: impl Fn(Var) -> Option<Var>,
    by_address: impl Fn(Var) -> bool,
) -> (Vec<Event>, Vec<Event>) {
    let (mut uses, mut definitions) = (Vec::new(), Vec::new());
    let mut used: Vec<Option<u32>> = vec![None; function.vars.len()];
    let mut defined = used.clone();
    for (number, block) in (0..).zip(&function.blocks) {
        let mut note_use = |var: Var, defined: &[Option<u32>]| {
            if let Some(var) = counts(var)
                && defined[var.0 as usize] != Some(number)
                && used[var.0 as usize].replace(number) != Some(number)
            {
                uses.push((var, number));
            }
        };
        for instr in &block.instrs {
            instr.op.visit_uses(&mut |var, _| note_use(var, &defined));
            let mut define = |var: Var| {
                if defined[var.0 as usize].replace(number) != Some(number) {
                    definitions.push((var, number));
                }
            };
            instr.op.visit_definitions(&mut define);
            instr.op.visit_addresses(&mut |var| {
                if by_address(var) {
                    define(var);
                }
            });
        }
        if let Some(terminator) = &block.terminator {
            terminator.visit_uses(&mut |var, _| note_use(var, &defined));
        }
    }
    uses.sort_unstable();
    definitions.sort_unstable();
    (uses, definitions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_come_and_go() {
        let mut set = VarSet::new(130);
        for number in [129, 0, 64, 63, 64] {
            set.insert(Var(number));
        }
        set.remove(Var(63));
        set.remove(Var(1));
        assert_eq!(set.sorted(), [0, 64, 129].map(Var));
        set.remove(Var(129));
        assert!(set.contains(Var(0)) && !set.contains(Var(129)));
        set.become_those(&[Var(5)]);
        assert_eq!(set.iter().collect::<Vec<_>>(), [Var(5)]);
        assert!(!set.contains(Var(0)));
    }
}

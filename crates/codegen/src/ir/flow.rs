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

/// A set of variables of one function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VarSet {
    words: Vec<u64>,
}

impl VarSet {
    /// The empty set of a function with so many variables.
    pub fn new(vars: usize) -> VarSet {
        VarSet {
            words: vec![0; vars.div_ceil(64)],
        }
    }

    /// The set of all of them.
    pub fn full(vars: usize) -> VarSet {
        let mut set = VarSet::new(vars);
        for var in 0..vars {
            set.insert(Var(var as u32));
        }
        set
    }

    pub fn contains(&self, var: Var) -> bool {
        self.words[var.0 as usize / 64] >> (var.0 % 64) & 1 == 1
    }

    pub fn insert(&mut self, var: Var) {
        self.words[var.0 as usize / 64] |= 1 << (var.0 % 64);
    }

    pub fn remove(&mut self, var: Var) {
        self.words[var.0 as usize / 64] &= !(1 << (var.0 % 64));
    }

    /// Adds the other's members; whether there were new ones.
    pub fn union(&mut self, other: &VarSet) -> bool {
        let mut changed = false;
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            changed |= *other & !*word != 0;
            *word |= other;
        }
        changed
    }

    /// Keeps what the other has too; whether something went.
    pub fn intersect(&mut self, other: &VarSet) -> bool {
        let mut changed = false;
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            changed |= *word & !*other != 0;
            *word &= other;
        }
        changed
    }

    /// The members, in ascending order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Var> + '_ {
        (0..self.words.len() * 64)
            .map(|number| Var(number as u32))
            .filter(|&var| self.contains(var))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_beyond_one_word() {
        let mut set = VarSet::new(130);
        for number in [0, 63, 64, 129] {
            set.insert(Var(number));
        }
        set.remove(Var(63));
        assert_eq!(
            set.iter().map(|var| var.0).collect::<Vec<_>>(),
            [0, 64, 129]
        );
        let mut other = VarSet::new(130);
        other.insert(Var(64));
        assert!(!set.clone().union(&other));
        assert!(set.intersect(&other));
        assert_eq!(set, other);
    }
}

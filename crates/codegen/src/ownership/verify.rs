//! Checks what the ownership pass promises, by walking forwards with a count for each variable. It shares no code with the pass.
//!
//! - An owned variable has one count from its definition to the instruction that consumes it, on every path; `Dup` gives a second one,
//!   which the next instruction consumes. At the end of the function none is left.
//! - A borrowed variable is used only while what it borrows from has its count, and nothing has changed that since the load.
//! - The unwind list of an instruction that can unwind names exactly the variables with a count once it has consumed what it consumes.

use std::collections::BTreeSet;

use echo_sema::typed::Program;

use crate::ir::{Function, FunctionKind, Instr, Module, Op, Terminator, Use, Var, VarSet};
use crate::layout;

/// The first fault found, as text for the compiler's authors.
///
/// # Errors
/// When counts are wrong somewhere.
pub fn verify(program: &Program, module: &Module) -> Result<(), String> {
    for function in &module.functions {
        Checker::new(program, function)
            .and_then(|checker| checker.function())
            .map_err(|fault| format!("function {}: {fault}", function.symbol))?;
    }
    Ok(())
}

/// What a variable is to counting.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Uncounted,
    Owned,
    /// A parameter that the caller keeps.
    Callers,
    /// Loaded without counting from (a part of) that variable.
    Borrowed(Var),
}

struct Checker<'a> {
    program: &'a Program,
    function: &'a Function,
    roles: Vec<Role>,
    /// By variable: the end of its chain of borrows.
    owners: Vec<Var>,
    /// By variable: those whose chain of borrows ends there.
    borrowers: Vec<Vec<Var>>,
}

/// What holds at a point of the function.
struct State {
    counts: Vec<u8>,
    /// The variables with a count.
    counted: VarSet,
    /// Borrowed variables whose value is still there.
    valid: VarSet,
}

/// What holds at the start of a block, in ascending order.
#[derive(Clone)]
struct Known {
    counts: Vec<(Var, u8)>,
    valid: Vec<Var>,
}

impl State {
    fn new(vars: usize) -> State {
        State {
            counts: vec![0; vars],
            counted: VarSet::new(vars),
            valid: VarSet::new(vars),
        }
    }

    fn count(&self, var: Var) -> u8 {
        self.counts[var.0 as usize]
    }

    fn set_count(&mut self, var: Var, count: u8) {
        self.counts[var.0 as usize] = count;
        if count == 0 {
            self.counted.remove(var);
        } else {
            self.counted.insert(var);
        }
    }

    fn all_counts(&self) -> Vec<(Var, u8)> {
        let vars = self.counted.sorted().into_iter();
        vars.map(|var| (var, self.count(var))).collect()
    }

    fn known(&self) -> Known {
        Known {
            counts: self.all_counts(),
            valid: self.valid.sorted(),
        }
    }

    fn become_known(&mut self, known: &Known) {
        for var in self.counted.sorted() {
            self.set_count(var, 0);
        }
        for &(var, count) in &known.counts {
            self.set_count(var, count);
        }
        self.valid.become_those(&known.valid);
    }
}

type Check = Result<(), String>;

impl<'a> Checker<'a> {
    fn new(program: &'a Program, function: &'a Function) -> Result<Checker<'a>, String> {
        let loads = loads(function);
        let mut roles = Vec::with_capacity(function.vars.len());
        for (number, info) in function.vars.iter().enumerate() {
            let var = Var(number as u32);
            roles.push(if !layout::is_managed(program, info.ty) {
                Role::Uncounted
            } else if number < function.parameter_count && function.kind != FunctionKind::Entry {
                Role::Callers
            } else if info.borrowed {
                Role::Borrowed(loads[number].only_root(var)?)
            } else {
                Role::Owned
            });
        }
        let owners = owners(&roles)?;
        for (number, owner) in (0..).zip(&owners) {
            let lasts = roles[owner.0 as usize] != Role::Uncounted
                || (owner.0 as usize) < function.parameter_count
                || function.vars[owner.0 as usize].global;
            if number != owner.0 && !lasts {
                return Err(format!(
                    "%{number} borrows from %{}, which nobody keeps",
                    owner.0
                ));
            }
        }
        let mut borrowers = vec![Vec::new(); roles.len()];
        for (number, owner) in (0..).map(Var).zip(&owners) {
            if number != *owner {
                borrowers[owner.0 as usize].push(number);
            }
        }
        Ok(Checker {
            program,
            function,
            roles,
            owners,
            borrowers,
        })
    }

    fn function(&self) -> Check {
        let mut starts: Vec<Option<Known>> = vec![None; self.function.blocks.len()];
        starts[0] = Some(self.entry_state());
        let mut state = State::new(self.function.vars.len());
        // Where ways meet, all are gone before it goes on, but for loops: blocks are looked at seldom twice.
        let order = order(self.function);
        let mut work = BTreeSet::from([(order[0], 0)]);
        while let Some((_, number)) = work.pop_first() {
            let Some(start) = &starts[number] else {
                continue;
            };
            state.become_known(start);
            self.block(number, &mut state)?;
            let end = state.known();
            for next in self.function.successors(number) {
                let next = next.0 as usize;
                match &mut starts[next] {
                    None => {
                        starts[next] = Some(end.clone());
                        work.insert((order[next], next));
                    }
                    Some(known) => {
                        if self
                            .merge(known, &end)
                            .map_err(|fault| format!("from b{number} to b{next}: {fault}"))?
                        {
                            work.insert((order[next], next));
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn entry_state(&self) -> Known {
        let parameters = (0..self.function.parameter_count as u32).map(Var);
        Known {
            counts: parameters
                .filter(|var| self.roles[var.0 as usize] == Role::Owned)
                .map(|var| (var, 1))
                .collect(),
            valid: Vec::new(),
        }
    }

    /// Counts agree on all ways to a block; what is borrowed must be there on all. Whether the known state changed.
    fn merge(&self, known: &mut Known, other: &Known) -> Result<bool, String> {
        if let Some((var, here, there)) = first_difference(&known.counts, &other.counts) {
            let name = self.name(var);
            return Err(format!(
                "{name} has a count of {there}, by another way {here}"
            ));
        }
        let before = known.valid.len();
        let valid = &other.valid;
        known.valid.retain(|var| valid.binary_search(var).is_ok());
        Ok(known.valid.len() != before)
    }

    fn block(&self, number: usize, state: &mut State) -> Check {
        let block = &self.function.blocks[number];
        for (index, instr) in block.instrs.iter().enumerate() {
            let next = block.instrs.get(index + 1);
            self.instr(instr, next, state)
                .map_err(|fault| format!("b{number}, instruction {index}: {fault}"))?;
        }
        if let Some(terminator) = &block.terminator {
            self.terminator(terminator, state)
                .map_err(|fault| format!("end of b{number}: {fault}"))?;
        }
        Ok(())
    }

    fn instr(&self, instr: &Instr, next: Option<&Instr>, state: &mut State) -> Check {
        match &instr.op {
            Op::Dup(var) => {
                self.present(*var, state)?;
                state.set_count(*var, state.count(*var) + 1);
                return Ok(());
            }
            Op::Select { cases, .. } => {
                for case in cases {
                    let wanted = u8::from(case.send);
                    self.has_count(case.value, wanted, state)?;
                }
            }
            Op::Runtime { .. } => {
                let mut addressed = Vec::new();
                instr.op.visit_addresses(&mut |var| addressed.push(var));
                addressed
                    .into_iter()
                    .try_for_each(|var| self.has_count(var, 0, state))?;
            }
            _ => {}
        }
        self.uses(&instr.op, state)?;
        self.unwind(instr, state)?;
        self.definitions(&instr.op, next, state)
    }

    /// What is used is there, and what is consumed is given away.
    fn uses(&self, op: &Op, state: &mut State) -> Check {
        let uses = op.uses();
        for &(var, _) in &uses {
            self.present(var, state)?;
        }
        for &(var, how) in &uses {
            if how == Use::Consume {
                self.consume(var, state)?;
            }
        }
        // What is only read must still be there while others are given away.
        for &(var, how) in &uses {
            if how != Use::Consume {
                self.present(var, state)?;
            }
        }
        let mut disturbed: Vec<Var> = uses
            .iter()
            .filter(|(_, how)| *how == Use::Mutate)
            .map(|&(var, _)| var)
            .collect();
        op.visit_definitions(&mut |var| disturbed.push(var));
        for &(var, _) in &uses {
            if disturbed
                .iter()
                .any(|&root| root != var && self.owner(var) == root)
            {
                let name = self.name(var);
                return Err(format!("{name} is used while its owner changes"));
            }
        }
        op.visit_addresses(&mut |var| disturbed.push(var));
        for root in disturbed {
            self.invalidate(root, state);
        }
        Ok(())
    }

    fn consume(&self, var: Var, state: &mut State) -> Check {
        if self.roles[var.0 as usize] == Role::Uncounted {
            return Ok(());
        }
        let count = state.count(var).checked_sub(1);
        let count =
            count.ok_or_else(|| format!("{} is consumed without a count", self.name(var)))?;
        state.set_count(var, count);
        if count == 0 && self.roles[var.0 as usize] == Role::Owned {
            self.invalidate(var, state);
        }
        Ok(())
    }

    /// The variable holds a value: its own, or one that its owner still has.
    fn present(&self, var: Var, state: &State) -> Check {
        let number = var.0 as usize;
        let there = match self.roles[number] {
            Role::Uncounted | Role::Callers => true,
            Role::Owned => state.count(var) > 0,
            Role::Borrowed(_) => state.valid.contains(var),
        };
        if there {
            Ok(())
        } else {
            Err(format!("{} is used but not there", self.name(var)))
        }
    }

    fn has_count(&self, var: Var, wanted: u8, state: &State) -> Check {
        let found = state.count(var);
        match self.roles[var.0 as usize] {
            Role::Uncounted => Ok(()),
            Role::Owned if found == wanted => Ok(()),
            _ => Err(format!(
                "{} must be owned {wanted} times, is {found} times",
                self.name(var)
            )),
        }
    }

    fn unwind(&self, instr: &Instr, state: &State) -> Check {
        if !instr.op.can_unwind(self.program) {
            return match instr.unwind.as_slice() {
                [] => Ok(()),
                _ => Err("an unwind list where nothing unwinds".to_string()),
            };
        }
        let mut vars = instr.unwind.clone();
        vars.sort_unstable();
        let listed: Vec<(Var, u8)> = vars
            .chunk_by(|a, b| a == b)
            .map(|same| (same[0], same.len() as u8))
            .collect();
        match first_difference(&listed, &state.all_counts()) {
            None => Ok(()),
            Some((var, listed, count)) => Err(format!(
                "{} is {listed} times in the unwind list, its count is {count}",
                self.name(var),
            )),
        }
    }

    fn definitions(&self, op: &Op, next: Option<&Instr>, state: &mut State) -> Check {
        if let Op::Load {
            dst,
            place,
            borrow: true,
        } = op
        {
            let number = dst.0 as usize;
            if let Role::Borrowed(_) = self.roles[number] {
                state.valid.insert(*dst);
                return Ok(());
            }
            // A move out of the root, which is forgotten at once.
            let moved =
                matches!(next, Some(Instr { op: Op::Forget(var), .. }) if *var == place.root);
            if !moved && self.roles[number] == Role::Owned {
                return Err(format!("{} is loaded without a count", self.name(*dst)));
            }
        }
        let mut defined = Vec::new();
        op.visit_definitions(&mut |var| defined.push(var));
        for var in defined {
            match self.roles[var.0 as usize] {
                Role::Uncounted => {}
                Role::Owned if state.count(var) == 0 => state.set_count(var, 1),
                _ => return Err(format!("{} is overwritten", self.name(var))),
            }
        }
        Ok(())
    }

    fn terminator(&self, terminator: &Terminator, state: &mut State) -> Check {
        for (var, how) in terminator.uses() {
            if how == Use::Consume {
                self.consume(var, state)?;
            }
        }
        // Behind what never returns, counts say nothing.
        if let Terminator::Return(_) = terminator
            && let Some(var) = state.counted.iter().min()
        {
            let name = self.name(var);
            return Err(format!("{name} is never given up"));
        }
        Ok(())
    }

    /// What borrows from the variable is not there any more. A borrow from a borrow is one from the owner: a new value of the variable in
    /// between does not matter.
    fn invalidate(&self, root: Var, state: &mut State) {
        let borrowers = &self.borrowers[root.0 as usize];
        let gone: Vec<Var> = if borrowers.len() < state.valid.len() {
            borrowers.clone()
        } else {
            let valid = state.valid.iter();
            valid.filter(|&var| self.owner(var) == root).collect()
        };
        gone.into_iter().for_each(|var| state.valid.remove(var));
    }

    /// The end of the chain of borrows.
    fn owner(&self, var: Var) -> Var {
        self.owners[var.0 as usize]
    }

    fn name(&self, var: Var) -> String {
        match &self.function.vars[var.0 as usize].name {
            Some(name) => format!("{name}.{}", var.0),
            None => format!("%{}", var.0),
        }
    }
}

/// The first variable, in ascending order, whose counts differ, with both.
fn first_difference(left: &[(Var, u8)], right: &[(Var, u8)]) -> Option<(Var, u8, u8)> {
    let same = left.iter().zip(right).take_while(|(a, b)| a == b).count();
    let (left, right) = (&left[same..], &right[same..]);
    let var = left.iter().chain(right).map(|&(var, _)| var).min()?;
    let count = |list: &[(Var, u8)]| match list.first() {
        Some(&(first, count)) if first == var => count,
        _ => 0,
    };
    Some((var, count(left), count(right)))
}

/// How a variable gets its value.
#[derive(Clone, Copy, Default)]
struct Loads {
    definitions: usize,
    borrows: usize,
    /// What the last of the borrows reads from.
    root: Option<Var>,
}

impl Loads {
    /// The variable that a borrowed variable's one definition reads from.
    fn only_root(self, var: Var) -> Result<Var, String> {
        match self {
            Loads {
                definitions: 1,
                borrows: 1,
                root: Some(root),
            } => Ok(root),
            _ => Err(format!(
                "borrowed %{} has {} definitions, {} of them borrows",
                var.0, self.definitions, self.borrows
            )),
        }
    }
}

fn loads(function: &Function) -> Vec<Loads> {
    let mut loads = vec![Loads::default(); function.vars.len()];
    for instr in function.blocks.iter().flat_map(|block| &block.instrs) {
        instr
            .op
            .visit_definitions(&mut |var| loads[var.0 as usize].definitions += 1);
        if let Op::Load {
            dst,
            place,
            borrow: true,
        } = &instr.op
        {
            let loads = &mut loads[dst.0 as usize];
            loads.borrows += 1;
            loads.root = Some(place.root);
        }
    }
    loads
}

/// By variable: the end of its chain of borrows.
fn owners(roles: &[Role]) -> Result<Vec<Var>, String> {
    let mut owners: Vec<Option<Var>> = vec![None; roles.len()];
    let mut chain = Vec::new();
    for start in 0..roles.len() as u32 {
        let mut var = Var(start);
        while owners[var.0 as usize].is_none()
            && let Role::Borrowed(next) = roles[var.0 as usize]
        {
            chain.push(var);
            if chain.len() > roles.len() {
                return Err(format!("%{start} borrows from itself"));
            }
            var = next;
        }
        let owner = owners[var.0 as usize].unwrap_or(var);
        for var in chain.drain(..).chain([var]) {
            owners[var.0 as usize] = Some(owner);
        }
    }
    let all = owners.into_iter().zip(0..);
    Ok(all.map(|(owner, var)| owner.unwrap_or(Var(var))).collect())
}

/// By block: its place in an order in which each stands before its successors, but for those that lead back.
fn order(function: &Function) -> Vec<usize> {
    let blocks = function.blocks.len();
    let mut order = vec![0; blocks];
    let mut seen = vec![false; blocks];
    let mut left = blocks;
    // What is to be entered, or left again.
    let mut work = vec![(0, false)];
    while let Some((number, leave)) = work.pop() {
        if leave {
            left -= 1;
            order[number] = left;
        } else if !std::mem::replace(&mut seen[number], true) {
            work.push((number, true));
            let successors = function.successors(number).into_iter();
            work.extend(successors.map(|next| (next.0 as usize, false)));
        }
    }
    order
}

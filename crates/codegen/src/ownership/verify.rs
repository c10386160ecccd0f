//! Checks what the ownership pass promises, by walking forwards with a count for each variable. It shares no code with the pass.
//!
//! - An owned variable has one count from its definition to the instruction that consumes it, on every path; `Dup` gives a second one,
//!   which the next instruction consumes. At the end of the function none is left.
//! - A borrowed variable is used only while what it borrows from has its count, and nothing has changed that since the load.
//! - The unwind list of an instruction that can unwind names exactly the variables with a count once it has consumed what it consumes.

use echo_sema::typed::Program;

use crate::ir::{Function, FunctionKind, Instr, Module, Op, Terminator, Use, Var};
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
}

/// What holds at a point of the function.
#[derive(Clone, PartialEq, Eq)]
struct State {
    counts: Vec<u8>,
    /// Of borrowed variables: whether the value is still there.
    valid: Vec<bool>,
}

type Check = Result<(), String>;

impl<'a> Checker<'a> {
    fn new(program: &'a Program, function: &'a Function) -> Result<Checker<'a>, String> {
        let mut roles = Vec::with_capacity(function.vars.len());
        for (number, info) in function.vars.iter().enumerate() {
            let var = Var(number as u32);
            roles.push(if !layout::is_managed(program, info.ty) {
                Role::Uncounted
            } else if number < function.parameter_count && function.kind != FunctionKind::Entry {
                Role::Callers
            } else if info.borrowed {
                Role::Borrowed(only_root(function, var)?)
            } else {
                Role::Owned
            });
        }
        Ok(Checker {
            program,
            function,
            roles,
        })
    }

    fn function(&self) -> Check {
        let mut starts: Vec<Option<State>> = vec![None; self.function.blocks.len()];
        starts[0] = Some(self.entry_state());
        let mut work = vec![0];
        while let Some(number) = work.pop() {
            let Some(mut state) = starts[number].clone() else {
                continue;
            };
            self.block(number, &mut state)?;
            for next in self.function.successors(number) {
                let next = next.0 as usize;
                match &mut starts[next] {
                    None => {
                        starts[next] = Some(state.clone());
                        work.push(next);
                    }
                    Some(known) => {
                        if self
                            .merge(known, &state)
                            .map_err(|fault| format!("from b{number} to b{next}: {fault}"))?
                        {
                            work.push(next);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn entry_state(&self) -> State {
        let vars = self.function.vars.len();
        let mut counts = vec![0; vars];
        for (number, count) in counts[..self.function.parameter_count]
            .iter_mut()
            .enumerate()
        {
            *count = u8::from(self.roles[number] == Role::Owned);
        }
        State {
            counts,
            valid: vec![false; vars],
        }
    }

    /// Counts agree on all ways to a block; what is borrowed must be there on all. Whether the known state changed.
    fn merge(&self, known: &mut State, other: &State) -> Result<bool, String> {
        if let Some(number) =
            (0..known.counts.len()).find(|&at| known.counts[at] != other.counts[at])
        {
            let name = self.name(Var(number as u32));
            return Err(format!(
                "{name} has a count of {}, by another way {}",
                other.counts[number], known.counts[number]
            ));
        }
        let mut changed = false;
        for (known, other) in known.valid.iter_mut().zip(&other.valid) {
            changed |= *known && !other;
            *known &= other;
        }
        Ok(changed)
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
                state.counts[var.0 as usize] += 1;
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
        let count = &mut state.counts[var.0 as usize];
        *count = count
            .checked_sub(1)
            .ok_or_else(|| format!("{} is consumed without a count", self.name(var)))?;
        if *count == 0 && self.roles[var.0 as usize] == Role::Owned {
            self.invalidate(var, state);
        }
        Ok(())
    }

    /// The variable holds a value: its own, or one that its owner still has.
    fn present(&self, var: Var, state: &State) -> Check {
        let number = var.0 as usize;
        let there = match self.roles[number] {
            Role::Uncounted | Role::Callers => true,
            Role::Owned => state.counts[number] > 0,
            Role::Borrowed(_) => state.valid[number],
        };
        if there {
            Ok(())
        } else {
            Err(format!("{} is used but not there", self.name(var)))
        }
    }

    fn has_count(&self, var: Var, wanted: u8, state: &State) -> Check {
        let found = state.counts[var.0 as usize];
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
        let mut listed = vec![0_u8; state.counts.len()];
        for var in &instr.unwind {
            listed[var.0 as usize] += 1;
        }
        match (0..listed.len()).find(|&at| listed[at] != state.counts[at]) {
            None => Ok(()),
            Some(number) => Err(format!(
                "{} is {} times in the unwind list, its count is {}",
                self.name(Var(number as u32)),
                listed[number],
                state.counts[number]
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
                state.valid[number] = true;
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
            let count = &mut state.counts[var.0 as usize];
            match self.roles[var.0 as usize] {
                Role::Uncounted => {}
                Role::Owned if *count == 0 => *count = 1,
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
            && let Some(number) = state.counts.iter().position(|&count| count != 0)
        {
            let name = self.name(Var(number as u32));
            return Err(format!("{name} is never given up"));
        }
        Ok(())
    }

    /// What borrows from the variable is not there any more.
    fn invalidate(&self, root: Var, state: &mut State) {
        for number in 0..state.valid.len() {
            // A borrow from a borrow is one from the owner: a new value of the variable in between does not matter.
            state.valid[number] &= self.owner(Var(number as u32)) != root;
        }
    }

    /// The end of the chain of borrows.
    fn owner(&self, mut var: Var) -> Var {
        while let Role::Borrowed(next) = self.roles[var.0 as usize] {
            var = next;
        }
        var
    }

    fn name(&self, var: Var) -> String {
        match &self.function.vars[var.0 as usize].name {
            Some(name) => format!("{name}.{}", var.0),
            None => format!("%{}", var.0),
        }
    }
}

/// The variable that a borrowed variable's one definition reads from.
fn only_root(function: &Function, var: Var) -> Result<Var, String> {
    let mut roots = Vec::new();
    let mut definitions = 0;
    for instr in function.blocks.iter().flat_map(|block| &block.instrs) {
        instr
            .op
            .visit_definitions(&mut |defined| definitions += usize::from(defined == var));
        if let Op::Load {
            dst,
            place,
            borrow: true,
        } = &instr.op
            && *dst == var
        {
            roots.push(place.root);
        }
    }
    match roots.as_slice() {
        [root] if definitions == 1 => Ok(*root),
        _ => Err(format!(
            "borrowed %{} has {definitions} definitions, {} of them borrows",
            var.0,
            roots.len()
        )),
    }
}

//! Inserts `Dup` and `Drop`, and fills the unwind lists: the rule of the module above, block by block, backwards.

use echo_sema::typed::Program;
use echo_syntax::span::Span;

use super::{Owners, is_callers, liveness, managed};
use crate::ir::{Block, BlockId, Function, Instr, Liveness, Op, Terminator, Use, Var, VarSet};

pub fn insert(program: &Program, function: &mut Function, owners: &Owners) {
    let live = liveness::solve(function, owners);
    let counted = managed(program, function);
    let mut working = VarSet::new(function.vars.len());
    for (number, end) in live.end.iter().enumerate() {
        working.become_those(end);
        let block = std::mem::take(&mut function.blocks[number]);
        let counting = Counting {
            program,
            function,
            owners,
            counted: &counted,
        };
        function.blocks[number] = counting.block(block, &mut working);
    }
    drop_on_edges(function, &live);
    drop_unused_parameters(function, owners, &live);
}

struct Counting<'a> {
    program: &'a Program,
    function: &'a Function,
    owners: &'a Owners,
    counted: &'a VarSet,
}

/// What an instruction or terminator does to counts.
#[derive(Default)]
struct Effects {
    /// One entry for each consuming use of a counted variable.
    consumed: Vec<Var>,
    /// Owned variables that must stay during the instruction.
    held: Vec<Var>,
}

impl Counting<'_> {
    /// `live` is what is live at the end.
    fn block(&self, mut block: Block, live: &mut VarSet) -> Block {
        // Last instruction first.
        let mut out = Vec::new();
        if let Some(terminator) = &block.terminator {
            let span = block
                .instrs
                .last()
                .map_or(self.function.span, |last| last.span);
            self.before_terminator(terminator, live, span, &mut out);
            liveness::before_terminator(live, terminator, self.owners);
        }
        for mut instr in std::mem::take(&mut block.instrs).into_iter().rev() {
            let effects = self.effects(&instr.op.uses());
            self.drops_behind(&instr, &effects, live, &mut out);
            instr.op.visit_definitions(&mut |var| live.remove(var));
            instr.unwind = self.unwind_list(&instr.op, &effects, live);
            let dups = self.dups(&effects, live, instr.span);
            liveness::before(live, &instr.op, self.owners);
            out.push(instr);
            out.extend(dups);
        }
        out.reverse();
        block.instrs = out;
        block
    }

    fn effects(&self, uses: &[(Var, Use)]) -> Effects {
        let mut effects = Effects::default();
        for &(var, how) in uses {
            let owner = self.owners.of(var);
            if how == Use::Consume && self.counted.contains(var) {
                effects.consumed.push(var);
                // A borrowed variable is counted once more before, while its owner is there.
                effects.held.extend(owner.filter(|&owner| owner != var));
            } else {
                effects.held.extend(owner);
            }
        }
        effects.held.sort();
        effects.held.dedup();
        effects
    }

    /// One `Dup` for each consuming use, less the one that takes over the variable's own count.
    fn dups(&self, effects: &Effects, live: &VarSet, span: Span) -> Vec<Instr> {
        let mut given = Vec::new();
        let mut dups = Vec::new();
        for &var in &effects.consumed {
            let kept = live.contains(var) || effects.held.contains(&var);
            if self.owners.is_owned(var) && !kept && !given.contains(&var) {
                given.push(var);
            } else {
                dups.push(plain(Op::Dup(var), span));
            }
        }
        dups
    }

    /// What was needed for the last time, and what was defined in vain.
    fn drops_behind(&self, instr: &Instr, effects: &Effects, live: &VarSet, out: &mut Vec<Instr>) {
        if instr.op.diverges() {
            return;
        }
        let mut dead = effects.held.clone();
        instr.op.visit_definitions(&mut |var| {
            if self.owners.is_owned(var) {
                dead.push(var);
            }
        });
        dead.retain(|&var| !live.contains(var));
        dead.sort();
        // Emitted backwards, so the youngest is dropped first.
        out.extend(dead.into_iter().map(|var| plain(Op::Drop(var), instr.span)));
    }

    /// `live` is what is live behind the instruction and not defined by it.
    fn unwind_list(&self, op: &Op, effects: &Effects, live: &VarSet) -> Vec<Var> {
        if !op.can_unwind(self.program) {
            return Vec::new();
        }
        let ending = effects.held.iter().filter(|&&var| !live.contains(var));
        let mut owned: Vec<Var> = live.iter().chain(ending.copied()).collect();
        owned.sort_unstable_by(|a, b| b.cmp(a));
        owned
    }

    /// A returned value is counted while its owner is still there; then the owner goes.
    fn before_terminator(
        &self,
        terminator: &Terminator,
        live: &VarSet,
        span: Span,
        out: &mut Vec<Instr>,
    ) {
        let effects = self.effects(&terminator.uses());
        let dead = effects.held.iter().filter(|&&var| !live.contains(var));
        out.extend(dead.map(|&var| plain(Op::Drop(var), span)));
        out.extend(self.dups(&effects, live, span));
    }
}

fn plain(op: Op, span: Span) -> Instr {
    Instr {
        op,
        span,
        unwind: Vec::new(),
    }
}

/// Drops, the youngest variable first.
fn drops(vars: impl DoubleEndedIterator<Item = Var>, span: Span) -> Vec<Instr> {
    vars.rev().map(|var| plain(Op::Drop(var), span)).collect()
}

/// What is live at the end of a block but not at the start of a successor is dropped on the way: in the successor if there is no other way
/// to it, in a new block otherwise.
fn drop_on_edges(function: &mut Function, live: &Liveness) {
    let edges = function.edge_counts();
    for number in 0..live.end.len() {
        let mut successors = function.successors(number);
        successors.sort();
        successors.dedup();
        for next in successors {
            let target = next.0 as usize;
            let needed = &live.start[target];
            let dead = live.end[number].iter().copied();
            let dead: Vec<Var> = dead
                .filter(|var| needed.binary_search(var).is_err())
                .collect();
            if dead.is_empty() {
                continue;
            }
            let dropped = drops(dead.into_iter(), first_span(function, target));
            if edges[target] == 1 {
                function.blocks[target].instrs.splice(0..0, dropped);
            } else {
                split_edge(function, number, next, dropped);
            }
        }
    }
}

fn first_span(function: &Function, block: usize) -> Span {
    let first = function.blocks[block].instrs.first();
    first.map_or(function.span, |instr| instr.span)
}

fn split_edge(function: &mut Function, from: usize, to: BlockId, instrs: Vec<Instr>) {
    let between = BlockId(function.blocks.len() as u32);
    function.blocks.push(Block {
        instrs,
        terminator: Some(Terminator::Jump(to)),
    });
    if let Some(terminator) = &mut function.blocks[from].terminator {
        terminator.retarget(|target| if target == to { between } else { target });
    }
}

/// The parameters an entry owns but never uses.
fn drop_unused_parameters(function: &mut Function, owners: &Owners, live: &Liveness) {
    let unused = (0..function.parameter_count as u32)
        .map(Var)
        .filter(|&var| {
            owners.is_owned(var) && !is_callers(function, var) && !live.start[0].contains(&var)
        });
    let unused: Vec<Var> = unused.collect();
    let dropped = drops(unused.into_iter(), function.span);
    function.blocks[0].instrs.splice(0..0, dropped);
}

//! Finds counted loops that have no loop inside.

use std::collections::{HashMap, HashSet};

use echo_sema::typed::{BinaryOp, CompareOp};
use echo_sema::types::Ty;

use crate::ir::{Const, Function, Op, Operand, Terminator, Use, Var};

/// `while counter < stop { inside … counter += 1 }`: the counter changes in one place only, at the end of each turn.
pub struct Counted {
    /// The block that compares, and does nothing else.
    pub head: usize,
    /// All blocks, the head among them, in ascending order.
    pub body: Vec<usize>,
    pub counter: Var,
    /// A constant, or a variable that the loop does not change.
    pub stop: Operand,
    /// What the loop does to its variables.
    pub facts: HashMap<Var, Facts>,
    /// Variables that are a copy of the counter throughout each turn.
    pub copies: HashSet<Var>,
}

/// What a loop does to a variable.
#[derive(Clone, Copy, Default)]
pub struct Facts {
    /// How often it gets a value, or may get one.
    pub definitions: usize,
    /// Its value is changed in place, otherwise than by plain stores.
    pub changed: bool,
    /// It is used otherwise than by reading a part, or a length.
    pub used_whole: bool,
}

impl Counted {
    /// Whether the variable has the same value in all turns, up to plain stores.
    pub fn is_invariant(&self, var: Var) -> bool {
        let facts = self.facts.get(&var).copied().unwrap_or_default();
        facts.definitions == 0 && !facts.changed
    }

    pub fn is_counter(&self, operand: &Operand) -> bool {
        match operand {
            Operand::Var(var) => *var == self.counter || self.copies.contains(var),
            Operand::Const(_) => false,
        }
    }
}

/// Blocks with more instructions than this are not worth a second version.
const MOST_INSTRUCTIONS: usize = 400;

/// All such loops. `plain` tells of a store whether it changes nothing but numbers.
pub fn find(
    function: &Function,
    predecessors: &[Vec<u32>],
    plain: impl Fn(&Op) -> bool,
) -> Vec<Counted> {
    (0..function.blocks.len())
        .filter_map(|head| counted(function, predecessors, head, &plain))
        .collect()
}

fn counted(
    function: &Function,
    predecessors: &[Vec<u32>],
    head: usize,
    plain: &impl Fn(&Op) -> bool,
) -> Option<Counted> {
    let block = &function.blocks[head];
    let [only] = block.instrs.as_slice() else {
        return None;
    };
    let (
        Op::Compare {
            dst,
            op: CompareOp::Lt,
            left: Operand::Var(counter),
            right: stop,
            ty: Ty::INT,
        },
        Some(Terminator::Branch {
            condition: Operand::Var(condition),
            then: inside,
            ..
        }),
    ) = (&only.op, &block.terminator)
    else {
        return None;
    };
    if dst != condition {
        return None;
    }
    let mut ends = predecessors[head].iter().map(|&block| block as usize);
    let end = ends.find(|&end| counts_up(function, end, *counter))?;
    let body = body(function, predecessors, head, end)?;
    let facts = facts(function, &body, plain);
    let mut found = Counted {
        head,
        body,
        counter: *counter,
        stop: stop.clone(),
        facts,
        copies: HashSet::new(),
    };
    let changes_once = found
        .facts
        .get(counter)
        .is_some_and(|facts| facts.definitions == 1 && !facts.changed);
    let stays = match stop {
        Operand::Var(var) => found.is_invariant(*var),
        Operand::Const(_) => true,
    };
    if !changes_once || !stays {
        return None;
    }
    found.copies = copies(function, &found, inside.0 as usize);
    Some(found)
}

/// Whether the block adds one to the variable.
fn counts_up(function: &Function, block: usize, counter: Var) -> bool {
    function.blocks[block].instrs.iter().any(|instr| {
        matches!(
            &instr.op,
            Op::Wrap {
                dst,
                op: BinaryOp::Add,
                left: Operand::Var(left),
                right: Operand::Const(Const::Int(1, _)),
                ..
            } if *dst == counter && *left == counter
        )
    })
}

/// The blocks from which `end` is reached without passing the head; none if there is another way in, another way back, a loop
/// inside, or too much.
fn body(
    function: &Function,
    predecessors: &[Vec<u32>],
    head: usize,
    end: usize,
) -> Option<Vec<usize>> {
    let mut found = HashSet::from([head]);
    let mut work = vec![end];
    let mut instructions = 0;
    while let Some(block) = work.pop() {
        if found.insert(block) {
            instructions += function.blocks[block].instrs.len();
            if block == 0 || instructions > MOST_INSTRUCTIONS {
                return None;
            }
            work.extend(predecessors[block].iter().map(|&block| block as usize));
        }
    }
    let back = predecessors[head].iter();
    let one_way_back = back
        .filter(|&&block| found.contains(&(block as usize)))
        .count()
        == 1;
    let mut body: Vec<usize> = found.into_iter().collect();
    body.sort_unstable();
    (one_way_back && !has_cycle(function, &body, head)).then_some(body)
}

/// Whether there is a way around in the blocks that does not pass the head.
fn has_cycle(function: &Function, body: &[usize], head: usize) -> bool {
    let inner = |block: usize| block != head && body.binary_search(&block).is_ok();
    let mut waiting: HashMap<usize, usize> = HashMap::new();
    for &block in body {
        for next in function.successors(block) {
            if inner(next.0 as usize) {
                *waiting.entry(next.0 as usize).or_default() += 1;
            }
        }
    }
    let mut work = vec![head];
    let mut done = 0;
    while let Some(block) = work.pop() {
        done += 1;
        for next in function.successors(block) {
            if let Some(count) = waiting.get_mut(&(next.0 as usize)) {
                *count -= 1;
                if *count == 0 {
                    work.push(next.0 as usize);
                }
            }
        }
    }
    done != body.len()
}

fn facts(function: &Function, body: &[usize], plain: &impl Fn(&Op) -> bool) -> HashMap<Var, Facts> {
    let mut facts: HashMap<Var, Facts> = HashMap::new();
    for &number in body {
        let block = &function.blocks[number];
        for instr in &block.instrs {
            let is_plain = plain(&instr.op);
            instr.op.visit_uses(&mut |var, how| {
                let facts = facts.entry(var).or_default();
                facts.changed |= how == Use::Mutate && !is_plain;
                facts.used_whole |= !is_plain && !matches!(instr.op, Op::Header { .. });
            });
            let mut define = |var| facts.entry(var).or_default().definitions += 1;
            instr.op.visit_definitions(&mut define);
            instr.op.visit_addresses(&mut define);
            if let Op::Select { cases, .. } = &instr.op {
                cases.iter().for_each(|case| define(case.value));
            }
        }
        if let Some(terminator) = &block.terminator {
            terminator.visit_uses(&mut |var, _| {
                facts.entry(var).or_default().used_whole = true;
            });
        }
    }
    facts
}

/// Variables that only the first block of a turn sets, to the counter.
fn copies(function: &Function, counted: &Counted, inside: usize) -> HashSet<Var> {
    let copy = |op: &Op| match op {
        Op::Set {
            dst,
            value: Operand::Var(value),
        } if *value == counted.counter => Some(*dst),
        _ => None,
    };
    let once = |var: &Var| {
        let facts = counted.facts.get(var).copied().unwrap_or_default();
        facts.definitions == 1 && !facts.changed
    };
    // Nothing comes before it in the block: it stands for the counter wherever it is used.
    let instrs = function.blocks[inside].instrs.iter();
    instrs
        .map_while(|instr| copy(&instr.op))
        .filter(once)
        .collect()
}

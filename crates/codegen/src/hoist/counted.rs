//! Finds counted loops that have no loop inside.

use std::collections::{HashMap, HashSet};

use echo_sema::typed::{BinaryOp, CompareOp};
use echo_sema::types::Ty;

use crate::ir::{
    self, Block, BlockId, Const, Function, Header, Instr, Op, Operand, Place, Terminator, Use, Var,
};

/// `while counter < stop { inside … counter += step }`: the counter changes in one place only, which every turn comes to last.
pub struct Counted {
    /// The block that compares, and does nothing else but read a length.
    pub head: usize,
    /// All blocks, the head among them, in ascending order.
    pub body: Vec<usize>,
    pub counter: Var,
    pub stop: Stop,
    /// The counter may be equal to the stop.
    pub inclusive: bool,
    pub step: Step,
    /// Where the counter gets its next value: block and instruction.
    stepped: (usize, usize),
    /// Blocks that a turn comes to behind that.
    late: HashSet<usize>,
    /// What the loop does to its variables.
    pub facts: HashMap<Var, Facts>,
    /// Variables that are a copy of the counter throughout each turn.
    copies: HashSet<Var>,
}

/// Where the loop ends.
pub struct Stop {
    pub base: Base,
    /// What the head adds to that; the sum is checked there.
    pub offset: i128,
}

pub enum Base {
    /// A constant, or a variable that the loop does not change.
    At(Operand),
    /// The length of an array, which has to stay what it is: the head loads it from there.
    Len(Place),
}

/// What the counter grows by.
#[derive(Clone, Copy)]
pub enum Step {
    /// More than zero.
    By(i128),
    /// A variable that the loop does not change.
    ByVar(Var),
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

    /// How far an index is from the counter of the turn, if that is known where it is used: `at` is block and instruction.
    pub fn offset(&self, function: &Function, at: (usize, usize), index: &Operand) -> Option<i128> {
        let Operand::Var(var) = *index else {
            return None;
        };
        if self.is_counter(at, var) {
            return Some(0);
        }
        if function.vars[var.0 as usize].name.is_some() {
            return None;
        }
        // A temporary gets its value where it is used.
        let before = function.blocks[at.0].instrs[..at.1].iter().enumerate();
        let (number, op) = before.rev().find_map(|(number, instr)| {
            let mut defines = false;
            instr.op.visit_definitions(&mut |dst| defines |= dst == var);
            defines.then_some((number, &instr.op))
        })?;
        let Op::Arith {
            op, left, right, ..
        } = op
        else {
            return None;
        };
        let is_counter = |operand: &Operand| matches!(operand, Operand::Var(var) if self.is_counter((at.0, number), *var));
        let offset = match (op, left, right) {
            (BinaryOp::Add, base, Operand::Const(Const::Int(offset, _)))
            | (BinaryOp::Add, Operand::Const(Const::Int(offset, _)), base)
                if is_counter(base) =>
            {
                *offset
            }
            (BinaryOp::Sub, base, Operand::Const(Const::Int(offset, _))) if is_counter(base) => {
                -*offset
            }
            _ => return None,
        };
        (-MOST_OFFSET..=MOST_OFFSET)
            .contains(&offset)
            .then_some(offset)
    }

    /// Whether the variable has the value that the counter has at the head.
    fn is_counter(&self, at: (usize, usize), var: Var) -> bool {
        if var != self.counter {
            return self.copies.contains(&var);
        }
        !self.late.contains(&at.0) && (at.0 != self.stepped.0 || at.1 <= self.stepped.1)
    }

    /// The only poll of the loop, if what is done between two polls ends soon.
    pub fn poll<'f>(&self, function: &'f Function) -> Option<&'f Instr> {
        let instrs = || {
            let blocks = self.body.iter().map(|&block| &function.blocks[block]);
            blocks.flat_map(|block| &block.instrs)
        };
        let mut polls = instrs().filter(|instr| matches!(instr.op, Op::Poll));
        let (first, another) = (polls.next()?, polls.next());
        (another.is_none() && instrs().all(|instr| is_brief(&instr.op))).then_some(first)
    }

    /// Whether the instruction at that place makes the next value of the counter, which is in range: the counter is no larger than a length.
    pub fn steps(
        &self,
        function: &Function,
        (block, number): (usize, usize),
        below_len: bool,
    ) -> bool {
        let in_range = match self.step {
            Step::By(1) => below_len || !self.inclusive,
            Step::By(step) => below_len && step <= MOST_OFFSET,
            Step::ByVar(_) => false,
        };
        let instrs = &function.blocks[block].instrs;
        in_range
            && block == self.stepped.0
            && increment(instrs, self.stepped.1, self.counter).is_some_and(|(at, _)| at == number)
    }
}

fn is_brief(op: &Op) -> bool {
    let is_long = matches!(
        op,
        Op::Call { .. }
            | Op::CallValue { .. }
            | Op::Select { .. }
            | Op::Defer { .. }
            | Op::RunDefers
    );
    // What never comes back fails.
    !is_long && (!matches!(op, Op::Runtime { .. }) || op.diverges())
}

/// Lengths are so far below the largest number that this much more is a number, too.
pub const MOST_OFFSET: i128 = 1 << 40;

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
    let (test, inside) = test(&function.blocks[head])?;
    let back = predecessors[head].iter().map(|&block| block as usize);
    let mut found = None;
    for end in back {
        if let Some(body) = body(function, predecessors, head, end) {
            found = Some((end, body));
        }
    }
    let (end, body) = found?;
    let (stepped, late) = stepped(function, predecessors, head, end, test.counter)?;
    let (_, step) = increment(&function.blocks[stepped.0].instrs, stepped.1, test.counter)?;
    let facts = facts(function, &body, plain);
    let mut found = Counted {
        head,
        body,
        counter: test.counter,
        stop: test.stop,
        inclusive: test.inclusive,
        step,
        stepped,
        late,
        facts,
        copies: HashSet::new(),
    };
    let changes_once = found
        .facts
        .get(&test.counter)
        .is_some_and(|facts| facts.definitions == 1 && !facts.changed);
    let stays = match &found.stop.base {
        Base::At(Operand::Var(var)) => found.is_invariant(*var),
        Base::At(Operand::Const(_)) => true,
        Base::Len(place) => found.is_invariant(place.root),
    };
    let step_stays = match step {
        Step::ByVar(var) => found.is_invariant(var),
        Step::By(_) => true,
    };
    if !changes_once || !stays || !step_stays {
        return None;
    }
    found.copies = copies(function, &found, inside.0 as usize);
    Some(found)
}

/// A comparison that a loop begins with.
struct Test {
    counter: Var,
    stop: Stop,
    inclusive: bool,
}

/// The test that the block makes, if it does nothing else, and where the loop goes on.
fn test(block: &Block) -> Option<(Test, BlockId)> {
    let (last, before) = block.instrs.split_last()?;
    let (
        Op::Compare {
            dst,
            op,
            left,
            right,
            ty: Ty::INT,
        },
        Some(Terminator::Branch {
            condition: Operand::Var(condition),
            then: inside,
            ..
        }),
    ) = (&last.op, &block.terminator)
    else {
        return None;
    };
    let (counter, stop, inclusive) = match op {
        CompareOp::Lt => (left, right, false),
        CompareOp::Le => (left, right, true),
        CompareOp::Gt => (right, left, false),
        CompareOp::Ge => (right, left, true),
        CompareOp::Eq | CompareOp::Ne => return None,
    };
    let Operand::Var(counter) = *counter else {
        return None;
    };
    let (before, base, offset) = match before.split_last() {
        Some((last, before)) if sum(&last.op, stop).is_some() => {
            let (base, offset) = sum(&last.op, stop)?;
            (before, base, offset)
        }
        _ => (before, stop, 0),
    };
    let base = match before {
        [] => Base::At(base.clone()),
        [loads @ .., header] => Base::Len(length(loads, header, base)?),
    };
    let stop = Stop { base, offset };
    let test = Test {
        counter,
        stop,
        inclusive,
    };
    (dst == condition).then_some((test, *inside))
}

/// What the instruction adds to what, if that is a constant and the result this one.
fn sum<'a>(op: &'a Op, result: &Operand) -> Option<(&'a Operand, i128)> {
    let (
        Op::Arith {
            dst,
            op,
            left,
            right: Operand::Const(Const::Int(offset, _)),
            ..
        },
        Operand::Var(result),
    ) = (op, result)
    else {
        return None;
    };
    let offset = match op {
        BinaryOp::Add => *offset,
        BinaryOp::Sub => -*offset,
        _ => return None,
    };
    let fits = (-MOST_OFFSET..=MOST_OFFSET).contains(&offset);
    (fits && dst == result).then_some((left, offset))
}

/// The array whose length the instructions read.
fn length(loads: &[Instr], header: &Instr, len: &Operand) -> Option<Place> {
    let (
        Op::Header {
            dst,
            value: Operand::Var(array),
            which: Header::ArrayLen,
        },
        Operand::Var(len),
    ) = (&header.op, len)
    else {
        return None;
    };
    if dst != len {
        return None;
    }
    match loads {
        [] => Some(Place {
            root: *array,
            path: Vec::new(),
            ty: Ty::VOID,
        }),
        [
            Instr {
                op:
                    Op::Load {
                        dst,
                        place,
                        borrow: true,
                    },
                ..
            },
        ] if dst == array => {
            let is_field = |step: &ir::Step| matches!(step, ir::Step::Field(_));
            place.path.iter().all(is_field).then(|| place.clone())
        }
        _ => None,
    }
}

/// Where the counter gets its next value, on the only way back from there to the head, and the blocks behind.
fn stepped(
    function: &Function,
    predecessors: &[Vec<u32>],
    head: usize,
    end: usize,
    counter: Var,
) -> Option<((usize, usize), HashSet<usize>)> {
    let mut late = HashSet::new();
    let mut block = end;
    while block != head {
        let instrs = &function.blocks[block].instrs;
        let defines = |instr: &Instr| {
            let mut defines = false;
            instr
                .op
                .visit_definitions(&mut |dst| defines |= dst == counter);
            defines
        };
        if let Some(at) = instrs.iter().position(defines) {
            return Some(((block, at), late));
        }
        late.insert(block);
        match predecessors[block].as_slice() {
            [only] => block = *only as usize,
            _ => return None,
        }
    }
    None
}

/// The instruction that adds to the counter, whose result it takes at `at`, and what it adds.
fn increment(instrs: &[Instr], at: usize, counter: Var) -> Option<(usize, Step)> {
    let (number, op) = match &instrs[at].op {
        Op::Set {
            value: Operand::Var(sum),
            ..
        } => {
            let before = at.checked_sub(1)?;
            match &instrs[before].op {
                op @ Op::Arith { dst, .. } if dst == sum => (before, op),
                _ => return None,
            }
        }
        op => (at, op),
    };
    let (Op::Arith {
        op: BinaryOp::Add,
        left,
        right,
        ..
    }
    | Op::Wrap {
        op: BinaryOp::Add,
        left,
        right,
        ..
    }) = op
    else {
        return None;
    };
    let is_counter = |operand: &Operand| matches!(operand, Operand::Var(var) if *var == counter);
    let step = match (is_counter(left), is_counter(right)) {
        (true, false) => right,
        (false, true) => left,
        _ => return None,
    };
    match step {
        Operand::Const(Const::Int(step, _)) if *step > 0 => Some((number, Step::By(*step))),
        Operand::Var(var) => Some((number, Step::ByVar(*var))),
        Operand::Const(_) => None,
    }
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
    let measured = measured(function, body);
    for &number in body {
        let block = &function.blocks[number];
        for instr in &block.instrs {
            let is_measured = matches!(&instr.op, Op::Load { dst, .. } if measured.contains(dst));
            let is_plain = is_measured || plain(&instr.op);
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

/// Variables that borrow an array only for its length to be read.
fn measured(function: &Function, body: &[usize]) -> HashSet<Var> {
    let mut borrowed = HashSet::new();
    let mut used = HashSet::new();
    for &number in body {
        let block = &function.blocks[number];
        for instr in &block.instrs {
            match &instr.op {
                Op::Load {
                    dst, borrow: true, ..
                } => {
                    borrowed.insert(*dst);
                }
                Op::Header { .. } => continue,
                _ => {}
            }
            instr.op.visit_uses(&mut |var, _| {
                used.insert(var);
            });
        }
        if let Some(terminator) = &block.terminator {
            terminator.visit_uses(&mut |var, _| {
                used.insert(var);
            });
        }
    }
    borrowed.retain(|var| !used.contains(var));
    borrowed
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

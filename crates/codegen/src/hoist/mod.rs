//! Takes checks out of counted loops: a loop without loops inside gets a second version, in which the indexes that the counter proves are not
//! checked and arrays that nobody shares are not tested before each store. What that rests on is tested once, before the loop; where it does not
//! hold, the first version runs, as it was. So nothing is observed to happen earlier or later than it was written: the tests only read.
//!
//! # Why the second version does the same
//! The counter runs from its value at the test up to `stop` in steps of one or more, and nothing else changes it; what is indexed by it, or by what
//! differs from it by a constant, is so before the step. A *view* is a variable of its own for the block of an
//! array `root.path`, loaded before the loop. In the second version it stands for the array:
//! - No instruction of the loop assigns the root, passes its address or mutates it, but for plain stores: of uncounted values into elements and
//!   fields. So no length changes, and of the blocks on the path only what stores make unique could be replaced.
//! - Where the loop stores into the root, each view that it stores through is the only owner of its block, and so are the views above it. The loop
//!   gives no block of the root another owner, as it does nothing with the root but reading uncounted parts. So no store needs to make anything
//!   unique. If a store into the root leads through an array that no view stands for, the root gets no views.
//! - Other variables cannot change a block of the root that has another owner: they would copy it first. What has one owner they do not reach.
//! - The value of a root that is not given up before the loop is there: the loop uses it, and does not define it.
//!
//! It runs behind the ownership pass, on whose result both versions agree: views are borrowed, and live only where their root does.

mod counted;
mod guard;

use std::collections::HashMap;

use echo_sema::typed::{CompareOp, Program};
use echo_sema::types::{Ty, TyKind};
use echo_syntax::span::Span;

use crate::ir::{
    self, Block, BlockId, Const, Function, Header, Instr, Module, Op, Operand, Place, Step,
    Terminator, Var,
};
use crate::layout;
use counted::Counted;
use guard::Tests;

/// Gives counted loops their second versions.
///
/// # Panics
/// In debug builds, when the result is not well formed.
pub fn checks_out_of_loops(program: &Program, module: &mut Module) {
    for function in &mut module.functions {
        let mut predecessors = function.predecessors();
        for counted in counted::find(function, &predecessors, |op| is_plain(program, op)) {
            if let Some(plan) = Plan::new(program, function, &counted) {
                version(program, function, &mut predecessors, &counted, &plan);
            }
        }
    }
    if cfg!(debug_assertions)
        && let Err(fault) = ir::verify(program, module)
    {
        panic!("Echo IR is broken: {fault}");
    }
}

/// Whether it reads or stores an uncounted part, and changes no block but by that store.
fn is_plain(program: &Program, op: &Op) -> bool {
    let (Op::Load { place, .. } | Op::Store { place, .. } | Op::Update { place, .. }) = op else {
        return false;
    };
    let simple = |step: &Step| matches!(step, Step::Field(_) | Step::Index { .. });
    !layout::is_managed(program, place.ty) && place.path.iter().all(simple)
}

/// A step that has the same meaning before the loop, for comparing.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Fixed {
    Field(usize),
    At(Var),
    AtNumber(i128),
}

/// Where an array is.
type Way = (Var, Vec<Fixed>);

/// An array that gets a view.
struct View {
    way: Way,
    /// How to load it: from the root, or from the view above it.
    above: Option<usize>,
    path: Vec<Step>,
    ty: Ty,
    /// The loop stores through it.
    stored: bool,
    /// The counter is an index, or what differs from it by no less and no more than this.
    counted: Option<(i128, i128)>,
    /// Indexes that do not change.
    fixed: Vec<Operand>,
    span: Span,
}

/// What the second version does otherwise.
#[derive(Default)]
struct Plan {
    /// Each behind the one above it.
    views: Vec<View>,
    numbers: HashMap<Way, usize>,
}

/// What stands in the second version for the beginning of a place's path.
struct Known {
    view: usize,
    /// The step of the path that indexes it.
    at: usize,
    /// That index is proved.
    proved: bool,
}

impl Plan {
    fn new(program: &Program, function: &Function, counted: &Counted) -> Option<Plan> {
        let mut plan = Plan::default();
        for &block in &counted.body {
            for (number, instr) in function.blocks[block].instrs.iter().enumerate() {
                let (place, stores) = match &instr.op {
                    Op::Load { place, .. } => (place, false),
                    Op::Store { place, .. } | Op::Update { place, .. } => (place, true),
                    _ => continue,
                };
                if may_view(program, function, counted, place.root) {
                    let at = (block, number);
                    plan.add(program, function, counted, place, (at, stores), instr.span);
                }
            }
        }
        let useful = |view: &View| view.counted.is_some() || view.stored || !view.fixed.is_empty();
        plan.views.iter().any(useful).then_some(plan)
    }

    /// Whether the counter is known to stay below a length.
    fn is_below_len(&self) -> bool {
        self.views.iter().any(|view| view.counted.is_some())
    }

    /// Views for the arrays on the way of a place; the last of them.
    fn add(
        &mut self,
        program: &Program,
        function: &Function,
        counted: &Counted,
        place: &Place,
        (at, stores): ((usize, usize), bool),
        span: Span,
    ) {
        let mut way: Way = (place.root, Vec::new());
        let mut ty = target(program, function.vars[place.root.0 as usize].ty);
        let mut above = None;
        let mut path = Vec::new();
        for step in &place.path {
            match step {
                Step::Field(field) => {
                    way.1.push(Fixed::Field(*field));
                    path.push(step.clone());
                    ty = layout::parts(program, ty)[*field];
                }
                Step::Index { index, .. } => {
                    let view = View {
                        way: way.clone(),
                        above,
                        path: std::mem::take(&mut path),
                        ty,
                        stored: false,
                        counted: None,
                        fixed: Vec::new(),
                        span,
                    };
                    let number = self.number(view);
                    let view = &mut self.views[number];
                    view.stored |= stores;
                    match fixed(counted, index) {
                        Some(fixed) => {
                            view.fix(index);
                            way.1.push(fixed);
                        }
                        None => {
                            if let Some(offset) = counted.offset(function, at, index) {
                                let (low, high) = view.counted.unwrap_or((offset, offset));
                                view.counted = Some((low.min(offset), high.max(offset)));
                            }
                            return;
                        }
                    }
                    path.push(Step::Index {
                        index: index.clone(),
                        checked: false,
                        alone: false,
                    });
                    above = Some(number);
                    ty = element(program, ty);
                }
                Step::Payload(_) | Step::Key(_) => return,
            }
        }
    }

    fn number(&mut self, view: View) -> usize {
        let next = self.views.len();
        let number = *self.numbers.entry(view.way.clone()).or_insert(next);
        if number == next {
            self.views.push(view);
        }
        number
    }

    /// The last view on the way of a place.
    fn known(
        &self,
        function: &Function,
        counted: &Counted,
        at: (usize, usize),
        place: &Place,
    ) -> Option<Known> {
        let mut way: Way = (place.root, Vec::new());
        let mut known = None;
        for (number, step) in place.path.iter().enumerate() {
            match step {
                Step::Field(field) => way.1.push(Fixed::Field(*field)),
                Step::Index { index, .. } => {
                    let fixed = fixed(counted, index);
                    let is_counted = counted.offset(function, at, index).is_some();
                    known = Some(Known {
                        view: *self.numbers.get(&way)?,
                        at: number,
                        proved: fixed.is_some() || is_counted,
                    });
                    match fixed {
                        Some(fixed) => way.1.push(fixed),
                        None => return known,
                    }
                }
                Step::Payload(_) | Step::Key(_) => return known,
            }
        }
        known
    }
}

impl View {
    fn fix(&mut self, index: &Operand) {
        let same = |other: &Operand| match (other, index) {
            (Operand::Var(a), Operand::Var(b)) => a == b,
            (Operand::Const(a), Operand::Const(b)) => a == b,
            _ => false,
        };
        if !self.fixed.iter().any(same) {
            self.fixed.push(index.clone());
        }
    }
}

/// An index that is the same in all turns.
fn fixed(counted: &Counted, index: &Operand) -> Option<Fixed> {
    match index {
        Operand::Var(var) if counted.is_invariant(*var) => Some(Fixed::At(*var)),
        Operand::Const(Const::Int(number, _)) => Some(Fixed::AtNumber(*number)),
        _ => None,
    }
}

/// What a place that starts at a variable of that type starts in.
fn target(program: &Program, ty: Ty) -> Ty {
    match program.types.kind(ty) {
        TyKind::Ref(target) => *target,
        _ => ty,
    }
}

fn element(program: &Program, ty: Ty) -> Ty {
    match program.types.kind(ty) {
        TyKind::Array(element) => *element,
        other => unreachable!("only arrays are indexed, not {other:?}"),
    }
}

/// Whether the arrays below the root stay where they are: see the argument above.
fn may_view(program: &Program, function: &Function, counted: &Counted, root: Var) -> bool {
    if !counted.is_invariant(root) {
        return false;
    }
    let used_whole = counted
        .facts
        .get(&root)
        .is_some_and(|facts| facts.used_whole);
    let is_reference = matches!(
        program.types.kind(function.vars[root.0 as usize].ty),
        TyKind::Ref(_)
    );
    let mut stores = counted
        .body
        .iter()
        .flat_map(|&block| &function.blocks[block].instrs)
        .filter_map(|instr| match &instr.op {
            Op::Store { place, .. } | Op::Update { place, .. } if place.root == root => Some(place),
            _ => None,
        })
        .peekable();
    // Whoever is given a reference may change what it refers to.
    if used_whole && (is_reference || stores.peek().is_some()) {
        return false;
    }
    // Changed under its lock, what it leads to has never one plain owner.
    if function.vars[root.0 as usize].global && stores.peek().is_some() {
        return false;
    }
    // A store makes unique what it leads through, unless all of that has views.
    stores.all(|place| {
        let mut indexes = place.path.iter().filter_map(|step| match step {
            Step::Index { index, .. } => Some(index),
            _ => None,
        });
        let last = indexes.next_back();
        last.is_some() && indexes.all(|index| fixed(counted, index).is_some())
    })
}

/// Adds the second version of the loop, and the tests that lead to it.
fn version(
    program: &Program,
    function: &mut Function,
    predecessors: &mut Vec<Vec<u32>>,
    counted: &Counted,
    plan: &Plan,
) {
    let old = function.blocks.len();
    let head = BlockId(counted.head as u32);
    let mut tests = Tests {
        function,
        otherwise: head,
        instrs: Vec::new(),
        span: plan.views[0].span,
    };
    let (views, stop) = tests.views(plan, counted);
    let first = BlockId(old as u32);
    let second = BlockId(tests.function.blocks.len() as u32 + 1);
    tests.end(Terminator::Jump(second));
    let poll = counted.poll(function).filter(|_| plan.is_below_len());
    match poll.cloned() {
        Some(poll) => {
            let (end, behind) = strip(function, counted, stop, poll);
            let inner = BlockId(function.blocks.len() as u32);
            copy(program, function, counted, plan, &views, inner);
            without_polls(function, counted, inner, end, behind);
        }
        None => copy(program, function, counted, plan, &views, second),
    }
    predecessors.resize_with(function.blocks.len(), Vec::new);
    for block in old..function.blocks.len() {
        for next in function.successors(block) {
            predecessors[next.0 as usize].push(block as u32);
        }
    }
    let is_entry = |block: &u32| {
        (*block as usize) < old && counted.body.binary_search(&(*block as usize)).is_err()
    };
    let (entries, others) = predecessors[counted.head]
        .iter()
        .partition(|block| is_entry(block));
    predecessors[counted.head] = others;
    for &entry in &entries {
        if let Some(terminator) = &mut function.blocks[entry as usize].terminator {
            terminator.retarget(|target| if target == head { first } else { target });
        }
    }
    predecessors[old] = entries;
}

/// The beginning of the second version in strips of turns, with a poll between them: the head, the start of a strip, the head once more, the poll. Where
/// the strip ends, and where the loop of one strip goes then, which follows.
fn strip(
    function: &mut Function,
    counted: &Counted,
    stop: Operand,
    poll: Instr,
) -> (Operand, BlockId) {
    let first = function.blocks.len() as u32;
    let [start, again, polled, inner] = [1, 2, 3, 4].map(|number| BlockId(first + number));
    let head = |function: &Function, inside: BlockId| {
        let head = &function.blocks[counted.head];
        let (instrs, mut terminator) = (head.instrs.clone(), head.terminator.clone());
        if let Some(Terminator::Branch { then, .. }) = &mut terminator {
            *then = inside;
        }
        Block { instrs, terminator }
    };
    function.blocks.push(head(function, start));
    let mut strip = Tests {
        otherwise: start,
        instrs: Vec::new(),
        span: poll.span,
        function,
    };
    let end = strip.end_of_strip(counted, stop);
    strip.end(Terminator::Jump(inner));
    function.blocks.push(head(function, polled));
    function.blocks.push(Block {
        instrs: vec![poll],
        terminator: Some(Terminator::Jump(start)),
    });
    (Operand::Var(end), again)
}

/// Makes the copy of the loop one of a strip, which ends there and goes on behind it.
fn without_polls(
    function: &mut Function,
    counted: &Counted,
    copy: BlockId,
    end: Operand,
    behind: BlockId,
) {
    for block in &mut function.blocks[copy.0 as usize..] {
        block.instrs.retain(|instr| !matches!(instr.op, Op::Poll));
    }
    let head = &mut function.blocks[copy.0 as usize];
    head.instrs.drain(..head.instrs.len() - 1);
    if let Some(Instr {
        op: Op::Compare {
            op, left, right, ..
        },
        ..
    }) = head.instrs.last_mut()
    {
        *op = match counted.inclusive {
            true => CompareOp::Le,
            false => CompareOp::Lt,
        };
        *left = Operand::Var(counted.counter);
        *right = end;
    }
    if let Some(Terminator::Branch { otherwise, .. }) = &mut head.terminator {
        *otherwise = behind;
    }
}

/// The blocks of the loop once more, the head first.
fn copy(
    program: &Program,
    function: &mut Function,
    counted: &Counted,
    plan: &Plan,
    views: &[Var],
    first: BlockId,
) {
    let others = counted.body.iter().filter(|&&block| block != counted.head);
    let order: Vec<usize> = std::iter::once(counted.head)
        .chain(others.copied())
        .collect();
    let numbers: HashMap<usize, u32> = order.iter().copied().zip(first.0..).collect();
    let below_len = plan.is_below_len();
    for number in order {
        let block = &function.blocks[number];
        let mut copy = Block {
            instrs: block.instrs.clone(),
            terminator: block.terminator.clone(),
        };
        for (index, instr) in copy.instrs.iter_mut().enumerate() {
            let at = (number, index);
            rewrite(function, counted, plan, views, at, &mut instr.op);
            if counted.steps(function, at, below_len) {
                without_check(&mut instr.op);
            }
            if !instr.op.can_unwind(program) {
                instr.unwind.clear();
            }
        }
        if let Some(terminator) = &mut copy.terminator {
            terminator.retarget(|target| {
                numbers
                    .get(&(target.0 as usize))
                    .map_or(target, |&number| BlockId(number))
            });
        }
        function.blocks.push(copy);
    }
}

/// Reads and stores through views, without the checks that have been made.
fn rewrite(
    function: &Function,
    counted: &Counted,
    plan: &Plan,
    views: &[Var],
    at: (usize, usize),
    op: &mut Op,
) {
    match op {
        Op::Load { place, .. } | Op::Store { place, .. } | Op::Update { place, .. } => {
            let Some(known) = plan.known(function, counted, at, place) else {
                return;
            };
            place.root = views[known.view];
            place.path.drain(..known.at);
            if let Some(Step::Index { checked, alone, .. }) = place.path.first_mut() {
                *checked &= !known.proved;
                *alone = plan.views[known.view].stored;
            }
        }
        Op::Header {
            value: Operand::Var(var),
            which: Header::ArrayLen,
            ..
        } => {
            if let Some(&view) = plan.numbers.get(&(*var, Vec::new())) {
                *var = views[view];
            }
        }
        _ => {}
    }
}

/// The step of the counter: its result is in range.
fn without_check(op: &mut Op) {
    if let Op::Arith {
        dst,
        op: verb,
        left,
        right,
        ty,
    } = op
    {
        *op = Op::Wrap {
            dst: *dst,
            op: *verb,
            left: left.clone(),
            right: right.clone(),
            ty: *ty,
        };
    }
}

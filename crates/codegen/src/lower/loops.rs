//! Loops. Every turn ends in a poll, so that a loop that never waits can be preempted.
//!
//! A counted loop whose body has no calls is cut into strips of [`STRIP`] turns, with a poll after each strip: a poll in every turn would keep LLVM
//! from vectorising it.

use echo_sema::typed::{BinaryOp, Block, CompareOp, Conversion, Expr, LocalId};
use echo_sema::types::{IntKind, Ty, TyKind};
use echo_syntax::span::Span;

use super::body::{Body, Loop, int, whole};
use super::effects::is_call_free;
use crate::ir::{self, BlockId, Const, Intrinsic, Op, Operand, RtArg, Step, Var};

/// Turns between polls: the poll costs less than a thousandth of them, and they take microseconds.
const STRIP: i128 = 1024;

impl<'p> Body<'_, 'p> {
    pub fn while_loop(&mut self, condition: &'p Expr, body: &'p Block, span: Span) {
        let head = self.builder.flow_into();
        let turn = self.turn();
        let inside = self.builder.block();
        self.condition(condition, inside, turn.end);
        self.builder.start(inside);
        self.body_of(body, turn, head, span);
    }

    pub fn endless_loop(&mut self, body: &'p Block, span: Span) {
        let head = self.builder.flow_into();
        let turn = self.turn();
        self.body_of(body, turn, head, span);
    }

    fn turn(&mut self) -> Loop {
        Loop {
            next: self.builder.block(),
            end: self.builder.block(),
        }
    }

    /// The body, the poll, the way back; then what follows the loop.
    fn body_of(&mut self, body: &'p Block, turn: Loop, head: BlockId, span: Span) {
        let (next, end) = (turn.next, turn.end);
        self.loops.push(turn);
        self.block(body);
        self.loops.pop();
        self.builder.jump(next);
        self.builder.start(next);
        self.builder.emit(Op::Poll, span);
        self.builder.jump(head);
        self.builder.start(end);
    }

    // ------------------------------------------------------------ ranges

    pub fn for_range(
        &mut self,
        local: LocalId,
        start: &'p Expr,
        end: &'p Expr,
        body: &'p Block,
        span: Span,
    ) {
        let ty = start.ty;
        let [start, end] = self.operands([start, end]);
        let counter = self.copied(start, span);
        // What the body does to a variable must not change where the loop ends.
        let end = match end {
            Operand::Var(_) => Operand::Var(self.copied(end, span)),
            constant => constant,
        };
        let local = self.local(local);
        let count = Count {
            counter,
            local,
            ty,
            span,
        };
        match (self.kind(ty), is_call_free(body)) {
            (TyKind::Int(kind), true) if kind.bits() >= 32 => {
                self.in_strips(&count, &end, *kind, body);
            }
            (_, free) => self.counted(&count, &end, body, !free),
        }
    }

    /// From the counter up to `end`; where another turn begins.
    fn counted(&mut self, count: &Count, end: &Operand, body: &'p Block, poll: bool) {
        let after = self.builder.block();
        self.counted_until(count, end, body, poll, after, after);
        self.builder.start(after);
    }

    /// Goes on at `done` when the counter has reached `stop`, at `broken` after a `break`.
    fn counted_until(
        &mut self,
        count: &Count,
        stop: &Operand,
        body: &'p Block,
        poll: bool,
        done: BlockId,
        broken: BlockId,
    ) {
        let span = count.span;
        let head = self.builder.flow_into();
        let more = self.less(Operand::Var(count.counter), stop.clone(), count.ty, span);
        let [inside, next] = [(); 2].map(|()| self.builder.block());
        self.builder.branch(more, inside, done);
        self.builder.start(inside);
        self.set(count.local, Operand::Var(count.counter), span);
        self.loops.push(Loop { next, end: broken });
        self.block(body);
        self.loops.pop();
        self.builder.jump(next);
        self.builder.start(next);
        self.step(count.counter, count.ty, span);
        if poll {
            self.builder.emit(Op::Poll, span);
        }
        self.builder.jump(head);
    }

    fn in_strips(&mut self, count: &Count, end: &Operand, kind: IntKind, body: &'p Block) {
        let span = count.span;
        let head = self.builder.flow_into();
        let [strip, polled, after] = [(); 3].map(|()| self.builder.block());
        let more = self.less(Operand::Var(count.counter), end.clone(), count.ty, span);
        self.builder.branch(more, strip, after);
        self.builder.start(strip);
        let stop = self.end_of_strip(count, end, kind);
        self.counted_until(count, &stop, body, false, polled, after);
        self.builder.start(polled);
        self.builder.emit(Op::Poll, span);
        self.builder.jump(head);
        self.builder.start(after);
    }

    /// `counter + min(end - counter, STRIP)`; the difference of signed numbers may need the unsigned range.
    fn end_of_strip(&mut self, count: &Count, end: &Operand, kind: IntKind) -> Operand {
        let (ty, span) = (count.ty, count.span);
        let unsigned = match kind.bits() {
            32 => Ty::U32,
            _ => Ty::U64,
        };
        let counter = Operand::Var(count.counter);
        let left = self.wrap(BinaryOp::Sub, end.clone(), counter.clone(), ty, span);
        let left = self.converted(Conversion::Wrapping, left, ty, unsigned, span);
        let strip = self.builder.temp(unsigned);
        let least = Op::Intrinsic {
            dst: strip,
            op: Intrinsic::Min,
            args: vec![left, Operand::Const(Const::Int(STRIP, unsigned))],
            ty: unsigned,
        };
        self.builder.emit(least, span);
        let strip = self.converted(
            Conversion::Wrapping,
            Operand::Var(strip),
            unsigned,
            ty,
            span,
        );
        self.wrap(BinaryOp::Add, counter, strip, ty, span)
    }

    pub fn less(&mut self, left: Operand, right: Operand, ty: Ty, span: Span) -> Operand {
        self.compare_scalars(CompareOp::Lt, left, right, ty, span)
    }

    /// Adds one; there is room, as the counter was below a bound.
    fn step(&mut self, counter: Var, ty: Ty, span: Span) {
        let next = Op::Wrap {
            dst: counter,
            op: BinaryOp::Add,
            left: Operand::Var(counter),
            right: Operand::Const(Const::Int(1, ty)),
            ty,
        };
        self.builder.emit(next, span);
    }

    // ------------------------------------------------------------ collections

    pub fn for_each(&mut self, local: LocalId, iterable: &'p Expr, body: &'p Block, span: Span) {
        let ty = iterable.ty;
        let operand = self.expr(iterable);
        let local = self.local(local);
        // A variable of its own: the body may assign the one that was iterated.
        let iterated = self.copied(operand, iterable.span);
        match self.kind(ty) {
            TyKind::Array(_) => {
                let next = self.each_element(iterated, local, span);
                self.finish_each(body, next, span);
            }
            TyKind::String => self.for_characters(iterated, local, body, span),
            TyKind::Chan(_) => self.for_received(iterated, local, body, span),
            other => unreachable!("the checker iterates no {other:?}"),
        }
    }

    /// The head of a loop over the elements of an array; each is put into `element`.
    pub fn each_element(&mut self, array: Var, element: Var, span: Span) -> Each {
        let counter = self.copied(int(0), span);
        let len = self.len(&Operand::Var(array), span);
        let head = self.builder.flow_into();
        let more = self.less(Operand::Var(counter), len, Ty::INT, span);
        let turn = self.turn();
        let inside = self.builder.block();
        self.builder.branch(more, inside, turn.end);
        self.builder.start(inside);
        let place = ir::Place {
            root: array,
            path: vec![Step::Index {
                index: Operand::Var(counter),
                checked: false,
            }],
            ty: self.builder.ty(element),
        };
        self.load_into(element, place, span);
        Each {
            head,
            next: turn.next,
            end: turn.end,
            counter,
        }
    }

    /// The end of such a loop's turn.
    pub fn end_each(&mut self, each: &Each, span: Span) {
        self.builder.jump(each.next);
        self.builder.start(each.next);
        self.step(each.counter, Ty::INT, span);
        self.builder.emit(Op::Poll, span);
        self.builder.jump(each.head);
        self.builder.start(each.end);
    }

    fn finish_each(&mut self, body: &'p Block, each: Each, span: Span) {
        self.loops.push(Loop {
            next: each.next,
            end: each.end,
        });
        self.block(body);
        self.loops.pop();
        self.end_each(&each, span);
    }

    fn for_characters(&mut self, text: Var, local: Var, body: &'p Block, span: Span) {
        /// -1 as an unsigned 32-bit number, which is no character.
        const END: i128 = 0xffff_ffff;
        let offset = self.copied(int(0), span);
        let head = self.builder.flow_into();
        let args = vec![
            RtArg::Value(Operand::Var(text)),
            RtArg::Place(whole(offset, Ty::INT)),
        ];
        let char = self.runtime("echo_string_next", args, Ty::CHAR, span);
        let number = self.converted(Conversion::Widen, char.clone(), Ty::CHAR, Ty::INT, span);
        let at_end = self.compare_scalars(CompareOp::Eq, number, int(END), Ty::INT, span);
        let turn = self.turn();
        let inside = self.builder.block();
        self.builder.branch(at_end, turn.end, inside);
        self.builder.start(inside);
        self.set(local, char, span);
        self.body_of(body, turn, head, span);
    }

    fn for_received(&mut self, channel: Var, local: Var, body: &'p Block, span: Span) {
        let head = self.builder.flow_into();
        let args = vec![RtArg::Value(Operand::Var(channel)), RtArg::Address(local)];
        let came = self.runtime("echo_chan_receive_option", args, Ty::BOOL, span);
        let turn = self.turn();
        let inside = self.builder.block();
        self.builder.branch(came, inside, turn.end);
        self.builder.start(inside);
        self.builder.emit(Op::Define(local), span);
        self.body_of(body, turn, head, span);
    }

    pub fn for_map(
        &mut self,
        [key, value]: [LocalId; 2],
        iterable: &'p Expr,
        body: &'p Block,
        span: Span,
    ) {
        let ty = iterable.ty;
        let operand = self.expr(iterable);
        let map = self.copied(operand, iterable.span);
        let (key_ty, value_ty) = self.map_parts(ty);
        let [key_at, value_at] = [key_ty, value_ty].map(|ty| {
            let reference = self.prepared().reference_to(ty);
            self.builder.temp(reference)
        });
        let cursor = self.copied(int(0), span);
        let head = self.builder.flow_into();
        let args = vec![
            RtArg::Value(Operand::Var(map)),
            RtArg::Desc(ty),
            RtArg::Value(Operand::Var(cursor)),
            RtArg::Out(key_at),
            RtArg::Out(value_at),
        ];
        let next = self.runtime("echo_map_next", args, Ty::INT, span);
        let at_end = self.less(next.clone(), int(0), Ty::INT, span);
        let turn = self.turn();
        let inside = self.builder.block();
        self.builder.branch(at_end, turn.end, inside);
        self.builder.start(inside);
        self.set(cursor, next, span);
        self.load_into(self.local(key), whole(key_at, key_ty), span);
        self.load_into(self.local(value), whole(value_at, value_ty), span);
        self.body_of(body, turn, head, span);
    }
}

/// A counted loop.
struct Count {
    counter: Var,
    /// What the body sees of the counter.
    local: Var,
    ty: Ty,
    span: Span,
}

/// A loop over an array, begun.
pub struct Each {
    head: BlockId,
    next: BlockId,
    end: BlockId,
    counter: Var,
}

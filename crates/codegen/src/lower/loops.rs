//! Loops. Every turn ends in a poll, so that a loop that never waits can be preempted.
//!
//! A counted loop whose turns end soon ([`super::brief`]) is cut into strips of [`STRIP`] turns, with a poll between them: a poll in every turn
//! would keep LLVM from vectorising it. Where there is only one strip, the loop around it polls.

use echo_sema::typed::{BinaryOp, Block, CompareOp, Conversion, Expr, LocalId};
use echo_sema::types::{Ty, TyKind};
use echo_syntax::span::Span;

use super::body::{Body, Loop, int, whole};
use crate::ir::{self, BlockId, Const, Intrinsic, Op, Operand, RtArg, Step, Var};

/// Turns between polls: the poll costs less than a thousandth of them, and they take microseconds.
pub const STRIP: i128 = 1024;

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

    // ------------------------------------------------------------ counting

    /// Whether each turn of a loop around the block ends soon.
    fn is_brief(&mut self, block: &Block) -> bool {
        let program = self.program();
        self.lowering.brief.is_brief(program, block)
    }

    pub fn for_range(
        &mut self,
        local: LocalId,
        start: &'p Expr,
        end: &'p Expr,
        body: &'p Block,
        span: Span,
    ) {
        let [first, end] = self.operands([start, end]);
        let count = Count {
            counter: self.copied(first, span),
            gives: Gives::Counter(self.local(local)),
            ty: start.ty,
            span,
        };
        // What the body does to a variable must not change where the loop ends.
        let end = match end {
            Operand::Var(_) => Operand::Var(self.copied(end, span)),
            constant => constant,
        };
        let strips = self.is_brief(body);
        self.count_up(&count, &end, strips, |this| {
            this.block(body);
        });
    }

    /// Turns with the counter below `end`. `in_strips`: without a poll in each.
    fn count_up(
        &mut self,
        count: &Count,
        end: &Operand,
        in_strips: bool,
        turn: impl FnOnce(&mut Self),
    ) {
        let after = self.builder.block();
        let short = matches!(self.kind(count.ty), TyKind::Int(kind) if kind.bits() < 32);
        if in_strips && !short {
            self.strips(count, end, after, turn);
        } else {
            // So few turns need no poll at all when each is short.
            let poll = !in_strips;
            self.turns(count, end, [after, after], poll, turn);
        }
        self.builder.start(after);
    }

    /// Turns until the counter has reached `stop`, which leads to `done`; a `break` leads to `broken`.
    fn turns(
        &mut self,
        count: &Count,
        stop: &Operand,
        [done, broken]: [BlockId; 2],
        poll: bool,
        turn: impl FnOnce(&mut Self),
    ) {
        let span = count.span;
        let head = self.builder.flow_into();
        let more = self.less(Operand::Var(count.counter), stop.clone(), count.ty, span);
        let [inside, next] = [(); 2].map(|()| self.builder.block());
        self.builder.branch(more, inside, done);
        self.builder.start(inside);
        self.give_turn(count);
        self.loops.push(Loop { next, end: broken });
        turn(self);
        self.loops.pop();
        self.builder.jump(next);
        self.builder.start(next);
        self.step(count.counter, count.ty, span);
        if poll {
            self.builder.emit(Op::Poll, span);
        }
        self.builder.jump(head);
    }

    fn give_turn(&mut self, count: &Count) {
        match count.gives {
            Gives::Counter(local) => {
                self.set(local, Operand::Var(count.counter), count.span);
            }
            Gives::Element { of, into } => {
                let index = Step::Index {
                    index: Operand::Var(count.counter),
                    checked: false,
                    alone: false,
                };
                let place = ir::Place {
                    root: of,
                    path: vec![index],
                    ty: self.builder.ty(into),
                };
                self.load_into(into, place, count.span);
            }
        }
    }

    fn strips(
        &mut self,
        count: &Count,
        end: &Operand,
        after: BlockId,
        turn: impl FnOnce(&mut Self),
    ) {
        let span = count.span;
        let [strip, done, again] = [(); 3].map(|()| self.builder.block());
        self.more(count, end, [strip, after]);
        self.builder.start(strip);
        let stop = self.end_of_strip(count, end);
        self.turns(count, &stop, [done, after], false, turn);
        self.builder.start(done);
        self.more(count, end, [again, after]);
        self.builder.start(again);
        self.builder.emit(Op::Poll, span);
        self.builder.jump(strip);
    }

    /// Goes to the first block if the counter is below `end`, else to the second.
    fn more(&mut self, count: &Count, end: &Operand, [more, after]: [BlockId; 2]) {
        let counter = Operand::Var(count.counter);
        let is_below = self.less(counter, end.clone(), count.ty, count.span);
        self.builder.branch(is_below, more, after);
    }

    /// `counter + min(end - counter, STRIP)`; the difference of signed numbers may need the unsigned range.
    fn end_of_strip(&mut self, count: &Count, end: &Operand) -> Operand {
        let (ty, span) = (count.ty, count.span);
        let unsigned = match self.kind(ty) {
            TyKind::Int(kind) if kind.bits() == 32 => Ty::U32,
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
                let strips = self.is_brief(body);
                self.each_element(iterated, local, strips, span, |this| {
                    this.block(body);
                });
            }
            TyKind::String => self.for_characters(iterated, local, body, span),
            TyKind::Chan(_) => self.for_received(iterated, local, body, span),
            other => unreachable!("the checker iterates no {other:?}"),
        }
    }

    /// A turn for each element of an array, which is put into `into`.
    pub fn each_element(
        &mut self,
        of: Var,
        into: Var,
        in_strips: bool,
        span: Span,
        turn: impl FnOnce(&mut Self),
    ) {
        let count = Count {
            counter: self.copied(int(0), span),
            gives: Gives::Element { of, into },
            ty: Ty::INT,
            span,
        };
        let len = self.len(&Operand::Var(of), span);
        self.count_up(&count, &len, in_strips, turn);
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
    gives: Gives,
    ty: Ty,
    span: Span,
}

/// What the body of a counted loop gets in each turn.
enum Gives {
    /// The counter's value.
    Counter(Var),
    /// The element with that index.
    Element { of: Var, into: Var },
}

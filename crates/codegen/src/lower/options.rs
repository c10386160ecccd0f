//! Option and Result: their methods, and how the runtime's answers become such values.

use echo_sema::typed::CompareOp;
use echo_sema::types::{Ty, TyKind};
use echo_syntax::span::Span;

use super::body::{Body, tag_const, text};
use super::builtins::Given;
use crate::ir::{BlockId, Op, Operand, Place, Step, Var};

impl Body<'_, '_> {
    /// The payload: of `Some` or `Ok` number 0, of `Err` number 1.
    pub fn payload(&self, value: Var, number: usize, ty: Ty) -> Place {
        Place {
            root: value,
            path: vec![Step::Payload(number)],
            ty,
        }
    }

    /// The payload of a failure: that of `Err`; `None` has none.
    pub fn failure_payload(&self, value: Var, ty: Ty) -> Option<Place> {
        match *self.kind(ty) {
            TyKind::Result(_, error) => Some(self.payload(value, 1, error)),
            _ => None,
        }
    }

    /// Goes to `good` for `Some` and `Ok`, to `bad` for `None` and `Err`.
    pub fn branch_on_success(&mut self, value: Var, good: BlockId, bad: BlockId, span: Span) {
        let success = match self.kind(self.builder.ty(value)) {
            TyKind::Option(_) => 1,
            _ => 0,
        };
        let tag = self.tag(value, span);
        let is_good = self.compare_scalars(CompareOp::Eq, tag, tag_const(success), Ty::I32, span);
        self.builder.branch(is_good, good, bad);
    }

    // ------------------------------------------------------------ from the runtime

    /// `Some` of what `value` gives when the condition holds, else `None`.
    pub fn option_if(
        &mut self,
        condition: Operand,
        ty: Ty,
        span: Span,
        value: impl FnOnce(&mut Self) -> Var,
    ) -> Operand {
        let result = self.builder.temp(ty);
        let [some, none, end] = [(); 3].map(|()| self.builder.block());
        self.builder.branch(condition, some, none);
        self.builder.start(some);
        let value = value(self);
        self.become_variant(result, 1, vec![Operand::Var(value)], span);
        self.builder.jump(end);
        self.builder.start(none);
        self.become_variant(result, 0, Vec::new(), span);
        self.builder.jump(end);
        self.builder.start(end);
        Operand::Var(result)
    }

    /// `Ok` of the one slot or `Err` of the other, whichever the runtime has filled.
    pub fn result_of(
        &mut self,
        fine: Operand,
        value: Var,
        error: Var,
        ty: Ty,
        span: Span,
    ) -> Operand {
        let result = self.builder.temp(ty);
        let [good, bad, end] = [(); 3].map(|()| self.builder.block());
        self.builder.branch(fine, good, bad);
        for (block, tag, slot) in [(good, 0, value), (bad, 1, error)] {
            self.builder.start(block);
            self.builder.emit(Op::Define(slot), span);
            self.become_variant(result, tag, vec![Operand::Var(slot)], span);
            self.builder.jump(end);
        }
        self.builder.start(end);
        Operand::Var(result)
    }

    pub fn become_variant(&mut self, dst: Var, tag: u32, payload: Vec<Operand>, span: Span) {
        self.builder.emit(Op::Variant { dst, tag, payload }, span);
    }

    // ------------------------------------------------------------ methods

    pub fn has_tag(&mut self, tag: u32, given: &Given<'_>) -> Operand {
        let value = self.arg_var(given, 0);
        let found = self.tag(value, given.span);
        self.compare_scalars(CompareOp::Eq, found, tag_const(tag), Ty::I32, given.span)
    }

    pub fn unwrap(&mut self, given: &Given<'_>) -> Operand {
        let span = given.span;
        let value = self.arg_var(given, 0);
        let ty = self.builder.ty(value);
        let [good, bad] = [(); 2].map(|()| self.builder.block());
        self.branch_on_success(value, good, bad, span);
        self.builder.start(bad);
        let message = match self.failure_payload(value, ty) {
            None => text("unwrap on None"),
            Some(error) => {
                let error = Operand::Var(self.load(error, span));
                let error = self.text_of(error, span);
                self.concat(text("unwrap on Err: "), error, span)
            }
        };
        self.panic(message, span);
        self.builder.start(good);
        let place = self.payload(value, 0, given.result);
        Operand::Var(self.load(place, span))
    }

    pub fn unwrap_or(&mut self, given: &Given<'_>) -> Operand {
        let value = self.arg_var(given, 0);
        self.choose(
            value,
            given,
            |body, result| {
                let place = body.payload(value, 0, given.result);
                body.load_into(result, place, given.span);
            },
            |body, result| body.set(result, given.value(1), given.span),
        )
    }

    /// `Some` of one payload of a Result, `None` when it is the other.
    pub fn payload_as_option(&mut self, number: u32, given: &Given<'_>) -> Operand {
        let value = self.arg_var(given, 0);
        let has = self.has_tag(number, given);
        let ty = self.inner(given.result);
        self.option_if(has, given.result, given.span, |body| {
            let place = body.payload(value, number as usize, ty);
            body.load(place, given.span)
        })
    }

    pub fn ok_or(&mut self, given: &Given<'_>) -> Operand {
        let (value, span) = (self.arg_var(given, 0), given.span);
        let ty = self.inner(self.builder.ty(value));
        self.choose(
            value,
            given,
            |body, result| {
                let place = body.payload(value, 0, ty);
                let payload = Operand::Var(body.load(place, span));
                body.become_variant(result, 0, vec![payload], span);
            },
            |body, result| body.become_variant(result, 1, vec![given.value(1)], span),
        )
    }

    /// The function's value for the payload, in the same kind of value.
    pub fn map_payload(&mut self, given: &Given<'_>) -> Operand {
        let (value, span) = (self.arg_var(given, 0), given.span);
        self.choose(
            value,
            given,
            |body, result| {
                let mapped = body.apply_to_payload(value, given);
                let tag = match body.kind(given.result) {
                    TyKind::Option(_) => 1,
                    _ => 0,
                };
                body.become_variant(result, tag, vec![mapped], span);
            },
            |body, result| body.pass_failure(value, result, span),
        )
    }

    pub fn and_then(&mut self, given: &Given<'_>) -> Operand {
        let (value, span) = (self.arg_var(given, 0), given.span);
        self.choose(
            value,
            given,
            |body, result| {
                let next = body.apply_to_payload(value, given);
                body.set(result, next, span);
            },
            |body, result| body.pass_failure(value, result, span),
        )
    }

    fn apply_to_payload(&mut self, value: Var, given: &Given<'_>) -> Operand {
        let ty = self.inner(self.builder.ty(value));
        let place = self.payload(value, 0, ty);
        let payload = Operand::Var(self.load(place, given.span));
        self.call_function(given.value(1), vec![payload], given.span)
    }

    /// `None` or `Err` of the result's type.
    fn pass_failure(&mut self, value: Var, result: Var, span: Span) {
        match self.failure_payload(value, self.builder.ty(value)) {
            None => self.become_variant(result, 0, Vec::new(), span),
            Some(place) => {
                let error = Operand::Var(self.load(place, span));
                self.become_variant(result, 1, vec![error], span);
            }
        }
    }

    /// A result that is made one way for `Some`/`Ok`, another for `None`/`Err`.
    fn choose(
        &mut self,
        value: Var,
        given: &Given<'_>,
        good: impl FnOnce(&mut Self, Var),
        bad: impl FnOnce(&mut Self, Var),
    ) -> Operand {
        let result = self.builder.temp(given.result);
        let [good_block, bad_block, end] = [(); 3].map(|()| self.builder.block());
        self.branch_on_success(value, good_block, bad_block, given.span);
        self.builder.start(good_block);
        good(self, result);
        self.builder.jump(end);
        self.builder.start(bad_block);
        bad(self, result);
        self.builder.jump(end);
        self.builder.start(end);
        Operand::Var(result)
    }
}

//! Coroutines, futures, channels, select.

use echo_abi::layout::{SELECT_DEFAULT, SELECT_FOREVER, SELECT_POLL, SELECT_TIMEOUT};
use echo_sema::typed::{
    Block, Builtin, Call, CompareOp, Expr, LocalId, Select, SelectCase, SelectKind,
};
use echo_sema::types::{Ty, TyKind};
use echo_syntax::span::Span;

use super::body::{Body, int, tag_const, text, value_of};
use super::builtins::Given;
use super::unsure::Received;
use super::wrappers::Wrapper;
use crate::ir::{self, BlockId, Const, Intrinsic, Op, Operand, RtArg, Terminator, Var};

impl<'p> Body<'_, 'p> {
    // ------------------------------------------------------------ coroutines and futures

    /// A coroutine for the call; its future.
    pub fn spawn(&mut self, call: &'p Call, ty: Ty) -> Operand {
        if self.makes_future(call) {
            return self.call(call);
        }
        let (entry, args) = self.crossing_call(call, call.result);
        let args = vec![RtArg::Entry(entry), RtArg::Tuple(args)];
        self.runtime("echo_spawn", args, ty, call.span)
    }

    /// A spawn as a statement, of type `ty`: nobody wants the future.
    pub fn spawn_detached(&mut self, call: &'p Call, ty: Ty) {
        if call.result != Ty::VOID || self.makes_future(call) {
            self.spawn(call, ty);
            return;
        }
        let (entry, args) = self.crossing_call(call, call.result);
        let args = vec![RtArg::Entry(entry), RtArg::Tuple(args)];
        self.runtime("echo_spawn_detached", args, Ty::VOID, call.span);
    }

    /// Waits; the value, of that type.
    pub fn await_future(&mut self, future: Operand, ty: Ty, span: Span) -> Operand {
        let out = self.builder.temp(ty);
        let args = vec![RtArg::Value(future), RtArg::Out(out)];
        self.runtime("echo_await", args, Ty::VOID, span);
        value_of((!self.is_void(ty)).then_some(out))
    }

    /// Waits; a Result, of type `ty`.
    pub fn try_await(&mut self, future: Operand, ty: Ty, span: Span) -> Operand {
        let value = self.builder.temp(self.inner(ty));
        let error = self.builder.temp(Ty::STRING);
        let args = vec![
            RtArg::Value(future),
            RtArg::Address(value),
            RtArg::Address(error),
        ];
        let status = self.runtime("echo_try_await", args, Ty::I32, span);
        let fine = self.compare_scalars(CompareOp::Eq, status, tag_const(0), Ty::I32, span);
        self.result_of(fine, value, error, ty, span)
    }

    pub fn new_promise(&mut self, given: &Given<'_>) -> Operand {
        let args = vec![RtArg::DescOrNull(self.inner(given.result))];
        self.runtime("echo_promise_new", args, given.result, given.span)
    }

    pub fn resolve(&mut self, given: &Given<'_>) -> Operand {
        let value = self.arg_moved(given, 1);
        let args = vec![RtArg::Value(given.value(0)), value];
        self.runtime("echo_promise_resolve", args, Ty::BOOL, given.span)
    }

    /// `all` or `race`.
    pub fn combined_future(&mut self, builtin: Builtin, given: &Given<'_>) -> Operand {
        let symbol = match builtin {
            Builtin::All => "echo_all",
            _ => "echo_race",
        };
        let desc = RtArg::DescOrNull(self.inner(given.result));
        let args = vec![RtArg::Value(given.value(0)), desc];
        self.runtime(symbol, args, given.result, given.span)
    }

    /// The coroutine that is started gets the future itself, to ask it for its end, from the runtime, and the function.
    pub fn on_done(&mut self, given: &Given<'_>) -> Operand {
        let args = [0, 1].map(|index| self.arg_var(given, index));
        let [future, function] = args.map(|var| self.builder.ty(var));
        let wrapper = Wrapper::OnDone { future, function };
        let entry = self.lowering.wrapper(wrapper, given.span);
        let args = vec![
            RtArg::Value(Operand::Var(args[0])),
            RtArg::Entry(entry),
            RtArg::Tuple(vec![args[1]]),
        ];
        self.runtime("echo_future_on_done", args, Ty::VOID, given.span)
    }

    // ------------------------------------------------------------ channels

    pub fn new_chan(&mut self, capacity: Option<&'p Expr>, ty: Ty, span: Span) -> Operand {
        let capacity = capacity.map_or(int(0), |capacity| self.expr(capacity));
        let args = vec![RtArg::Desc(self.inner(ty)), RtArg::Value(capacity)];
        self.runtime("echo_chan_new", args, ty, span)
    }

    pub fn send(&mut self, channel: &'p Expr, value: &'p Expr, span: Span) -> Operand {
        let [channel, value] = self.operands([channel, value]);
        let value = self.moved(value, span);
        let args = vec![RtArg::Value(channel), value];
        self.runtime("echo_chan_send", args, Ty::VOID, span)
    }

    pub fn receive(&mut self, channel: &'p Expr, ty: Ty, span: Span) -> Operand {
        let channel = self.expr(channel);
        let out = self.builder.temp(ty);
        let args = vec![RtArg::Value(channel), RtArg::Out(out)];
        self.runtime("echo_chan_receive", args, Ty::VOID, span);
        value_of((!self.is_void(ty)).then_some(out))
    }

    /// The value, and whether one came.
    pub fn receive_ok(&mut self, channel: &'p Expr, span: Span) -> (Var, Var) {
        let ty = self.inner(channel.ty);
        let channel = self.expr(channel);
        let out = self.builder.temp(ty);
        let args = vec![RtArg::Value(channel), RtArg::Out(out)];
        let came = self.runtime("echo_chan_receive", args, Ty::BOOL, span);
        (out, self.in_var(came, span))
    }

    /// `let v, ok = <- ch` where a closed channel gives no value.
    pub fn receive_unsure(
        &mut self,
        channel: &'p Expr,
        [value, ok]: [Option<LocalId>; 2],
        span: Span,
    ) {
        let slot = self.builder.temp(self.inner(channel.ty));
        let channel = self.expr(channel);
        let args = vec![RtArg::Value(channel), RtArg::Address(slot)];
        let came = self.runtime("echo_chan_receive_option", args, Ty::BOOL, span);
        if let Some(ok) = ok {
            self.set(self.local(ok), came.clone(), span);
        }
        let into = value.map_or(Received::Dropped, Received::Unsure);
        self.received(came, slot, &into, span);
    }

    pub fn chan_send(&mut self, given: &Given<'_>) -> Operand {
        let span = given.span;
        let value = self.arg_moved(given, 1);
        let args = vec![RtArg::Value(given.value(0)), value];
        let sent = self.runtime("echo_chan_send_result", args, Ty::BOOL, span);
        let result = self.builder.temp(given.result);
        let [good, bad, end] = [(); 3].map(|()| self.builder.block());
        self.builder.branch(sent, good, bad);
        let unit = Operand::Const(Const::Unit);
        let closed = text("send on closed channel");
        for (block, tag, payload) in [(good, 0, unit), (bad, 1, closed)] {
            self.builder.start(block);
            self.become_variant(result, tag, vec![payload], span);
            self.builder.jump(end);
        }
        self.builder.start(end);
        Operand::Var(result)
    }

    pub fn chan_try_send(&mut self, given: &Given<'_>) -> Operand {
        let value = self.arg_moved(given, 1);
        let args = vec![RtArg::Value(given.value(0)), value];
        self.runtime("echo_chan_try_send", args, Ty::BOOL, given.span)
    }

    /// A receive that gives an Option.
    pub fn chan_receive(&mut self, symbol: &'static str, given: &Given<'_>) -> Operand {
        let span = given.span;
        let slot = self.builder.temp(self.inner(given.result));
        let args = vec![RtArg::Value(given.value(0)), RtArg::Address(slot)];
        let came = self.runtime(symbol, args, Ty::BOOL, span);
        self.option_if(came, given.result, span, |body| {
            body.builder.emit(Op::Define(slot), span);
            slot
        })
    }

    // ------------------------------------------------------------ select

    pub fn select(&mut self, select: &'p Select, span: Span) {
        let cases = self.select_cases(&select.cases);
        let timeout = self.select_timeout(select);
        let dst = self.builder.temp(Ty::INT);
        let branches: Vec<BlockId> = cases.iter().map(|_| self.builder.block()).collect();
        let [on_timeout, on_default, end] = [(); 3].map(|()| self.builder.block());
        let defined: Vec<Chosen> = cases.iter().map(Chosen::of).collect();
        let op = Op::Select {
            dst,
            cases,
            timeout,
        };
        self.builder.emit(op, span);
        let numbered = (0..).zip(branches.iter().copied());
        let others = [
            (i128::from(SELECT_DEFAULT), on_default),
            (i128::from(SELECT_TIMEOUT), on_timeout),
        ];
        let otherwise = self.builder.block();
        self.builder.end(Terminator::Switch {
            value: Operand::Var(dst),
            ty: Ty::INT,
            cases: numbered.chain(others).collect(),
            otherwise,
        });
        self.builder.start(otherwise);
        self.builder.end(Terminator::Unreachable);
        for ((case, chosen), block) in select.cases.iter().zip(defined).zip(branches) {
            self.builder.start(block);
            self.begin_case(case, &chosen);
            self.block(&case.body);
            self.builder.jump(end);
        }
        let timed = select.timeout.as_ref().map(|(_, body)| body);
        self.case_body(on_timeout, timed, end);
        self.case_body(on_default, select.default.as_ref(), end);
        self.builder.start(end);
    }

    fn case_body(&mut self, block: BlockId, body: Option<&'p Block>, end: BlockId) {
        self.builder.start(block);
        if let Some(body) = body {
            self.block(body);
        }
        self.builder.jump(end);
    }

    /// Operands in order. A value to send has a variable of its own: the chosen case takes it out.
    fn select_cases(&mut self, cases: &'p [SelectCase]) -> Vec<ir::SelectCase> {
        let mut operands: Vec<&Expr> = Vec::new();
        for case in cases {
            match &case.kind {
                SelectKind::Receive { channel, .. } => operands.push(channel),
                SelectKind::Send { channel, value } => operands.extend([channel, value]),
            }
        }
        let mut values = self.operand_list(&operands).into_iter();
        let mut next = || values.next().expect("one for each operand");
        cases
            .iter()
            .map(|case| match &case.kind {
                SelectKind::Receive { channel, value, ok } => {
                    let ty = self.inner(channel.ty);
                    ir::SelectCase {
                        channel: self.in_var(next(), case.span),
                        send: false,
                        value: match value {
                            Some(local) if !self.unsure.contains(local) => self.local(*local),
                            _ => self.builder.temp(ty),
                        },
                        ok: match ok {
                            Some(local) => Some(self.local(*local)),
                            // To know whether there is a value.
                            None if !self.has_zero(ty) => Some(self.builder.temp(Ty::BOOL)),
                            None => None,
                        },
                        span: case.span,
                    }
                }
                SelectKind::Send { .. } => {
                    let channel = self.in_var(next(), case.span);
                    ir::SelectCase {
                        channel,
                        send: true,
                        value: self.copied(next(), case.span),
                        ok: None,
                        span: case.span,
                    }
                }
            })
            .collect()
    }

    /// How long to wait; a negative time would be one of the runtime's special values.
    fn select_timeout(&mut self, select: &'p Select) -> Operand {
        let time = select.timeout.as_ref().map(|(time, _)| {
            let value = self.expr(time);
            let dst = self.builder.temp(Ty::INT);
            let least = Op::Intrinsic {
                dst,
                op: Intrinsic::Max,
                args: vec![value, int(0)],
                ty: Ty::INT,
            };
            self.builder.emit(least, time.span);
            Operand::Var(dst)
        });
        match (&select.default, time) {
            (Some(_), _) => int(i128::from(SELECT_POLL)),
            (None, Some(time)) => time,
            (None, None) => int(i128::from(SELECT_FOREVER)),
        }
    }

    fn begin_case(&mut self, case: &SelectCase, chosen: &Chosen) {
        let SelectKind::Receive { value, .. } = case.kind else {
            self.builder.emit(Op::Forget(chosen.value), case.span);
            return;
        };
        if let Some(ok) = chosen.ok {
            self.builder.emit(Op::Define(ok), case.span);
        }
        match chosen.ok {
            Some(ok) if !self.has_zero(self.builder.ty(chosen.value)) => {
                let into = match value {
                    Some(local) if self.unsure.contains(&local) => Received::Unsure(local),
                    Some(_) => Received::Needed,
                    None => Received::Dropped,
                };
                self.received(Operand::Var(ok), chosen.value, &into, case.span);
            }
            _ => self.builder.emit(Op::Define(chosen.value), case.span),
        }
    }

    /// The types of Result that the wrapper of `on_done` passes on.
    pub fn only_parameter(&self, function: Ty) -> Ty {
        match self.kind(function) {
            TyKind::Func(params, _) => params[0],
            other => unreachable!("the checker knows that {other:?} is a function"),
        }
    }
}

/// What the branch of a chosen case begins with.
struct Chosen {
    value: Var,
    ok: Option<Var>,
}

impl Chosen {
    fn of(case: &ir::SelectCase) -> Chosen {
        Chosen {
            value: case.value,
            ok: case.ok,
        }
    }
}

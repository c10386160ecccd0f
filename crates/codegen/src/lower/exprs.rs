//! Expressions: one exhaustive match whose arms delegate.

use echo_sema::typed::{Block, Expr, ExprKind, FuncId};
use echo_sema::types::{StructId, Ty};
use echo_syntax::span::Span;

use super::body::{Body, int, value_of, whole};
use super::wrappers::Wrapper;
use crate::ir::{BlockId, Const, Header, Op, Operand, RtArg, Terminator, Var};

impl<'p> Body<'_, 'p> {
    /// Evaluates the expression. A local is its own operand: see [`Body::stable`].
    pub fn expr(&mut self, expr: &'p Expr) -> Operand {
        let (ty, span) = (expr.ty, expr.span);
        match &expr.kind {
            ExprKind::Int(value) => Operand::Const(Const::Int(*value, ty)),
            ExprKind::Float(value) => Operand::Const(Const::Float(*value, ty)),
            ExprKind::Bool(value) => Operand::Const(Const::Bool(*value)),
            ExprKind::Char(value) => Operand::Const(Const::Char(*value)),
            ExprKind::Str(value) => Operand::Const(Const::Str(value.clone())),
            ExprKind::Unit => Operand::Const(Const::Unit),
            ExprKind::Local(local) if self.unsure.contains(local) => {
                let place = self.local_place(*local, ty, span);
                Operand::Var(self.load(place, span))
            }
            ExprKind::Local(local) => Operand::Var(self.local(*local)),
            ExprKind::Global(global) => self.load_global(*global, span),
            ExprKind::Deref(local) => {
                let place = whole(self.local(*local), ty);
                Operand::Var(self.load(place, span))
            }
            ExprKind::Ref(_) => unreachable!("a reference is only an argument"),
            ExprKind::Function(function) => self.function_value(*function, ty, span),

            ExprKind::Neg(value) => self.neg(value, ty, span),
            ExprKind::Not(value) => self.not(value, span),
            ExprKind::Binary(op, left, right) => self.binary(*op, left, right, ty),
            ExprKind::And(..) | ExprKind::Or(..) => self.decide(expr),
            ExprKind::Compare(op, left, right) => {
                let operands = self.operands([left, right]);
                self.compare(*op, operands, left.ty, left.span.after())
            }
            ExprKind::Concat(left, right) => {
                let [a, b] = self.operands([left, right]);
                self.concat(a, b, left.span.after())
            }
            ExprKind::ToString(value) => self.formatted(value, span),
            ExprKind::Convert(conversion, value) => self.convert(*conversion, value, ty, span),

            ExprKind::Struct(id, fields) => self.struct_value(*id, fields, ty, span),
            ExprKind::Tuple(elements) => {
                let fields = self.operand_list(&references(elements));
                self.make(fields, ty, span)
            }
            ExprKind::Array(elements) => self.array(elements, ty, span),
            ExprKind::ArrayRepeat(value, count) => self.array_repeat(value, count, ty, span),
            ExprKind::Map(entries) => self.map(entries, ty, span),
            ExprKind::Variant(_, tag, payload) => {
                let payload = self.operand_list(&references(payload));
                self.variant(ty, *tag as u32, payload, span)
            }
            ExprKind::Some(value) => self.wrapped(1, value, ty, span),
            ExprKind::None => Operand::Const(Const::Zero(ty)),
            ExprKind::Ok(value) => self.wrapped(0, value, ty, span),
            ExprKind::Err(value) => self.wrapped(1, value, ty, span),

            ExprKind::Field(..) | ExprKind::Index(..) | ExprKind::MapIndex(..) => {
                let place = self.read_place(expr);
                Operand::Var(self.load(place, operation_span(expr)))
            }
            ExprKind::CharAt(text, index) => self.char_at(text, index, ty),
            ExprKind::Slice(base, from, to) => self.slice(base, from.as_deref(), to.as_deref(), ty),

            ExprKind::Call(call) => self.call(call),
            ExprKind::Spawn(call) => self.spawn(call, ty),
            ExprKind::AwaitCall(call) => self.await_call(call),
            ExprKind::Await(future) => {
                let future = self.expr(future);
                self.await_future(future, ty, span)
            }
            ExprKind::TryAwait(future) => {
                let future = self.expr(future);
                self.try_await(future, ty, span)
            }
            ExprKind::NewChan(capacity) => self.new_chan(capacity.as_deref(), ty, span),
            ExprKind::Receive(channel) => self.receive(channel, ty, span),
            ExprKind::ReceiveOk(channel) => {
                let (value, ok) = self.receive_ok(channel, span);
                self.make(vec![Operand::Var(value), Operand::Var(ok)], ty, span)
            }
            ExprKind::Send(channel, value) => self.send(channel, value, span),

            ExprKind::If(condition, then, otherwise) => {
                self.if_else(condition, then, otherwise.as_ref(), ty, span)
            }
            ExprKind::Match(matching) => self.matching(matching, ty),
            ExprKind::Block(block) => self.block(block),
            ExprKind::Diverge(stmt) => {
                self.stmt(stmt);
                Operand::Const(Const::Unit)
            }
            ExprKind::Question(value) => self.question(value, ty, span),
        }
    }

    /// The statements, then the value.
    pub fn block(&mut self, block: &'p Block) -> Operand {
        for stmt in &block.stmts {
            self.stmt(stmt);
        }
        match &block.value {
            Some(value) => self.expr(value),
            None => Operand::Const(Const::Unit),
        }
    }

    fn function_value(&mut self, function: FuncId, ty: Ty, span: Span) -> Operand {
        let closure = self.lowering.wrapper(Wrapper::Closure(function, ty), span);
        Operand::Const(Const::Closure(closure, ty))
    }

    // ------------------------------------------------------------ branches

    fn if_else(
        &mut self,
        condition: &'p Expr,
        then: &'p Block,
        otherwise: Option<&'p Block>,
        ty: Ty,
        span: Span,
    ) -> Operand {
        let result = self.result_var(ty);
        let [then_block, else_block, end] = [(); 3].map(|()| self.builder.block());
        self.condition(condition, then_block, else_block);
        self.builder.start(then_block);
        self.arm(result, then, span);
        self.builder.jump(end);
        self.builder.start(else_block);
        if let Some(otherwise) = otherwise {
            self.arm(result, otherwise, span);
        }
        self.builder.jump(end);
        self.builder.start(end);
        value_of(result)
    }

    fn arm(&mut self, result: Option<Var>, block: &'p Block, span: Span) {
        let value = self.block(block);
        self.give(result, value, span);
    }

    /// The value of a branch becomes the result, if there is one.
    pub fn give(&mut self, result: Option<Var>, value: Operand, span: Span) {
        if let Some(result) = result {
            self.set(result, value, span);
        }
    }

    /// Goes to one of the blocks; only as much is evaluated as is needed.
    pub fn condition(&mut self, condition: &'p Expr, then: BlockId, otherwise: BlockId) {
        match &condition.kind {
            ExprKind::Not(value) => self.condition(value, otherwise, then),
            ExprKind::And(left, right) => {
                let both = self.builder.block();
                self.condition(left, both, otherwise);
                self.builder.start(both);
                self.condition(right, then, otherwise);
            }
            ExprKind::Or(left, right) => {
                let neither = self.builder.block();
                self.condition(left, then, neither);
                self.builder.start(neither);
                self.condition(right, then, otherwise);
            }
            _ => {
                let value = self.expr(condition);
                self.builder.branch(value, then, otherwise);
            }
        }
    }

    /// The value of a condition.
    fn decide(&mut self, expr: &'p Expr) -> Operand {
        let result = self.builder.temp(Ty::BOOL);
        let [yes, no, end] = [(); 3].map(|()| self.builder.block());
        self.condition(expr, yes, no);
        for (block, value) in [(yes, true), (no, false)] {
            self.builder.start(block);
            self.set(result, Operand::Const(Const::Bool(value)), expr.span);
            self.builder.jump(end);
        }
        self.builder.start(end);
        Operand::Var(result)
    }

    // ------------------------------------------------------------ aggregates

    pub fn make(&mut self, fields: Vec<Operand>, ty: Ty, span: Span) -> Operand {
        let dst = self.builder.temp(ty);
        self.builder.emit(Op::Make { dst, fields }, span);
        Operand::Var(dst)
    }

    /// Fields are evaluated in source order; those not named are zero.
    fn struct_value(
        &mut self,
        id: StructId,
        fields: &'p [(usize, Expr)],
        ty: Ty,
        span: Span,
    ) -> Operand {
        let exprs: Vec<&Expr> = fields.iter().map(|(_, expr)| expr).collect();
        let values = self.operand_list(&exprs);
        let mut members: Vec<Operand> = self.program().structs[id.0 as usize]
            .fields
            .iter()
            .map(|field| Operand::Const(Const::Zero(field.ty)))
            .collect();
        for ((index, _), value) in fields.iter().zip(values) {
            members[*index] = value;
        }
        self.make(members, ty, span)
    }

    fn wrapped(&mut self, tag: u32, value: &'p Expr, ty: Ty, span: Span) -> Operand {
        let payload = self.expr(value);
        self.variant(ty, tag, vec![payload], span)
    }

    fn array(&mut self, elements: &'p [Expr], ty: Ty, span: Span) -> Operand {
        if elements.is_empty() {
            return Operand::Const(Const::Zero(ty));
        }
        let elements = self.operand_list(&references(elements));
        let (dst, element) = (self.builder.temp(ty), self.inner(ty));
        let op = Op::Array {
            dst,
            element,
            elements,
        };
        self.builder.emit(op, span);
        Operand::Var(dst)
    }

    fn array_repeat(&mut self, value: &'p Expr, count: &'p Expr, ty: Ty, span: Span) -> Operand {
        let [value, count] = self.operands([value, count]);
        let value = self.in_var(value, span);
        let args = vec![
            RtArg::Desc(self.inner(ty)),
            RtArg::Borrow(value),
            RtArg::Value(count),
        ];
        self.runtime("echo_array_repeat", args, ty, span)
    }

    fn map(&mut self, entries: &'p [(Expr, Expr)], ty: Ty, span: Span) -> Operand {
        if entries.is_empty() {
            return Operand::Const(Const::Zero(ty));
        }
        let map = self.copied(Operand::Const(Const::Zero(ty)), span);
        for (key, value) in entries {
            let operands = self.operands([key, value]);
            self.map_insert(whole(map, ty), operands, span);
        }
        Operand::Var(map)
    }

    // ------------------------------------------------------------ parts of strings and arrays

    fn char_at(&mut self, text: &'p Expr, index: &'p Expr, ty: Ty) -> Operand {
        let operands = self.operands([text, index]);
        let args = operands.map(RtArg::Value).to_vec();
        self.runtime("echo_string_char_at", args, ty, text.span.after())
    }

    fn slice(
        &mut self,
        base: &'p Expr,
        from: Option<&'p Expr>,
        to: Option<&'p Expr>,
        ty: Ty,
    ) -> Operand {
        let bounds: Vec<&Expr> = from.into_iter().chain(to).collect();
        let span = base.span.after();
        let base = self.stable(base, &bounds);
        let mut bounds = self.operand_list(&bounds).into_iter();
        let mut bound = |given: Option<&Expr>| given.and_then(|_| bounds.next());
        let from = bound(from).unwrap_or(int(0));
        let to = match bound(to) {
            Some(to) => to,
            None => self.len(&base, span),
        };
        self.slice_of(base, from, to, ty, span)
    }

    /// Elements or characters `from..to`.
    pub fn slice_of(
        &mut self,
        base: Operand,
        from: Operand,
        to: Operand,
        ty: Ty,
        span: Span,
    ) -> Operand {
        let mut args = vec![RtArg::Value(base)];
        let symbol = if ty == Ty::STRING {
            "echo_string_slice"
        } else {
            args.push(RtArg::Desc(self.inner(ty)));
            "echo_array_slice"
        };
        args.extend([RtArg::Value(from), RtArg::Value(to)]);
        self.runtime(symbol, args, ty, span)
    }

    /// Elements of an array, characters of a string.
    pub fn len(&mut self, value: &Operand, span: Span) -> Operand {
        let which = if self.operand_ty(value) == Ty::STRING {
            Header::StringChars
        } else {
            Header::ArrayLen
        };
        self.header(value.clone(), which, span)
    }

    pub fn header(&mut self, value: Operand, which: Header, span: Span) -> Operand {
        let dst = self.builder.temp(Ty::INT);
        self.builder.emit(Op::Header { dst, value, which }, span);
        Operand::Var(dst)
    }

    // ------------------------------------------------------------ ?

    fn question(&mut self, value: &'p Expr, ty: Ty, span: Span) -> Operand {
        let operand = self.expr(value);
        let value_ty = value.ty;
        let value = self.in_var(operand, span);
        let [good, bad] = [(); 2].map(|()| self.builder.block());
        self.branch_on_success(value, good, bad, span);
        self.builder.start(bad);
        let failure = match self.failure_payload(value, value_ty) {
            None => Operand::Const(Const::Zero(self.result)),
            Some(place) => {
                let error = Operand::Var(self.load(place, span));
                self.variant(self.result, 1, vec![error], span)
            }
        };
        self.return_value(Some(failure), span);
        self.builder.start(good);
        let place = self.payload(value, 0, ty);
        Operand::Var(self.load(place, span))
    }

    /// Ends the block after a call that does not return.
    pub fn unreachable_after(&mut self, ty: Ty) {
        if ty == Ty::NEVER {
            self.builder.end(Terminator::Unreachable);
        }
    }
}

/// Where an operation on a place is: at its bracket or dot, behind what it is done to.
fn operation_span(expr: &Expr) -> Span {
    match &expr.kind {
        ExprKind::Field(base, _) => match base.kind {
            ExprKind::Field(..) | ExprKind::Index(..) | ExprKind::MapIndex(..) => {
                operation_span(base)
            }
            _ => base.span.after(),
        },
        ExprKind::Index(base, _) | ExprKind::MapIndex(base, _) => base.span.after(),
        _ => expr.span,
    }
}

pub fn references(exprs: &[Expr]) -> Vec<&Expr> {
    exprs.iter().collect()
}

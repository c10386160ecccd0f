//! Statements, but for loops and select.

use echo_sema::typed::{
    BinaryOp, Call, Expr, ExprKind, LocalId, Place, Root, Step, Stmt, StmtKind,
};
use echo_sema::types::{Ty, TyKind};
use echo_syntax::span::Span;

use super::body::{Body, Loop};
use super::effects::{changes, root_local};
use crate::ir::{self, Op, Operand, RtArg, Var};
use crate::layout;

impl<'p> Body<'_, 'p> {
    pub fn stmt(&mut self, stmt: &'p Stmt) {
        let span = stmt.span;
        match &stmt.kind {
            StmtKind::Let(local, value) => {
                let value = self.expr(value);
                self.set(self.local(*local), value, span);
            }
            StmtKind::LetTuple(locals, value) => self.let_tuple(locals, value, span),
            StmtKind::Assign(place, value) => self.assign(place, value, span),
            StmtKind::Update(place, op, value) => self.update(place, *op, value),
            StmtKind::Expr(value) => match &value.kind {
                ExprKind::Spawn(call) => self.spawn_detached(call, value.ty),
                _ => {
                    self.expr(value);
                }
            },
            StmtKind::Return(value) => self.return_stmt(value.as_ref(), span),
            StmtKind::Break => {
                let end = self.innermost().end;
                self.builder.jump(end);
            }
            StmtKind::Continue => {
                let next = self.innermost().next;
                self.builder.jump(next);
            }
            StmtKind::While(condition, body) => self.while_loop(condition, body, span),
            StmtKind::Loop(body) => self.endless_loop(body, span),
            StmtKind::ForRange {
                local,
                start,
                end,
                body,
            } => self.for_range(*local, start, end, body, span),
            StmtKind::ForEach {
                local,
                iterable,
                body,
            } => self.for_each(*local, iterable, body, span),
            StmtKind::ForMap {
                key,
                value,
                iterable,
                body,
            } => self.for_map([*key, *value], iterable, body, span),
            StmtKind::Block(block) => {
                self.block(block);
            }
            StmtKind::Select(select) => self.select(select, span),
            StmtKind::Defer(call) => self.defer(call),
        }
    }

    fn innermost(&self) -> &Loop {
        self.loops
            .last()
            .expect("the checker admits `break` and `continue` in loops only")
    }

    fn let_tuple(&mut self, locals: &'p [Option<LocalId>], value: &'p Expr, span: Span) {
        if let (ExprKind::ReceiveOk(channel), [first, second]) = (&value.kind, locals) {
            if !self.has_zero(self.inner(channel.ty)) {
                self.receive_unsure(channel, [*first, *second], value.span);
                return;
            }
            let (received, ok) = self.receive_ok(channel, value.span);
            for (local, var) in [(first, received), (second, ok)] {
                if let Some(local) = local {
                    self.set(self.local(*local), Operand::Var(var), span);
                }
            }
            return;
        }
        let operand = self.expr(value);
        let tuple = self.in_var(operand, span);
        for (field, local) in locals.iter().enumerate() {
            let Some(local) = *local else { continue };
            let local = self.local(local);
            let place = ir::Place {
                root: tuple,
                path: vec![ir::Step::Field(field)],
                ty: self.builder.ty(local),
            };
            self.load_into(local, place, span);
        }
    }

    fn return_stmt(&mut self, value: Option<&'p Expr>, span: Span) {
        let value = value.map(|value| self.expr(value));
        let value = value.filter(|_| !self.is_void(self.result));
        self.return_value(value, span);
    }

    // ------------------------------------------------------------ assignment

    fn assign(&mut self, place: &'p Place, value: &'p Expr, span: Span) {
        match (&place.root, place.path.as_slice()) {
            (Root::Discard, _) => {
                self.expr(value);
            }
            (Root::Local(local), []) if !self.is_reference(self.builder.ty(self.local(*local))) => {
                let value = self.expr(value);
                self.set_local(*local, value, span);
            }
            (Root::Global(global), []) => {
                let value = self.expr(value);
                self.store_global(*global, value, span);
            }
            (_, [.., Step::Key(_)]) if !self.has_zero(place.ty) => self.assign_entry(place, value),
            _ => {
                let target = self.target(place, &[value]);
                let value = self.expr(value);
                let changed = self.ready(&target, span);
                let store = Op::Store {
                    place: changed,
                    value,
                };
                self.builder.emit(store, place.span);
            }
        }
    }

    /// `map[key] = value` inserts; in place of the zero value, where there is one.
    fn assign_entry(&mut self, place: &'p Place, value: &'p Expr) {
        let target = self.target(place, &[value]);
        let value = self.expr(value);
        let mut map = self.ready(&target, place.span);
        let Some(ir::Step::Key(key)) = map.path.pop() else {
            unreachable!("the last step is a key");
        };
        map.ty = self.place_ty(&map);
        self.map_insert(map, [key, value], place.span);
    }

    /// The map in the place takes an entry.
    pub fn map_insert(&mut self, map: ir::Place, entry: [Operand; 2], span: Span) {
        let desc = RtArg::Desc(map.ty);
        let [key, value] = entry.map(|operand| self.moved(operand, span));
        let args = vec![RtArg::Place(map), desc, key, value];
        self.runtime("echo_map_insert", args, Ty::VOID, span);
    }

    fn update(&mut self, place: &'p Place, op: BinaryOp, value: &'p Expr) {
        let span = place.span.after();
        let is_scalar_global = |global| self.is_scalar(self.global_ty(global));
        if let Root::Global(global) = place.root
            && is_scalar_global(global)
        {
            let value = self.expr(value);
            let old = self.load_global(global, span);
            let result = self.arith(op, old, value, place.ty, span);
            self.store_global(global, result, span);
            return;
        }
        let target = self.target(place, &[value]);
        if let Some(local) = root_local(place)
            && place.path.is_empty()
            && self.builder.ty(target.place.root) == place.ty
        {
            let mut old = target.place.root;
            if changes(value, local) {
                old = self.copied(Operand::Var(old), span);
            }
            let value = self.expr(value);
            let result = self.updated(old, op, value, place.ty, span);
            self.set(target.place.root, result, span);
            return;
        }
        let value = self.expr(value);
        if place.ty == Ty::STRING {
            let place = self.ready(&target, span);
            let args = vec![RtArg::Place(place), RtArg::Value(value)];
            self.runtime("echo_string_push", args, Ty::VOID, span);
        } else if self.builder.is_global(target.place.root) {
            let changed = self.ready(&target, span);
            let old = self.load(changed.clone(), place.span);
            let value = self.arith(op, Operand::Var(old), value, place.ty, span);
            let store = Op::Store {
                place: changed,
                value,
            };
            self.builder.emit(store, place.span);
        } else {
            let update = Op::Update {
                place: target.place,
                op,
                value,
            };
            self.builder.emit(update, place.span);
        }
    }

    fn updated(&mut self, old: Var, op: BinaryOp, value: Operand, ty: Ty, span: Span) -> Operand {
        if ty == Ty::STRING {
            self.append_text(old, value, span)
        } else {
            self.arith(op, Operand::Var(old), value, ty, span)
        }
    }

    /// The type of what the path leads to.
    fn place_ty(&self, place: &ir::Place) -> Ty {
        let mut ty = match *self.kind(self.builder.ty(place.root)) {
            TyKind::Ref(target) => target,
            _ => self.builder.ty(place.root),
        };
        for step in &place.path {
            ty = match step {
                ir::Step::Field(field) => layout::parts(self.program(), ty)[*field],
                ir::Step::Index { .. } => self.inner(ty),
                ir::Step::Key(_) => self.map_parts(ty).1,
                ir::Step::Payload(index) => layout::parts(self.program(), ty)[*index],
            };
        }
        ty
    }

    // ------------------------------------------------------------ defer

    fn defer(&mut self, call: &'p Call) {
        let (entry, args) = self.crossing_call(call, Ty::VOID);
        self.builder.emit(Op::Defer { entry, args }, call.span);
    }
}

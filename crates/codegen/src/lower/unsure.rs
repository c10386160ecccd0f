//! Locals that may have no value.
//!
//! `let v, ok = <- ch` and `case v, ok := <- ch` give no value when the channel is closed and the element type has no zero value. Such a `v` lives in
//! a variable of type `Option[T]`: reading it when there is none panics.

use echo_sema::display::type_name;
use echo_sema::typed::{ExprKind, Function, LocalId, Program, SelectKind, StmtKind};
use echo_sema::types::{Ty, TyKind};
use echo_sema::walk::{Node, walk_block};
use echo_syntax::span::Span;

use super::body::{Body, text, whole};
use crate::ir::{Op, Operand, Place, Step, Var};
use crate::layout;

/// Where a received value goes when there may be none.
pub enum Received {
    /// Into a local that may have no value.
    Unsure(LocalId),
    /// It is there, or the receive panics.
    Needed,
    Dropped,
}

/// The locals of the function that may have no value.
pub fn unsure_locals(program: &Program, function: &Function) -> Vec<LocalId> {
    let mut found = Vec::new();
    walk_block(&function.body, &mut |node| {
        let Node::Stmt(stmt) = node else { return };
        match &stmt.kind {
            StmtKind::LetTuple(locals, value) if matches!(value.kind, ExprKind::ReceiveOk(_)) => {
                found.extend(locals.first().copied().flatten());
            }
            StmtKind::Select(select) => {
                found.extend(select.cases.iter().filter_map(|case| match case.kind {
                    SelectKind::Receive {
                        value, ok: Some(_), ..
                    } => value,
                    _ => None,
                }));
            }
            _ => {}
        }
    });
    found.retain(|local| !layout::has_zero(program, function.locals[local.0 as usize].ty));
    found
}

impl Body<'_, '_> {
    /// Where the local's value is; panics where it has none.
    pub fn local_place(&mut self, local: LocalId, ty: Ty, span: Span) -> Place {
        let var = self.local(local);
        if !self.unsure.contains(&local) {
            return whole(var, ty);
        }
        let [there, missing] = [(); 2].map(|()| self.builder.block());
        self.branch_on_success(var, there, missing, span);
        self.builder.start(missing);
        let name = self.builder.name(var);
        let message = format!("`{name}` has no value: the channel is closed");
        self.panic(text(&message), span);
        self.builder.start(there);
        Place {
            root: var,
            path: vec![Step::Payload(0)],
            ty,
        }
    }

    /// The local takes a value.
    pub fn set_local(&mut self, local: LocalId, value: Operand, span: Span) {
        let var = self.local(local);
        if self.unsure.contains(&local) {
            self.become_variant(var, 1, vec![value], span);
        } else {
            self.set(var, value, span);
        }
    }

    /// After a receive that may have filled the slot.
    pub fn received(&mut self, came: Operand, slot: Var, into: &Received, span: Span) {
        let [value, none, end] = [(); 3].map(|()| self.builder.block());
        self.builder.branch(came, value, none);
        self.builder.start(value);
        self.builder.emit(Op::Define(slot), span);
        if let Received::Unsure(local) = *into {
            self.set_local(local, Operand::Var(slot), span);
        }
        self.builder.jump(end);
        self.builder.start(none);
        match *into {
            Received::Unsure(local) => {
                let var = self.local(local);
                self.become_variant(var, 0, Vec::new(), span);
            }
            Received::Needed => {
                let name = type_name(self.program(), self.builder.ty(slot));
                let message = format!("receive from closed channel: type {name} has no zero value");
                self.panic(text(&message), span);
            }
            Received::Dropped => {}
        }
        self.builder.jump(end);
        self.builder.start(end);
    }

    pub fn has_zero(&self, ty: Ty) -> bool {
        debug_assert!(!matches!(self.kind(ty), TyKind::Error));
        layout::has_zero(self.program(), ty)
    }
}

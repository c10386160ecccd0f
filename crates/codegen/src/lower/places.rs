//! Places: the way to what is read, and to what is changed.

use echo_sema::typed::{Expr, ExprKind, GlobalId, Place, Root, Step};
use echo_syntax::span::Span;

use super::body::{Body, whole};
use super::effects::{changes, is_quiet};
use crate::ir::{self, Operand};

/// A place that can be changed.
pub struct Target {
    pub place: ir::Place,
    /// The global that the place is in.
    global: Option<GlobalId>,
}

impl<'p> Body<'_, 'p> {
    /// Where a value to read is. Indexes and keys have been evaluated; the place is to be read at once.
    pub fn read_place(&mut self, expr: &'p Expr) -> ir::Place {
        let mut place = match &expr.kind {
            ExprKind::Local(local) if !self.is_reference(expr.ty) => {
                return self.local_place(*local, expr.ty, expr.span);
            }
            ExprKind::Global(global) => {
                self.check_initialised(*global, expr.span);
                match self.global_place(*global, expr.span) {
                    Some(place) => return place,
                    None => return self.value_place(expr),
                }
            }
            ExprKind::Deref(local) => return whole(self.local(*local), expr.ty),
            ExprKind::Field(base, field) => {
                let mut place = self.read_place(base);
                place.path.push(ir::Step::Field(*field));
                place
            }
            ExprKind::Index(base, index) => {
                let mut place = self.base_place(base, index);
                let index = self.expr(index);
                place.path.push(ir::Step::Index {
                    index,
                    checked: true,
                    alone: false,
                });
                place
            }
            ExprKind::MapIndex(base, key) => {
                let mut place = self.base_place(base, key);
                place.path.push(ir::Step::Key(self.expr(key)));
                place
            }
            _ => return self.value_place(expr),
        };
        place.ty = expr.ty;
        place
    }

    fn value_place(&mut self, expr: &'p Expr) -> ir::Place {
        let value = self.expr(expr);
        let var = self.in_var(value, expr.span);
        whole(var, expr.ty)
    }

    /// Where the value that is indexed is; taken out first where the index may change it, or where it fails before the index is looked at.
    fn base_place(&mut self, base: &'p Expr, index: &'p Expr) -> ir::Place {
        let place = self.read_place(base);
        let moves = match &base.kind {
            ExprKind::Local(local) => changes(index, *local),
            _ => !is_quiet(index),
        };
        if moves {
            let ty = place.ty;
            let copy = self.load(place, base.span);
            return whole(copy, ty);
        }
        place
    }

    /// Where a change takes place. Indexes and keys are evaluated now, `later` expressions before the change.
    pub fn target(&mut self, place: &'p Place, later: &[&'p Expr]) -> Target {
        let mut path = self.steps(&place.path, later);
        let (root, global) = match place.root {
            Root::Local(local) => {
                let mut whole = self.local_place(local, place.ty, place.span);
                whole.path.append(&mut path);
                path = whole.path;
                (whole.root, None)
            }
            Root::Global(global) => (self.global_root(global, place.span), Some(global)),
            Root::Discard => unreachable!("only an assignment discards"),
        };
        Target {
            place: ir::Place {
                root,
                path,
                ty: place.ty,
            },
            global,
        }
    }

    fn steps(&mut self, steps: &'p [Step], later: &[&'p Expr]) -> Vec<ir::Step> {
        let mut path = Vec::with_capacity(steps.len());
        for (number, step) in steps.iter().enumerate() {
            let rest = steps[number + 1..].iter().filter_map(|step| match step {
                Step::Field(_) => None,
                Step::Index(expr) | Step::Key(expr) => Some(expr),
            });
            let later: Vec<&Expr> = rest.chain(later.iter().copied()).collect();
            path.push(match step {
                Step::Field(field) => ir::Step::Field(*field),
                Step::Index(index) => ir::Step::Index {
                    index: self.stable(index, &later),
                    checked: true,
                    alone: false,
                },
                Step::Key(key) => ir::Step::Key(self.stable(key, &later)),
            });
        }
        path
    }

    /// The place, for a change by one instruction: everything has been evaluated. What may fail in a global does so here.
    pub fn ready(&mut self, target: &Target, span: Span) -> ir::Place {
        let Some(global) = target.global else {
            return target.place.clone();
        };
        self.check_initialised(global, span);
        if target.place.is_checked() {
            self.load(target.place.clone(), span);
        }
        already_checked(target.place.clone())
    }

    /// Before a change by something that may fail or wait: the place is in a copy of the global from now on.
    pub fn open(&mut self, target: &mut Target, span: Span) {
        if let Some(global) = target.global {
            let value = self.load_global(global, span);
            target.place.root = self.copied(value, span);
        }
    }

    /// After the change.
    pub fn close(&mut self, target: &Target, span: Span) {
        if let Some(global) = target.global {
            self.store_global(global, Operand::Var(target.place.root), span);
        }
    }
}

/// The same place, just read at these indexes.
pub fn already_checked(mut place: ir::Place) -> ir::Place {
    for step in &mut place.path {
        if let ir::Step::Index { checked, .. } = step {
            *checked = false;
        }
    }
    place
}

//! Places: what can be assigned, changed in place, or referred to.

use echo_syntax::ast::{self, ExprKind as Ast, Ident, UnaryOp};
use echo_syntax::{Diagnostic, Span};

use super::constants::constant;
use super::expected::{Want, broken, node};
use super::scopes::Entity;
use super::statements::block_expr;
use super::{Checker, code};
use crate::typed::{Block, Expr, ExprKind, Place, Root, Step, Stmt, StmtKind};
use crate::types::{Ty, TyKind};

/// What a member or index is taken of.
pub(super) enum Base {
    Place(Place),
    /// A temporary, or something erroneous.
    Value(Expr),
}

impl Base {
    pub fn ty(&self) -> Ty {
        match self {
            Base::Place(place) => place.ty,
            Base::Value(value) => value.ty,
        }
    }

    pub fn span(&self) -> Span {
        match self {
            Base::Place(place) => place.span,
            Base::Value(value) => value.span,
        }
    }
}

impl<'a> Checker<'a> {
    /// An expression as a place where it is one, else as a value.
    pub(super) fn base(&mut self, expr: &'a ast::Expr) -> Base {
        let span = expr.span;
        match &expr.kind {
            Ast::Paren(inner) => self.base(inner),
            Ast::Name(name) => self.base_name(name, expr),
            Ast::Unary(UnaryOp::Deref, _, inner) => match self.reference_local(inner) {
                Some(local) => {
                    self.mark_read(local);
                    let ty = self.referred(self.local_ty(local));
                    Base::Place(root_place(Root::Local(local), ty, span))
                }
                None => Base::Value(self.expr(expr, Want::Nothing)),
            },
            Ast::Field(base, name, _) if !self.is_static(base) => match self.base(base) {
                Base::Place(place) => self.field_step(place, name, span),
                Base::Value(value) => Base::Value(self.field_of(value, name, span)),
            },
            Ast::Bracket(base, args) => match self.base(base) {
                Base::Place(place) => self.index_step(place, args, span),
                Base::Value(value) => Base::Value(self.index_of(value, args, span)),
            },
            _ => Base::Value(self.operand(expr, Want::Nothing)),
        }
    }

    fn base_name(&mut self, name: &Ident, expr: &'a ast::Expr) -> Base {
        match self.lookup(name) {
            Entity::Local(local) => {
                self.mark_read(local);
                let ty = self.referred(self.local_ty(local));
                match ty {
                    Ty::ERROR => Base::Value(broken(name.span)),
                    _ => Base::Place(root_place(Root::Local(local), ty, name.span)),
                }
            }
            _ => match self.expr(expr, Want::Nothing) {
                Expr {
                    kind: ExprKind::Global(global),
                    ty,
                    span,
                } => Base::Place(root_place(Root::Global(global), ty, span)),
                value => Base::Value(value),
            },
        }
    }

    fn field_step(&mut self, mut place: Place, name: &Ident, span: Span) -> Base {
        let Some((index, ty)) = self.field_named(place.ty, name) else {
            self.report_no_field(place.ty, name);
            return Base::Value(broken(span));
        };
        place.path.push(Step::Field(index));
        Base::Place(Place { ty, span, ..place })
    }

    fn index_step(&mut self, mut place: Place, args: &'a [ast::Expr], span: Span) -> Base {
        let (step, ty) = match (self.kind(place.ty), args) {
            (&TyKind::Array(element), [index]) => (Step::Index(self.position(index)), element),
            (&TyKind::Map(key, value), [index]) => {
                (Step::Key(self.expr(index, Want::plain(key))), value)
            }
            _ => {
                let value = self.place_value(place);
                return Base::Value(self.index_of(value, args, span));
            }
        };
        place.path.push(step);
        Base::Place(Place { ty, span, ..place })
    }

    // ------------------------------------------------------------ reading

    /// What a base holds.
    pub(super) fn base_value(&mut self, base: Base) -> Expr {
        match base {
            Base::Place(place) => self.place_value(place),
            Base::Value(value) => value,
        }
    }

    fn place_value(&mut self, place: Place) -> Expr {
        let span = place.span;
        let (kind, mut ty) = match place.root {
            Root::Local(local) => {
                let ty = self.local_ty(local);
                match *self.kind(ty) {
                    TyKind::Ref(target) => (ExprKind::Deref(local), target),
                    _ => (ExprKind::Local(local), ty),
                }
            }
            Root::Global(global) => {
                let ty = if place.path.is_empty() {
                    place.ty
                } else {
                    self.global_ty(global)
                };
                (ExprKind::Global(global), ty)
            }
            Root::Discard => return broken(span),
        };
        let mut value = node(kind, ty, span);
        for step in place.path {
            ty = self.step_ty(ty, &step);
            let kind = match step {
                Step::Field(index) => ExprKind::Field(Box::new(value), index),
                Step::Index(index) => ExprKind::Index(Box::new(value), Box::new(index)),
                Step::Key(key) => {
                    self.require_zero(ty, span);
                    ExprKind::MapIndex(Box::new(value), Box::new(key))
                }
            };
            value = node(kind, ty, span);
        }
        value
    }

    /// The type behind a step.
    fn step_ty(&self, ty: Ty, step: &Step) -> Ty {
        match (self.kind(ty), step) {
            (TyKind::Tuple(elements), Step::Field(index)) => elements[*index],
            (TyKind::Struct(id), Step::Field(index)) => {
                self.structs[id.0 as usize].fields[*index].ty
            }
            (TyKind::Array(inner) | TyKind::Map(_, inner), _) => *inner,
            _ => Ty::ERROR,
        }
    }

    // ------------------------------------------------------------ changing

    /// The target of an assignment (or of `+=` and its like); `None` after an error.
    pub(super) fn assigned_place(
        &mut self,
        target: &'a ast::Expr,
        is_update: bool,
    ) -> Option<Place> {
        if let Ast::Name(name) = &target.without_parens().kind {
            return self.assigned_variable(name, is_update);
        }
        if let Ast::Field(base, ..) = &target.without_parens().kind
            && self.is_static(base)
        {
            self.expr(target, Want::Nothing);
            self.report_not_assignable("this is not a variable", target.span);
            return None;
        }
        match self.base(target) {
            Base::Place(place) => {
                let place = self.changeable(place)?;
                // The assignment itself makes the entry.
                let made =
                    usize::from(!is_update && matches!(place.path.last(), Some(Step::Key(_))));
                self.require_zero_entries(&place, place.path.len() - made);
                Some(place)
            }
            Base::Value(value) => {
                self.report_temporary(&value);
                None
            }
        }
    }

    /// Entries of maps on the way into a place are made where they are missing, with zero values: the first `steps` of the path.
    fn require_zero_entries(&mut self, place: &Place, steps: usize) {
        let mut ty = match place.root {
            Root::Local(local) => self.referred(self.local_ty(local)),
            Root::Global(global) => self.global_ty(global),
            Root::Discard => return,
        };
        for step in &place.path[..steps] {
            ty = self.step_ty(ty, step);
            if let Step::Key(_) = step {
                self.require_zero(ty, place.span);
            }
        }
    }

    fn report_not_assignable(&mut self, message: &str, span: Span) {
        self.error(code::BAD_ASSIGNMENT, message, span);
    }

    fn report_temporary(&mut self, value: &Expr) {
        let message = match (&value.kind, value.ty) {
            (_, Ty::ERROR) => return,
            (ExprKind::CharAt(..), _) => {
                "the characters of a string cannot be assigned: build another one"
            }
            (ExprKind::Slice(..), _) => "a slice is a copy: assigning to it has no effect",
            _ => "this is a temporary value: assigning to it has no effect",
        };
        self.report_not_assignable(message, value.span);
    }

    fn assigned_variable(&mut self, name: &Ident, is_update: bool) -> Option<Place> {
        match self.lookup(name) {
            Entity::Local(local) => {
                if is_update {
                    self.mark_read(local);
                }
                let ty = self.local_ty(local);
                if matches!(self.kind(ty), TyKind::Ref(_)) {
                    self.mark_read(local);
                    let message = format!(
                        "`{}` is a reference, which always refers to the same place",
                        name.name
                    );
                    self.report(
                        Diagnostic::error(code::BAD_ASSIGNMENT, message, name.span).with_help(
                            format!("assign to what it refers to: `*{} = …`", name.name),
                        ),
                    );
                    return None;
                }
                Some(root_place(Root::Local(local), ty, name.span))
            }
            Entity::Global(local) => {
                let declared = self.global_variable(local).1;
                self.report_global_change(&name.name, declared, name.span);
                None
            }
            Entity::Enclosing => {
                self.report_enclosing(name);
                None
            }
            Entity::Unknown => {
                self.report_unknown_name(name);
                None
            }
            Entity::Broken => None,
            _ => {
                let message = format!("`{}` is not a variable", name.name);
                self.report_not_assignable(&message, name.span);
                None
            }
        }
    }

    fn report_global_change(&mut self, name: &str, declared: Span, span: Span) {
        let message = format!("`{name}` is a global: only top-level code may change it");
        self.report(
            Diagnostic::error(code::BAD_ASSIGNMENT, message, span)
                .with_label(declared, "it is declared here")
                .with_note(
                    "coroutines share state through channels, `sync.Mutex` and `sync.Atomic`",
                ),
        );
    }

    /// The place, if it may be changed here: functions only read globals.
    pub(super) fn changeable(&mut self, place: Place) -> Option<Place> {
        let Root::Global(global) = place.root else {
            return Some(place);
        };
        let (name, declared) = self.global_name(global);
        self.report_global_change(&name, declared, place.span);
        None
    }

    // ------------------------------------------------------------ references

    /// `&base` as an argument. A temporary is put into a local first: the statement that does so is added to `before`.
    pub(super) fn reference_to(&mut self, base: Base, before: &mut Vec<Stmt>) -> Expr {
        let span = base.span();
        let place = match base {
            Base::Place(place) => match self.changeable(place) {
                Some(place) => {
                    self.require_zero_entries(&place, place.path.len());
                    place
                }
                None => return broken(span),
            },
            Base::Value(value) if value.ty == Ty::ERROR => return value,
            Base::Value(value) => {
                let local = self.temporary(&value);
                let ty = self.local_ty(local);
                before.push(Stmt {
                    kind: StmtKind::Let(local, value),
                    span,
                });
                root_place(Root::Local(local), ty, span)
            }
        };
        let ty = self.types.intern(TyKind::Ref(place.ty));
        // A reference is passed on as it is.
        if let (Root::Local(local), true) = (&place.root, place.path.is_empty())
            && self.local_ty(*local) == ty
        {
            return node(ExprKind::Local(*local), ty, span);
        }
        node(ExprKind::Ref(place), ty, span)
    }

    /// The call, behind the statements that make its temporaries.
    pub(super) fn after(&self, before: Vec<Stmt>, call: Expr) -> Expr {
        if before.is_empty() {
            return call;
        }
        let (ty, span) = (call.ty, call.span);
        let block = Block {
            stmts: before,
            value: Some(Box::new(call)),
            span,
        };
        block_expr(block, ty)
    }

    /// The argument for a `*T` parameter.
    pub(super) fn reference_argument(&mut self, arg: &'a ast::Expr, target: Ty) -> Expr {
        let inner = arg.without_parens();
        let base = match &inner.kind {
            Ast::Unary(UnaryOp::Ref, _, place) => self.base(place),
            _ => match self.reference_local(inner) {
                Some(local) => {
                    self.mark_read(local);
                    let ty = self.referred(self.local_ty(local));
                    Base::Place(root_place(Root::Local(local), ty, inner.span))
                }
                None => return self.report_missing_ampersand(arg, target),
            },
        };
        if base.ty() == Ty::ERROR {
            return broken(arg.span);
        }
        let Base::Place(place) = base else {
            let message =
                "`&` takes a variable, a field, an element or an entry, not a temporary value";
            self.error(code::BAD_REFERENCE, message, arg.span);
            return broken(arg.span);
        };
        if place.ty != target {
            let message = format!(
                "expected a reference to `{}`, found one to `{}`",
                self.show(target),
                self.show(place.ty)
            );
            self.error(code::TYPE_MISMATCH, message, arg.span);
            return broken(arg.span);
        }
        let mut reference = self.reference_to(Base::Place(place), &mut Vec::new());
        reference.span = arg.span;
        reference
    }

    fn report_missing_ampersand(&mut self, arg: &'a ast::Expr, target: Ty) -> Expr {
        let value = self.expr(arg, Want::Like(target));
        if value.ty == Ty::ERROR {
            return value;
        }
        let (expected, found) = (self.show(target), self.show(value.ty));
        let message = format!("expected a reference to `{expected}`, found `{found}`");
        let mut diagnostic = Diagnostic::error(code::TYPE_MISMATCH, message, arg.span);
        if value.ty == target {
            let text = self.sources.slice(arg.span);
            diagnostic.help = Some(match text.contains('\n') {
                true => "write `&` in front".to_string(),
                false => format!("write `&{text}`"),
            });
        }
        self.report(diagnostic);
        broken(arg.span)
    }

    /// Two references in one call must be to places that have nothing in common: each may be changed while the other is in use.
    pub(super) fn reject_overlapping(&mut self, args: &[Expr]) {
        let references: Vec<(Root, &[Step], Span)> = args
            .iter()
            .filter_map(|arg| match &arg.kind {
                ExprKind::Ref(place) => Some((same_root(&place.root), &place.path[..], arg.span)),
                ExprKind::Local(local) if matches!(self.kind(arg.ty), TyKind::Ref(_)) => {
                    Some((Root::Local(*local), &[][..], arg.span))
                }
                _ => None,
            })
            .collect();
        for (at, (root, path, span)) in references.iter().enumerate() {
            let earlier = references[..at]
                .iter()
                .find(|(other, steps, _)| is_same_root(root, other) && paths_overlap(path, steps));
            if let Some((_, _, first)) = earlier {
                let message = "two references of one call overlap";
                self.report(
                    Diagnostic::error(code::BAD_REFERENCE, message, *span)
                        .with_label(*first, "the other reference")
                        .with_help("pass one of them as a copy"),
                );
            }
        }
    }
}

fn same_root(root: &Root) -> Root {
    match root {
        Root::Local(local) => Root::Local(*local),
        Root::Global(global) => Root::Global(*global),
        Root::Discard => Root::Discard,
    }
}

fn is_same_root(left: &Root, right: &Root) -> bool {
    match (left, right) {
        (Root::Local(left), Root::Local(right)) => left == right,
        (Root::Global(left), Root::Global(right)) => left == right,
        _ => false,
    }
}

/// Whether one place may be, or be inside of, the other; or may move when the other is made, as the entries of one map do.
fn paths_overlap(left: &[Step], right: &[Step]) -> bool {
    for (left, right) in left.iter().zip(right) {
        let differ = match (left, right) {
            (Step::Field(left), Step::Field(right)) => left != right,
            (Step::Index(left), Step::Index(right)) => {
                let both = constant(left).zip(constant(right));
                both.is_some_and(|(left, right)| left != right)
            }
            (Step::Key(_), Step::Key(_)) => return true,
            _ => false,
        };
        if differ {
            return false;
        }
    }
    true
}

/// A place without a way into it.
pub(super) fn root_place(root: Root, ty: Ty, span: Span) -> Place {
    Place {
        root,
        path: Vec::new(),
        ty,
        span,
    }
}

//! Reading and assigning globals.

use echo_sema::typed::GlobalId;
use echo_sema::types::{Ty, TyKind};
use echo_syntax::span::Span;

use super::body::{Body, text};
use crate::ir::{Const, Op, Operand, Place, RtArg, Var};
use crate::layout;

impl<'p> Body<'_, 'p> {
    /// The value of the global.
    pub fn load_global(&mut self, global: GlobalId, span: Span) -> Operand {
        let ty = self.global_ty(global);
        if self.is_void(ty) {
            return Operand::Const(Const::Unit);
        }
        self.check_initialised(global, span);
        if let Some(place) = self.global_place(global, span) {
            return Operand::Var(self.load(place, span));
        }
        let dst = self.builder.temp(ty);
        if self.is_scalar(ty) {
            self.builder.emit(Op::GlobalLoad { dst, global }, span);
        } else {
            let address = self.global_address(global, ty, span);
            let args = vec![address, RtArg::Out(dst), RtArg::Desc(ty)];
            self.runtime("echo_global_load", args, Ty::VOID, span);
        }
        Operand::Var(dst)
    }

    /// Where the global can be read, if that needs no snapshot.
    pub fn global_place(&mut self, global: GlobalId, span: Span) -> Option<Place> {
        let ty = self.global_ty(global);
        let fits = self.is_main || self.prepared().is_constant(global);
        (fits && !self.is_scalar(ty) && !self.is_void(ty)).then(|| Place {
            root: self.global_root(global, span),
            path: Vec::new(),
            ty,
        })
    }

    /// The variable with the global's address.
    pub fn global_root(&mut self, global: GlobalId, span: Span) -> Var {
        if let Some(&root) = self.globals.get(&global) {
            return root;
        }
        let ty = self.prepared().reference_to(self.global_ty(global));
        let root = self.builder.global(ty, global, span);
        self.globals.insert(global, root);
        root
    }

    pub fn global_ty(&self, global: GlobalId) -> Ty {
        self.program().globals[global.0 as usize].ty
    }

    /// The global takes the value.
    pub fn store_global(&mut self, global: GlobalId, value: Operand, span: Span) {
        let ty = self.global_ty(global);
        if self.is_void(ty) {
            return;
        }
        if self.is_scalar(ty) {
            self.builder.emit(Op::GlobalStore { global, value }, span);
        } else {
            let value = self.moved(value, span);
            let root = RtArg::Global(self.global_root(global, span));
            let args = vec![root, value, RtArg::Desc(ty)];
            self.runtime("echo_global_store", args, Ty::VOID, span);
        }
        if let Some(global) = self.prepared().flag_of(global) {
            let value = Operand::Const(Const::Bool(true));
            self.builder.emit(Op::GlobalStore { global, value }, span);
        }
    }

    fn global_address(&mut self, global: GlobalId, ty: Ty, span: Span) -> RtArg {
        let dst: Var = self.builder.temp(self.prepared().reference_to(ty));
        self.builder.emit(Op::GlobalAddress { dst, global }, span);
        RtArg::Value(Operand::Var(dst))
    }

    /// Panics when the global has no value yet.
    pub fn check_initialised(&mut self, global: GlobalId, span: Span) {
        let Some(flag) = self.prepared().flag_of(global).filter(|_| !self.is_main) else {
            return;
        };
        let dst = self.builder.temp(Ty::BOOL);
        self.builder
            .emit(Op::GlobalLoad { dst, global: flag }, span);
        let [there, missing] = [(); 2].map(|()| self.builder.block());
        self.builder.branch(Operand::Var(dst), there, missing);
        self.builder.start(missing);
        let name = &self.program().globals[global.0 as usize].name;
        self.panic(text(&format!("`{name}` is not initialised yet")), span);
        self.builder.start(there);
    }

    /// Whether the machine reads and writes the global in one go.
    pub fn is_scalar(&self, ty: Ty) -> bool {
        !layout::is_managed(self.program(), ty)
            && matches!(
                self.kind(ty),
                TyKind::Bool
                    | TyKind::Char
                    | TyKind::Int(_)
                    | TyKind::F32
                    | TyKind::F64
                    | TyKind::Enum(_)
            )
    }
}

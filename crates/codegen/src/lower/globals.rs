//! Reading and assigning globals.

use echo_sema::typed::GlobalId;
use echo_sema::types::{Ty, TyKind};
use echo_syntax::span::Span;

use super::body::{Body, text};
use crate::ir::{Const, Op, Operand, RtArg, Var};
use crate::layout;

impl<'p> Body<'_, 'p> {
    /// A snapshot of the global.
    pub fn load_global(&mut self, global: GlobalId, span: Span) -> Operand {
        let program = self.program();
        let ty = program.globals[global.0 as usize].ty;
        if self.is_void(ty) {
            return Operand::Const(Const::Unit);
        }
        self.check_initialised(global, span);
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

    /// The global takes the value.
    pub fn store_global(&mut self, global: GlobalId, value: Operand, span: Span) {
        let ty = self.program().globals[global.0 as usize].ty;
        if self.is_void(ty) {
            return;
        }
        if self.is_scalar(ty) {
            self.builder.emit(Op::GlobalStore { global, value }, span);
        } else {
            let value = self.moved(value, span);
            let address = self.global_address(global, ty, span);
            let args = vec![address, value, RtArg::Desc(ty)];
            self.runtime("echo_global_store", args, Ty::VOID, span);
        }
        if let Some(global) = self.prepared().flag_of(global) {
            let value = Operand::Const(Const::Bool(true));
            self.builder.emit(Op::GlobalStore { global, value }, span);
        }
    }

    /// The global, an array, takes one more element. (A change of a snapshot would copy all of it: the global owns it too.)
    pub fn push_to_global(&mut self, global: GlobalId, value: Operand, span: Span) -> Operand {
        self.check_initialised(global, span);
        let ty = self.program().globals[global.0 as usize].ty;
        let value = self.moved(value, span);
        let address = self.global_address(global, ty, span);
        let args = vec![address, RtArg::Desc(self.inner(ty)), value];
        self.runtime("echo_global_push", args, Ty::VOID, span)
    }

    fn global_address(&mut self, global: GlobalId, ty: Ty, span: Span) -> RtArg {
        let dst: Var = self.builder.temp(self.prepared().reference_to(ty));
        self.builder.emit(Op::GlobalAddress { dst, global }, span);
        RtArg::Value(Operand::Var(dst))
    }

    /// Panics when the global has no value yet.
    fn check_initialised(&mut self, global: GlobalId, span: Span) {
        let Some(flag) = self.prepared().flag_of(global) else {
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
    fn is_scalar(&self, ty: Ty) -> bool {
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

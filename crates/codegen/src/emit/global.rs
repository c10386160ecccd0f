//! Changes of globals in place, under their locks: see `value/global.rs` of the runtime. While a lock is held no function of the program is called, also
//! none that counts or drops: its prologue could give the worker to another coroutine.

use super::debug::{COUNT, LIKELY};
use super::function::{Body, slot_of};
use super::place::Address;
use crate::ir::{Operand, Place, RtArg, Var};
use crate::layout;

impl Body<'_, '_> {
    /// Whether the variable leads to a global.
    pub fn is_global(&self, var: Var) -> bool {
        self.function.vars[var.0 as usize].global
    }

    /// The global that a runtime function changes in place.
    pub fn changed_global<'p>(&self, args: &'p [RtArg]) -> Option<&'p Place> {
        args.iter().find_map(|arg| match arg {
            RtArg::Place(place) if self.is_global(place.root) => Some(place),
            _ => None,
        })
    }

    /// What the runtime function takes over goes to a global.
    pub fn share_moved(&mut self, args: &[RtArg]) {
        for arg in args {
            if let RtArg::MoveOut(var) = arg {
                self.share(&slot_of(*var), self.var_ty(*var));
            }
        }
    }

    /// Makes a value shared, with all it reaches.
    pub fn share(&mut self, address: &str, ty: echo_sema::types::Ty) {
        if layout::is_managed(self.emitter.program, ty) {
            let desc = self.emitter.desc(ty);
            self.call_plain("echo_share", &format!("ptr {address}, ptr {desc}"));
        }
    }

    /// Makes the block at the address shared. What it holds is.
    pub fn share_block(&mut self, address: &str) {
        let block = self.temp(&format!("load ptr, ptr {address}"));
        let count = self.temp(&format!(
            "load atomic i32, ptr {block} monotonic, align 4{COUNT}"
        ));
        let is_plain = self.temp(&format!("icmp sgt i32 {count}, 0"));
        let [plain, on] = ["plain", "shared"].map(|stem| self.label(stem));
        self.line(&format!("br i1 {is_plain}, label %{plain}, label %{on}"));
        self.start(&plain);
        let shared = self.temp(&format!("sub i32 0, {count}"));
        self.line(&format!(
            "store atomic i32 {shared}, ptr {block} monotonic, align 4{COUNT}"
        ));
        self.line(&format!("br label %{on}"));
        self.start(&on);
    }

    /// Takes the lock of a global; its address.
    pub fn lock_global(&mut self, root: Var) -> String {
        let ty = match self.emitter.program.types.kind(self.var_ty(root)) {
            echo_sema::types::TyKind::Ref(target) => *target,
            other => unreachable!("globals are led to by references, not {other:?}"),
        };
        let size = layout::layout(self.emitter.program, ty).size as usize;
        let global = self.value(&Operand::Var(root));
        let lock = self.field(&global, size);
        let before = self.temp(&format!("atomicrmw xchg ptr {lock}, i8 1 acquire, align 1"));
        let is_free = self.temp(&format!("icmp eq i8 {before}, 0"));
        let [busy, on] = ["busy", "locked"].map(|stem| self.label(stem));
        self.line(&format!(
            "br i1 {is_free}, label %{on}, label %{busy}{LIKELY}"
        ));
        self.start(&busy);
        self.call_plain("echo_global_lock", &format!("ptr {lock}"));
        self.line(&format!("br label %{on}"));
        self.start(&on);
        lock
    }

    /// Gives the spin lock at that address back.
    pub fn unlock(&mut self, lock: &str) {
        self.line(&format!("store atomic i8 0, ptr {lock} release, align 1"));
    }

    /// A part of a global takes the value. What was there is dropped behind the lock.
    pub fn store_in_global(&mut self, place: &Place, value: &Operand) {
        let llvm = self.emitter.ty(place.ty);
        let (new, old) = (self.slot(&llvm), self.slot(&llvm));
        let is_constant = matches!(value, Operand::Const(_));
        let value = self.value(value);
        self.line(&format!("store {llvm} {value}, ptr {new}"));
        if !is_constant {
            self.share(&new, place.ty);
        }
        let lock = self.lock_global(place.root);
        let Address { pointer, kind, .. } = self.address_mut(place);
        let before = self.temp(&format!("load {llvm}, ptr {pointer}{kind}"));
        self.line(&format!("store {llvm} {before}, ptr {old}"));
        self.line(&format!("store {llvm} {value}, ptr {pointer}{kind}"));
        self.unlock(&lock);
        self.drop_at(&old, place.ty);
    }
}

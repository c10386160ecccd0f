//! Awaiting: the value of a future that has one is read without a call. Else the runtime waits until it has. Where the future is dropped next, the runtime may do that as
//! well, as it does for coroutines that it runs in place.

use echo_abi::layout::{FUTURE_RESOLVED, FUTURE_VALUE_OFFSET};

use super::function::{Body, slot_of};
use super::types::Helper;
use crate::ir::{Instr, Op, Operand, RtArg, Var};
use crate::layout;

impl Body<'_, '_> {
    /// Emits the instruction if it awaits; how many of those that follow are done with it, the first of which is `next`.
    pub fn await_path(&mut self, instr: &Instr, next: Option<&Instr>) -> Option<usize> {
        let Op::Runtime { symbol, args, .. } = &instr.op else {
            return None;
        };
        let ("echo_await", [RtArg::Value(future), RtArg::Out(out), ..]) = (*symbol, &args[..])
        else {
            return None;
        };
        let is_dropped = self.is_dropped(future, *out, next);
        if is_dropped {
            self.await_last(future, *out);
        } else {
            self.await_value(future, *out);
        }
        Some(usize::from(is_dropped))
    }

    /// Whether the next instruction drops the future, whose value holds no counted references.
    fn is_dropped(&self, future: &Operand, out: Var, next: Option<&Instr>) -> bool {
        match (future, next.map(|next| &next.op)) {
            (Operand::Var(future), Some(Op::Drop(dropped))) => {
                future == dropped && !layout::is_managed(self.emitter.program, self.var_ty(out))
            }
            _ => false,
        }
    }

    fn await_value(&mut self, future: &Operand, out: Var) {
        let [wait, settled] = ["wait", "settled"].map(|stem| self.label(stem));
        let block = self.value(future);
        let is_settled = self.is_resolved(&block);
        self.line(&format!(
            "br i1 {is_settled}, label %{settled}, label %{wait}"
        ));
        self.start(&wait);
        self.call_wait("void", "echo_future_wait", &block);
        self.line(&format!("br label %{settled}"));
        self.start(&settled);
        self.take_value(&block, out);
    }

    /// As above; afterwards the future is dropped.
    fn await_last(&mut self, future: &Operand, out: Var) {
        let [wait, settled, owned, end] =
            ["wait", "settled", "owned", "awaited"].map(|stem| self.label(stem));
        let block = self.value(future);
        let is_settled = self.is_resolved(&block);
        self.line(&format!(
            "br i1 {is_settled}, label %{settled}, label %{wait}"
        ));
        self.start(&wait);
        let is_dropped = self.call_wait("i1", "echo_future_wait_last", &block);
        // A block that was given back still has the value.
        self.take_value(&block, out);
        self.line(&format!("br i1 {is_dropped}, label %{end}, label %{owned}"));
        self.start(&settled);
        self.take_value(&block, out);
        self.line(&format!("br label %{owned}"));
        self.start(&owned);
        self.drop_operand(future);
        self.line(&format!("br label %{end}"));
        self.start(&end);
    }

    fn call_wait(&mut self, result: &str, name: &'static str, block: &str) -> String {
        self.emitter.runtime.insert(name);
        let position = self.position();
        self.call(
            result,
            &format!("@{name}"),
            &format!("ptr {block}, i32 {position}"),
        )
    }

    /// Copies the value of a resolved future to a variable.
    fn take_value(&mut self, block: &str, out: Var) {
        let slot = self.field(block, FUTURE_VALUE_OFFSET);
        self.copy_value(&slot, &slot_of(out), out);
        let ty = self.var_ty(out);
        if layout::is_managed(self.emitter.program, ty) {
            let dup = self.emitter.helper(Helper::Dup, ty);
            self.line(&format!("call void {dup}(ptr {})", slot_of(out)));
        }
    }

    fn drop_operand(&mut self, operand: &Operand) {
        if let Operand::Var(var) = operand {
            self.drop_at(&slot_of(*var), self.var_ty(*var));
        }
    }

    /// Whether the future has a value.
    fn is_resolved(&mut self, future: &str) -> String {
        let outcome = self.outcome(future);
        self.temp(&format!("icmp eq i32 {outcome}, {FUTURE_RESOLVED}"))
    }
}

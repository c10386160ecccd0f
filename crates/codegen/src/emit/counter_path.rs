//! Semaphores and wait groups without a call, where nobody has to wait or to be woken: the number changes under the object's spin lock, as in the
//! runtime's `sync/semaphore.rs` and `sync/wait_group.rs`. Where that is not so the lock is given back and the runtime called, which looks again.

use echo_abi::layout::{COUNTER_LOCK_OFFSET, COUNTER_OFFSET, COUNTER_WAITERS_OFFSET};

use super::function::Body;
use crate::ir::Var;

impl Body<'_, '_> {
    /// Emits the fast path of a function of semaphores and wait groups, if there is one, up to the block with the call for all other cases; the
    /// label of what follows both.
    pub fn counter_path(
        &mut self,
        name: &str,
        values: &[String],
        dst: Option<Var>,
    ) -> Option<String> {
        let object = values.first()?;
        if !matches!(
            name,
            "echo_semaphore_acquire"
                | "echo_semaphore_try_acquire"
                | "echo_semaphore_release"
                | "echo_wait_group_add"
        ) {
            return None;
        }
        let [look, change, give_back, call, end] =
            ["look", "change", "back", "call", "counted"].map(|stem| self.label(stem));
        let lock = self.field(object, COUNTER_LOCK_OFFSET);
        let before = self.temp(&format!("atomicrmw xchg ptr {lock}, i8 1 acquire, align 1"));
        let is_ours = self.temp(&format!("icmp eq i8 {before}, 0"));
        self.line(&format!("br i1 {is_ours}, label %{look}, label %{call}"));
        self.start(&look);
        let place = self.field(object, COUNTER_OFFSET);
        let count = self.temp(&format!("load atomic i64, ptr {place} monotonic, align 8"));
        let (new, fits) = match name {
            "echo_semaphore_release" => {
                let new = self.temp(&format!("add i64 {count}, 1"));
                (new, self.nobody_waits(object))
            }
            "echo_wait_group_add" => self.counted(object, &count, &values[1]),
            _ => {
                let new = self.temp(&format!("sub i64 {count}, 1"));
                (new, self.temp(&format!("icmp sgt i64 {count}, 0")))
            }
        };
        self.line(&format!(
            "br i1 {fits}, label %{change}, label %{give_back}"
        ));
        self.start(&change);
        self.line(&format!(
            "store atomic i64 {new}, ptr {place} release, align 8"
        ));
        self.finish_counting(&lock, dst, "true", &end);
        self.start(&give_back);
        if name == "echo_semaphore_try_acquire" {
            self.finish_counting(&lock, dst, "false", &end);
        } else {
            self.unlock(&lock);
            self.line(&format!("br label %{call}"));
        }
        self.start(&call);
        Some(end)
    }

    /// The sum, and whether it neither fails nor wakes anybody.
    fn counted(&mut self, object: &str, count: &str, change: &str) -> (String, String) {
        let name = "@llvm.sadd.with.overflow.i64";
        self.emitter
            .intrinsics
            .insert(format!("declare {{ i64, i1 }} {name}(i64, i64)"));
        let pair = self.temp(&format!(
            "call {{ i64, i1 }} {name}(i64 {count}, i64 {change})"
        ));
        let sum = self.temp(&format!("extractvalue {{ i64, i1 }} {pair}, 0"));
        let overflows = self.temp(&format!("extractvalue {{ i64, i1 }} {pair}, 1"));
        let is_number = self.temp(&format!("xor i1 {overflows}, true"));
        let least = self.nobody_waits(object);
        // Zero only where nobody waits for it.
        let is_more = self.temp(&format!("icmp sgt i64 {sum}, 0"));
        let is_zero = self.temp(&format!("icmp eq i64 {sum}, 0"));
        let is_quiet_zero = self.temp(&format!("and i1 {is_zero}, {least}"));
        let is_fine = self.temp(&format!("or i1 {is_more}, {is_quiet_zero}"));
        (sum, self.temp(&format!("and i1 {is_number}, {is_fine}")))
    }

    fn nobody_waits(&mut self, object: &str) -> String {
        let place = self.field(object, COUNTER_WAITERS_OFFSET);
        let waiters = self.temp(&format!("load atomic i64, ptr {place} monotonic, align 8"));
        self.temp(&format!("icmp eq i64 {waiters}, 0"))
    }

    fn finish_counting(&mut self, lock: &str, dst: Option<Var>, result: &str, end: &str) {
        self.unlock(lock);
        if let Some(dst) = dst {
            self.assign(dst, result);
        }
        self.line(&format!("br label %{end}"));
    }
}

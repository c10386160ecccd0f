//! Locks without a call, where nobody is in the way: entering and going as a writer, and the value of a plain type in between. The protocol is that of the
//! runtime's `sync/lock.rs` and `sync/held.rs`.

use echo_abi::layout::{
    COROUTINE_HELD_OFFSET, COROUTINE_ID_OFFSET, LOCK_CONTENDED_OFFSET, LOCK_HANDED,
    LOCK_HOLD_OFFSET, LOCK_QUEUED, LOCK_SHIFT, LOCK_STATE_OFFSET, LOCK_VALUE_OFFSET, LOCK_WOKEN,
    TLS_OFFSET_SYMBOL,
};

use super::debug::{INVARIANT, LIKELY};
use super::function::{Body, slot_of};
use crate::ir::{RtArg, Var};
use crate::layout;

const FLAGS: u64 = LOCK_QUEUED | LOCK_WOKEN | LOCK_HANDED;

impl Body<'_, '_> {
    /// Emits the fast path of a function of locks, if there is one, up to the block with the call for all other cases; the label of what follows both.
    pub fn lock_path(
        &mut self,
        name: &str,
        args: &[RtArg],
        values: &[String],
        dst: Option<Var>,
    ) -> Option<String> {
        let lock = values.first()?;
        match (name, args) {
            ("echo_mutex_lock" | "echo_rwlock_lock", _) => Some(self.enter(lock, None)),
            ("echo_mutex_try_lock" | "echo_rwlock_try_lock", _) => Some(self.enter(lock, dst)),
            ("echo_mutex_unlock" | "echo_rwlock_unlock", _) => Some(self.leave(lock)),
            ("echo_mutex_get" | "echo_rwlock_get", [_, RtArg::Out(value), ..]) => {
                self.access(lock, *value, |body, place, llvm| {
                    let held = body.temp(&format!("load {llvm}, ptr {place}"));
                    body.assign(*value, &held);
                })
            }
            ("echo_mutex_set" | "echo_rwlock_set", [_, RtArg::MoveOut(value), ..]) => {
                self.access(lock, *value, |body, place, llvm| {
                    let new = body.temp(&format!("load {llvm}, ptr {}", slot_of(*value)));
                    body.line(&format!("store {llvm} {new}, ptr {place}"));
                })
            }
            _ => None,
        }
    }

    /// The running coroutine's control block. It is the same as long as a function runs, whatever thread that is on.
    fn coroutine(&mut self) -> String {
        self.emitter.uses_tls = true;
        let offset = self.temp(&format!(
            "load i64, ptr @{TLS_OFFSET_SYMBOL}, align 8{INVARIANT}"
        ));
        let place = self.temp(&format!("inttoptr i64 {offset} to ptr addrspace(257)"));
        self.temp(&format!(
            "load ptr, ptr addrspace(257) {place}, align 8{INVARIANT}"
        ))
    }

    /// The state of a lock that the coroutine has entered as a writer, but for the flags.
    fn written_by(&mut self, coroutine: &str) -> String {
        let place = self.field(coroutine, COROUTINE_ID_OFFSET);
        let id = self.temp(&format!("load i64, ptr {place}, align 8{INVARIANT}"));
        let holder = self.temp(&format!("add i64 {id}, 1"));
        self.temp(&format!("shl i64 {holder}, {LOCK_SHIFT}"))
    }

    /// Enters a lock where nobody is: first as if nobody waited either.
    fn enter(&mut self, lock: &str, dst: Option<Var>) -> String {
        let coroutine = self.coroutine();
        let writer = self.written_by(&coroutine);
        let state = self.field(lock, LOCK_STATE_OFFSET);
        let [entered, busy, free, call, end] =
            ["entered", "busy", "free", "call", "locked"].map(|stem| self.label(stem));
        let seen = self.exchange(&state, "0", &writer, "acquire", [&entered, &busy]);
        self.start(&busy);
        let others = self.temp(&format!(
            "and i64 {seen}, {}",
            !(LOCK_QUEUED | LOCK_WOKEN) as i64
        ));
        let is_free = self.temp(&format!("icmp eq i64 {others}, 0"));
        self.line(&format!("br i1 {is_free}, label %{free}, label %{call}"));
        self.start(&free);
        let with_flags = self.temp(&format!("or i64 {seen}, {writer}"));
        self.exchange(&state, &seen, &with_flags, "acquire", [&entered, &call]);
        self.start(&entered);
        let list = self.field(&coroutine, COROUTINE_HELD_OFFSET);
        let hold = self.field(lock, LOCK_HOLD_OFFSET);
        let before = self.temp(&format!("load ptr, ptr {list}"));
        self.line(&format!("store ptr {before}, ptr {hold}"));
        self.line(&format!("store ptr {hold}, ptr {list}"));
        if let Some(dst) = dst {
            self.assign(dst, "true");
        }
        self.line(&format!("br label %{end}"));
        self.start(&call);
        end
    }

    /// Goes, if the lock is what the coroutine took last, and nobody is to be woken. With a plain store as long as nobody has ever waited for it.
    fn leave(&mut self, lock: &str) -> String {
        let coroutine = self.coroutine();
        let [newest, quick, settle, shared, quiet, left, call, end] = [
            "newest", "quick", "settle", "shared", "quiet", "left", "call", "unlocked",
        ]
        .map(|stem| self.label(stem));
        let list = self.field(&coroutine, COROUTINE_HELD_OFFSET);
        let hold = self.field(lock, LOCK_HOLD_OFFSET);
        let first = self.temp(&format!("load ptr, ptr {list}"));
        let is_newest = self.temp(&format!("icmp eq ptr {first}, {hold}"));
        self.line(&format!(
            "br i1 {is_newest}, label %{newest}, label %{call}"
        ));
        self.start(&newest);
        // Afterwards the link is somebody else's.
        let before = self.temp(&format!("load ptr, ptr {hold}"));
        let place = self.field(lock, LOCK_STATE_OFFSET);
        let mark = self.field(lock, LOCK_CONTENDED_OFFSET);
        self.if_uncontended(&mark, [&quick, &shared]);
        self.start(&quick);
        self.line(&format!("store ptr {before}, ptr {list}"));
        self.line(&format!("store atomic i64 0, ptr {place} release, align 8"));
        self.line("fence syncscope(\"singlethread\") seq_cst");
        self.if_uncontended(&mark, [&end, &settle]);
        self.start(&settle);
        self.emitter.runtime.insert("echo_lock_settle");
        self.line(&format!("call void @echo_lock_settle(ptr {lock})"));
        self.line(&format!("br label %{end}"));
        self.start(&shared);
        let state = self.temp(&format!("load atomic i64, ptr {place} monotonic, align 8"));
        let flags = self.temp(&format!("and i64 {state}, {FLAGS}"));
        let asks = self.temp(&format!("and i64 {state}, {}", LOCK_QUEUED | LOCK_WOKEN));
        let wakes = self.temp(&format!("icmp eq i64 {asks}, {LOCK_QUEUED}"));
        self.line(&format!("br i1 {wakes}, label %{call}, label %{quiet}"));
        self.start(&quiet);
        self.exchange(&place, &state, &flags, "release", [&left, &call]);
        self.start(&left);
        self.line(&format!("store ptr {before}, ptr {list}"));
        self.line(&format!("br label %{end}"));
        self.start(&call);
        end
    }

    /// Goes to the first label if nobody has ever waited for the lock with that mark, else to the second.
    fn if_uncontended(&mut self, mark: &str, [so, otherwise]: [&str; 2]) {
        let marked = self.temp(&format!("load atomic i8, ptr {mark} monotonic, align 1"));
        let is_so = self.temp(&format!("icmp eq i8 {marked}, 0"));
        self.line(&format!(
            "br i1 {is_so}, label %{so}, label %{otherwise}{LIKELY}"
        ));
    }

    /// Reads or writes the value of a plain type, if the coroutine is in as a writer.
    fn access(
        &mut self,
        lock: &str,
        value: Var,
        access: impl FnOnce(&mut Self, &str, &str),
    ) -> Option<String> {
        let ty = self.var_ty(value);
        let llvm = self.emitter.ty(ty);
        if llvm == "{}" || layout::is_managed(self.emitter.program, ty) {
            return None;
        }
        let coroutine = self.coroutine();
        let writer = self.written_by(&coroutine);
        let [held, call, end] = ["held", "call", "accessed"].map(|stem| self.label(stem));
        // Only the coroutine itself can make this true or false.
        let place = self.field(lock, LOCK_STATE_OFFSET);
        let state = self.temp(&format!("load atomic i64, ptr {place} unordered, align 8"));
        let holder = self.temp(&format!("and i64 {state}, {}", !FLAGS as i64));
        let is_held = self.temp(&format!("icmp eq i64 {holder}, {writer}"));
        self.line(&format!("br i1 {is_held}, label %{held}, label %{call}"));
        self.start(&held);
        let place = self.field(lock, LOCK_VALUE_OFFSET);
        access(self, &place, &llvm);
        self.line(&format!("br label %{end}"));
        self.start(&call);
        Some(end)
    }

    /// Replaces `old` by `new`, and goes to the first label if that is what was there, else to the second; what was there.
    fn exchange(
        &mut self,
        place: &str,
        old: &str,
        new: &str,
        order: &str,
        [done, other]: [&str; 2],
    ) -> String {
        let pair = self.temp(&format!(
            "cmpxchg ptr {place}, i64 {old}, i64 {new} {order} monotonic, align 8"
        ));
        let seen = self.temp(&format!("extractvalue {{ i64, i1 }} {pair}, 0"));
        let is_done = self.temp(&format!("extractvalue {{ i64, i1 }} {pair}, 1"));
        self.line(&format!(
            "br i1 {is_done}, label %{done}, label %{other}{LIKELY}"
        ));
        seen
    }
}

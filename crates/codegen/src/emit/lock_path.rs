//! Locks without a call, where nobody is in the way: entering and going as a writer or the first reader, and the value of a plain type in between. The protocol is
//! that of the runtime's `sync/lock.rs` and `sync/held.rs`.

use echo_abi::layout::{
    COROUTINE_HELD_OFFSET, COROUTINE_HOLDER_OFFSET, LOCK_CONTENDED_OFFSET,
    LOCK_FIRST_READER_OFFSET, LOCK_HANDED, LOCK_HELD_TO_READ, LOCK_HELD_TO_WRITE, LOCK_HOLD_OFFSET,
    LOCK_PURPOSE_OFFSET, LOCK_QUEUED, LOCK_SHARED, LOCK_SHIFT, LOCK_STATE_OFFSET,
    LOCK_VALUE_OFFSET, LOCK_WOKEN, TLS_OFFSET_SYMBOL,
};

use super::debug::{INVARIANT, LIKELY};
use super::function::{Body, slot_of};
use crate::ir::{RtArg, Var};
use crate::layout;

const FLAGS: u64 = LOCK_QUEUED | LOCK_WOKEN | LOCK_HANDED;

/// Who goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaving {
    /// Nobody reads it.
    Mutex,
    Writer,
    FirstReader,
}

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
            ("echo_mutex_lock", _) => Some(self.enter(lock, None, false)),
            ("echo_mutex_try_lock", _) => Some(self.enter(lock, dst, false)),
            ("echo_rwlock_lock", _) => Some(self.enter(lock, None, true)),
            ("echo_rwlock_try_lock", _) => Some(self.enter(lock, dst, true)),
            ("echo_mutex_unlock", _) => Some(self.leave(lock, Leaving::Mutex)),
            ("echo_rwlock_unlock", _) => Some(self.leave(lock, Leaving::Writer)),
            ("echo_rwlock_read_lock", _) => Some(self.enter_to_read(lock)),
            ("echo_rwlock_read_unlock", _) => Some(self.leave(lock, Leaving::FirstReader)),
            ("echo_mutex_get" | "echo_rwlock_get", [_, RtArg::Out(value), ..]) => {
                let may_read = name == "echo_rwlock_get";
                self.access(lock, *value, may_read, |body, place, llvm| {
                    let held = body.temp(&format!("load {llvm}, ptr {place}"));
                    body.assign(*value, &held);
                })
            }
            ("echo_mutex_set" | "echo_rwlock_set", [_, RtArg::MoveOut(value), ..]) => {
                self.access(lock, *value, false, |body, place, llvm| {
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

    /// What the coroutine is to locks.
    fn holder(&mut self, coroutine: &str) -> String {
        let place = self.field(coroutine, COROUTINE_HOLDER_OFFSET);
        self.temp(&format!("load i64, ptr {place}, align 8{INVARIANT}"))
    }

    /// The state of a lock that the coroutine has entered as a writer, but for the flags.
    fn written_by(&mut self, coroutine: &str) -> String {
        let holder = self.holder(coroutine);
        self.temp(&format!("shl i64 {holder}, {LOCK_SHIFT}"))
    }

    /// Enters a lock where nobody is: first as if nobody waited either.
    fn enter(&mut self, lock: &str, dst: Option<Var>, has_readers: bool) -> String {
        let coroutine = self.coroutine();
        let writer = self.written_by(&coroutine);
        let state = self.field(lock, LOCK_STATE_OFFSET);
        let [entered, busy, free, call, end] =
            ["entered", "busy", "free", "call", "locked"].map(|stem| self.label(stem));
        // Where there are readers the first of them is looked for next.
        let order = if has_readers { "seq_cst" } else { "acquire" };
        let seen = self.exchange(&state, "0", &writer, order, [&entered, &busy]);
        self.start(&busy);
        let others = self.temp(&format!(
            "and i64 {seen}, {}",
            !(LOCK_QUEUED | LOCK_WOKEN) as i64
        ));
        let is_free = self.temp(&format!("icmp eq i64 {others}, 0"));
        self.line(&format!("br i1 {is_free}, label %{free}, label %{call}"));
        self.start(&free);
        let with_flags = self.temp(&format!("or i64 {seen}, {writer}"));
        self.exchange(&state, &seen, &with_flags, order, [&entered, &call]);
        self.start(&entered);
        if has_readers {
            let [alone, back] = ["alone", "back"].map(|stem| self.label(stem));
            let first = self.load_field("i64", lock, LOCK_FIRST_READER_OFFSET, "acquire");
            let is_alone = self.temp(&format!("icmp eq i64 {first}, 0"));
            self.line(&format!(
                "br i1 {is_alone}, label %{alone}, label %{back}{LIKELY}"
            ));
            self.start(&back);
            self.give_way(lock, false);
            self.line(&format!("br label %{call}"));
            self.start(&alone);
        }
        self.take_hold(lock, &coroutine);
        if let Some(dst) = dst {
            self.assign(dst, "true");
        }
        self.line(&format!("br label %{end}"));
        self.start(&call);
        end
    }

    /// Enters a lock as the first reader, where there is no writer. One that comes later sees that.
    fn enter_to_read(&mut self, lock: &str) -> String {
        let coroutine = self.coroutine();
        let [open, set, seen, shared, entered, back, call, end] = [
            "open", "set", "seen", "shared", "entered", "back", "call", "locked",
        ]
        .map(|stem| self.label(stem));
        let mark = self.field(lock, LOCK_CONTENDED_OFFSET);
        self.if_uncontended(&mark, [&open, &call]);
        self.start(&open);
        let first = self.field(lock, LOCK_FIRST_READER_OFFSET);
        let reader = self.holder(&coroutine);
        self.exchange(&first, "0", &reader, "seq_cst", [&set, &call]);
        self.start(&set);
        self.if_uncontended(&mark, [&seen, &back]);
        self.start(&seen);
        let state = self.load_field("i64", lock, LOCK_STATE_OFFSET, "acquire");
        let is_free = self.temp(&format!("icmp eq i64 {state}, 0"));
        self.line(&format!(
            "br i1 {is_free}, label %{entered}, label %{shared}{LIKELY}"
        ));
        self.start(&shared);
        let readers = self.temp(&format!("and i64 {state}, {LOCK_SHARED}"));
        let is_read = self.temp(&format!("icmp ne i64 {readers}, 0"));
        self.line(&format!("br i1 {is_read}, label %{entered}, label %{back}"));
        self.start(&entered);
        self.set_purpose(lock, LOCK_HELD_TO_READ);
        self.take_hold(lock, &coroutine);
        self.line(&format!("br label %{end}"));
        self.start(&back);
        self.give_way(lock, true);
        self.line(&format!("br label %{call}"));
        self.start(&call);
        end
    }

    /// Goes again, having entered beside the first reader or a writer.
    fn give_way(&mut self, lock: &str, as_reader: bool) {
        self.emitter.runtime.insert("echo_rwlock_give_way");
        self.line(&format!(
            "call void @echo_rwlock_give_way(ptr {lock}, i32 {})",
            i32::from(as_reader)
        ));
    }

    /// Puts the lock's link into the list of what the coroutine holds.
    fn take_hold(&mut self, lock: &str, coroutine: &str) {
        let list = self.field(coroutine, COROUTINE_HELD_OFFSET);
        let hold = self.field(lock, LOCK_HOLD_OFFSET);
        let before = self.temp(&format!("load ptr, ptr {list}"));
        self.line(&format!("store ptr {before}, ptr {hold}"));
        self.line(&format!("store ptr {hold}, ptr {list}"));
    }

    fn set_purpose(&mut self, lock: &str, purpose: u8) {
        let place = self.field(lock, LOCK_PURPOSE_OFFSET);
        self.line(&format!("store i8 {purpose}, ptr {place}"));
    }

    /// Goes, if the lock is what the coroutine took last, and nobody is to be woken. With a plain store as long as nobody has ever waited for it; a first reader only so.
    fn leave(&mut self, lock: &str, leaving: Leaving) -> String {
        let coroutine = self.coroutine();
        let [newest, seated, quick, settle, shared, call, end] = [
            "newest", "seated", "quick", "settle", "shared", "call", "unlocked",
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
        let place = self.field(lock, LOCK_STATE_OFFSET);
        let is_first_reader = leaving == Leaving::FirstReader;
        if leaving == Leaving::Mutex {
            self.line(&format!("br label %{seated}"));
        } else {
            let purpose = self.field(lock, LOCK_PURPOSE_OFFSET);
            let purpose = self.temp(&format!("load i8, ptr {purpose}"));
            let expected = if is_first_reader {
                LOCK_HELD_TO_READ
            } else {
                LOCK_HELD_TO_WRITE
            };
            let is_so = self.temp(&format!("icmp eq i8 {purpose}, {expected}"));
            self.line(&format!("br i1 {is_so}, label %{seated}, label %{call}"));
        }
        self.start(&seated);
        // Afterwards the link is somebody else's.
        let before = self.temp(&format!("load ptr, ptr {hold}"));
        let mark = self.field(lock, LOCK_CONTENDED_OFFSET);
        let otherwise = if is_first_reader { &call } else { &shared };
        self.if_uncontended(&mark, [&quick, otherwise]);
        self.start(&quick);
        self.line(&format!("store ptr {before}, ptr {list}"));
        if is_first_reader {
            self.set_purpose(lock, LOCK_HELD_TO_WRITE);
            let first = self.field(lock, LOCK_FIRST_READER_OFFSET);
            self.line(&format!("store atomic i64 0, ptr {first} release, align 8"));
        } else {
            self.line(&format!("store atomic i64 0, ptr {place} release, align 8"));
        }
        self.line("fence syncscope(\"singlethread\") seq_cst");
        self.if_uncontended(&mark, [&end, &settle]);
        self.start(&settle);
        self.emitter.runtime.insert("echo_lock_settle");
        self.line(&format!("call void @echo_lock_settle(ptr {lock})"));
        self.line(&format!("br label %{end}"));
        if !is_first_reader {
            self.start(&shared);
            self.leave_contended(&place, &before, &list, [&call, &end]);
        }
        self.start(&call);
        end
    }

    /// A writer goes with a compare-and-swap.
    fn leave_contended(&mut self, place: &str, before: &str, list: &str, [call, end]: [&str; 2]) {
        let [quiet, left] = ["quiet", "left"].map(|stem| self.label(stem));
        let state = self.temp(&format!("load atomic i64, ptr {place} monotonic, align 8"));
        let flags = self.temp(&format!("and i64 {state}, {FLAGS}"));
        let asks = self.temp(&format!("and i64 {state}, {}", LOCK_QUEUED | LOCK_WOKEN));
        let wakes = self.temp(&format!("icmp eq i64 {asks}, {LOCK_QUEUED}"));
        self.line(&format!("br i1 {wakes}, label %{call}, label %{quiet}"));
        self.start(&quiet);
        self.exchange(place, &state, &flags, "release", [&left, call]);
        self.start(&left);
        self.line(&format!("store ptr {before}, ptr {list}"));
        self.line(&format!("br label %{end}"));
    }

    /// Goes to the first label if nobody has ever waited for the lock with that mark, else to the second.
    fn if_uncontended(&mut self, mark: &str, [so, otherwise]: [&str; 2]) {
        let marked = self.temp(&format!("load atomic i8, ptr {mark} monotonic, align 1"));
        let is_so = self.temp(&format!("icmp eq i8 {marked}, 0"));
        self.line(&format!(
            "br i1 {is_so}, label %{so}, label %{otherwise}{LIKELY}"
        ));
    }

    /// Reads or writes the value of a plain type, if the coroutine is in as a writer, or has the lock's link in front of its list, where it may be the first reader.
    fn access(
        &mut self,
        lock: &str,
        value: Var,
        may_be_reader: bool,
        access: impl FnOnce(&mut Self, &str, &str),
    ) -> Option<String> {
        let ty = self.var_ty(value);
        let llvm = self.emitter.ty(ty);
        if llvm == "{}" || layout::is_managed(self.emitter.program, ty) {
            return None;
        }
        let coroutine = self.coroutine();
        let writer = self.written_by(&coroutine);
        let [held, other, call, end] =
            ["held", "other", "call", "accessed"].map(|stem| self.label(stem));
        // Only the coroutine itself can make this true or false.
        let place = self.field(lock, LOCK_STATE_OFFSET);
        let state = self.temp(&format!("load atomic i64, ptr {place} unordered, align 8"));
        let holder = self.temp(&format!("and i64 {state}, {}", !FLAGS as i64));
        let is_held = self.temp(&format!("icmp eq i64 {holder}, {writer}"));
        self.line(&format!("br i1 {is_held}, label %{held}, label %{other}"));
        self.start(&other);
        if may_be_reader {
            let list = self.field(&coroutine, COROUTINE_HELD_OFFSET);
            let hold = self.field(lock, LOCK_HOLD_OFFSET);
            let first = self.temp(&format!("load ptr, ptr {list}"));
            let is_newest = self.temp(&format!("icmp eq ptr {first}, {hold}"));
            self.line(&format!("br i1 {is_newest}, label %{held}, label %{call}"));
        } else {
            self.line(&format!("br label %{call}"));
        }
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

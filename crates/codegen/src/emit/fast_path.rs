//! Fast paths of runtime functions: what generated code does itself with handles, against the layouts in `echo_abi`. Who may write a field, and what it
//! means to see one without the object's lock, is said where the runtime defines the object.

use echo_abi::layout::{
    ATOMIC_VALUE_OFFSET, CHANNEL_LEN_OFFSET, CHANNEL_LOCK_OFFSET, CHANNEL_RECEIVERS_OFFSET,
    CHANNEL_SENDERS_OFFSET, CHANNEL_STATE_OFFSET, COUNTER_OFFSET, FUTURE_OUTCOME, FUTURE_RESOLVED,
    FUTURE_STATE_OFFSET, FUTURE_VALUE_OFFSET, FUTURE_WAITERS_OFFSET, ONCE_DONE, ONCE_STATE_OFFSET,
};

use super::debug::COUNT;
use super::function::{Body, slot_of};
use crate::ir::{Operand, RtArg, SelectCase, Var};
use crate::layout;

/// How a call of a runtime function can be spared.
pub enum FastPath {
    /// It cannot.
    None,
    /// Always: this is the result, empty where there is none.
    Instead(String),
    /// Where the condition (an `i1`) holds, with this result.
    If(String, &'static str),
    /// The same, and this is to be done.
    IfSo(String, &'static str, Done),
}

/// What a fast path does besides giving a result.
pub enum Done {
    /// Settles a promise with the value of a variable.
    Resolve { promise: String, value: Var },
}

impl Body<'_, '_> {
    /// The fast path of the function for these arguments, whose values are given too.
    pub fn fast_path(&mut self, name: &str, args: &[RtArg], values: &[String]) -> FastPath {
        let Some(handle) = values.first() else {
            return FastPath::None;
        };
        match name {
            "echo_atomic_load" => {
                let place = self.field(handle, ATOMIC_VALUE_OFFSET);
                FastPath::Instead(self.load_atomic("i64", &place, "seq_cst"))
            }
            "echo_atomic_store" => {
                let place = self.field(handle, ATOMIC_VALUE_OFFSET);
                let value = &values[1];
                self.line(&format!(
                    "store atomic i64 {value}, ptr {place} seq_cst, align 8"
                ));
                FastPath::Instead(String::new())
            }
            "echo_atomic_swap" => FastPath::Instead(self.exchange_atomic("xchg", handle, values)),
            "echo_atomic_add" => {
                let before = self.exchange_atomic("add", handle, values);
                FastPath::Instead(self.temp(&format!("add i64 {before}, {}", values[1])))
            }
            "echo_atomic_compare_and_swap" => {
                let place = self.field(handle, ATOMIC_VALUE_OFFSET);
                let (old, new) = (&values[1], &values[2]);
                let pair = self.temp(&format!(
                    "cmpxchg ptr {place}, i64 {old}, i64 {new} seq_cst seq_cst, align 8"
                ));
                FastPath::Instead(self.temp(&format!("extractvalue {{ i64, i1 }} {pair}, 1")))
            }
            "echo_chan_len" => {
                let len = self.load_field("i32", handle, CHANNEL_LEN_OFFSET, "acquire");
                FastPath::Instead(self.temp(&format!("zext i32 {len} to i64")))
            }
            "echo_chan_cap" => {
                let state = self.load_field("i32", handle, CHANNEL_STATE_OFFSET, "monotonic");
                let capacity = self.temp(&format!("and i32 {state}, {}", i32::MAX));
                FastPath::Instead(self.temp(&format!("zext i32 {capacity} to i64")))
            }
            "echo_chan_is_closed" => {
                let state = self.load_field("i32", handle, CHANNEL_STATE_OFFSET, "acquire");
                FastPath::Instead(self.temp(&format!("icmp slt i32 {state}, 0")))
            }
            "echo_chan_try_receive" => FastPath::If(self.looks_empty(handle), "false"),
            "echo_chan_try_send" if !self.is_managed_value(&args[1]) => {
                FastPath::If(self.looks_full(handle), "false")
            }
            "echo_once_begin" => {
                let state = self.load_field("i32", handle, ONCE_STATE_OFFSET, "acquire");
                let is_done = self.temp(&format!("icmp eq i32 {state}, {ONCE_DONE}"));
                FastPath::If(is_done, "false")
            }
            "echo_future_is_done" => {
                let outcome = self.outcome(handle);
                FastPath::Instead(self.temp(&format!("icmp ne i32 {outcome}, 0")))
            }
            "echo_promise_resolve" => match args[1] {
                RtArg::MoveOut(value) if !self.is_managed_value(&args[1]) => {
                    let done = Done::Resolve {
                        promise: handle.clone(),
                        value,
                    };
                    FastPath::IfSo(self.is_own_and_bare(handle), "true", done)
                }
                _ => FastPath::None,
            },
            "echo_wait_group_wait" => {
                let counter = self.load_field("i64", handle, COUNTER_OFFSET, "acquire");
                FastPath::If(self.temp(&format!("icmp eq i64 {counter}, 0")), "")
            }
            _ => FastPath::None,
        }
    }

    fn is_managed_value(&self, arg: &RtArg) -> bool {
        match arg {
            RtArg::MoveOut(var) => layout::is_managed(self.emitter.program, self.var_ty(*var)),
            _ => true,
        }
    }

    fn load_atomic(&mut self, llvm: &str, place: &str, order: &str) -> String {
        let align = if llvm == "i32" { 4 } else { 8 };
        self.temp(&format!(
            "load atomic {llvm}, ptr {place} {order}, align {align}"
        ))
    }

    pub fn load_field(&mut self, llvm: &str, block: &str, offset: usize, order: &str) -> String {
        let place = self.field(block, offset);
        self.load_atomic(llvm, &place, order)
    }

    /// Of an `Atomic[int]`; what was there before.
    fn exchange_atomic(&mut self, verb: &str, handle: &str, values: &[String]) -> String {
        let place = self.field(handle, ATOMIC_VALUE_OFFSET);
        let value = &values[1];
        self.temp(&format!(
            "atomicrmw {verb} ptr {place}, i64 {value} seq_cst, align 8"
        ))
    }

    // ------------------------------------------------------------ futures

    pub fn outcome(&mut self, future: &str) -> String {
        let state = self.load_field("i32", future, FUTURE_STATE_OFFSET, "acquire");
        self.temp(&format!("and i32 {state}, {FUTURE_OUTCOME}"))
    }

    /// Whether the promise has never crossed, nobody has settled it, and there are no callbacks: as `resolve` of the runtime.
    fn is_own_and_bare(&mut self, promise: &str) -> String {
        let count = self.temp(&format!(
            "load atomic i32, ptr {promise} unordered, align 4{COUNT}"
        ));
        let state = self.load_field("i32", promise, FUTURE_STATE_OFFSET, "monotonic");
        let waiters = self.load_field("i64", promise, FUTURE_WAITERS_OFFSET, "monotonic");
        let is_own = self.temp(&format!("icmp sgt i32 {count}, 0"));
        let state = self.temp(&format!("zext i32 {state} to i64"));
        let either = self.temp(&format!("or i64 {state}, {waiters}"));
        let is_bare = self.temp(&format!("icmp eq i64 {either}, 0"));
        self.temp(&format!("and i1 {is_own}, {is_bare}"))
    }

    /// What the fast path does.
    pub fn do_fast(&mut self, done: &Done) {
        match done {
            Done::Resolve { promise, value } => {
                let slot = self.field(promise, FUTURE_VALUE_OFFSET);
                self.copy_value(&slot_of(*value), &slot, *value);
                let state = self.field(promise, FUTURE_STATE_OFFSET);
                self.line(&format!(
                    "store atomic i32 {FUTURE_RESOLVED}, ptr {state} monotonic, align 4"
                ));
            }
        }
    }

    /// Copies a value of the variable's type.
    pub fn copy_value(&mut self, from: &str, to: &str, var: Var) {
        let ty = self.var_ty(var);
        if layout::layout(self.emitter.program, ty).size > 0 {
            let llvm = self.emitter.ty(ty);
            let value = self.temp(&format!("load {llvm}, ptr {from}"));
            self.line(&format!("store {llvm} {value}, ptr {to}"));
        }
    }

    // ------------------------------------------------------------ a look at channels

    /// Whether no case of a select can take effect, as an `i1`: true only if there was a moment when none could. For that moment to be one for both of
    /// two channels, the first is locked meanwhile; where somebody else has locked it, or there are more channels, the runtime finds out.
    pub fn all_blocked(&mut self, cases: &[SelectCase]) -> Option<String> {
        let channels: Vec<String> = cases
            .iter()
            .map(|case| self.value(&Operand::Var(case.channel)))
            .collect();
        match channels.as_slice() {
            [channel] => Some(self.looks_blocked(&cases[0], channel)),
            [first, second] => {
                let lock = self.field(first, CHANNEL_LOCK_OFFSET);
                let before =
                    self.temp(&format!("atomicrmw xchg ptr {lock}, i8 1 acquire, align 1"));
                let is_ours = self.temp(&format!("icmp eq i8 {before}, 0"));
                let [look, looked] = ["look", "looked"].map(|stem| self.label(stem));
                let result = self.slot("i1");
                self.line(&format!("store i1 false, ptr {result}"));
                self.line(&format!("br i1 {is_ours}, label %{look}, label %{looked}"));
                self.start(&look);
                let blocked = self.looks_blocked(&cases[0], first);
                let both = self.looks_blocked(&cases[1], second);
                let both = self.temp(&format!("and i1 {blocked}, {both}"));
                self.unlock(&lock);
                self.line(&format!("store i1 {both}, ptr {result}"));
                self.line(&format!("br label %{looked}"));
                self.start(&looked);
                Some(self.temp(&format!("load i1, ptr {result}")))
            }
            _ => None,
        }
    }

    fn looks_blocked(&mut self, case: &SelectCase, channel: &str) -> String {
        if !case.send {
            return self.looks_empty(channel);
        }
        let is_full = self.looks_full(channel);
        let state = self.load_field("i32", channel, CHANNEL_STATE_OFFSET, "monotonic");
        let is_open = self.temp(&format!("icmp sge i32 {state}, 0"));
        self.temp(&format!("and i1 {is_full}, {is_open}"))
    }

    /// As `Channel::looks_empty` of the runtime.
    fn looks_empty(&mut self, channel: &str) -> String {
        let len = self.load_field("i32", channel, CHANNEL_LEN_OFFSET, "acquire");
        let senders = self.load_field("i64", channel, CHANNEL_SENDERS_OFFSET, "monotonic");
        let state = self.load_field("i32", channel, CHANNEL_STATE_OFFSET, "monotonic");
        let is_empty = self.temp(&format!("icmp eq i32 {len}, 0"));
        let is_alone = self.temp(&format!("icmp eq i64 {senders}, 0"));
        let is_open = self.temp(&format!("icmp sge i32 {state}, 0"));
        let waits = self.temp(&format!("and i1 {is_empty}, {is_alone}"));
        self.temp(&format!("and i1 {waits}, {is_open}"))
    }

    /// As `Channel::looks_full` of the runtime: a closed channel does too.
    fn looks_full(&mut self, channel: &str) -> String {
        let receivers = self.load_field("i64", channel, CHANNEL_RECEIVERS_OFFSET, "acquire");
        let len = self.load_field("i32", channel, CHANNEL_LEN_OFFSET, "acquire");
        let state = self.load_field("i32", channel, CHANNEL_STATE_OFFSET, "monotonic");
        let is_alone = self.temp(&format!("icmp eq i64 {receivers}, 0"));
        let is_full = self.temp(&format!("icmp sge i32 {len}, {state}"));
        self.temp(&format!("and i1 {is_alone}, {is_full}"))
    }
}

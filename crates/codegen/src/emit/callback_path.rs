//! Registering a callback without a call, where the promise is plain and pending, and the callback that was registered last is of the same entry and has left room:
//! as the runtime's `future/callbacks.rs` does it. A function that is not shared yet is the runtime's to share.

use echo_abi::layout::{
    CALLBACK_ARG_OFFSET, CALLBACK_BYTES, CALLBACKS_END_OFFSET, CALLBACKS_ENTRY_OFFSET,
    CALLBACKS_NEXT_OFFSET, FUTURE_STATE_OFFSET, FUTURE_WAITERS_OFFSET,
};

use super::debug::COUNT;
use super::function::Body;
use crate::ir::{Operand, RtArg};

impl Body<'_, '_> {
    /// Emits the fast path of `on_done`, if that is the function, up to the block with the call for all other cases; the label of what follows both.
    pub fn callback_path(
        &mut self,
        name: &str,
        args: &[RtArg],
        values: &[String],
    ) -> Option<String> {
        let ("echo_future_on_done", [_, _, RtArg::Tuple(given), _]) = (name, args) else {
            return None;
        };
        let [future, entry, _, position] = values else {
            return None;
        };
        let [call, end] = ["call", "registered"].map(|stem| self.label(stem));
        let function = self.value(&Operand::Var(given[0]));
        let owners = self.temp(&format!(
            "load atomic i32, ptr {function} unordered, align 4{COUNT}"
        ));
        self.go_on_if(&format!("icmp sle i32 {owners}, 0"), &call);
        let owners = self.temp(&format!(
            "load atomic i32, ptr {future} unordered, align 4{COUNT}"
        ));
        self.go_on_if(&format!("icmp sgt i32 {owners}, 0"), &call);
        let state = self.load_field("i32", future, FUTURE_STATE_OFFSET, "monotonic");
        self.go_on_if(&format!("icmp eq i32 {state}, 0"), &call);
        let last = self.load_field("ptr", future, FUTURE_WAITERS_OFFSET, "monotonic");
        self.go_on_if(&format!("icmp ne ptr {last}, null"), &call);
        let [entry_of_last, next, end_of_block] = [
            CALLBACKS_ENTRY_OFFSET,
            CALLBACKS_NEXT_OFFSET,
            CALLBACKS_END_OFFSET,
        ]
        .map(|offset| self.field(&last, offset));
        let last_entry = self.temp(&format!("load ptr, ptr {entry_of_last}"));
        self.go_on_if(&format!("icmp eq ptr {last_entry}, {entry}"), &call);
        let record = self.temp(&format!("load ptr, ptr {next}"));
        let limit = self.temp(&format!("load ptr, ptr {end_of_block}"));
        self.go_on_if(&format!("icmp ne ptr {record}, {limit}"), &call);
        self.line(&format!("store i64 {position}, ptr {record}"));
        let place = self.field(&record, CALLBACK_ARG_OFFSET);
        self.line(&format!("store ptr {function}, ptr {place}"));
        let following = self.field(&record, CALLBACK_BYTES);
        self.line(&format!("store ptr {following}, ptr {next}"));
        self.line(&format!("br label %{end}"));
        self.start(&call);
        Some(end)
    }

    /// Goes on with what follows if the condition holds, otherwise to a label.
    fn go_on_if(&mut self, condition: &str, otherwise: &str) {
        let so = self.label("so");
        let holds = self.temp(condition);
        self.line(&format!("br i1 {holds}, label %{so}, label %{otherwise}"));
        self.start(&so);
    }
}

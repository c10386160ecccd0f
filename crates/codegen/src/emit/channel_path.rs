//! Sends to and receives from a buffer without a call, where nobody waits at the other end: as the runtime's `channel.rs` does it, under the channel's lock. Where it
//! does not look so from outside, or is not so under the lock, which is then given back, the runtime is called.

use echo_abi::layout::{
    CHANNEL_BUFFER_OFFSET, CHANNEL_HEAD_OFFSET, CHANNEL_LEN_OFFSET, CHANNEL_LOCK_OFFSET,
    CHANNEL_RECEIVERS_OFFSET, CHANNEL_SENDERS_OFFSET, CHANNEL_STATE_OFFSET,
};

use super::function::{Body, slot_of};
use crate::ir::{RtArg, Var};
use crate::layout;

/// Larger elements are copied by the runtime.
const MOST_BYTES: u32 = 16;

impl Body<'_, '_> {
    /// Emits the fast path of a function of channels, if there is one, up to the block with the call for all other cases; the label of what follows both.
    pub fn channel_path(
        &mut self,
        name: &str,
        args: &[RtArg],
        values: &[String],
        dst: Option<Var>,
    ) -> Option<String> {
        match (name, args) {
            ("echo_chan_send" | "echo_chan_send_result", [_, RtArg::MoveOut(value), ..]) => {
                // What holds references is shared first.
                let is_plain = !layout::is_managed(self.emitter.program, self.var_ty(*value));
                (is_plain && self.is_small(*value)).then(|| self.put(&values[0], *value, dst))
            }
            (
                "echo_chan_receive" | "echo_chan_receive_option",
                [_, RtArg::Out(out) | RtArg::Address(out), ..],
            ) => self
                .is_small(*out)
                .then(|| self.take(&values[0], *out, dst)),
            _ => None,
        }
    }

    fn is_small(&self, value: Var) -> bool {
        let size = layout::layout(self.emitter.program, self.var_ty(value)).size;
        (1..=MOST_BYTES).contains(&size)
    }

    /// Sends.
    fn put(&mut self, channel: &str, value: Var, dst: Option<Var>) -> String {
        let fits = |body: &mut Self| {
            let len = body.count(channel, CHANNEL_LEN_OFFSET);
            let state = body.count(channel, CHANNEL_STATE_OFFSET);
            let has_room = body.temp(&format!("icmp slt i32 {len}, {state}"));
            let fits = body.and_nobody(&has_room, channel, CHANNEL_RECEIVERS_OFFSET);
            (fits, len, state)
        };
        self.under_lock(channel, dst, fits, |body, len, capacity| {
            let head = body.count(channel, CHANNEL_HEAD_OFFSET);
            let index = body.temp(&format!("add i32 {head}, {len}"));
            let over = body.temp(&format!("sub i32 {index}, {capacity}"));
            let wraps = body.temp(&format!("icmp sge i32 {over}, 0"));
            let index = body.temp(&format!("select i1 {wraps}, i32 {over}, i32 {index}"));
            let slot = body.buffered(channel, &index, value);
            body.copy_value(&slot_of(value), &slot, value);
            let more = body.temp(&format!("add i32 {len}, 1"));
            body.set_count(channel, CHANNEL_LEN_OFFSET, &more);
        })
    }

    /// Receives.
    fn take(&mut self, channel: &str, out: Var, dst: Option<Var>) -> String {
        let fits = |body: &mut Self| {
            let len = body.count(channel, CHANNEL_LEN_OFFSET);
            let has_some = body.temp(&format!("icmp sgt i32 {len}, 0"));
            let fits = body.and_nobody(&has_some, channel, CHANNEL_SENDERS_OFFSET);
            (fits, len, String::new())
        };
        self.under_lock(channel, dst, fits, |body, len, _| {
            let head = body.count(channel, CHANNEL_HEAD_OFFSET);
            let slot = body.buffered(channel, &head, out);
            body.copy_value(&slot, &slot_of(out), out);
            let state = body.count(channel, CHANNEL_STATE_OFFSET);
            let capacity = body.temp(&format!("and i32 {state}, {}", i32::MAX));
            let next = body.temp(&format!("add i32 {head}, 1"));
            let wraps = body.temp(&format!("icmp eq i32 {next}, {capacity}"));
            let next = body.temp(&format!("select i1 {wraps}, i32 0, i32 {next}"));
            body.set_count(channel, CHANNEL_HEAD_OFFSET, &next);
            let less = body.temp(&format!("sub i32 {len}, 1"));
            body.set_count(channel, CHANNEL_LEN_OFFSET, &less);
        })
    }

    /// Acts under the lock if it fits, before and under it; the label of what follows.
    fn under_lock(
        &mut self,
        channel: &str,
        dst: Option<Var>,
        fits: impl Fn(&mut Self) -> (String, String, String),
        act: impl FnOnce(&mut Self, &str, &str),
    ) -> String {
        let [lock_it, locked, go, back, call, end] =
            ["lock", "locked", "go", "back", "call", "passed"].map(|stem| self.label(stem));
        let (looks_so, ..) = fits(self);
        self.line(&format!(
            "br i1 {looks_so}, label %{lock_it}, label %{call}"
        ));
        self.start(&lock_it);
        let lock = self.field(channel, CHANNEL_LOCK_OFFSET);
        let before = self.temp(&format!("atomicrmw xchg ptr {lock}, i8 1 acquire, align 1"));
        let is_ours = self.temp(&format!("icmp eq i8 {before}, 0"));
        self.line(&format!("br i1 {is_ours}, label %{locked}, label %{call}"));
        self.start(&locked);
        let (is_so, len, state) = fits(self);
        self.line(&format!("br i1 {is_so}, label %{go}, label %{back}"));
        self.start(&back);
        self.unlock(&lock);
        self.line(&format!("br label %{call}"));
        self.start(&go);
        act(self, &len, &state);
        self.unlock(&lock);
        if let Some(dst) = dst {
            self.assign(dst, "true");
        }
        self.line(&format!("br label %{end}"));
        self.start(&call);
        end
    }

    fn count(&mut self, channel: &str, offset: usize) -> String {
        let place = self.field(channel, offset);
        self.temp(&format!("load atomic i32, ptr {place} monotonic, align 4"))
    }

    fn set_count(&mut self, channel: &str, offset: usize, count: &str) {
        let place = self.field(channel, offset);
        self.line(&format!(
            "store atomic i32 {count}, ptr {place} monotonic, align 4"
        ));
    }

    /// The condition, and that nobody is in the queue.
    fn and_nobody(&mut self, condition: &str, channel: &str, queue: usize) -> String {
        let place = self.field(channel, queue);
        let last = self.temp(&format!("load atomic i64, ptr {place} monotonic, align 8"));
        let is_empty = self.temp(&format!("icmp eq i64 {last}, 0"));
        self.temp(&format!("and i1 {condition}, {is_empty}"))
    }

    /// Where the buffer has the element of that index, of the variable's type.
    fn buffered(&mut self, channel: &str, index: &str, element: Var) -> String {
        let llvm = self.emitter.ty(self.var_ty(element));
        let place = self.field(channel, CHANNEL_BUFFER_OFFSET);
        let buffer = self.temp(&format!("load ptr, ptr {place}, align 8"));
        self.temp(&format!(
            "getelementptr inbounds {llvm}, ptr {buffer}, i32 {index}"
        ))
    }
}

//! `echo_array_push` in place: where the array has one owner and room, a store and a new length.

use super::debug::{CONTENTS, LENGTH, LIKELY};
use super::function::{Body, slot_of};
use crate::ir::{RtArg, Var};
use crate::layout;

/// Offsets behind the block's count, as in `echo_abi::layout::ArrayBlock`.
const LEN: usize = std::mem::offset_of!(echo_abi::layout::ArrayBlock, len);
const CAPACITY: usize = std::mem::offset_of!(echo_abi::layout::ArrayBlock, capacity);
const DATA: usize = echo_abi::layout::ARRAY_DATA_OFFSET;

impl Body<'_, '_> {
    /// The variable whose value is pushed, if the call is a push that can be made in place.
    pub fn pushed(&self, name: &str, args: &[RtArg]) -> Option<Var> {
        match args {
            [RtArg::Place(_), _, RtArg::MoveOut(value)] if name == "echo_array_push" => {
                let layout = layout::layout(self.emitter.program, self.var_ty(*value));
                (layout.size > 0).then_some(*value)
            }
            _ => None,
        }
    }

    /// Pushes to the array at `place` in place, or by a call that is given the element's descriptor.
    pub fn push(&mut self, place: &str, desc: &str, value: Var, is_shared: bool) {
        let llvm = self.emitter.ty(self.var_ty(value));
        let loaded = self.temp(&format!("load {llvm}, ptr {}", slot_of(value)));
        let block = self.temp(&format!("load ptr, ptr {place}"));
        let single = match is_shared {
            true => self.is_alone_shared(&block),
            false => self.is_alone(&block),
        };
        let length = self.field(&block, LEN);
        let len = self.temp(&format!("load i64, ptr {length}{LENGTH}"));
        let capacity = self.field(&block, CAPACITY);
        let capacity = self.temp(&format!("load i64, ptr {capacity}{LENGTH}"));
        let room = self.temp(&format!("icmp slt i64 {len}, {capacity}"));
        let here = self.temp(&format!("and i1 {single}, {room}"));
        let (store, grow, on) = (self.label("push"), self.label("grow"), self.label("pushed"));
        self.line(&format!(
            "br i1 {here}, label %{store}, label %{grow}{LIKELY}"
        ));
        self.start(&store);
        let data = self.field(&block, DATA);
        let element = self.temp(&format!(
            "getelementptr inbounds {llvm}, ptr {data}, i64 {len}"
        ));
        self.line(&format!("store {llvm} {loaded}, ptr {element}{CONTENTS}"));
        let longer = self.temp(&format!("add nuw nsw i64 {len}, 1"));
        self.line(&format!("store i64 {longer}, ptr {length}{LENGTH}"));
        self.line(&format!("br label %{on}"));
        self.start(&grow);
        // The value in a slot of its own, for the same reason as the block.
        let slot = self.slot(&llvm);
        self.line(&format!("store {llvm} {loaded}, ptr {slot}"));
        let args = format!("ptr {desc}, ptr {slot}");
        self.replace_block("echo_array_push", place, &block, &args);
        if is_shared {
            self.share_block(place);
        }
        self.line(&format!("br label %{on}"));
        self.start(&on);
    }

    /// The address of a field.
    pub fn field(&mut self, block: &str, offset: usize) -> String {
        self.temp(&format!(
            "getelementptr inbounds i8, ptr {block}, i64 {offset}"
        ))
    }
}

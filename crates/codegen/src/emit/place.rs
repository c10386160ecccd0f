//! Places: from a variable through fields, payloads, indexes and keys to an address.

use echo_sema::types::{Ty, TyKind};

use super::debug::{CONTENTS, COUNT, LENGTH};
use super::function::{Body, slot_of};
use crate::ir::{Operand, Place, Step};

/// Offset of an array's elements and of the length field behind the header.
const ARRAY_DATA: usize = echo_abi::layout::ARRAY_DATA_OFFSET;
const LEN_OFFSET: usize = 8;

/// Where something is in memory.
pub struct Address {
    pub pointer: String,
    /// What loads and stores there are marked with.
    pub kind: &'static str,
}

impl Body<'_, '_> {
    /// The address for reading. Nothing is made unique; a missing key reads from the constant zero value.
    pub fn address(&mut self, place: &Place) -> Address {
        self.walk(place, false)
    }

    /// The address for changing what is there: every block on the way is made the only owner's.
    pub fn address_mut(&mut self, place: &Place) -> Address {
        self.walk(place, true)
    }

    fn walk(&mut self, place: &Place, mutable: bool) -> Address {
        let root_ty = self.var_ty(place.root);
        let mut kind = "";
        let (mut pointer, mut ty) = match self.emitter.program.types.kind(root_ty) {
            // An empty path to the place's own reference type is the variable itself.
            TyKind::Ref(target) if !(place.path.is_empty() && place.ty == root_ty) => {
                kind = CONTENTS;
                let target = *target;
                let slot = slot_of(place.root);
                (self.temp(&format!("load ptr, ptr {slot}")), target)
            }
            _ => (slot_of(place.root), root_ty),
        };
        for step in &place.path {
            (pointer, ty) = self.step(&Address { pointer, kind }, ty, step, mutable);
            if matches!(step, Step::Index { .. } | Step::Key(_)) {
                kind = CONTENTS;
            }
        }
        Address { pointer, kind }
    }

    fn step(&mut self, address: &Address, ty: Ty, step: &Step, mutable: bool) -> (String, Ty) {
        match step {
            Step::Field(index) => self.member(&address.pointer, ty, *index, *index),
            Step::Payload(index) => {
                let index = match self.emitter.program.types.kind(ty) {
                    TyKind::Option(_) => 0,
                    _ => *index,
                };
                self.member(&address.pointer, ty, index, index + 1)
            }
            Step::Index {
                index,
                checked,
                alone,
            } => self.element(address, ty, index, *checked, mutable && !alone),
            Step::Key(key) => self.entry(address, ty, key, mutable),
        }
    }

    /// `part` counts the members, `field` the LLVM struct's elements.
    fn member(&mut self, address: &str, ty: Ty, part: usize, field: usize) -> (String, Ty) {
        let llvm = self.emitter.ty(ty);
        let parts = crate::layout::parts(self.emitter.program, ty);
        let address = self.temp(&format!(
            "getelementptr inbounds {llvm}, ptr {address}, i32 0, i32 {field}"
        ));
        (address, parts[part])
    }

    fn element(
        &mut self,
        address: &Address,
        ty: Ty,
        index: &Operand,
        checked: bool,
        make_unique: bool,
    ) -> (String, Ty) {
        let TyKind::Array(element) = *self.emitter.program.types.kind(ty) else {
            unreachable!("only arrays are indexed in a place");
        };
        let index = self.value(index);
        let mut block = self.block_at(address);
        if checked {
            self.check_index(&block, &index);
        }
        if make_unique {
            block = self.unique(address, &block, element);
        }
        let data = self.temp(&format!(
            "getelementptr inbounds i8, ptr {block}, i64 {ARRAY_DATA}"
        ));
        let llvm = self.emitter.ty(element);
        let address = self.temp(&format!(
            "getelementptr inbounds {llvm}, ptr {data}, i64 {index}"
        ));
        (address, element)
    }

    /// The pointer to a block that is at the address.
    fn block_at(&mut self, address: &Address) -> String {
        let Address { pointer, kind } = address;
        self.temp(&format!("load ptr, ptr {pointer}{kind}"))
    }

    fn check_index(&mut self, block: &str, index: &str) {
        let place = self.temp(&format!(
            "getelementptr inbounds i8, ptr {block}, i64 {LEN_OFFSET}"
        ));
        let len = self.temp(&format!("load i64, ptr {place}{LENGTH}"));
        let outside = self.temp(&format!("icmp uge i64 {index}, {len}"));
        self.fail_if(&outside, |body| {
            let position = body.position();
            body.call_never(
                "echo_panic_index",
                &format!("i64 {index}, i64 {len}, i32 {position}"),
            );
        });
    }

    /// Whether the block has one owner, as an `i1`.
    pub fn is_alone(&mut self, block: &str) -> String {
        let count = self.temp(&format!(
            "load atomic i32, ptr {block} unordered, align 4{COUNT}"
        ));
        self.temp(&format!("icmp eq i32 {count}, 1"))
    }

    /// The block of the array at `address`, which has no other owner then.
    fn unique(&mut self, address: &Address, block: &str, element: Ty) -> String {
        let single = self.is_alone(block);
        let (copy, on) = (self.label("copy"), self.label("unique"));
        self.line(&format!(
            "br i1 {single}, label %{on}, label %{copy}, !prof !{{!\"branch_weights\", i32 1000, i32 1}}"
        ));
        self.start(&copy);
        let desc = self.emitter.desc(element);
        let pointer = &address.pointer;
        self.call_plain("echo_array_unique", &format!("ptr {pointer}, ptr {desc}"));
        self.line(&format!("br label %{on}"));
        self.start(&on);
        self.block_at(address)
    }

    fn entry(&mut self, address: &Address, ty: Ty, key: &Operand, mutable: bool) -> (String, Ty) {
        let TyKind::Map(key_ty, value_ty) = *self.emitter.program.types.kind(ty) else {
            unreachable!("only maps have keys");
        };
        let key_llvm = self.emitter.ty(key_ty);
        let slot = self.slot(&key_llvm);
        let key = self.typed(key);
        self.line(&format!("store {key}, ptr {slot}"));
        let desc = self.emitter.desc(ty);
        if mutable {
            self.emitter.runtime.insert("echo_map_entry");
            let found = self.temp(&format!(
                "call ptr @echo_map_entry(ptr {}, ptr {desc}, ptr {slot})",
                address.pointer
            ));
            return (found, value_ty);
        }
        self.emitter.runtime.insert("echo_map_get");
        let map = self.block_at(address);
        let found = self.temp(&format!(
            "call ptr @echo_map_get(ptr {map}, ptr {desc}, ptr {slot})"
        ));
        let zero = self.emitter.zero(value_ty);
        let missing = self.temp(&format!("icmp eq ptr {found}, null"));
        let address = self.temp(&format!("select i1 {missing}, ptr {zero}, ptr {found}"));
        (address, value_ty)
    }
}

//! Places: from a variable through fields, payloads, indexes and keys to an address.

use echo_sema::types::{Ty, TyKind};

use super::debug::{CONTENTS, COUNT, LENGTH, LIKELY};
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
    /// It is a global, which the main coroutine may assign meanwhile.
    is_global: bool,
}

/// What is to be done with a place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Change,
    /// In a global, whose lock is held: what it leads to is shared, before and after.
    ChangeShared,
}

impl Body<'_, '_> {
    /// The address for reading. Nothing is made unique; a missing key reads from the constant zero value.
    pub fn address(&mut self, place: &Place) -> Address {
        self.walk(place, Access::Read)
    }

    /// The address for changing what is there: every block on the way is made the only owner's.
    pub fn address_mut(&mut self, place: &Place) -> Address {
        let access = match self.is_global(place.root) {
            true => Access::ChangeShared,
            false => Access::Change,
        };
        self.walk(place, access)
    }

    fn walk(&mut self, place: &Place, access: Access) -> Address {
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
        let mut is_global = self.is_global(place.root);
        for step in &place.path {
            let address = Address {
                pointer,
                kind,
                is_global,
            };
            (pointer, ty) = self.step(&address, ty, step, access);
            is_global = false;
            if matches!(step, Step::Index { .. } | Step::Key(_)) {
                kind = CONTENTS;
            }
        }
        Address {
            pointer,
            kind,
            is_global,
        }
    }

    fn step(&mut self, address: &Address, ty: Ty, step: &Step, access: Access) -> (String, Ty) {
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
            } => {
                let access = if *alone { Access::Read } else { access };
                self.element(address, ty, index, *checked, access)
            }
            Step::Key(key) => self.entry(address, ty, key, access),
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
        access: Access,
    ) -> (String, Ty) {
        let TyKind::Array(element) = *self.emitter.program.types.kind(ty) else {
            unreachable!("only arrays are indexed in a place");
        };
        let index = self.value(index);
        let mut block = self.block_at(address);
        if checked {
            self.check_index(&block, &index);
        }
        if access != Access::Read {
            block = self.unique(address, &block, element, access);
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
        self.load_at(address, "ptr")
    }

    /// What is at the address.
    pub fn load_at(&mut self, address: &Address, llvm: &str) -> String {
        let Address { pointer, kind, .. } = address;
        if address.is_global && llvm == "ptr" {
            return self.temp(&format!(
                "load atomic ptr, ptr {pointer} unordered, align 8"
            ));
        }
        self.temp(&format!("load {llvm}, ptr {pointer}{kind}"))
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

    /// Whether the shared block has one owner, as an `i1`: for who alone can make it more.
    pub fn is_alone_shared(&mut self, block: &str) -> String {
        let count = self.temp(&format!(
            "load atomic i32, ptr {block} acquire, align 4{COUNT}"
        ));
        self.temp(&format!("icmp eq i32 {count}, -1"))
    }

    /// Whether the block has one owner, as an `i1`.
    pub fn is_alone(&mut self, block: &str) -> String {
        let count = self.temp(&format!(
            "load atomic i32, ptr {block} unordered, align 4{COUNT}"
        ));
        self.temp(&format!("icmp eq i32 {count}, 1"))
    }

    /// The block of the array at `address`, which has no other owner then.
    fn unique(&mut self, address: &Address, block: &str, element: Ty, access: Access) -> String {
        let is_shared = access == Access::ChangeShared;
        let single = match is_shared {
            true => self.is_alone_shared(block),
            false => self.is_alone(block),
        };
        let (copy, on) = (self.label("copy"), self.label("unique"));
        self.line(&format!(
            "br i1 {single}, label %{on}, label %{copy}{LIKELY}"
        ));
        self.start(&copy);
        let desc = self.emitter.desc(element);
        let pointer = &address.pointer;
        self.replace_block("echo_array_unique", pointer, block, &format!("ptr {desc}"));
        if is_shared {
            self.share_block(pointer);
        }
        self.line(&format!("br label %{on}"));
        self.start(&on);
        self.block_at(address)
    }

    fn entry(&mut self, address: &Address, ty: Ty, key: &Operand, access: Access) -> (String, Ty) {
        let TyKind::Map(key_ty, value_ty) = *self.emitter.program.types.kind(ty) else {
            unreachable!("only maps have keys");
        };
        let key_llvm = self.emitter.ty(key_ty);
        let slot = self.slot(&key_llvm);
        let is_constant = matches!(key, Operand::Const(_));
        let key = self.typed(key);
        self.line(&format!("store {key}, ptr {slot}"));
        let desc = self.emitter.desc(ty);
        if access != Access::Read {
            if access == Access::ChangeShared && !is_constant {
                self.share(&slot, key_ty);
            }
            self.emitter.runtime.insert("echo_map_entry");
            let found = self.temp(&format!(
                "call ptr @echo_map_entry(ptr {}, ptr {desc}, ptr {slot})",
                address.pointer
            ));
            if access == Access::ChangeShared {
                self.share_block(&address.pointer);
            }
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

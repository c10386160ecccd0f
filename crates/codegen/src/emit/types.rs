//! LLVM types, zero constants, and the helpers that dup and drop values in memory.

use std::fmt::Write as _;

use echo_abi::layout::{
    FUTURE_CLAIM_OFFSET, FUTURE_LOCK_OFFSET, FUTURE_OUTCOME, FUTURE_RESOLVED, FUTURE_STATE_OFFSET,
};
use echo_sema::types::{Ty, TyKind};

use super::debug::{COUNT, LIKELY};
use super::{Emitter, text};
use crate::layout;

/// A helper function generated per type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Helper {
    Dup,
    Drop,
}

/// More counted members than this are walked by the runtime instead of inline code.
const MAX_INLINE_MEMBERS: usize = 4;

impl Emitter<'_> {
    /// The LLVM type of values of a type, in registers and in memory.
    pub fn ty(&self, ty: Ty) -> String {
        match self.program.types.kind(ty) {
            TyKind::Void | TyKind::Never | TyKind::Error => "{}".to_string(),
            TyKind::Bool => "i1".to_string(),
            TyKind::Char | TyKind::Enum(_) => "i32".to_string(),
            TyKind::Int(kind) => format!("i{}", kind.bits()),
            TyKind::F32 => "float".to_string(),
            TyKind::F64 => "double".to_string(),
            TyKind::Struct(id) => {
                let name = &self.program.structs[id.0 as usize].name;
                format!("%\"{}.{}\"", text::escape(name.as_bytes()), id.0)
            }
            TyKind::Tuple(elements) => self.struct_of(elements),
            TyKind::Option(payload) => format!("{{ i32, {} }}", self.ty(*payload)),
            TyKind::Result(ok, err) => format!("{{ i32, {}, {} }}", self.ty(*ok), self.ty(*err)),
            _ => "ptr".to_string(),
        }
    }

    /// `{ A, B }`
    pub fn struct_of(&self, members: &[Ty]) -> String {
        let members: Vec<String> = members.iter().map(|&ty| self.ty(ty)).collect();
        format!("{{ {} }}", members.join(", "))
    }

    /// The definitions of the named struct types.
    pub fn define_struct_types(&mut self) {
        for index in 0..self.program.structs.len() {
            let members: Vec<Ty> = self.program.structs[index]
                .fields
                .iter()
                .map(|field| field.ty)
                .collect();
            let body = self.struct_of(&members);
            let name = text::escape(self.program.structs[index].name.as_bytes());
            writeln!(self.type_lines, "%\"{name}.{index}\" = type {body}")
                .expect("writing to a string cannot fail");
        }
    }

    /// The zero value as a constant. Where a type has none, its bits are zero and are never looked at.
    pub fn zero_constant(&self, ty: Ty) -> String {
        match self.program.types.kind(ty) {
            TyKind::String | TyKind::Array(_) | TyKind::Map(..) => "@echo_empty".to_string(),
            TyKind::Struct(_) | TyKind::Tuple(_) => {
                let members: Vec<String> = layout::parts(self.program, ty)
                    .iter()
                    .map(|&part| format!("{} {}", self.ty(part), self.zero_constant(part)))
                    .collect();
                format!("{{ {} }}", members.join(", "))
            }
            TyKind::Result(ok, err) => format!(
                "{{ i32 0, {} {}, {} zeroinitializer }}",
                self.ty(*ok),
                self.zero_constant(*ok),
                self.ty(*err)
            ),
            _ => "zeroinitializer".to_string(),
        }
    }

    /// The helper's symbol; it is defined at the end of the module.
    pub fn helper(&mut self, helper: Helper, ty: Ty) -> String {
        self.helpers.insert((helper, ty));
        helper_symbol(helper, self.desc_number(ty))
    }

    /// Definitions of all helpers in use, and of those that they use.
    pub fn define_helpers(&mut self) -> String {
        let mut text = String::new();
        let mut done = std::collections::BTreeSet::new();
        while let Some(&(helper, ty)) = self.helpers.difference(&done).next() {
            done.insert((helper, ty));
            text.push_str(&self.define_helper(helper, ty));
        }
        text
    }

    fn define_helper(&mut self, helper: Helper, ty: Ty) -> String {
        let symbol = helper_symbol(helper, self.desc_number(ty));
        let body = if layout::is_block(self.program, ty) {
            self.block_helper(helper, ty)
        } else if self.counted_members(ty) > MAX_INLINE_MEMBERS {
            self.walk_helper(helper, ty)
        } else {
            self.aggregate_helper(helper, ty)
        };
        format!(
            "\ndefine internal void {symbol}(ptr %place) alwaysinline nounwind \"split-stack\" {{\n{body}}}\n"
        )
    }

    fn counted_members(&self, ty: Ty) -> usize {
        if layout::is_block(self.program, ty) {
            return 1;
        }
        layout::parts(self.program, ty)
            .iter()
            .map(|&part| self.counted_members(part))
            .sum()
    }

    /// In place, but for the last owner: only the runtime frees. A plain count is positive, a shared one negative, that of constants zero.
    /// The count of a shared block changes under our eyes, hence the atomic load; what it is shared by does not change back.
    fn block_helper(&mut self, helper: Helper, ty: Ty) -> String {
        let (least, change, otherwise) = match helper {
            Helper::Dup => (
                0,
                "add nuw nsw i32 %count, 1",
                format!("%other = atomicrmw sub ptr %block, i32 1 monotonic, align 4{COUNT}"),
            ),
            Helper::Drop => {
                self.runtime.insert("echo_release");
                let desc = self.desc(ty);
                (
                    1,
                    "sub nuw nsw i32 %count, 1",
                    format!("call void @echo_release(ptr %block, ptr {desc})"),
                )
            }
        };
        let free = match helper {
            Helper::Drop if self.is_future_of_bits(ty) => self.free_settled(),
            _ => String::new(),
        };
        format!(
            "  %block = load ptr, ptr %place
  %count = load atomic i32, ptr %block unordered, align 4{COUNT}
  %plain = icmp sgt i32 %count, {least}
  br i1 %plain, label %fast, label %slow
fast:
  %new = {change}
  store i32 %new, ptr %block{COUNT}
  ret void
slow:
{free}  %constant = icmp eq i32 %count, 0
  br i1 %constant, label %done, label %counted
counted:
  {otherwise}
  br label %done
done:
  ret void
"
        )
    }

    /// Whether it is a future or a promise of a value without counted references.
    fn is_future_of_bits(&self, ty: Ty) -> bool {
        match self.program.types.kind(ty) {
            TyKind::Future(value) | TyKind::Promise(value) => {
                !layout::is_managed(self.program, *value)
            }
            _ => false,
        }
    }

    /// A future that its last owner alone knows holds nothing more to drop: as `destroy` of the runtime's futures. Lock and claim are looked at
    /// one by one: an atomic access to both would acquire what neither has released.
    fn free_settled(&mut self) -> String {
        self.runtime.insert("echo_free");
        format!(
            "  %last = icmp eq i32 %count, 1
  br i1 %last, label %look, label %release
look:
  %state.place = getelementptr i8, ptr %block, i64 {FUTURE_STATE_OFFSET}
  %state = load atomic i32, ptr %state.place acquire, align 4
  %lock.place = getelementptr i8, ptr %block, i64 {FUTURE_LOCK_OFFSET}
  %lock = load atomic i8, ptr %lock.place acquire, align 1
  %claim.place = getelementptr i8, ptr %block, i64 {FUTURE_CLAIM_OFFSET}
  %claim = load atomic i8, ptr %claim.place acquire, align 1
  %held = or i8 %lock, %claim
  %outcome = and i32 %state, {FUTURE_OUTCOME}
  %resolved = icmp eq i32 %outcome, {FUTURE_RESOLVED}
  %unlocked = icmp eq i8 %held, 0
  %settled = and i1 %resolved, %unlocked
  br i1 %settled, label %free, label %release{LIKELY}
free:
  call void @echo_free(ptr %block)
  br label %done
release:
"
        )
    }

    fn walk_helper(&mut self, helper: Helper, ty: Ty) -> String {
        let name = match helper {
            Helper::Dup => "echo_dup",
            Helper::Drop => "echo_drop",
        };
        self.runtime.insert(name);
        let desc = self.desc(ty);
        format!("  call void @{name}(ptr %place, ptr {desc})\n  ret void\n")
    }

    /// Member by member; the payload that the tag names.
    fn aggregate_helper(&mut self, helper: Helper, ty: Ty) -> String {
        let parts = layout::parts(self.program, ty);
        let llvm = self.ty(ty);
        let mut body = String::new();
        let tagged = match self.program.types.kind(ty) {
            // Where the first payload's tag and struct index are.
            TyKind::Option(_) => Some(1),
            TyKind::Result(..) => Some(0),
            _ => None,
        };
        if tagged.is_some() {
            body.push_str("  %tag = load i32, ptr %place\n");
        }
        for (index, &part) in parts.iter().enumerate() {
            if !layout::is_managed(self.program, part) {
                continue;
            }
            let callee = self.helper(helper, part);
            let field = index + usize::from(tagged.is_some());
            let call = format!(
                "  %field{index} = getelementptr {llvm}, ptr %place, i32 0, i32 {field}\n  call void {callee}(ptr %field{index})\n"
            );
            match tagged {
                None => body.push_str(&call),
                Some(first) => write!(
                    body,
                    "  %is{index} = icmp eq i32 %tag, {}\n  br i1 %is{index}, label %payload{index}, label %next{index}\npayload{index}:\n{call}  br label %next{index}\nnext{index}:\n",
                    first + index
                )
                .expect("writing to a string cannot fail"),
            }
        }
        body.push_str("  ret void\n");
        body
    }
}

fn helper_symbol(helper: Helper, desc: usize) -> String {
    match helper {
        Helper::Dup => format!("@dup.{desc}"),
        Helper::Drop => format!("@drop.{desc}"),
    }
}

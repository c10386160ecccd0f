//! What the code generator knows about types: whether they are counted, what their bytes are.
//!
//! The layouts are those that `echo_abi::layout` writes down.

use echo_sema::typed::Program;
use echo_sema::types::{Ty, TyKind};

/// Size and alignment in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    pub size: u32,
    pub align: u32,
}

/// Whether values of the type hold counted references.
pub fn is_managed(program: &Program, ty: Ty) -> bool {
    match program.types.kind(ty) {
        TyKind::Error
        | TyKind::Never
        | TyKind::Void
        | TyKind::Bool
        | TyKind::Char
        | TyKind::Int(_)
        | TyKind::F32
        | TyKind::F64
        | TyKind::Ref(_) => false,
        TyKind::Tuple(_) | TyKind::Struct(_) | TyKind::Option(_) | TyKind::Result(..) => {
            parts(program, ty)
                .iter()
                .any(|&part| is_managed(program, part))
        }
        TyKind::Enum(id) => program.enums[id.0 as usize]
            .variants
            .iter()
            .any(|variant| !variant.payload.is_empty()),
        _ => true,
    }
}

/// Whether a value is one pointer to a counted block.
pub fn is_block(program: &Program, ty: Ty) -> bool {
    is_managed(program, ty)
        && !matches!(
            program.types.kind(ty),
            TyKind::Tuple(_) | TyKind::Struct(_) | TyKind::Option(_) | TyKind::Result(..)
        )
}

/// Whether the type has a zero value: handles, functions and what must hold one have none.
pub fn has_zero(program: &Program, ty: Ty) -> bool {
    match program.types.kind(ty) {
        TyKind::Void
        | TyKind::Bool
        | TyKind::Char
        | TyKind::Int(_)
        | TyKind::F32
        | TyKind::F64
        | TyKind::String
        | TyKind::Array(_)
        | TyKind::Map(..)
        | TyKind::Option(_) => true,
        TyKind::Result(ok, _) => has_zero(program, *ok),
        TyKind::Tuple(_) | TyKind::Struct(_) => parts(program, ty)
            .iter()
            .all(|&part| has_zero(program, part)),
        TyKind::Enum(id) => program.enums[id.0 as usize]
            .variants
            .first()
            .is_some_and(|variant| variant.payload.is_empty()),
        _ => false,
    }
}

/// The members of an aggregate in memory order, a tag left out: fields, elements, payloads.
pub fn parts(program: &Program, ty: Ty) -> Vec<Ty> {
    match program.types.kind(ty) {
        TyKind::Tuple(elements) => elements.clone(),
        TyKind::Struct(id) => program.structs[id.0 as usize]
            .fields
            .iter()
            .map(|field| field.ty)
            .collect(),
        TyKind::Option(payload) => vec![*payload],
        TyKind::Result(ok, err) => vec![*ok, *err],
        _ => Vec::new(),
    }
}

/// Size and alignment of a value of the type.
pub fn layout(program: &Program, ty: Ty) -> Layout {
    let scalar = |size| Layout { size, align: size };
    match program.types.kind(ty) {
        TyKind::Void | TyKind::Never | TyKind::Error => Layout { size: 0, align: 1 },
        TyKind::Bool => scalar(1),
        TyKind::Char | TyKind::F32 | TyKind::Enum(_) => scalar(4),
        TyKind::Int(kind) => scalar(kind.bits() / 8),
        TyKind::Tuple(_) | TyKind::Struct(_) => fields(program, &parts(program, ty), 0).1,
        TyKind::Option(_) | TyKind::Result(..) => fields(program, &parts(program, ty), 4).1,
        _ => scalar(8),
    }
}

/// Offsets of members laid out one after the other behind `start` bytes (a tag of that size and alignment), and the layout of the whole.
pub fn fields(program: &Program, members: &[Ty], start: u32) -> (Vec<u32>, Layout) {
    let mut size = start;
    let mut align = start.max(1);
    let mut offsets = Vec::with_capacity(members.len());
    for &member in members {
        let member = layout(program, member);
        size = size.next_multiple_of(member.align);
        offsets.push(size);
        size += member.size;
        align = align.max(member.align);
    }
    let size = size.next_multiple_of(align);
    (offsets, Layout { size, align })
}

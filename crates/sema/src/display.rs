//! How types are written, for messages and descriptors.

use crate::typed::Program;
use crate::types::{IntKind, Ty, TyKind, Types};

/// The type as the language writes it. `name` gives the names of structs and enums.
pub fn type_text(types: &Types, name: &dyn Fn(&TyKind) -> String, ty: Ty) -> String {
    let show = |ty: Ty| type_text(types, name, ty);
    let list = |list: &[Ty]| {
        list.iter()
            .map(|&ty| show(ty))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let kind = types.kind(ty);
    match kind {
        TyKind::Error => "?".to_string(),
        TyKind::Never => "never".to_string(),
        TyKind::Void => "void".to_string(),
        TyKind::Bool => "bool".to_string(),
        TyKind::Char => "char".to_string(),
        TyKind::Int(kind) => int_name(*kind).to_string(),
        TyKind::F32 => "f32".to_string(),
        TyKind::F64 => "float".to_string(),
        TyKind::String => "string".to_string(),
        TyKind::Array(element) => format!("[{}]", show(*element)),
        TyKind::Map(key, value) => format!("map[{}]{}", show(*key), show(*value)),
        TyKind::Tuple(elements) => format!("({})", list(elements)),
        TyKind::Struct(_) | TyKind::Enum(_) => name(kind),
        TyKind::Option(payload) => format!("Option[{}]", show(*payload)),
        TyKind::Result(ok, err) if *err == Ty::STRING => format!("Result[{}]", show(*ok)),
        TyKind::Result(ok, err) => format!("Result[{}, {}]", show(*ok), show(*err)),
        TyKind::Func(params, Ty::VOID) => format!("func({})", list(params)),
        TyKind::Func(params, result) => format!("func({}) -> {}", list(params), show(*result)),
        TyKind::Ref(target) => format!("*{}", show(*target)),
        TyKind::Chan(element) => format!("chan {}", show(*element)),
        TyKind::Future(value) => format!("Future[{}]", show(*value)),
        TyKind::Promise(value) => format!("Promise[{}]", show(*value)),
        TyKind::Mutex(value) => format!("Mutex[{}]", show(*value)),
        TyKind::RwLock(value) => format!("RwLock[{}]", show(*value)),
        TyKind::Atomic => "Atomic[int]".to_string(),
        TyKind::WaitGroup => "WaitGroup".to_string(),
        TyKind::Semaphore => "Semaphore".to_string(),
        TyKind::Once => "Once".to_string(),
        TyKind::StringBuilder => "StringBuilder".to_string(),
    }
}

/// The name of an integer type; `int` for 64 bits.
pub fn int_name(kind: IntKind) -> &'static str {
    match kind {
        IntKind::I8 => "i8",
        IntKind::I16 => "i16",
        IntKind::I32 => "i32",
        IntKind::I64 => "int",
        IntKind::U8 => "u8",
        IntKind::U16 => "u16",
        IntKind::U32 => "u32",
        IntKind::U64 => "u64",
    }
}

/// The type as the language writes it, in a checked program.
pub fn type_name(program: &Program, ty: Ty) -> String {
    let name = |kind: &TyKind| match kind {
        TyKind::Struct(id) => program.structs[id.0 as usize].name.clone(),
        TyKind::Enum(id) => program.enums[id.0 as usize].name.clone(),
        _ => String::new(),
    };
    type_text(&program.types, &name, ty)
}

//! The one representation of types: interned, compared by number.

use std::collections::HashMap;

/// An interned type; equal numbers mean equal types (within one [`Types`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ty(u32);

/// A declared struct, an index into [`crate::typed::Program::structs`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StructId(pub u32);

/// A declared enum, an index into [`crate::typed::Program::enums`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EnumId(pub u32);

/// Width and signedness of an integer type. `int` is `I64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IntKind {
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
}

impl IntKind {
    pub fn bits(self) -> u32 {
        match self {
            IntKind::I8 | IntKind::U8 => 8,
            IntKind::I16 | IntKind::U16 => 16,
            IntKind::I32 | IntKind::U32 => 32,
            IntKind::I64 | IntKind::U64 => 64,
        }
    }

    pub fn is_signed(self) -> bool {
        matches!(
            self,
            IntKind::I8 | IntKind::I16 | IntKind::I32 | IntKind::I64
        )
    }

    pub fn min(self) -> i128 {
        if self.is_signed() {
            -(1 << (self.bits() - 1))
        } else {
            0
        }
    }

    pub fn max(self) -> i128 {
        if self.is_signed() {
            (1 << (self.bits() - 1)) - 1
        } else {
            (1 << self.bits()) - 1
        }
    }
}

/// What a type is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TyKind {
    /// An error was reported; agrees with every type. Never reaches the code generator.
    Error,
    /// Of expressions that do not return (`panic(…)`, `return`, an endless `loop`); agrees with every type.
    Never,
    Void,
    Bool,
    Char,
    Int(IntKind),
    F32,
    F64,
    String,
    Array(Ty),
    Map(Ty, Ty),
    /// At least two elements.
    Tuple(Vec<Ty>),
    Struct(StructId),
    Enum(EnumId),
    Option(Ty),
    Result(Ty, Ty),
    Func(Vec<Ty>, Ty),
    /// `*T`: only of parameters and receivers.
    Ref(Ty),
    Chan(Ty),
    Future(Ty),
    Promise(Ty),
    Mutex(Ty),
    RwLock(Ty),
    /// `Atomic[int]`
    Atomic,
    WaitGroup,
    Semaphore,
    Once,
    StringBuilder,
}

/// The interner.
#[derive(Debug)]
pub struct Types {
    kinds: Vec<TyKind>,
    index: HashMap<TyKind, Ty>,
}

macro_rules! well_known {
    ($($(#[$doc:meta])* $name:ident = $number:literal: $kind:expr;)*) => {
        impl Ty {
            $($(#[$doc])* pub const $name: Ty = Ty($number);)*
        }
        const WELL_KNOWN: &[TyKind] = &[$($kind),*];
    };
}
well_known! {
    ERROR = 0: TyKind::Error;
    NEVER = 1: TyKind::Never;
    VOID = 2: TyKind::Void;
    BOOL = 3: TyKind::Bool;
    CHAR = 4: TyKind::Char;
    INT = 5: TyKind::Int(IntKind::I64);
    FLOAT = 6: TyKind::F64;
    STRING = 7: TyKind::String;
    F32 = 8: TyKind::F32;
    I8 = 9: TyKind::Int(IntKind::I8);
    I16 = 10: TyKind::Int(IntKind::I16);
    I32 = 11: TyKind::Int(IntKind::I32);
    U8 = 12: TyKind::Int(IntKind::U8);
    U16 = 13: TyKind::Int(IntKind::U16);
    U32 = 14: TyKind::Int(IntKind::U32);
    U64 = 15: TyKind::Int(IntKind::U64);
    ATOMIC = 16: TyKind::Atomic;
    WAIT_GROUP = 17: TyKind::WaitGroup;
    SEMAPHORE = 18: TyKind::Semaphore;
    ONCE = 19: TyKind::Once;
    STRING_BUILDER = 20: TyKind::StringBuilder;
}

impl Default for Types {
    fn default() -> Self {
        let mut types = Types {
            kinds: Vec::new(),
            index: HashMap::new(),
        };
        for kind in WELL_KNOWN {
            types.intern(kind.clone());
        }
        types
    }
}

impl Types {
    /// The number of that type.
    pub fn intern(&mut self, kind: TyKind) -> Ty {
        if let Some(&ty) = self.index.get(&kind) {
            return ty;
        }
        let ty = Ty(u32::try_from(self.kinds.len()).expect("fewer than 2^32 types"));
        self.kinds.push(kind.clone());
        self.index.insert(kind, ty);
        ty
    }

    pub fn kind(&self, ty: Ty) -> &TyKind {
        &self.kinds[ty.0 as usize]
    }
}

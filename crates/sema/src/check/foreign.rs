//! Names of other languages that people write by habit, and what Echo has instead.
//!
//! They are looked up only for names that mean nothing here: a program may use all of them for its own things.

use crate::types::{Ty, TyKind, Types};

/// Names of values, functions and modules.
const NAMES: &[(&[&str], &str)] = &[
    (
        &["nil", "null", "nullptr", "undefined"],
        "what may be missing is an `Option[T]`: `Some(x)` or `None`; what may fail is a `Result[T]`: `Ok(x)` or `Err(why)`",
    ),
    (
        &["make"],
        "a channel is made by `chan int` or `chan[8] int`; what is empty gets its type from `let xs: [int] = []`, `let m: map[string]int = {}`",
    ),
    (&["new"], "write `Name{field: value}`"),
    (&["append"], "write `xs.push(x)`"),
    (&["copy"], "leave it out: assigning an array copies it"),
    (&["range"], "write `for i in 0..n { … }`"),
    (
        &["channel", "Channel", "make_chan"],
        "a channel is made by `chan int` or `chan[8] int`",
    ),
    (
        &["recover"],
        "write `try await f()`: a panic becomes an `Err`",
    ),
    (
        &[
            "println", "printf", "fmt", "log", "console", "System", "puts", "echo", "cout",
        ],
        "write `print x`; `+` joins text and values",
    ),
    (
        &["format", "sprintf", "str"],
        "`string(x)` makes text, and `+` joins it",
    ),
    (
        &["errors"],
        "an error is the text in an `Err`: `Err(\"why\")`",
    ),
    (&["strings"], "strings have methods: `text.split(\",\")`"),
    (&["strconv"], "write `string(n)` and `text.parse_int()`"),
    (&["sort"], "write `xs.sort()`"),
    (&["std"], "a module is imported by its name: `import time`"),
    (
        &["self", "this"],
        "a method names its receiver: `func (p Point) length() -> float { … }`",
    ),
    (&["True", "TRUE"], "write `true`"),
    (&["False", "FALSE"], "write `false`"),
];

const TYPES: &[(&[&str], &str)] = &[
    (&["String", "str", "Str"], "write `string`"),
    (
        &[
            "usize", "isize", "uint", "Int", "Integer", "long", "short", "i128", "u128",
        ],
        "write `int`",
    ),
    (&["byte", "uint8"], "write `u8`"),
    (&["int8"], "write `i8`"),
    (&["int16"], "write `i16`"),
    (&["uint16"], "write `u16`"),
    (&["rune", "Char"], "write `char`"),
    (&["int32"], "write `i32`"),
    (&["uint32"], "write `u32`"),
    (&["int64"], "write `int`"),
    (&["uint64"], "write `u64`"),
    (&["float32"], "write `f32`"),
    (
        &["float64", "double", "Float", "Double", "number"],
        "write `float`",
    ),
    (&["boolean", "Boolean", "Bool"], "write `bool`"),
    (
        &["error", "Error", "Exception"],
        "what may fail gives a `Result[T]`, whose error is a `string`",
    ),
    (
        &["any", "Any", "object", "Object"],
        "write which type it is",
    ),
    (
        &["Vec", "List", "Array", "Slice", "ArrayList", "list"],
        "the type of an array is `[T]`, and an array `[1, 2]`",
    ),
    (
        &["HashMap", "BTreeMap", "Map", "Dict", "dict"],
        "the type of a map is `map[Key]Value`, and a map `{\"a\": 1}`",
    ),
    (&["HashSet", "BTreeSet", "Set"], "write `map[Key]bool`"),
    (
        &["Box", "Rc", "Arc", "Ref", "Ptr"],
        "leave it out: a copy of a value costs a pointer",
    ),
    (&["Self"], "write the name of the type"),
    (&["Sender", "Receiver", "Channel", "Chan"], "write `chan T`"),
    (&["unit", "Unit", "Void"], "leave it out"),
];

/// Members of values of every type.
const MEMBERS: &[(&[&str], &str)] = &[
    (
        &["to_string", "toString", "ToString", "String", "to_owned"],
        "write `string(x)`",
    ),
    (
        &["clone", "copy", "dup"],
        "leave it out: assigning a value copies it",
    ),
    (
        &["await"],
        "`await` stands in front of a future: `await spawn f(x)`; a call of a plain function gives its value at once",
    ),
];

const SIZED_MEMBERS: &[(&[&str], &str)] = &[
    (&["length", "size", "count", "Len"], "write `len(x)`"),
    (
        &["iter", "into_iter", "iter_mut"],
        "leave it out: `for x in xs { … }`",
    ),
    (&["enumerate"], "write `for i in 0..len(xs) { … }`"),
    (&["is_empty", "isEmpty", "empty"], "write `len(x) == 0`"),
    (
        &["has", "includes", "contains_key", "has_key", "containsKey"],
        "write `x.contains(y)`",
    ),
    (
        &["forEach", "for_each", "each"],
        "write `for x in xs { … }`",
    ),
];

const ARRAY_MEMBERS: &[(&[&str], &str)] = &[
    (&["append", "add", "push_back", "Add"], "write `xs.push(x)`"),
    (&["first"], "write `xs[0]`"),
    (&["slice"], "write `xs[i:j]`"),
    (
        &["sum", "reduce", "fold"],
        "write a loop: `for x in xs { sum += x }`",
    ),
    (
        &["extend", "concat", "append_all", "push_all"],
        "write a loop: `for y in ys { xs.push(y) }`",
    ),
    (&["last"], "write `xs[len(xs) - 1]`"),
];

/// Of arrays of futures.
const FUTURES_MEMBERS: &[(&[&str], &str)] = &[(
    &["join", "await", "wait", "wait_all", "join_all"],
    "write `await all(futures)`",
)];

const MAP_MEMBERS: &[(&[&str], &str)] = &[
    (&["insert", "set", "put", "add"], "write `m[key] = value`"),
    (
        &["entry"],
        "write `m[key] += 1`: a key that is missing has the zero value",
    ),
    (&["delete"], "write `delete(m, key)`"),
    (
        &["iter", "items", "entries"],
        "write `for (key, value) in m { … }`",
    ),
];

const STRING_MEMBERS: &[(&[&str], &str)] = &[
    (
        &["upper", "toUpperCase", "ToUpper", "to_uppercase"],
        "write `.to_upper()`",
    ),
    (
        &["lower", "toLowerCase", "ToLower", "to_lowercase"],
        "write `.to_lower()`",
    ),
    (&["strip"], "write `.trim()`"),
    (&["substring", "substr", "slice"], "write `s[i:j]`"),
    (&["char_at", "charAt", "at"], "write `s[i]`"),
    (&["push", "push_str", "append", "concat"], "write `s += x`"),
    (&["format"], "`+` joins text and values: `\"x = \" + x`"),
    (&["as_str", "as_string"], "leave it out"),
    (&["parse"], "write `.parse_int()` or `.parse_float()`"),
    (&["as_bytes", "bytes"], "write `.chars()`"),
];

const FUTURE_MEMBERS: &[(&[&str], &str)] = &[(
    &["await", "join", "wait", "get", "unwrap"],
    "write `await f`",
)];

const CHAN_MEMBERS: &[(&[&str], &str)] = &[
    (
        &["receive", "Receive", "read", "get", "pop", "next"],
        "write `<- ch`",
    ),
    (&["write", "put", "push", "add"], "write `ch <- x`"),
];

const RESULT_MEMBERS: &[(&[&str], &str)] = &[
    (
        &["value", "Value", "get", "result", "error", "err"],
        "look at it with `match`, or take the value out with `?`, `.unwrap()` or `.unwrap_or(…)`",
    ),
    (&["expect"], "write `.unwrap()`"),
    (
        &["unwrap_or_default", "unwrap_or_else"],
        "write `.unwrap_or(value)`",
    ),
];

fn find(tables: &[&'static [(&[&str], &'static str)]], name: &str) -> Option<&'static str> {
    let mut rows = tables.iter().copied().flatten();
    rows.find(|(names, _)| names.contains(&name))
        .map(|&(_, help)| help)
}

/// What to write instead of a name where a value may stand.
pub(super) fn name_help(name: &str) -> Option<&'static str> {
    find(&[NAMES, TYPES], name)
}

/// What to write instead of the name of a type.
pub(super) fn type_help(name: &str) -> Option<&'static str> {
    find(&[TYPES], name)
}

/// What to write instead of a module's name.
pub(super) fn module_help(path: &str) -> Option<&'static str> {
    find(&[NAMES], path)
}

/// What to write instead of a method of an array of futures.
pub(super) fn futures_help(types: &Types, ty: Ty, name: &str) -> Option<&'static str> {
    match types.kind(ty) {
        TyKind::Array(element) if matches!(types.kind(*element), TyKind::Future(_)) => {
            find(&[FUTURES_MEMBERS], name)
        }
        _ => None,
    }
}

/// How a value is made of a type that is no struct.
pub(super) fn maker(name: &str) -> Option<&'static str> {
    let maker = match name {
        "Mutex" => "sync.new_mutex(value)",
        "RwLock" => "sync.new_rwlock(value)",
        "Atomic" => "sync.new_atomic_int(0)",
        "WaitGroup" => "sync.new_wait_group()",
        "Semaphore" => "sync.new_semaphore(n)",
        "Once" => "sync.new_once()",
        "Promise" => "promise[T]()",
        _ => return None,
    };
    Some(maker)
}

/// What to write instead of a field or method.
pub(super) fn member_help(types: &Types, ty: Ty, name: &str) -> Option<&'static str> {
    let futures_help = futures_help(types, ty, name);
    if futures_help.is_some() {
        return futures_help;
    }
    let kind = types.kind(ty);
    let tables: &[_] = match kind {
        TyKind::Array(_) => &[ARRAY_MEMBERS, SIZED_MEMBERS, MEMBERS],
        TyKind::Map(..) => &[MAP_MEMBERS, SIZED_MEMBERS, MEMBERS],
        TyKind::String => &[STRING_MEMBERS, SIZED_MEMBERS, MEMBERS],
        TyKind::Chan(_) => &[CHAN_MEMBERS, SIZED_MEMBERS, MEMBERS],
        TyKind::Future(_) => &[FUTURE_MEMBERS, MEMBERS],
        TyKind::Result(..) | TyKind::Option(_) => &[RESULT_MEMBERS, MEMBERS],
        _ => &[MEMBERS],
    };
    find(tables, name)
}

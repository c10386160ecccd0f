//! The one table of what the language brings along: predeclared types and functions, the methods of built-in types, and
//! the native members of the standard modules `math`, `sync`, `time` and `string`.
//!
//! Invariants:
//! - a name is described here or it does not exist: the checker knows no built-in by name elsewhere, but for those the
//!   grammar itself knows (`print`, `delete`, `assert`, `sizeof`, conversions `T(x)`);
//! - the order of parameters is that of the arguments of the [`Builtin`], a receiver first;
//! - a result mentions only variables that the receiver, the arguments or explicit type arguments bind;
//! - a module may also have members written in Echo ([`source`]); their names differ from the native ones.
//!
//! How the checker uses a [`Signature`]: look it up ([`method`] binds the receiver's variables; [`function`] gives all
//! overloads, [`select`] picks by the first argument); for every argument ask [`Signature::parameter`] for the type to
//! expect — when it is not known yet, check the argument without expectation — then [`Signature::bind`] the argument's
//! type; at last [`Signature::bounds`] and [`Signature::result`]. Where a variable has the bound [`Bound::Number`] or
//! [`Bound::Integer`], arguments that are not literals should be checked first, so that `math.max(1, x)` takes `x`'s type.

use crate::typed::Builtin;
use crate::types::{Ty, TyKind, Types};

// ---------------------------------------------------------------- type schemes

/// A type with variables, the form the table is written in.
#[derive(Clone, Copy, Debug)]
enum Scheme {
    /// A variable: a place in [`Signature::bound`].
    Var(usize),
    Type(Ty),
    Array(&'static Scheme),
    Map(&'static Scheme, &'static Scheme),
    Option(&'static Scheme),
    Result(&'static Scheme, &'static Scheme),
    Func(&'static [Scheme], &'static Scheme),
    Chan(&'static Scheme),
    Future(&'static Scheme),
    Promise(&'static Scheme),
    Mutex(&'static Scheme),
    RwLock(&'static Scheme),
    /// `[T]`, but `void` where `T` is: what `all` gathers. Only in results.
    Gathered(&'static Scheme),
}

/// Variables of one signature.
const VARIABLES: usize = 3;
type Bindings = [Option<Ty>; VARIABLES];

const T: Scheme = Scheme::Var(0);
const K: Scheme = Scheme::Var(0);
const V: Scheme = Scheme::Var(1);
const E: Scheme = Scheme::Var(1);
const U: Scheme = Scheme::Var(2);
const U_INDEX: usize = 2;

const VOID: Scheme = Scheme::Type(Ty::VOID);
const NEVER: Scheme = Scheme::Type(Ty::NEVER);
const BOOL: Scheme = Scheme::Type(Ty::BOOL);
const INT: Scheme = Scheme::Type(Ty::INT);
const FLOAT: Scheme = Scheme::Type(Ty::FLOAT);
const STRING: Scheme = Scheme::Type(Ty::STRING);

impl Scheme {
    /// The type, when every variable in it is bound.
    fn instantiate(&self, types: &mut Types, bound: &Bindings) -> Option<Ty> {
        let mut get = |scheme: &Scheme| scheme.instantiate(types, bound);
        let kind = match self {
            Scheme::Var(index) => return bound[*index],
            Scheme::Type(ty) => return Some(*ty),
            Scheme::Array(element) => TyKind::Array(get(element)?),
            Scheme::Map(key, value) => TyKind::Map(get(key)?, get(value)?),
            Scheme::Option(payload) => TyKind::Option(get(payload)?),
            Scheme::Result(ok, err) => TyKind::Result(get(ok)?, get(err)?),
            Scheme::Func(params, result) => {
                let params = params.iter().map(&mut get).collect::<Option<_>>()?;
                TyKind::Func(params, get(result)?)
            }
            Scheme::Chan(element) => TyKind::Chan(get(element)?),
            Scheme::Future(value) => TyKind::Future(get(value)?),
            Scheme::Promise(value) => TyKind::Promise(get(value)?),
            Scheme::Mutex(value) => TyKind::Mutex(get(value)?),
            Scheme::RwLock(value) => TyKind::RwLock(get(value)?),
            Scheme::Gathered(value) => match get(value)? {
                Ty::VOID => return Some(Ty::VOID),
                value => TyKind::Array(value),
            },
        };
        Some(types.intern(kind))
    }

    /// Whether the type has this form; binds the variables on the way.
    fn unify(&self, types: &Types, bound: &mut Bindings, ty: Ty) -> bool {
        if matches!(ty, Ty::ERROR | Ty::NEVER) {
            return true;
        }
        match (self, types.kind(ty)) {
            (Scheme::Var(index), _) => {
                *bound[*index].get_or_insert(ty) == ty || is_open(bound[*index])
            }
            (Scheme::Type(expected), _) => *expected == ty,
            (Scheme::Array(a), TyKind::Array(x))
            | (Scheme::Option(a), TyKind::Option(x))
            | (Scheme::Chan(a), TyKind::Chan(x))
            | (Scheme::Future(a), TyKind::Future(x))
            | (Scheme::Promise(a), TyKind::Promise(x))
            | (Scheme::Mutex(a), TyKind::Mutex(x))
            | (Scheme::RwLock(a), TyKind::RwLock(x)) => a.unify(types, bound, *x),
            (Scheme::Map(a, b), TyKind::Map(x, y))
            | (Scheme::Result(a, b), TyKind::Result(x, y)) => {
                a.unify(types, bound, *x) && b.unify(types, bound, *y)
            }
            (Scheme::Func(params, result), TyKind::Func(actual, actual_result)) => {
                params.len() == actual.len()
                    && params
                        .iter()
                        .zip(actual)
                        .all(|(param, &ty)| param.unify(types, bound, ty))
                    && result.unify(types, bound, *actual_result)
            }
            _ => false,
        }
    }

    /// As the language writes it; unbound variables by their letter.
    fn text(&self, show: &dyn Fn(Ty) -> String, bound: &Bindings) -> String {
        let text = |scheme: &Scheme| scheme.text(show, bound);
        match self {
            Scheme::Var(index) => {
                bound[*index].map_or_else(|| ["T", "E", "U"][*index].to_string(), show)
            }
            Scheme::Type(ty) => show(*ty),
            Scheme::Array(element) | Scheme::Gathered(element) => format!("[{}]", text(element)),
            Scheme::Map(key, value) => format!("map[{}]{}", text(key), text(value)),
            Scheme::Option(payload) => format!("Option[{}]", text(payload)),
            Scheme::Result(ok, Scheme::Type(Ty::STRING)) => format!("Result[{}]", text(ok)),
            Scheme::Result(ok, err) => format!("Result[{}, {}]", text(ok), text(err)),
            Scheme::Func(params, result) => {
                let params = params.iter().map(text).collect::<Vec<_>>().join(", ");
                match result {
                    Scheme::Type(Ty::VOID) => format!("func({params})"),
                    result => format!("func({params}) -> {}", text(result)),
                }
            }
            Scheme::Chan(element) => format!("chan {}", text(element)),
            Scheme::Future(value) => format!("Future[{}]", text(value)),
            Scheme::Promise(value) => format!("Promise[{}]", text(value)),
            Scheme::Mutex(value) => format!("Mutex[{}]", text(value)),
            Scheme::RwLock(value) => format!("RwLock[{}]", text(value)),
        }
    }
}

/// Bound to what agrees with every type.
fn is_open(bound: Option<Ty>) -> bool {
    matches!(bound, Some(Ty::ERROR | Ty::NEVER))
}

// ---------------------------------------------------------------- signatures

/// What a type must be able to do to take the place of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// `==`
    Comparable,
    /// `<`
    Ordered,
    /// `print`
    Printable,
    /// An integer or float type.
    Number,
    Integer,
    /// Anything but `void`.
    Value,
}

/// A line of the table.
#[derive(Clone, Copy, Debug)]
struct Row {
    name: &'static str,
    /// Without the receiver.
    params: &'static [Scheme],
    result: Scheme,
    builtin: Builtin,
    mutates: bool,
    bound: Option<(usize, Bound)>,
}

const fn row(
    name: &'static str,
    params: &'static [Scheme],
    result: Scheme,
    builtin: Builtin,
) -> Row {
    Row {
        name,
        params,
        result,
        builtin,
        mutates: false,
        bound: None,
    }
}

impl Row {
    /// The receiver is changed.
    const fn mutating(self) -> Row {
        Row {
            mutates: true,
            ..self
        }
    }

    /// The first variable (`T`) must be such a type.
    const fn whose(self, bound: Bound) -> Row {
        Row {
            bound: Some((0, bound)),
            ..self
        }
    }

    /// What a function passed in returns (`U`) must be such a type.
    const fn giving(self, bound: Bound) -> Row {
        Row {
            bound: Some((U_INDEX, bound)),
            ..self
        }
    }
}

/// A built-in function or method, and what is known of its type variables so far.
#[derive(Clone, Debug)]
pub struct Signature {
    row: &'static Row,
    bound: Bindings,
}

impl Signature {
    fn new(row: &'static Row, bound: Bindings) -> Signature {
        Signature { row, bound }
    }

    pub fn name(&self) -> &'static str {
        self.row.name
    }

    pub fn builtin(&self) -> Builtin {
        self.row.builtin
    }

    /// Whether the receiver is changed: it must be a place (or a temporary), and is passed as `&place`.
    pub fn mutates_receiver(&self) -> bool {
        self.row.mutates
    }

    /// Parameters without the receiver.
    pub fn parameter_count(&self) -> usize {
        self.row.params.len()
    }

    /// The type of a parameter, `None` while it mentions an unbound variable.
    pub fn parameter(&self, types: &mut Types, index: usize) -> Option<Ty> {
        self.row.params[index].instantiate(types, &self.bound)
    }

    /// Takes note of an argument's type; false when it does not fit the parameter.
    pub fn bind(&mut self, types: &Types, index: usize, actual: Ty) -> bool {
        let mut bound = self.bound;
        let fits = self.row.params[index].unify(types, &mut bound, actual);
        if fits {
            self.bound = bound;
        }
        fits
    }

    /// `name[A](…)`: binds the variable of a result that no argument determines; false when there is none.
    pub fn bind_type_arguments(&mut self, types: &mut Types, arguments: &[Ty]) -> bool {
        match arguments {
            [] => true,
            [argument] if self.result(types).is_none() => {
                self.bound[0].get_or_insert(*argument);
                self.result(types).is_some()
            }
            _ => false,
        }
    }

    /// Takes note of the type the call is expected to have, where no argument determines it yet. What does not fit is left to the caller.
    pub fn bind_result(&mut self, types: &mut Types, expected: Ty) {
        let mut bound = self.bound;
        if self.result(types).is_none() && self.row.result.unify(types, &mut bound, expected) {
            self.bound = bound;
        }
    }

    /// The result type, `None` while a variable in it is unbound (`promise()` without a type argument).
    pub fn result(&self, types: &mut Types) -> Option<Ty> {
        self.row.result.instantiate(types, &self.bound)
    }

    /// What a bound variable must be able to do, if anything is asked of it.
    pub fn bounds(&self) -> Option<(Ty, Bound)> {
        let (variable, bound) = self.row.bound?;
        Some((self.bound[variable]?, bound))
    }

    /// Whether [`Signature::bounds`] asks for a number or integer.
    pub fn takes_numbers(&self) -> bool {
        matches!(self.row.bound, Some((_, Bound::Number | Bound::Integer)))
    }

    /// `push(int)`, `map(func(int) -> U) -> [U]`: for messages.
    pub fn text(&self, show: &dyn Fn(Ty) -> String) -> String {
        let name = self.row.name;
        let params: Vec<_> = (0..self.row.params.len())
            .map(|index| self.parameter_text(show, index))
            .collect();
        let params = params.join(", ");
        match &self.row.result {
            Scheme::Type(Ty::VOID | Ty::NEVER) => format!("{name}({params})"),
            result => format!("{name}({params}) -> {}", result.text(show, &self.bound)),
        }
    }

    /// A parameter's type as far as it is known: for messages.
    pub fn parameter_text(&self, show: &dyn Fn(Ty) -> String, index: usize) -> String {
        self.row.params[index].text(show, &self.bound)
    }
}

// ---------------------------------------------------------------- methods

/// The method `name` of a value of type `receiver` (not a reference: the caller has looked through `*T`).
pub fn method(types: &Types, receiver: Ty, name: &str) -> Option<Signature> {
    let (rows, bound) = methods_of(types, receiver)?;
    let row = rows.iter().find(|row| row.name == name)?;
    Some(Signature::new(row, bound))
}

/// All methods of values of that type, to suggest one.
pub fn method_names(types: &Types, receiver: Ty) -> Vec<&'static str> {
    let rows = methods_of(types, receiver).map_or(&[][..], |(rows, _)| rows);
    rows.iter().map(|row| row.name).collect()
}

fn methods_of(types: &Types, receiver: Ty) -> Option<(&'static [Row], Bindings)> {
    let one = |ty: &Ty| [Some(*ty), None, None];
    Some(match types.kind(receiver) {
        TyKind::Array(element) => (ARRAY, one(element)),
        TyKind::Map(key, value) => (MAP, [Some(*key), Some(*value), None]),
        TyKind::String => (TEXT, [None; VARIABLES]),
        TyKind::Option(payload) => (OPTION, one(payload)),
        TyKind::Result(ok, err) => (RESULT, [Some(*ok), Some(*err), None]),
        TyKind::Chan(element) => (CHAN, one(element)),
        TyKind::Future(value) => (FUTURE, one(value)),
        TyKind::Promise(value) => (PROMISE, one(value)),
        TyKind::Mutex(value) => (MUTEX, one(value)),
        TyKind::RwLock(value) => (RWLOCK, one(value)),
        TyKind::Atomic => (ATOMIC, [None; VARIABLES]),
        TyKind::WaitGroup => (WAIT_GROUP, [None; VARIABLES]),
        TyKind::Semaphore => (SEMAPHORE, [None; VARIABLES]),
        TyKind::Once => (ONCE, [None; VARIABLES]),
        TyKind::StringBuilder => (BUILDER, [None; VARIABLES]),
        _ => return None,
    })
}

const ARRAY: &[Row] = &[
    row("len", &[], INT, Builtin::ArrayLen),
    row("push", &[T], VOID, Builtin::ArrayPush).mutating(),
    row("pop", &[], T, Builtin::ArrayPop).mutating(),
    row("insert", &[INT, T], VOID, Builtin::ArrayInsert).mutating(),
    row("remove", &[INT], VOID, Builtin::ArrayRemove).mutating(),
    row("clear", &[], VOID, Builtin::ArrayClear).mutating(),
    row("contains", &[T], BOOL, Builtin::ArrayContains).whose(Bound::Comparable),
    row("sort", &[], VOID, Builtin::ArraySort)
        .mutating()
        .whose(Bound::Ordered),
    row(
        "map",
        &[Scheme::Func(&[T], &U)],
        Scheme::Array(&U),
        Builtin::ArrayMap,
    )
    .giving(Bound::Value),
    row(
        "filter",
        &[Scheme::Func(&[T], &BOOL)],
        Scheme::Array(&T),
        Builtin::ArrayFilter,
    ),
    row("join", &[STRING], STRING, Builtin::ArrayJoin).whose(Bound::Printable),
];

const MAP: &[Row] = &[
    row("len", &[], INT, Builtin::MapLen),
    row("keys", &[], Scheme::Array(&K), Builtin::MapKeys),
    row("values", &[], Scheme::Array(&V), Builtin::MapValues),
    row("contains", &[K], BOOL, Builtin::MapContains),
    row("get", &[K], Scheme::Option(&V), Builtin::MapGet),
    row("remove", &[K], BOOL, Builtin::MapRemove).mutating(),
    row("clear", &[], VOID, Builtin::MapClear).mutating(),
];

const TEXT: &[Row] = &[
    row("len", &[], INT, Builtin::StringLen),
    row("byte_len", &[], INT, Builtin::StringByteLen),
    row("is_empty", &[], BOOL, Builtin::StringIsEmpty),
    row(
        "split",
        &[STRING],
        Scheme::Array(&STRING),
        Builtin::StringSplit,
    ),
    row("contains", &[STRING], BOOL, Builtin::StringContains),
    row("starts_with", &[STRING], BOOL, Builtin::StringStartsWith),
    row("ends_with", &[STRING], BOOL, Builtin::StringEndsWith),
    row("trim", &[], STRING, Builtin::StringTrim),
    row("to_upper", &[], STRING, Builtin::StringToUpper),
    row("to_lower", &[], STRING, Builtin::StringToLower),
    row("replace", &[STRING, STRING], STRING, Builtin::StringReplace),
    row(
        "chars",
        &[],
        Scheme::Array(&Scheme::Type(Ty::CHAR)),
        Builtin::StringChars,
    ),
    row(
        "parse_int",
        &[],
        Scheme::Result(&INT, &STRING),
        Builtin::ParseInt,
    ),
    row(
        "parse_float",
        &[],
        Scheme::Result(&FLOAT, &STRING),
        Builtin::ParseFloat,
    ),
];

const OPTION: &[Row] = &[
    row("unwrap", &[], T, Builtin::Unwrap),
    row("unwrap_or", &[T], T, Builtin::UnwrapOr),
    row("is_some", &[], BOOL, Builtin::IsSome),
    row("is_none", &[], BOOL, Builtin::IsNone),
    row("ok_or", &[U], Scheme::Result(&T, &U), Builtin::OptionOkOr).giving(Bound::Value),
    row(
        "map",
        &[Scheme::Func(&[T], &U)],
        Scheme::Option(&U),
        Builtin::MapPayload,
    ),
    row(
        "and_then",
        &[Scheme::Func(&[T], &Scheme::Option(&U))],
        Scheme::Option(&U),
        Builtin::AndThen,
    ),
];

const RESULT: &[Row] = &[
    row("unwrap", &[], T, Builtin::Unwrap),
    row("unwrap_or", &[T], T, Builtin::UnwrapOr),
    row("is_ok", &[], BOOL, Builtin::IsOk),
    row("is_err", &[], BOOL, Builtin::IsErr),
    row("ok", &[], Scheme::Option(&T), Builtin::ResultOk),
    row("err", &[], Scheme::Option(&E), Builtin::ResultErr),
    row(
        "map",
        &[Scheme::Func(&[T], &U)],
        Scheme::Result(&U, &E),
        Builtin::MapPayload,
    ),
    row(
        "and_then",
        &[Scheme::Func(&[T], &Scheme::Result(&U, &E))],
        Scheme::Result(&U, &E),
        Builtin::AndThen,
    ),
];

const CHAN: &[Row] = &[
    row(
        "send",
        &[T],
        Scheme::Result(&VOID, &STRING),
        Builtin::ChanSend,
    ),
    row("recv", &[], Scheme::Option(&T), Builtin::ChanRecv),
    row("try_send", &[T], BOOL, Builtin::ChanTrySend),
    row("try_recv", &[], Scheme::Option(&T), Builtin::ChanTryRecv),
    row("close", &[], VOID, Builtin::ChanClose),
    row("is_closed", &[], BOOL, Builtin::ChanIsClosed),
    row("len", &[], INT, Builtin::ChanLen),
    row("cap", &[], INT, Builtin::ChanCap),
];

const FUTURE: &[Row] = &[
    row("is_done", &[], BOOL, Builtin::FutureIsDone),
    row(
        "on_done",
        &[Scheme::Func(&[Scheme::Result(&T, &STRING)], &VOID)],
        VOID,
        Builtin::FutureOnDone,
    ),
];

const PROMISE: &[Row] = &[
    row("resolve", &[T], BOOL, Builtin::PromiseResolve),
    row("reject", &[STRING], BOOL, Builtin::PromiseReject),
    row("future", &[], Scheme::Future(&T), Builtin::PromiseFuture),
];

const MUTEX: &[Row] = &[
    row("lock", &[], VOID, Builtin::MutexLock),
    row("try_lock", &[], BOOL, Builtin::MutexTryLock),
    row("unlock", &[], VOID, Builtin::MutexUnlock),
    row("get", &[], T, Builtin::MutexGet),
    row("set", &[T], VOID, Builtin::MutexSet),
    row("update", &[Scheme::Func(&[T], &T)], T, Builtin::MutexUpdate),
    row("is_poisoned", &[], BOOL, Builtin::MutexIsPoisoned),
];

const RWLOCK: &[Row] = &[
    row("lock", &[], VOID, Builtin::RwLockLock),
    row("try_lock", &[], BOOL, Builtin::RwLockTryLock),
    row("unlock", &[], VOID, Builtin::RwLockUnlock),
    row("read_lock", &[], VOID, Builtin::RwLockReadLock),
    row("read_unlock", &[], VOID, Builtin::RwLockReadUnlock),
    row("get", &[], T, Builtin::RwLockGet),
    row("set", &[T], VOID, Builtin::RwLockSet),
    row(
        "update",
        &[Scheme::Func(&[T], &T)],
        T,
        Builtin::RwLockUpdate,
    ),
    row("is_poisoned", &[], BOOL, Builtin::RwLockIsPoisoned),
];

const ATOMIC: &[Row] = &[
    row("load", &[], INT, Builtin::AtomicLoad),
    row("store", &[INT], VOID, Builtin::AtomicStore),
    row("swap", &[INT], INT, Builtin::AtomicSwap),
    row(
        "compare_and_swap",
        &[INT, INT],
        BOOL,
        Builtin::AtomicCompareAndSwap,
    ),
    row("add", &[INT], INT, Builtin::AtomicAdd),
    row("increment", &[], INT, Builtin::AtomicIncrement),
];

const WAIT_GROUP: &[Row] = &[
    row("add", &[INT], VOID, Builtin::WaitGroupAdd),
    row("done", &[], VOID, Builtin::WaitGroupDone),
    row("wait", &[], VOID, Builtin::WaitGroupWait),
];

const SEMAPHORE: &[Row] = &[
    row("acquire", &[], VOID, Builtin::SemaphoreAcquire),
    row("try_acquire", &[], BOOL, Builtin::SemaphoreTryAcquire),
    row("release", &[], VOID, Builtin::SemaphoreRelease),
];

const ONCE: &[Row] = &[row(
    "do",
    &[Scheme::Func(&[], &VOID)],
    VOID,
    Builtin::OnceDo,
)];

const BUILDER: &[Row] = &[
    row("write", &[STRING], VOID, Builtin::BuilderWrite),
    row("len", &[], INT, Builtin::BuilderLen),
    row("to_string", &[], STRING, Builtin::BuilderText),
    row("clear", &[], VOID, Builtin::BuilderClear),
];

// ---------------------------------------------------------------- functions

/// All overloads of a predeclared function (`module` is `None`) or a native member of a module; none when there is no such name.
pub fn function(module: Option<&str>, name: &str) -> Vec<Signature> {
    let rows = match module {
        None => PREDECLARED,
        Some(module) => find(module).map_or(&[][..], |module| module.functions),
    };
    rows.iter()
        .filter(|row| row.name == name)
        .map(|row| Signature::new(row, [None; VARIABLES]))
        .collect()
}

/// The overload whose first parameter takes that type. An integer type that is not listed takes the place of `int`, to which it widens.
pub fn select(types: &Types, overloads: &[Signature], first: Ty) -> Option<Signature> {
    let fits = |ty: Ty| {
        let mut overloads = overloads.iter();
        overloads.find(|signature| {
            signature.parameter_count() > 0 && (*signature).clone().bind(types, 0, ty)
        })
    };
    let widened = || matches!(types.kind(first), TyKind::Int(_)).then_some(Ty::INT);
    fits(first).or_else(|| fits(widened()?)).cloned()
}

/// The names of all predeclared functions, to suggest one.
pub fn function_names() -> Vec<&'static str> {
    distinct(PREDECLARED)
}

fn distinct(rows: &'static [Row]) -> Vec<&'static str> {
    let mut names: Vec<_> = rows.iter().map(|row| row.name).collect();
    names.dedup();
    names
}

const PREDECLARED: &[Row] = &[
    row("len", &[Scheme::Array(&T)], INT, Builtin::ArrayLen),
    row("len", &[Scheme::Map(&K, &V)], INT, Builtin::MapLen),
    row("len", &[STRING], INT, Builtin::StringLen),
    row("len", &[Scheme::Chan(&T)], INT, Builtin::ChanLen),
    row("cap", &[Scheme::Chan(&T)], INT, Builtin::ChanCap),
    row("close", &[Scheme::Chan(&T)], VOID, Builtin::ChanClose),
    row("print_string", &[STRING], VOID, Builtin::PrintString),
    row("print_int", &[INT], VOID, Builtin::PrintInt),
    row("panic", &[STRING], NEVER, Builtin::Panic),
    row("exit", &[INT], NEVER, Builtin::Exit),
    row("sleep", &[INT], VOID, Builtin::Sleep),
    row("yield", &[], VOID, Builtin::Yield),
    row("promise", &[], Scheme::Promise(&T), Builtin::Promise),
    row(
        "all",
        &[Scheme::Array(&Scheme::Future(&T))],
        Scheme::Future(&Scheme::Gathered(&T)),
        Builtin::All,
    ),
    row(
        "race",
        &[Scheme::Array(&Scheme::Future(&T))],
        Scheme::Future(&T),
        Builtin::Race,
    ),
];

// ---------------------------------------------------------------- modules

/// A constant of a module.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Constant {
    /// Of type `int`.
    Int(i64),
    /// Of type `float`.
    Float(f64),
}

struct Module {
    name: &'static str,
    functions: &'static [Row],
    constants: &'static [(&'static str, Constant)],
    types: &'static [TypeRow],
}

/// The modules with native members.
pub fn modules() -> Vec<&'static str> {
    MODULES.iter().map(|module| module.name).collect()
}

/// The part of a module that is written in Echo, if any: a package of the module's name, in whose scope the module's
/// native members are visible by their plain names, behind its own declarations. For users both parts are one module.
pub fn source(module: &str) -> Option<&'static str> {
    match module {
        "time" => Some(include_str!("../../../std/time.eo")),
        _ => None,
    }
}

/// The names of a module's native functions, constants and types; empty for an unknown module.
pub fn module_members(module: &str) -> Vec<&'static str> {
    let Some(module) = find(module) else {
        return Vec::new();
    };
    let mut names = distinct(module.functions);
    names.extend(module.constants.iter().map(|(name, _)| name));
    names.extend(module.types.iter().map(|row| row.name));
    names
}

/// `math.pi` and the like.
pub fn constant(module: &str, name: &str) -> Option<Constant> {
    let (_, value) = find(module)?
        .constants
        .iter()
        .find(|(constant, _)| *constant == name)?;
    Some(*value)
}

fn find(name: &str) -> Option<&'static Module> {
    MODULES.iter().find(|module| module.name == name)
}

const MODULES: &[Module] = &[
    Module {
        name: "math",
        functions: MATH,
        constants: MATH_CONSTANTS,
        types: &[],
    },
    Module {
        name: "string",
        functions: &[row(
            "builder",
            &[],
            Scheme::Type(Ty::STRING_BUILDER),
            Builtin::BuilderNew,
        )],
        constants: &[],
        types: &[type_row("Builder", Scheme::Type(Ty::STRING_BUILDER), &[])],
    },
    Module {
        name: "sync",
        functions: SYNC,
        constants: &[],
        types: SYNC_TYPES,
    },
    Module {
        name: "time",
        functions: TIME,
        constants: &[],
        types: &[],
    },
];

const fn float_to_float(name: &'static str, builtin: Builtin) -> Row {
    row(name, &[FLOAT], FLOAT, builtin)
}

const MATH: &[Row] = &[
    row("abs", &[INT], INT, Builtin::MathAbsInt),
    row("abs", &[FLOAT], FLOAT, Builtin::MathAbsFloat),
    row("min", &[T, T], T, Builtin::MathMin).whose(Bound::Number),
    row("max", &[T, T], T, Builtin::MathMax).whose(Bound::Number),
    float_to_float("sqrt", Builtin::MathSqrt),
    row("pow", &[FLOAT, FLOAT], FLOAT, Builtin::MathPow),
    float_to_float("exp", Builtin::MathExp),
    float_to_float("log", Builtin::MathLog),
    float_to_float("log2", Builtin::MathLog2),
    float_to_float("log10", Builtin::MathLog10),
    float_to_float("sin", Builtin::MathSin),
    float_to_float("cos", Builtin::MathCos),
    float_to_float("tan", Builtin::MathTan),
    float_to_float("asin", Builtin::MathAsin),
    float_to_float("acos", Builtin::MathAcos),
    float_to_float("atan", Builtin::MathAtan),
    row("atan2", &[FLOAT, FLOAT], FLOAT, Builtin::MathAtan2),
    float_to_float("floor", Builtin::MathFloor),
    float_to_float("ceil", Builtin::MathCeil),
    float_to_float("round", Builtin::MathRound),
    float_to_float("trunc", Builtin::MathTrunc),
    float_to_float("cbrt", Builtin::MathCbrt),
    row("hypot", &[FLOAT, FLOAT], FLOAT, Builtin::MathHypot),
    row("is_nan", &[FLOAT], BOOL, Builtin::MathIsNan),
    row("is_inf", &[FLOAT], BOOL, Builtin::MathIsInf),
    row("wrapping_add", &[T, T], T, Builtin::WrappingAdd).whose(Bound::Integer),
    row("wrapping_sub", &[T, T], T, Builtin::WrappingSub).whose(Bound::Integer),
    row("wrapping_mul", &[T, T], T, Builtin::WrappingMul).whose(Bound::Integer),
    row("wrapping_neg", &[T], T, Builtin::WrappingNeg).whose(Bound::Integer),
];

const MATH_CONSTANTS: &[(&str, Constant)] = &[
    ("pi", Constant::Float(std::f64::consts::PI)),
    ("e", Constant::Float(std::f64::consts::E)),
    ("inf", Constant::Float(f64::INFINITY)),
    ("nan", Constant::Float(f64::NAN)),
    ("max_int", Constant::Int(i64::MAX)),
    ("min_int", Constant::Int(i64::MIN)),
];

const SYNC: &[Row] = &[
    row("new_mutex", &[T], Scheme::Mutex(&T), Builtin::MutexNew).whose(Bound::Value),
    row("new_rwlock", &[T], Scheme::RwLock(&T), Builtin::RwLockNew).whose(Bound::Value),
    row(
        "new_atomic_int",
        &[INT],
        Scheme::Type(Ty::ATOMIC),
        Builtin::AtomicNew,
    ),
    row(
        "new_wait_group",
        &[],
        Scheme::Type(Ty::WAIT_GROUP),
        Builtin::WaitGroupNew,
    ),
    row(
        "new_semaphore",
        &[INT],
        Scheme::Type(Ty::SEMAPHORE),
        Builtin::SemaphoreNew,
    ),
    row("new_once", &[], Scheme::Type(Ty::ONCE), Builtin::OnceNew),
];

const TIME: &[Row] = &[
    row("now_ms", &[], INT, Builtin::TimeNowMs),
    row("now_ns", &[], INT, Builtin::TimeNowNs),
    row("unix_ns", &[], INT, Builtin::TimeUnixNs),
    row("ticker", &[INT], Scheme::Chan(&INT), Builtin::TimeTicker),
];

// ---------------------------------------------------------------- types

/// A named type, possibly with parameters.
struct TypeRow {
    name: &'static str,
    scheme: Scheme,
    params: &'static [TypeParam],
}

/// What a type parameter accepts.
#[derive(Clone, Copy)]
enum TypeParam {
    Any,
    /// May be left out.
    OrString,
    OnlyInt,
}

const fn type_row(name: &'static str, scheme: Scheme, params: &'static [TypeParam]) -> TypeRow {
    TypeRow {
        name,
        scheme,
        params,
    }
}

/// Why a type name with arguments is no type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypeNameError {
    /// Neither predeclared nor a native type of that module.
    Unknown,
    /// So many type arguments are needed.
    Arguments(usize),
    /// `Atomic[T]` exists for `int` only.
    OnlyInt,
}

/// A predeclared type (`module` is `None`; `int`, `Option[T]` …) or a native type of a module (`sync.Mutex[T]`).
pub fn type_named(
    types: &mut Types,
    module: Option<&str>,
    name: &str,
    arguments: &[Ty],
) -> Result<Ty, TypeNameError> {
    let rows = type_rows(module);
    let row = rows
        .iter()
        .find(|row| row.name == name)
        .ok_or(TypeNameError::Unknown)?;
    let mut bound = [None; VARIABLES];
    for (index, param) in row.params.iter().enumerate() {
        bound[index] = Some(match (param, arguments.get(index)) {
            (TypeParam::OnlyInt, Some(&argument))
                if argument != Ty::INT && argument != Ty::ERROR =>
            {
                return Err(TypeNameError::OnlyInt);
            }
            (_, Some(&argument)) => argument,
            (TypeParam::OrString, None) if index > 0 && arguments.len() == index => Ty::STRING,
            (_, None) => return Err(TypeNameError::Arguments(row.params.len())),
        });
    }
    if arguments.len() > row.params.len() {
        return Err(TypeNameError::Arguments(row.params.len()));
    }
    Ok(row
        .scheme
        .instantiate(types, &bound)
        .expect("every parameter is bound"))
}

/// Whether there is such a type, whatever its arguments.
pub fn is_type(module: Option<&str>, name: &str) -> bool {
    type_rows(module).iter().any(|row| row.name == name)
}

/// The names of all predeclared types, or of a module's native ones, to suggest one.
pub fn type_names(module: Option<&str>) -> Vec<&'static str> {
    type_rows(module).iter().map(|row| row.name).collect()
}

fn type_rows(module: Option<&str>) -> &'static [TypeRow] {
    match module {
        None => PREDECLARED_TYPES,
        Some(module) => find(module).map_or(&[][..], |module| module.types),
    }
}

const PREDECLARED_TYPES: &[TypeRow] = &[
    type_row("int", INT, &[]),
    type_row("i8", Scheme::Type(Ty::I8), &[]),
    type_row("i16", Scheme::Type(Ty::I16), &[]),
    type_row("i32", Scheme::Type(Ty::I32), &[]),
    type_row("i64", INT, &[]),
    type_row("u8", Scheme::Type(Ty::U8), &[]),
    type_row("u16", Scheme::Type(Ty::U16), &[]),
    type_row("u32", Scheme::Type(Ty::U32), &[]),
    type_row("u64", Scheme::Type(Ty::U64), &[]),
    type_row("float", FLOAT, &[]),
    type_row("f64", FLOAT, &[]),
    type_row("f32", Scheme::Type(Ty::F32), &[]),
    type_row("bool", BOOL, &[]),
    type_row("char", Scheme::Type(Ty::CHAR), &[]),
    type_row("string", STRING, &[]),
    type_row("void", VOID, &[]),
    type_row("Option", Scheme::Option(&T), &[TypeParam::Any]),
    type_row(
        "Result",
        Scheme::Result(&T, &E),
        &[TypeParam::Any, TypeParam::OrString],
    ),
    type_row("Future", Scheme::Future(&T), &[TypeParam::Any]),
    type_row("Promise", Scheme::Promise(&T), &[TypeParam::Any]),
];

const SYNC_TYPES: &[TypeRow] = &[
    type_row("Mutex", Scheme::Mutex(&T), &[TypeParam::Any]),
    type_row("RwLock", Scheme::RwLock(&T), &[TypeParam::Any]),
    type_row("Atomic", Scheme::Type(Ty::ATOMIC), &[TypeParam::OnlyInt]),
    type_row("WaitGroup", Scheme::Type(Ty::WAIT_GROUP), &[]),
    type_row("Semaphore", Scheme::Type(Ty::SEMAPHORE), &[]),
    type_row("Once", Scheme::Type(Ty::ONCE), &[]),
];

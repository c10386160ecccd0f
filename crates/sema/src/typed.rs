//! The typed tree: what checking produces and lowering consumes.
//!
//! Invariants of a tree that reaches the code generator (no errors were reported):
//! - every name is resolved, every expression has its type, no `TyKind::Error` is left;
//! - both operands of an arithmetic operator or comparison have the operator's operand type: all implicit conversions
//!   (widening, `bool` to `int`, to string in `+`) are explicit [`ExprKind::Convert`] / [`ExprKind::ToString`] nodes;
//! - synonyms are gone (`for c` is `While`, `x += e` stays [`StmtKind::Update`], method calls are [`Callee`]s with the receiver as first argument);
//! - mutation happens only through a [`Place`]; only statements and the marked arguments mutate;
//! - re-`let` that updates is an `Assign`; every `let` that declares has its own [`LocalId`].

use echo_syntax::span::Span;

use crate::types::{EnumId, StructId, Ty, Types};

/// A checked program.
#[derive(Debug)]
pub struct Program {
    pub types: Types,
    pub structs: Vec<Struct>,
    pub enums: Vec<Enum>,
    pub functions: Vec<Function>,
    pub globals: Vec<Global>,
    /// The main coroutine: top-level statements in source order, then the call of `main` if there is one. Takes no parameters, returns `int` (the exit code).
    pub entry: FuncId,
}

/// An index into [`Program::functions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FuncId(pub u32);

/// An index into [`Program::globals`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GlobalId(pub u32);

/// An index into [`Function::locals`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LocalId(pub u32);

#[derive(Debug)]
pub struct Struct {
    pub name: String,
    pub fields: Vec<Field>,
}

#[derive(Debug)]
pub struct Field {
    pub name: String,
    pub ty: Ty,
}

#[derive(Debug)]
pub struct Enum {
    pub name: String,
    pub variants: Vec<Variant>,
}

#[derive(Debug)]
pub struct Variant {
    pub name: String,
    pub payload: Vec<Ty>,
}

/// A top-level `let` that some function reads. (One that only top-level statements use is a local of [`Program::entry`].)
/// Its `let` is an assignment in `entry`.
#[derive(Debug)]
pub struct Global {
    pub name: String,
    pub ty: Ty,
    pub span: Span,
    /// A function may read it before its `let` has run: that panics "`x` is not initialised yet".
    pub may_be_early: bool,
}

#[derive(Debug)]
pub struct Function {
    /// As in reports: `worker`, `Point.dist`, `main`; the entry is `main` too.
    pub name: String,
    /// Calls of it make a future (unless directly awaited).
    pub is_async: bool,
    /// The first `parameter_count` locals are the parameters, in order (a receiver first).
    pub locals: Vec<Local>,
    pub parameter_count: usize,
    /// Of the body: what `await` gives. `void` for none.
    pub result: Ty,
    /// Ends in a `Return` on every path, or (void) may fall off the end. A final expression that is the result has been made a `Return`.
    pub body: Block,
    pub span: Span,
}

#[derive(Debug)]
pub struct Local {
    pub name: String,
    pub ty: Ty,
    pub span: Span,
}

#[derive(Debug)]
pub struct Block {
    pub stmts: Vec<Stmt>,
    /// The value of a block used as an expression.
    pub value: Option<Box<Expr>>,
    pub span: Span,
}

#[derive(Debug)]
pub struct Stmt {
    pub kind: StmtKind,
    pub span: Span,
}

#[derive(Debug)]
pub enum StmtKind {
    /// Declares (and on every execution makes anew) a local.
    Let(LocalId, Expr),
    /// Takes a tuple apart; `None` for `_`.
    LetTuple(Vec<Option<LocalId>>, Expr),
    Assign(Place, Expr),
    /// `place op= value`; the place is evaluated once. `+=` on strings appends: the value is then a string.
    Update(Place, BinaryOp, Expr),
    /// Evaluates and drops.
    Expr(Expr),
    Return(Option<Expr>),
    Break,
    Continue,
    While(Expr, Block),
    Loop(Block),
    /// `for local in start..end`, the end excluded and evaluated once; integers of one type.
    ForRange {
        local: LocalId,
        start: Expr,
        end: Expr,
        body: Block,
    },
    /// Over an array, string (characters) or channel; the iterable is evaluated once, an array is a snapshot.
    ForEach {
        local: LocalId,
        iterable: Expr,
        body: Block,
    },
    /// Over a map, in insertion order, a snapshot.
    ForMap {
        key: LocalId,
        value: LocalId,
        iterable: Expr,
        body: Block,
    },
    Block(Block),
    Select(Select),
    /// Arguments are evaluated where it stands; the call is made when the function ends.
    Defer(Call),
}

/// Something that can be assigned or referred to: a root and the way into it, outermost first. Indexes and keys are evaluated once, left to right.
#[derive(Debug)]
pub struct Place {
    pub root: Root,
    pub path: Vec<Step>,
    /// Of the place itself.
    pub ty: Ty,
    pub span: Span,
}

#[derive(Debug)]
pub enum Root {
    /// Of type `T`, or of type `Ref(T)` (then the place is what it refers to).
    Local(LocalId),
    /// Only in the entry.
    Global(GlobalId),
    /// `_ = e`: evaluates and drops.
    Discard,
}

#[derive(Debug)]
pub enum Step {
    /// Of a struct or tuple.
    Field(usize),
    /// Of an array; panics out of range. The expression is an `int`.
    Index(Expr),
    /// Of a map. As the last step of an `Assign` it inserts; elsewhere a missing entry is first inserted as the zero value.
    Key(Expr),
}

#[derive(Debug)]
pub struct Expr {
    pub kind: ExprKind,
    pub ty: Ty,
    pub span: Span,
}

#[derive(Debug)]
pub enum ExprKind {
    /// Of any integer type, in range.
    Int(i128),
    Float(f64),
    Bool(bool),
    Char(char),
    Str(String),
    /// `()`
    Unit,
    /// The value of a local; of type `Ref(T)` when it is a reference passed on.
    Local(LocalId),
    Global(GlobalId),
    /// What a local of type `Ref(T)` refers to.
    Deref(LocalId),
    /// `&place`: only as an argument.
    Ref(Place),
    /// A function as a value of type `Func`. For an async function the value's type returns `Future[T]`.
    Function(FuncId),

    Neg(Box<Expr>),
    Not(Box<Expr>),
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    /// Structural for every type; the operands have the same type.
    Compare(CompareOp, Box<Expr>, Box<Expr>),
    /// `string + string`
    Concat(Box<Expr>, Box<Expr>),
    /// What `print` prints.
    ToString(Box<Expr>),
    /// Between numbers, `bool`, `char` and plain enums.
    Convert(Conversion, Box<Expr>),

    Struct(StructId, Vec<(usize, Expr)>),
    Tuple(Vec<Expr>),
    Array(Vec<Expr>),
    ArrayRepeat(Box<Expr>, Box<Expr>),
    /// In source order; a later equal key wins.
    Map(Vec<(Expr, Expr)>),
    Variant(EnumId, usize, Vec<Expr>),
    Some(Box<Expr>),
    None,
    Ok(Box<Expr>),
    Err(Box<Expr>),

    /// Of a struct or tuple.
    Field(Box<Expr>, usize),
    /// Of an array.
    Index(Box<Expr>, Box<Expr>),
    /// Of a map; the zero value when missing.
    MapIndex(Box<Expr>, Box<Expr>),
    /// A character of a string.
    CharAt(Box<Expr>, Box<Expr>),
    /// Of an array or string; missing bounds are the start and the length.
    Slice(Box<Expr>, Option<Box<Expr>>, Option<Box<Expr>>),

    Call(Call),
    /// A coroutine; type `Future[T]` of the call's result. Also an unawaited call of an async function.
    Spawn(Call),
    /// `await f(x)` on a direct call of an async function: may run inline. Type `T`.
    AwaitCall(Call),
    Await(Box<Expr>),
    /// `try await`: `Result[T]`.
    TryAwait(Box<Expr>),
    /// `chan T` with an optional capacity.
    NewChan(Option<Box<Expr>>),
    /// `<- ch`
    Receive(Box<Expr>),
    /// `let v, ok = <- ch`: the tuple `(T, bool)`.
    ReceiveOk(Box<Expr>),
    /// `ch <- v`, void.
    Send(Box<Expr>, Box<Expr>),

    If(Box<Expr>, Block, Option<Block>),
    Match(Match),
    Block(Block),
    /// `return`, `break`, `continue` and the like where an expression stands (a match arm); type `Never`.
    Diverge(Box<Stmt>),
    /// `e?`: the payload of `Some`/`Ok`, or returns `None` / `Err(e)` from the function.
    Question(Box<Expr>),
}

/// Wrapping never happens: `Add`, `Sub`, `Mul` of integers panic on overflow, `Div` and `Rem` on zero (and on the one overflowing quotient),
/// `Shl`/`Shr` on an amount outside `0..bits`. The operand type is that of the operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
    BitAnd,
    BitOr,
    BitXor,
    Shl,
    /// Arithmetic for signed types.
    Shr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompareOp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conversion {
    /// Lossless.
    Widen,
    /// `T(x)`: panics when out of range (a float must be finite and in range, it is truncated).
    Checked,
    /// `x as T`: integers wrap, floats saturate.
    Wrapping,
}

/// A call with its arguments, evaluated left to right. A receiver is the first argument.
#[derive(Debug)]
pub struct Call {
    pub callee: Callee,
    pub args: Vec<Expr>,
    /// Of the call itself (for an async function: what its body returns).
    pub result: Ty,
    pub span: Span,
}

#[derive(Debug)]
pub enum Callee {
    Function(FuncId),
    /// A value of type `Func`.
    Value(Box<Expr>),
    Builtin(Builtin),
}

/// Built-in functions and methods. The comment gives arguments and result; `&T` marks an argument that is an [`ExprKind::Ref`] and is mutated
/// (where the receiver is a temporary, the checker has put it into a local first).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Builtin {
    /// `(x)`; any printable type, value and newline
    Print,
    /// `(string)`
    PrintString,
    /// `(int)`
    PrintInt,
    /// `(string)`, never returns
    Panic,
    /// `(bool, string)`; the message is evaluated only when the condition fails
    Assert,
    /// `(int)`, never returns
    Exit,
    /// `(int)` milliseconds
    Sleep,
    Yield,
    /// `() -> Promise[T]`
    Promise,
    /// `([Future[T]]) -> Future[[T]]` (`Future[void]` for `T` void)
    All,
    /// `([Future[T]]) -> Future[T]`
    Race,
    /// `sizeof(T)` is a constant: the argument list is empty and the type is in the variant's place: see `Sizeof`
    SizeOf(Ty),

    /// `([T]) -> int`
    ArrayLen,
    /// `(&[T], T)`
    ArrayPush,
    /// `(&[T]) -> T`
    ArrayPop,
    /// `(&[T], int, T)`
    ArrayInsert,
    /// `(&[T], int)`
    ArrayRemove,
    /// `(&[T])`
    ArrayClear,
    /// `([T], T) -> bool`
    ArrayContains,
    /// `(&[T])`
    ArraySort,
    /// `([T], func(T) -> U) -> [U]`
    ArrayMap,
    /// `([T], func(T) -> bool) -> [T]`
    ArrayFilter,
    /// `([T], string) -> string`
    ArrayJoin,

    /// `(map) -> int`
    MapLen,
    /// `(map) -> [K]`
    MapKeys,
    /// `(map) -> [V]`
    MapValues,
    /// `(map, K) -> bool`
    MapContains,
    /// `(map, K) -> Option[V]`
    MapGet,
    /// `(&map, K) -> bool`: whether it was there
    MapRemove,
    /// `(&map)`
    MapClear,

    /// `(string) -> int` in characters
    StringLen,
    StringByteLen,
    StringIsEmpty,
    /// `(string, string) -> [string]`
    StringSplit,
    StringContains,
    StringStartsWith,
    StringEndsWith,
    StringTrim,
    StringToUpper,
    StringToLower,
    /// `(string, string, string) -> string`
    StringReplace,
    /// `(string) -> [char]`
    StringChars,
    /// `(string) -> Result[int]`
    ParseInt,
    /// `(string) -> Result[float]`
    ParseFloat,
    /// `() -> StringBuilder`
    BuilderNew,
    /// `(StringBuilder, string)`
    BuilderWrite,
    BuilderLen,
    /// `(StringBuilder) -> string`
    BuilderText,
    BuilderClear,

    /// On `Option[T]` and `Result[T, E]`, as named. `Unwrap` panics.
    Unwrap,
    /// `(x, T) -> T`
    UnwrapOr,
    IsSome,
    IsNone,
    IsOk,
    IsErr,
    /// `Result[T, E] -> Option[T]`
    ResultOk,
    /// `Result[T, E] -> Option[E]`
    ResultErr,
    /// `(Option[T], E) -> Result[T, E]`
    OptionOkOr,
    /// `(Option[T], func(T) -> U) -> Option[U]`, and for `Result`
    MapPayload,
    /// `(Option[T], func(T) -> Option[U]) -> Option[U]`, and for `Result`
    AndThen,

    /// `(Future[T]) -> bool`
    FutureIsDone,
    /// `(Future[T], func(Result[T]))`
    FutureOnDone,
    /// `(Promise[T], T) -> bool`
    PromiseResolve,
    /// `(Promise[T], string) -> bool`
    PromiseReject,
    /// `(Promise[T]) -> Future[T]`
    PromiseFuture,

    /// `(chan T, T) -> Result[void]`; `Err("send on closed channel")`
    ChanSend,
    /// `(chan T) -> Option[T]`
    ChanRecv,
    /// `(chan T, T) -> bool`
    ChanTrySend,
    /// `(chan T) -> Option[T]`
    ChanTryRecv,
    ChanClose,
    ChanIsClosed,
    ChanLen,
    ChanCap,

    /// `(T) -> Mutex[T]`
    MutexNew,
    MutexLock,
    MutexTryLock,
    MutexUnlock,
    MutexGet,
    MutexSet,
    /// `(Mutex[T], func(T) -> T) -> T`: lock, apply, set, unlock (also when it panics); the new value
    MutexUpdate,
    MutexIsPoisoned,
    RwLockNew,
    RwLockLock,
    RwLockTryLock,
    RwLockUnlock,
    RwLockReadLock,
    RwLockReadUnlock,
    RwLockGet,
    RwLockSet,
    RwLockUpdate,
    RwLockIsPoisoned,
    AtomicNew,
    AtomicLoad,
    AtomicStore,
    AtomicSwap,
    AtomicCompareAndSwap,
    AtomicAdd,
    /// `(Atomic) -> int`: the new value
    AtomicIncrement,
    WaitGroupNew,
    WaitGroupAdd,
    WaitGroupDone,
    WaitGroupWait,
    SemaphoreNew,
    SemaphoreAcquire,
    SemaphoreTryAcquire,
    SemaphoreRelease,
    OnceNew,
    /// `(Once, func())`
    OnceDo,

    TimeNowMs,
    TimeNowNs,
    /// Nanoseconds since 1970
    TimeUnixNs,
    /// `(int) -> chan int`
    TimeTicker,

    /// `(float) -> float`
    MathSqrt,
    MathAbsFloat,
    /// `(int) -> int`, panics on overflow
    MathAbsInt,
    /// `(T, T) -> T` of one number type
    MathMin,
    MathMax,
    MathPow,
    MathExp,
    MathLog,
    MathLog2,
    MathLog10,
    MathSin,
    MathCos,
    MathTan,
    MathAsin,
    MathAcos,
    MathAtan,
    MathAtan2,
    MathFloor,
    MathCeil,
    MathRound,
    MathTrunc,
    MathCbrt,
    MathHypot,
    MathIsNan,
    MathIsInf,
    /// `(T, T) -> T` of one integer type
    WrappingAdd,
    WrappingSub,
    WrappingMul,
    /// `(T) -> T`
    WrappingNeg,
}

#[derive(Debug)]
pub struct Match {
    pub value: Box<Expr>,
    pub arms: Vec<Arm>,
    /// Whether some arm always matches. When not (a statement), nothing happens if none does.
    pub exhaustive: bool,
}

#[derive(Debug)]
pub struct Arm {
    pub pattern: Pattern,
    pub guard: Option<Expr>,
    /// Of the match's type (void arms of a statement match).
    pub body: Expr,
}

#[derive(Debug)]
pub struct Pattern {
    pub kind: PatternKind,
    /// Of what is matched.
    pub ty: Ty,
    pub span: Span,
}

#[derive(Debug)]
pub enum PatternKind {
    Wildcard,
    /// The local gets (a copy of) the matched value.
    Bind(LocalId),
    /// An integer, char, bool, float or string literal.
    Literal(Literal),
    /// Both ends included.
    Range(Literal, Literal),
    /// Of an enum; payload patterns.
    Variant(EnumId, usize, Vec<Pattern>),
    Some(Box<Pattern>),
    None,
    Ok(Box<Pattern>),
    Err(Box<Pattern>),
    /// Field index and pattern; the fields not named are not looked at.
    Struct(Vec<(usize, Pattern)>),
    Tuple(Vec<Pattern>),
    /// `elements` from the front; with `rest` the array may be longer, the local (if any) gets the remaining elements.
    Array {
        elements: Vec<Pattern>,
        rest: Option<Option<LocalId>>,
    },
    /// Every alternative binds the same locals.
    Or(Vec<Pattern>),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    Int(i128),
    Float(f64),
    Bool(bool),
    Char(char),
    Str(String),
}

/// Operands are evaluated once, in order, on entry.
#[derive(Debug)]
pub struct Select {
    pub cases: Vec<SelectCase>,
    /// Milliseconds and body; evaluated after the cases' operands.
    pub timeout: Option<(Expr, Block)>,
    pub default: Option<Block>,
}

#[derive(Debug)]
pub struct SelectCase {
    pub kind: SelectKind,
    pub body: Block,
    pub span: Span,
}

#[derive(Debug)]
pub enum SelectKind {
    Receive {
        channel: Expr,
        value: Option<LocalId>,
        ok: Option<LocalId>,
    },
    Send {
        channel: Expr,
        value: Expr,
    },
}

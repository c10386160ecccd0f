//! Echo IR: functions as control-flow graphs over variables, with ownership and suspension made explicit.
//!
//! Lowering produces it without any counting: every use of a variable says only whether it *borrows* or *consumes* (see
//! [`Op::visit_uses`]). The ownership pass then inserts [`Op::Dup`] and [`Op::Drop`], turns loads into borrows, and fills
//! [`Instr::unwind`]. Emission prints what it finds and decides nothing about ownership.
//!
//! Invariants after the ownership pass, at every program point:
//! - a managed variable is *owned* exactly while it is live (its value is consumed once on every path), except the parameters of
//!   [`FunctionKind::Normal`] and [`FunctionKind::Closure`], which are borrowed for the whole call and never consumed, and variables
//!   that only ever hold borrowed loads;
//! - [`Instr::unwind`] lists, for an instruction that can fail or be cancelled, the variables owned when it does, each once.
//!
//! Variables are not SSA: they are assigned any number of times. Emission gives each a stack slot, which LLVM promotes.

mod dump;
mod flow;
mod verify;

pub use dump::{dump, dump_function, source_line};
pub use flow::{Liveness, VarSet};
pub use verify::verify;

use echo_abi::symbols::{self, Class};
use echo_sema::typed::{BinaryOp, CompareOp, Conversion, GlobalId, Program};
use echo_sema::types::{Ty, TyKind};
use echo_syntax::span::Span;

/// A variable of a function: a parameter, a local of the source or a temporary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Var(pub u32);

/// An index into [`Function::blocks`]. Block 0 is the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlockId(pub u32);

/// An index into [`Module::functions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FnId(pub u32);

/// A lowered program. Types, structs and enums stay in the typed program beside it.
#[derive(Debug, Default)]
pub struct Module {
    pub functions: Vec<Function>,
    /// The function (of kind `Entry`) of the main coroutine.
    pub main: Option<FnId>,
}

/// How a function is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FunctionKind {
    /// Parameters borrowed, result owned.
    Normal,
    /// As `Normal`, with the closure block as a hidden first parameter. Refers to it as a value: [`Const::Closure`].
    Closure,
    /// The body of a coroutine or of a deferred call: `void code(args, result)`. Its parameters are taken out of the argument tuple and owned.
    Entry,
}

#[derive(Debug)]
pub struct Function {
    /// Unique; the LLVM symbol is made from it.
    pub symbol: String,
    /// As reports name it.
    pub name: String,
    pub kind: FunctionKind,
    /// The first variables, in order; never assigned.
    pub parameter_count: usize,
    pub vars: Vec<VarInfo>,
    pub result: Ty,
    pub blocks: Vec<Block>,
    /// The variable that holds the list of deferred calls, if there are any: null at entry (emission sets it), then managed by `Op::Defer` and
    /// `Op::RunDefers`. It appears in no `unwind` list; emission runs the list first in every landing pad.
    pub defers: bool,
    pub span: Span,
}

#[derive(Debug)]
pub struct VarInfo {
    pub ty: Ty,
    /// Of a source variable, for reading the dump.
    pub name: Option<String>,
    /// Set by the ownership pass: holds only borrowed values, is never dropped.
    pub borrowed: bool,
    /// Holds the address of a global, from the entry on: the only variable that leads there. In the main coroutine, or of a global that is
    /// assigned once.
    pub global: bool,
}

#[derive(Debug, Default)]
pub struct Block {
    pub instrs: Vec<Instr>,
    pub terminator: Option<Terminator>,
}

#[derive(Clone, Debug)]
pub struct Instr {
    pub op: Op,
    /// Where it comes from: line table, position argument, comment.
    pub span: Span,
    /// Filled by the ownership pass for instructions that can unwind: what to drop then, in this order.
    pub unwind: Vec<Var>,
}

#[derive(Clone, Debug)]
pub enum Operand {
    Var(Var),
    Const(Const),
}

/// Constants need no counting (strings and closures are immortal blocks).
#[derive(Clone, Debug, PartialEq)]
pub enum Const {
    /// Of any integer type, given by the context's type.
    Int(i128, Ty),
    Float(f64, Ty),
    Bool(bool),
    Char(char),
    Str(String),
    Unit,
    /// The zero value: empty string, array or map, `None`, struct of zeros …
    Zero(Ty),
    /// A function of kind `Closure` as a value.
    Closure(FnId, Ty),
}

/// A memory place: a variable and the way into it.
#[derive(Clone, Debug)]
pub struct Place {
    /// Of type `T`, or of type `Ref(T)`: then the place is what it refers to.
    pub root: Var,
    pub path: Vec<Step>,
    /// Of the place itself.
    pub ty: Ty,
}

#[derive(Clone, Debug)]
pub enum Step {
    /// Of a struct or tuple.
    Field(usize),
    /// The payload of an Option (`Some`) or Result (0: `Ok`, 1: `Err`); the tag has been tested. Of an enum: the elements of that variant's
    /// payload as if they were a tuple; a `Field` follows.
    Payload(usize),
    /// Of an array, a signed 64-bit index. `checked`: panics out of range. In a mutable access the array is first made the only owner of its block,
    /// unless it is known to be (`alone`).
    Index {
        index: Operand,
        checked: bool,
        alone: bool,
    },
    /// Of a map. Read: the zero value where missing. Mutable access: the map is made unique and a missing entry inserted as zero.
    Key(Operand),
}

/// An argument of a call of an Echo function or function value.
#[derive(Clone, Debug)]
pub enum Arg {
    /// Borrowed.
    Value(Operand),
    /// `&place`, formed after all arguments are evaluated.
    Ref(Place),
}

/// An argument of a runtime function.
#[derive(Clone, Debug)]
pub enum RtArg {
    /// In a register: a scalar, or a block pointer borrowed for the call.
    Value(Operand),
    /// A block pointer whose ownership passes to the callee.
    Move(Var),
    /// Address of the variable's slot; the value is borrowed.
    Borrow(Var),
    /// Address of the variable's slot; the value is moved out in every case, also when the call fails. Nothing uses the variable
    /// afterwards: the callee may leave anything there.
    MoveOut(Var),
    /// Address of the variable's slot, which the callee fills when it returns normally.
    Out(Var),
    /// Address of the variable's slot; neither use nor definition (see [`Op::Define`]).
    Address(Var),
    /// Address of a place that the callee mutates (mutable access). Of a global: under its lock.
    Place(Place),
    /// The address in the variable, which is marked as `global`: the callee mutates the global, and takes its lock itself.
    Global(Var),
    /// Address of the TypeDesc of the type (null for `void` only where the table's text says so).
    Desc(Ty),
    /// As `Desc`, but null for `void`.
    DescOrNull(Ty),
    /// Address of the EntryDesc of a function of kind `Entry`.
    Entry(FnId),
    /// Address of a tuple built from these variables, which are consumed; null when there are none.
    Tuple(Vec<Var>),
    /// Index of the instruction's own span in the position table.
    Position,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// Elements of an array.
    ArrayLen,
    /// Characters of a string.
    StringChars,
    /// Bytes of a string.
    StringBytes,
}

/// Float operations that are LLVM intrinsics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intrinsic {
    Sqrt,
    Fabs,
    /// `(x) -> bool`
    IsNan,
    /// `(x) -> bool`
    IsInf,
    /// Of two numbers of one type; NaN if one is NaN.
    Min,
    Max,
}

#[derive(Clone, Debug)]
pub enum Op {
    /// `dst = operand`; consumes it. Of the same type, but a `Promise[T]` may become a `Future[T]`: they are one kind of block.
    Set {
        dst: Var,
        value: Operand,
    },
    /// `dst` = a copy of what the place holds. `borrow` (set by the ownership pass): without counting; `dst` is a borrowed variable, or
    /// the root is forgotten by the next instruction, and its value has moved.
    Load {
        dst: Var,
        place: Place,
        borrow: bool,
    },
    /// The place takes the value (consumed); what it held is dropped. With an empty path it is `Set` through a reference, or of a variable that is live.
    /// Mutable access.
    Store {
        place: Place,
        value: Operand,
    },
    /// `place op= value`: the place, of a number, takes the result of a checked operation. Mutable access; not of a global.
    Update {
        place: Place,
        op: BinaryOp,
        value: Operand,
    },
    /// Integers: checked as `typed::BinaryOp` says (panics are part of the instruction); floats: IEEE (`Rem` is `fmod`).
    Arith {
        dst: Var,
        op: BinaryOp,
        left: Operand,
        right: Operand,
        ty: Ty,
    },
    /// Wrapping integer `Add`, `Sub`, `Mul`.
    Wrap {
        dst: Var,
        op: BinaryOp,
        left: Operand,
        right: Operand,
        ty: Ty,
    },
    /// Checked for integers.
    Neg {
        dst: Var,
        value: Operand,
        ty: Ty,
    },
    Not {
        dst: Var,
        value: Operand,
    },
    /// Of scalars (numbers, bool, char, plain enums) and handles (identity).
    Compare {
        dst: Var,
        op: CompareOp,
        left: Operand,
        right: Operand,
        ty: Ty,
    },
    Intrinsic {
        dst: Var,
        op: Intrinsic,
        args: Vec<Operand>,
        ty: Ty,
    },
    /// Between scalars.
    Convert {
        dst: Var,
        conversion: Conversion,
        value: Operand,
        from: Ty,
        to: Ty,
    },
    /// A struct or tuple from all its fields in order; consumes them.
    Make {
        dst: Var,
        fields: Vec<Operand>,
    },
    /// A value of an Option, Result or enum; consumes the payload: nothing, one value, or (enums) the elements in order.
    Variant {
        dst: Var,
        tag: u32,
        payload: Vec<Operand>,
    },
    /// `dst: i32` = the tag of an Option, Result or enum.
    Tag {
        dst: Var,
        value: Var,
    },
    /// An array of these elements; consumes them.
    Array {
        dst: Var,
        element: Ty,
        elements: Vec<Operand>,
    },
    /// `dst: int`
    Header {
        dst: Var,
        value: Operand,
        which: Header,
    },
    /// `dst: bool` = whether nobody else owns the block of the array.
    IsAlone {
        dst: Var,
        array: Operand,
    },
    Call {
        dst: Option<Var>,
        function: FnId,
        args: Vec<Arg>,
    },
    /// A value of type `Func`, borrowed.
    CallValue {
        dst: Option<Var>,
        callee: Operand,
        args: Vec<Arg>,
    },
    /// A function of the table in `echo_abi::symbols`. `dst` gets its result (an owned one where it is a block).
    Runtime {
        dst: Option<Var>,
        symbol: &'static str,
        args: Vec<RtArg>,
    },
    /// A scalar global (no more than 8 bytes, unmanaged).
    GlobalLoad {
        dst: Var,
        global: GlobalId,
    },
    GlobalStore {
        global: GlobalId,
        value: Operand,
    },
    /// Address of a global, of type `Ref(T)`: an argument of `echo_global_load`, or the value of a variable marked as `global`.
    GlobalAddress {
        dst: Var,
        global: GlobalId,
    },
    /// `echo_select`: `dst: int` gets the index. The values of send cases are neither used nor consumed here: the branch of a chosen send
    /// case begins with `Forget`, that of a receive case with `Define` of its variables. The value of a send case is a variable of its own, which
    /// is not used any more behind the `Forget`.
    Select {
        dst: Var,
        cases: Vec<SelectCase>,
        timeout: Operand,
    },
    /// From here on the variable is initialised and owned (an `Address` argument or a select case has filled it).
    Define(Var),
    /// Consumes the variable without dropping it: something else has taken the value.
    Forget(Var),
    /// Appends a deferred call (function of kind `Entry`, result void); consumes the variables.
    Defer {
        entry: FnId,
        args: Vec<Var>,
    },
    /// Runs and empties the list of deferred calls, last first. Before every normal return of a function with `defers`.
    RunDefers,
    /// At a loop's back edge.
    Poll,
    /// Inserted by the ownership pass: one more owner.
    Dup(Var),
    /// Inserted by the ownership pass: gives the value up.
    Drop(Var),
}

#[derive(Clone, Debug)]
pub struct SelectCase {
    pub channel: Var,
    pub send: bool,
    /// The value to send, or the variable to receive into. Always there, of the channel's element type.
    pub value: Var,
    /// Receive: a `bool` variable, written when the case is chosen (then `Define`d).
    pub ok: Option<Var>,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub enum Terminator {
    Jump(BlockId),
    Branch {
        condition: Operand,
        then: BlockId,
        otherwise: BlockId,
    },
    /// On an integer; falls to `otherwise`.
    Switch {
        value: Operand,
        ty: Ty,
        cases: Vec<(i128, BlockId)>,
        otherwise: BlockId,
    },
    /// Consumes; `None` for void.
    Return(Option<Operand>),
    /// After a call that never returns.
    Unreachable,
}

/// How an instruction uses a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// The value must be there during the instruction and stays its owner's.
    Borrow,
    /// The value is taken over.
    Consume,
    /// The value is changed in place and stays.
    Mutate,
}

impl Const {
    pub fn ty(&self) -> Ty {
        match self {
            Const::Int(_, ty) | Const::Float(_, ty) | Const::Zero(ty) | Const::Closure(_, ty) => {
                *ty
            }
            Const::Bool(_) => Ty::BOOL,
            Const::Char(_) => Ty::CHAR,
            Const::Str(_) => Ty::STRING,
            Const::Unit => Ty::VOID,
        }
    }
}

impl Operand {
    fn visit(&self, how: Use, f: &mut impl FnMut(Var, Use)) {
        if let Operand::Var(var) = self {
            f(*var, how);
        }
    }
}

impl Place {
    /// Whether forming the address can panic.
    pub fn is_checked(&self) -> bool {
        self.path
            .iter()
            .any(|step| matches!(step, Step::Index { checked: true, .. }))
    }

    fn visit(&self, how: Use, f: &mut impl FnMut(Var, Use)) {
        for step in &self.path {
            match step {
                Step::Index { index, .. } => index.visit(Use::Borrow, f),
                Step::Key(key) => key.visit(Use::Borrow, f),
                Step::Field(_) | Step::Payload(_) => {}
            }
        }
        f(self.root, how);
    }
}

impl Op {
    /// Whether the instruction can fail or be cancelled, so that its `unwind` list counts. Emission makes a landing pad for no other.
    /// (A stack overflow is found in a callee's prologue: it belongs to the call.)
    pub fn can_unwind(&self, program: &Program) -> bool {
        let is_int = |ty: &Ty| matches!(program.types.kind(*ty), TyKind::Int(_));
        let can_fail = |op: &BinaryOp, ty| {
            is_int(ty) && !matches!(op, BinaryOp::BitAnd | BinaryOp::BitOr | BinaryOp::BitXor)
        };
        match self {
            Op::Call { .. }
            | Op::CallValue { .. }
            | Op::Array { .. }
            | Op::Select { .. }
            | Op::RunDefers
            | Op::Poll => true,
            Op::Runtime { symbol, args, .. } => {
                let plain =
                    symbols::find(symbol).is_some_and(|symbol| symbol.class == Class::Plain);
                !plain
                    || args
                        .iter()
                        .any(|arg| matches!(arg, RtArg::Place(place) if place.is_checked()))
            }
            Op::Load { place, .. } | Op::Store { place, .. } => place.is_checked(),
            Op::Update { place, op, .. } => place.is_checked() || can_fail(op, &place.ty),
            Op::Arith { op, ty, .. } => can_fail(op, ty),
            Op::Neg { ty, .. } => is_int(ty),
            Op::Convert { conversion, .. } => *conversion == Conversion::Checked,
            Op::Set { .. }
            | Op::Wrap { .. }
            | Op::Not { .. }
            | Op::Compare { .. }
            | Op::Intrinsic { .. }
            | Op::Make { .. }
            | Op::Variant { .. }
            | Op::Tag { .. }
            | Op::Header { .. }
            | Op::IsAlone { .. }
            | Op::GlobalLoad { .. }
            | Op::GlobalStore { .. }
            | Op::GlobalAddress { .. }
            | Op::Define(_)
            | Op::Forget(_)
            | Op::Defer { .. }
            | Op::Dup(_)
            | Op::Drop(_) => false,
        }
    }

    /// Whether control never comes behind the instruction.
    pub fn diverges(&self) -> bool {
        match self {
            Op::Runtime { symbol, .. } => {
                symbols::find(symbol).is_some_and(|symbol| symbol.class == Class::Never)
            }
            _ => false,
        }
    }

    /// Calls `f` with every variable whose slot is written outside of the rules for uses and definitions: see [`RtArg::Address`] and [`Op::Select`].
    pub fn visit_addresses(&self, f: &mut impl FnMut(Var)) {
        match self {
            Op::Runtime { args, .. } => {
                for arg in args {
                    if let RtArg::Address(var) = arg {
                        f(*var);
                    }
                }
            }
            Op::Select { cases, .. } => {
                for case in cases.iter().filter(|case| !case.send) {
                    f(case.value);
                    case.ok.iter().copied().for_each(&mut *f);
                }
            }
            _ => {}
        }
    }

    /// Calls `f` with every variable the instruction uses. A variable that appears twice is reported twice. Definitions are told by [`Op::defined`].
    pub fn visit_uses(&self, f: &mut impl FnMut(Var, Use)) {
        match self {
            Op::Set { value, .. } => value.visit(Use::Consume, f),
            Op::Load { place, .. } => place.visit(Use::Borrow, f),
            Op::Store { place, value } => {
                value.visit(Use::Consume, f);
                place.visit(Use::Mutate, f);
            }
            Op::Update { place, value, .. } => {
                value.visit(Use::Borrow, f);
                place.visit(Use::Mutate, f);
            }
            Op::Arith { left, right, .. }
            | Op::Wrap { left, right, .. }
            | Op::Compare { left, right, .. } => {
                left.visit(Use::Borrow, f);
                right.visit(Use::Borrow, f);
            }
            Op::Neg { value, .. }
            | Op::Not { value, .. }
            | Op::Convert { value, .. }
            | Op::Header { value, .. }
            | Op::IsAlone { array: value, .. }
            | Op::GlobalStore { value, .. } => value.visit(Use::Borrow, f),
            Op::Intrinsic { args, .. } => {
                for arg in args {
                    arg.visit(Use::Borrow, f);
                }
            }
            Op::Make { fields, .. } => {
                for field in fields {
                    field.visit(Use::Consume, f);
                }
            }
            Op::Variant { payload, .. } => {
                for element in payload {
                    element.visit(Use::Consume, f);
                }
            }
            Op::Tag { value, .. } => f(*value, Use::Borrow),
            Op::Array { elements, .. } => {
                for element in elements {
                    element.visit(Use::Consume, f);
                }
            }
            Op::Call { args, .. } => visit_args(args, f),
            Op::CallValue { callee, args, .. } => {
                callee.visit(Use::Borrow, f);
                visit_args(args, f);
            }
            Op::Runtime { args, .. } => {
                for arg in args {
                    arg.visit(f);
                }
            }
            Op::Select { cases, timeout, .. } => {
                for case in cases {
                    f(case.channel, Use::Borrow);
                }
                timeout.visit(Use::Borrow, f);
            }
            Op::Forget(var) | Op::Drop(var) => f(*var, Use::Consume),
            Op::Defer { args, .. } => {
                for arg in args {
                    f(*arg, Use::Consume);
                }
            }
            Op::Dup(var) => f(*var, Use::Borrow),
            Op::GlobalLoad { .. }
            | Op::GlobalAddress { .. }
            | Op::Define(_)
            | Op::RunDefers
            | Op::Poll => {}
        }
    }

    /// All uses, as [`Op::visit_uses`] tells them.
    pub fn uses(&self) -> Vec<(Var, Use)> {
        let mut uses = Vec::new();
        self.visit_uses(&mut |var, how| uses.push((var, how)));
        uses
    }

    /// Calls `f` with every variable the instruction gives a new value.
    pub fn visit_definitions(&self, f: &mut impl FnMut(Var)) {
        match self {
            Op::Set { dst, .. }
            | Op::Load { dst, .. }
            | Op::Arith { dst, .. }
            | Op::Wrap { dst, .. }
            | Op::Neg { dst, .. }
            | Op::Not { dst, .. }
            | Op::Compare { dst, .. }
            | Op::Intrinsic { dst, .. }
            | Op::Convert { dst, .. }
            | Op::Make { dst, .. }
            | Op::Variant { dst, .. }
            | Op::Tag { dst, .. }
            | Op::Array { dst, .. }
            | Op::Header { dst, .. }
            | Op::IsAlone { dst, .. }
            | Op::GlobalLoad { dst, .. }
            | Op::GlobalAddress { dst, .. }
            | Op::Select { dst, .. }
            | Op::Define(dst) => f(*dst),
            Op::Call { dst, .. } | Op::CallValue { dst, .. } => dst.iter().copied().for_each(f),
            Op::Runtime { dst, args, .. } => {
                for arg in args {
                    if let RtArg::Out(var) = arg {
                        f(*var);
                    }
                }
                dst.iter().copied().for_each(f);
            }
            Op::Store { .. }
            | Op::Update { .. }
            | Op::GlobalStore { .. }
            | Op::Forget(_)
            | Op::Defer { .. }
            | Op::RunDefers
            | Op::Poll
            | Op::Dup(_)
            | Op::Drop(_) => {}
        }
    }
}

impl RtArg {
    fn visit(&self, f: &mut impl FnMut(Var, Use)) {
        match self {
            RtArg::Value(operand) => operand.visit(Use::Borrow, f),
            RtArg::Move(var) | RtArg::MoveOut(var) => f(*var, Use::Consume),
            RtArg::Borrow(var) => f(*var, Use::Borrow),
            RtArg::Place(place) => place.visit(Use::Mutate, f),
            RtArg::Global(var) => f(*var, Use::Mutate),
            RtArg::Tuple(vars) => vars.iter().for_each(|var| f(*var, Use::Consume)),
            RtArg::Out(_)
            | RtArg::Address(_)
            | RtArg::Desc(_)
            | RtArg::DescOrNull(_)
            | RtArg::Entry(_)
            | RtArg::Position => {}
        }
    }
}

fn visit_args(args: &[Arg], f: &mut impl FnMut(Var, Use)) {
    for arg in args {
        match arg {
            Arg::Value(operand) => operand.visit(Use::Borrow, f),
            Arg::Ref(place) => place.visit(Use::Mutate, f),
        }
    }
}

//! Echo IR as text, for `--emit ir` and goldens: the same module gives the same text.
//!
//! ```text
//! func worker(ch.0: chan int, n.1: int) -> void  [normal, symbol main.worker]
//!   var x.2: string
//!   var %3: int
//! b0:
//!   ; main.eo:4: let x = names[n]
//!   x.2 = load names.4[n.1]  unwind [names.4]
//!   return
//! ```
//! A variable is its source name (or `%`) and its number. `dup`, `drop`, `borrow` and `unwind` are the ownership pass's.

use std::fmt::{Display, Write};

use echo_sema::display::type_name;
use echo_sema::typed::{BinaryOp, CompareOp, Conversion, GlobalId, Program};
use echo_sema::types::Ty;
use echo_syntax::span::{SourceFile, SourceMap, Span};

use super::{
    Arg, BlockId, Const, FnId, Function, FunctionKind, Header, Instr, Intrinsic, Module, Op,
    Operand, Place, RtArg, SelectCase, Step, Terminator, Var,
};

/// The text of a whole module.
pub fn dump(program: &Program, module: &Module, sources: &SourceMap) -> String {
    let mut text = String::new();
    for (number, function) in module.functions.iter().enumerate() {
        if number > 0 {
            text.push('\n');
        }
        if module.main == Some(FnId(number as u32)) {
            text.push_str("main ");
        }
        text.push_str(&dump_function(program, module, sources, function));
    }
    text
}

/// The line of the source that the span starts in, without what ends it.
pub fn source_line(file: &SourceFile, span: Span) -> &str {
    let text = file.text();
    let at = text.len().min(span.start as usize);
    let (before, behind) = text.as_bytes().split_at(at);
    let is_end = |&byte: &u8| byte == b'\n';
    let start = before.iter().rposition(is_end).map_or(0, |end| end + 1);
    let end = behind
        .iter()
        .position(is_end)
        .map_or(text.len(), |end| at + end);
    &text[start..end]
}

/// The text of one function.
pub fn dump_function(
    program: &Program,
    module: &Module,
    sources: &SourceMap,
    function: &Function,
) -> String {
    let mut dumper = Dumper {
        program,
        module,
        sources,
        function,
        out: String::new(),
        line: None,
    };
    dumper.function();
    dumper.out
}

struct Dumper<'a> {
    program: &'a Program,
    module: &'a Module,
    sources: &'a SourceMap,
    function: &'a Function,
    out: String,
    /// File and line of the last comment.
    line: Option<(u32, u32)>,
}

impl Dumper<'_> {
    fn push(&mut self, line: impl Display) {
        writeln!(self.out, "{line}").expect("writing to a string cannot fail");
    }

    fn function(&mut self) {
        let function = self.function;
        let params = function.vars[..function.parameter_count]
            .iter()
            .enumerate()
            .map(|(number, var)| format!("{}: {}", self.var(Var(number as u32)), self.ty(var.ty)));
        let params = join(params);
        let kind = match function.kind {
            FunctionKind::Normal => "normal",
            FunctionKind::Closure => "closure",
            FunctionKind::Entry => "entry",
        };
        let defers = if function.defers { ", defers" } else { "" };
        self.push(format_args!(
            "func {}({params}) -> {}  [{kind}{defers}, symbol {}]",
            function.name,
            self.ty(function.result),
            function.symbol
        ));
        for (number, var) in function.vars.iter().enumerate() {
            if number < function.parameter_count && !var.borrowed {
                continue;
            }
            let borrowed = if var.borrowed { " (borrowed)" } else { "" };
            let name = self.var(Var(number as u32));
            self.push(format_args!("  var {name}: {}{borrowed}", self.ty(var.ty)));
        }
        for (number, block) in function.blocks.iter().enumerate() {
            self.push(format_args!("b{number}:"));
            self.line = None;
            for instr in &block.instrs {
                self.instr(instr);
            }
            let last = match &block.terminator {
                Some(terminator) => self.terminator(terminator),
                None => "(not terminated)".to_string(),
            };
            self.push(format_args!("  {last}"));
        }
    }

    fn instr(&mut self, instr: &Instr) {
        self.comment(instr.span);
        let op = self.op(&instr.op);
        let unwind = if instr.unwind.is_empty() {
            String::new()
        } else {
            format!("  unwind [{}]", self.vars(&instr.unwind))
        };
        self.push(format_args!("  {op}{unwind}"));
    }

    /// The source line, where it is another one than before.
    fn comment(&mut self, span: Span) {
        if self.sources.files().nth(span.file.0 as usize).is_none() {
            return;
        }
        let file = self.sources.file(span.file);
        let line = file.line_column(span.start).line;
        if self.line == Some((span.file.0, line)) {
            return;
        }
        self.line = Some((span.file.0, line));
        let source = source_line(file, span).trim();
        self.push(format_args!("  ; {}:{line}: {source}", file.name()));
    }

    fn ty(&self, ty: Ty) -> String {
        type_name(self.program, ty)
    }

    fn var(&self, var: Var) -> String {
        match self.function.vars.get(var.0 as usize) {
            Some(info) => match &info.name {
                Some(name) => format!("{name}.{}", var.0),
                None => format!("%{}", var.0),
            },
            None => format!("%{}?", var.0),
        }
    }

    fn vars(&self, vars: &[Var]) -> String {
        join(vars.iter().map(|&var| self.var(var)))
    }

    fn operand(&self, operand: &Operand) -> String {
        match operand {
            Operand::Var(var) => self.var(*var),
            Operand::Const(constant) => self.constant(constant),
        }
    }

    fn operands(&self, operands: &[Operand]) -> String {
        join(operands.iter().map(|operand| self.operand(operand)))
    }

    fn constant(&self, constant: &Const) -> String {
        match constant {
            Const::Int(value, Ty::INT) => value.to_string(),
            Const::Int(value, ty) => format!("{value}:{}", self.ty(*ty)),
            Const::Float(value, Ty::FLOAT) => format!("{value:?}"),
            Const::Float(value, ty) => format!("{value:?}:{}", self.ty(*ty)),
            Const::Bool(value) => value.to_string(),
            Const::Char(value) => format!("{value:?}"),
            Const::Str(value) => format!("{value:?}"),
            Const::Unit => "()".to_string(),
            Const::Zero(ty) => format!("zero {}", self.ty(*ty)),
            Const::Closure(function, _) => format!("closure {}", self.callee(*function)),
        }
    }

    fn callee(&self, function: FnId) -> String {
        match self.module.functions.get(function.0 as usize) {
            Some(function) => function.symbol.clone(),
            None => format!("function {}?", function.0),
        }
    }

    fn place(&self, place: &Place) -> String {
        let mut text = self.var(place.root);
        let root = self.function.vars.get(place.root.0 as usize);
        if root.is_some_and(|root| {
            matches!(
                self.program.types.kind(root.ty),
                echo_sema::types::TyKind::Ref(_)
            ) && root.ty != place.ty
        }) {
            text.insert(0, '*');
        }
        for step in &place.path {
            match step {
                Step::Field(index) => text.push_str(&format!(".{index}")),
                Step::Payload(index) => text.push_str(&format!(".payload({index})")),
                Step::Index {
                    index,
                    checked,
                    alone,
                } => {
                    let open = match (alone, checked) {
                        (false, true) => "[",
                        (false, false) => "[unchecked ",
                        (true, true) => "[alone ",
                        (true, false) => "[alone unchecked ",
                    };
                    text.push_str(&format!("{open}{}]", self.operand(index)));
                }
                Step::Key(key) => text.push_str(&format!("[key {}]", self.operand(key))),
            }
        }
        text
    }

    fn arg(&self, arg: &Arg) -> String {
        match arg {
            Arg::Value(operand) => self.operand(operand),
            Arg::Ref(place) => format!("&{}", self.place(place)),
        }
    }

    fn rt_arg(&self, arg: &RtArg) -> String {
        match arg {
            RtArg::Value(operand) => self.operand(operand),
            RtArg::Move(var) => format!("move {}", self.var(*var)),
            RtArg::Borrow(var) => format!("borrow {}", self.var(*var)),
            RtArg::MoveOut(var) => format!("move out {}", self.var(*var)),
            RtArg::Out(var) => format!("out {}", self.var(*var)),
            RtArg::Address(var) => format!("address {}", self.var(*var)),
            RtArg::Place(place) => format!("place {}", self.place(place)),
            RtArg::Global(var) => format!("global {}", self.var(*var)),
            RtArg::Desc(ty) => format!("desc {}", self.ty(*ty)),
            RtArg::DescOrNull(ty) => format!("desc or null {}", self.ty(*ty)),
            RtArg::Entry(function) => format!("entry {}", self.callee(*function)),
            RtArg::Tuple(vars) => format!("({})", self.vars(vars)),
            RtArg::Position => "position".to_string(),
        }
    }

    fn global(&self, global: GlobalId) -> String {
        match self.program.globals.get(global.0 as usize) {
            Some(info) => format!("@{}.{}", info.name, global.0),
            None => format!("@{}?", global.0),
        }
    }

    /// `dst = ` where there is one.
    fn into(&self, dst: Option<Var>) -> String {
        dst.map_or(String::new(), |dst| format!("{} = ", self.var(dst)))
    }

    fn op(&self, op: &Op) -> String {
        let var = |var: &Var| self.var(*var);
        let operand = |operand: &Operand| self.operand(operand);
        match op {
            Op::Set { dst, value } => format!("{} = {}", var(dst), operand(value)),
            Op::Load { dst, place, borrow } => {
                let verb = if *borrow { "borrow" } else { "load" };
                format!("{} = {verb} {}", var(dst), self.place(place))
            }
            Op::Store { place, value } => {
                format!("store {} = {}", self.place(place), operand(value))
            }
            Op::Update { place, op, value } => {
                let op = binary_name(*op);
                format!("update {} {op} {}", self.place(place), operand(value))
            }
            Op::Arith {
                dst,
                op,
                left,
                right,
                ty,
            } => {
                let (op, ty) = (binary_name(*op), self.ty(*ty));
                format!(
                    "{} = {op} {ty} {}, {}",
                    var(dst),
                    operand(left),
                    operand(right)
                )
            }
            Op::Wrap {
                dst,
                op,
                left,
                right,
                ty,
            } => {
                let (op, ty) = (binary_name(*op), self.ty(*ty));
                format!(
                    "{} = wrapping {op} {ty} {}, {}",
                    var(dst),
                    operand(left),
                    operand(right)
                )
            }
            Op::Neg { dst, value, ty } => {
                format!("{} = neg {} {}", var(dst), self.ty(*ty), operand(value))
            }
            Op::Not { dst, value } => format!("{} = not {}", var(dst), operand(value)),
            Op::Compare {
                dst,
                op,
                left,
                right,
                ty,
            } => {
                let (op, ty) = (compare_name(*op), self.ty(*ty));
                format!(
                    "{} = {op} {ty} {}, {}",
                    var(dst),
                    operand(left),
                    operand(right)
                )
            }
            Op::Intrinsic { dst, op, args, ty } => {
                let (op, ty) = (intrinsic_name(*op), self.ty(*ty));
                format!("{} = {op} {ty} {}", var(dst), self.operands(args))
            }
            Op::Convert {
                dst,
                conversion,
                value,
                from,
                to,
            } => {
                let verb = match conversion {
                    Conversion::Widen => "widen",
                    Conversion::Checked => "convert checked",
                    Conversion::Wrapping => "convert wrapping",
                };
                let (from, to) = (self.ty(*from), self.ty(*to));
                format!("{} = {verb} {from} {} to {to}", var(dst), operand(value))
            }
            Op::Make { dst, fields } => format!("{} = make ({})", var(dst), self.operands(fields)),
            Op::Variant { dst, tag, payload } => {
                let payload = match payload.as_slice() {
                    [] => String::new(),
                    payload => format!("({})", self.operands(payload)),
                };
                format!("{} = variant {tag}{payload}", var(dst))
            }
            Op::Tag { dst, value } => format!("{} = tag {}", var(dst), var(value)),
            Op::Array {
                dst,
                element,
                elements,
            } => format!(
                "{} = array {} [{}]",
                var(dst),
                self.ty(*element),
                self.operands(elements)
            ),
            Op::IsAlone { dst, array } => {
                format!("{} = is alone {}", var(dst), operand(array))
            }
            Op::Header { dst, value, which } => {
                let which = match which {
                    Header::ArrayLen => "array length",
                    Header::StringChars => "characters",
                    Header::StringBytes => "bytes",
                };
                format!("{} = {which} {}", var(dst), operand(value))
            }
            Op::Call {
                dst,
                function,
                args,
            } => {
                let args = join(args.iter().map(|arg| self.arg(arg)));
                format!("{}call {}({args})", self.into(*dst), self.callee(*function))
            }
            Op::CallValue { dst, callee, args } => {
                let args = join(args.iter().map(|arg| self.arg(arg)));
                format!("{}call value {}({args})", self.into(*dst), operand(callee))
            }
            Op::Runtime { dst, symbol, args } => {
                let args = join(args.iter().map(|arg| self.rt_arg(arg)));
                format!("{}runtime {symbol}({args})", self.into(*dst))
            }
            Op::GlobalLoad { dst, global } => {
                format!("{} = global {}", var(dst), self.global(*global))
            }
            Op::GlobalStore { global, value } => {
                format!("global {} = {}", self.global(*global), operand(value))
            }
            Op::GlobalAddress { dst, global } => {
                format!("{} = address of global {}", var(dst), self.global(*global))
            }
            Op::Select {
                dst,
                cases,
                timeout,
            } => {
                let cases = join(cases.iter().map(|case| self.select_case(case)));
                format!(
                    "{} = select [{cases}] timeout {}",
                    var(dst),
                    operand(timeout)
                )
            }
            Op::Define(defined) => format!("define {}", var(defined)),
            Op::Forget(forgotten) => format!("forget {}", var(forgotten)),
            Op::Defer { entry, args } => {
                format!("defer {}({})", self.callee(*entry), self.vars(args))
            }
            Op::RunDefers => "run defers".to_string(),
            Op::Poll => "poll".to_string(),
            Op::Dup(dupped) => format!("dup {}", var(dupped)),
            Op::Drop(dropped) => format!("drop {}", var(dropped)),
        }
    }

    fn select_case(&self, case: &SelectCase) -> String {
        let (channel, value) = (self.var(case.channel), self.var(case.value));
        match (case.send, case.ok) {
            (true, _) => format!("{channel} <- {value}"),
            (false, None) => format!("{value} <- {channel}"),
            (false, Some(ok)) => format!("{value}, {} <- {channel}", self.var(ok)),
        }
    }

    fn terminator(&self, terminator: &Terminator) -> String {
        let block = |block: &BlockId| format!("b{}", block.0);
        match terminator {
            Terminator::Jump(target) => format!("jump {}", block(target)),
            Terminator::Branch {
                condition,
                then,
                otherwise,
            } => format!(
                "branch {} ? {} : {}",
                self.operand(condition),
                block(then),
                block(otherwise)
            ),
            Terminator::Switch {
                value,
                ty,
                cases,
                otherwise,
            } => {
                let cases = join(
                    cases
                        .iter()
                        .map(|(value, target)| format!("{value}: {}", block(target))),
                );
                format!(
                    "switch {} {} [{cases}] else {}",
                    self.ty(*ty),
                    self.operand(value),
                    block(otherwise)
                )
            }
            Terminator::Return(None) => "return".to_string(),
            Terminator::Return(Some(value)) => format!("return {}", self.operand(value)),
            Terminator::Unreachable => "unreachable".to_string(),
        }
    }
}

fn join(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

fn binary_name(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Add => "add",
        BinaryOp::Sub => "sub",
        BinaryOp::Mul => "mul",
        BinaryOp::Div => "div",
        BinaryOp::Rem => "rem",
        BinaryOp::BitAnd => "and",
        BinaryOp::BitOr => "or",
        BinaryOp::BitXor => "xor",
        BinaryOp::Shl => "shl",
        BinaryOp::Shr => "shr",
    }
}

fn compare_name(op: CompareOp) -> &'static str {
    match op {
        CompareOp::Eq => "eq",
        CompareOp::Ne => "ne",
        CompareOp::Lt => "lt",
        CompareOp::Le => "le",
        CompareOp::Gt => "gt",
        CompareOp::Ge => "ge",
    }
}

fn intrinsic_name(op: Intrinsic) -> &'static str {
    match op {
        Intrinsic::Sqrt => "sqrt",
        Intrinsic::Fabs => "fabs",
        Intrinsic::IsNan => "is nan",
        Intrinsic::IsInf => "is inf",
        Intrinsic::Min => "min",
        Intrinsic::Max => "max",
    }
}

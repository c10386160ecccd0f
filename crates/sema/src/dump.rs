//! The typed tree as text, for tests and `--emit`.
//!
//! It reads like Echo with everything said: conversions, references, places. A local is `name#number`, a global `$name`; `: T` behind a
//! `let` is the local's type. Expressions are fully parenthesised; their types are left out where their parts show them.

use std::fmt::Write as _;

use crate::display::type_name;
use crate::typed::{
    Arm, BinaryOp, Block, Builtin, Call, Callee, CompareOp, Conversion, Expr, ExprKind, Function,
    GlobalId, Literal, LocalId, Match, Pattern, PatternKind, Place, Program, Root, Select,
    SelectKind, Step, Stmt, StmtKind,
};
use crate::types::Ty;

/// The whole program: globals, then functions in the order of their numbers.
pub fn dump(program: &Program) -> String {
    let mut out = String::new();
    for global in &program.globals {
        let _ = writeln!(
            out,
            "global ${}: {}",
            global.name,
            type_name(program, global.ty)
        );
    }
    for (index, function) in program.functions.iter().enumerate() {
        let mut dump = Dump {
            program,
            function,
            out: &mut out,
            indent: 0,
        };
        dump.function(index == program.entry.0 as usize);
    }
    out
}

struct Dump<'a> {
    program: &'a Program,
    function: &'a Function,
    out: &'a mut String,
    indent: usize,
}

impl Dump<'_> {
    fn function(&mut self, is_entry: bool) {
        let function = self.function;
        let params: Vec<_> = (0..function.parameter_count)
            .map(|index| {
                let local = &function.locals[index];
                format!("{}#{index}: {}", local.name, self.ty(local.ty))
            })
            .collect();
        let head = match (is_entry, function.is_async) {
            (true, _) => "entry",
            (false, true) => "async func",
            (false, false) => "func",
        };
        let result = self.ty(function.result);
        self.line(&format!(
            "{head} {}({}) -> {result}",
            function.name,
            params.join(", ")
        ));
        self.body(&function.body);
    }

    fn line(&mut self, text: &str) {
        let _ = writeln!(self.out, "{}{text}", "  ".repeat(self.indent));
    }

    fn ty(&self, ty: Ty) -> String {
        type_name(self.program, ty)
    }

    fn local(&self, local: LocalId) -> String {
        format!(
            "{}#{}",
            self.function.locals[local.0 as usize].name, local.0
        )
    }

    fn maybe_local(&self, local: Option<LocalId>) -> String {
        local.map_or_else(|| "_".to_string(), |local| self.local(local))
    }

    fn typed_local(&self, local: LocalId) -> String {
        let ty = self.function.locals[local.0 as usize].ty;
        format!("{}: {}", self.local(local), self.ty(ty))
    }

    fn global(&self, global: GlobalId) -> String {
        format!("${}", self.program.globals[global.0 as usize].name)
    }

    // ------------------------------------------------------------ statements

    fn body(&mut self, block: &Block) {
        self.indent += 1;
        for stmt in &block.stmts {
            self.stmt(stmt);
        }
        if let Some(value) = &block.value {
            let value = self.expr(value);
            self.line(&format!("=> {value}"));
        }
        self.indent -= 1;
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match &stmt.kind {
            StmtKind::Let(local, value) => {
                let value = self.expr(value);
                self.line(&format!("let {} = {value}", self.typed_local(*local)));
            }
            StmtKind::LetTuple(locals, value) => {
                let names: Vec<_> = locals
                    .iter()
                    .map(|local| {
                        local.map_or_else(|| "_".to_string(), |local| self.typed_local(local))
                    })
                    .collect();
                let value = self.expr(value);
                self.line(&format!("let ({}) = {value}", names.join(", ")));
            }
            StmtKind::Assign(place, value) => {
                let (place, value) = (self.place(place), self.expr(value));
                self.line(&format!("{place} = {value}"));
            }
            StmtKind::Update(place, op, value) => {
                let (place, value) = (self.place(place), self.expr(value));
                self.line(&format!("{place} {}= {value}", op_text(*op)));
            }
            StmtKind::Expr(expr) => self.effect(expr),
            StmtKind::Return(None) => self.line("return"),
            StmtKind::Return(Some(value)) => {
                let value = self.expr(value);
                self.line(&format!("return {value}"));
            }
            StmtKind::Break => self.line("break"),
            StmtKind::Continue => self.line("continue"),
            StmtKind::While(condition, body) => {
                let condition = self.expr(condition);
                self.line(&format!("while {condition}"));
                self.body(body);
            }
            StmtKind::Loop(body) => {
                self.line("loop");
                self.body(body);
            }
            StmtKind::ForRange {
                local,
                start,
                end,
                body,
            } => {
                let (start, end) = (self.expr(start), self.expr(end));
                self.line(&format!(
                    "for {} in {start}..{end}",
                    self.typed_local(*local)
                ));
                self.body(body);
            }
            StmtKind::ForEach {
                local,
                iterable,
                body,
            } => {
                let iterable = self.expr(iterable);
                self.line(&format!("for {} in {iterable}", self.typed_local(*local)));
                self.body(body);
            }
            StmtKind::ForMap {
                key,
                value,
                iterable,
                body,
            } => {
                let iterable = self.expr(iterable);
                let (key, value) = (self.typed_local(*key), self.typed_local(*value));
                self.line(&format!("for ({key}, {value}) in {iterable}"));
                self.body(body);
            }
            StmtKind::Block(block) => {
                self.line("block");
                self.body(block);
            }
            StmtKind::Select(select) => self.select(select),
            StmtKind::Defer(call) => {
                let call = self.call(call);
                self.line(&format!("defer {call}"));
            }
        }
    }

    /// `if` and `match` as statements take lines of their own.
    fn effect(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::If(condition, then, otherwise) => {
                let condition = self.expr(condition);
                self.line(&format!("if {condition}{}", never(expr)));
                self.body(then);
                if let Some(otherwise) = otherwise {
                    self.line("else");
                    self.body(otherwise);
                }
            }
            ExprKind::Match(matched) => {
                let value = self.expr(&matched.value);
                let partial = if matched.exhaustive { "" } else { " (partial)" };
                self.line(&format!("match {value}{partial}{}", never(expr)));
                self.indent += 1;
                for arm in &matched.arms {
                    let head = self.arm_head(arm);
                    self.line(&format!("{head} =>"));
                    self.indent += 1;
                    self.effect(&arm.body);
                    self.indent -= 1;
                }
                self.indent -= 1;
            }
            ExprKind::Block(block) if block.value.is_none() => {
                self.indent -= 1;
                self.body(block);
                self.indent += 1;
            }
            ExprKind::Diverge(stmt) => self.stmt(stmt),
            _ => {
                let text = self.expr(expr);
                self.line(&text);
            }
        }
    }

    fn select(&mut self, select: &Select) {
        self.line("select");
        self.indent += 1;
        for case in &select.cases {
            let head = match &case.kind {
                SelectKind::Receive { channel, value, ok } => format!(
                    "case {}, {} := <- {}",
                    self.maybe_local(*value),
                    self.maybe_local(*ok),
                    self.expr(channel)
                ),
                SelectKind::Send { channel, value } => {
                    format!("case {} <- {}", self.expr(channel), self.expr(value))
                }
            };
            self.line(&head);
            self.body(&case.body);
        }
        if let Some((duration, body)) = &select.timeout {
            let duration = self.expr(duration);
            self.line(&format!("timeout after {duration}"));
            self.body(body);
        }
        if let Some(body) = &select.default {
            self.line("default");
            self.body(body);
        }
        self.indent -= 1;
    }

    // ------------------------------------------------------------ places

    fn place(&mut self, place: &Place) -> String {
        let mut text = match place.root {
            Root::Local(local) => {
                let ty = self.function.locals[local.0 as usize].ty;
                let is_reference =
                    matches!(self.program.types.kind(ty), crate::types::TyKind::Ref(_));
                match is_reference {
                    true => format!("*{}", self.local(local)),
                    false => self.local(local),
                }
            }
            Root::Global(global) => self.global(global),
            Root::Discard => "_".to_string(),
        };
        for step in &place.path {
            let step = match step {
                Step::Field(index) => format!(".{index}"),
                Step::Index(index) => format!("[{}]", self.expr(index)),
                Step::Key(key) => format!("[key {}]", self.expr(key)),
            };
            text.push_str(&step);
        }
        text
    }

    // ------------------------------------------------------------ expressions

    fn list<'e>(&mut self, exprs: impl IntoIterator<Item = &'e Expr>) -> String {
        let texts: Vec<_> = exprs.into_iter().map(|expr| self.expr(expr)).collect();
        texts.join(", ")
    }

    fn expr(&mut self, expr: &Expr) -> String {
        let ty = expr.ty;
        if ty == Ty::ERROR {
            // Tests look for it: no checked program has one.
            return "<error>".to_string();
        }
        match &expr.kind {
            ExprKind::Int(value) if ty == Ty::INT => value.to_string(),
            ExprKind::Int(value) => format!("{value}{}", self.ty(ty)),
            ExprKind::Float(value) if ty == Ty::FLOAT => format!("{value:?}"),
            ExprKind::Float(value) => format!("{value:?}f32"),
            ExprKind::Bool(value) => value.to_string(),
            ExprKind::Char(value) => format!("{value:?}"),
            ExprKind::Str(text) => format!("{text:?}"),
            ExprKind::Unit => "()".to_string(),
            ExprKind::Local(local) => self.local(*local),
            ExprKind::Global(global) => self.global(*global),
            ExprKind::Deref(local) => format!("*{}", self.local(*local)),
            ExprKind::Ref(place) => format!("&{}", self.place(place)),
            ExprKind::Function(id) => {
                format!("func {}", self.program.functions[id.0 as usize].name)
            }
            ExprKind::Neg(inner) => format!("(-{})", self.expr(inner)),
            ExprKind::Not(inner) => format!("(!{})", self.expr(inner)),
            ExprKind::Binary(op, left, right) => self.infix(left, op_text(*op), right),
            ExprKind::And(left, right) => self.infix(left, "&&", right),
            ExprKind::Or(left, right) => self.infix(left, "||", right),
            ExprKind::Compare(op, left, right) => self.infix(left, compare_text(*op), right),
            ExprKind::Concat(left, right) => self.infix(left, "++", right),
            ExprKind::ToString(inner) => format!("text({})", self.expr(inner)),
            ExprKind::Convert(conversion, inner) => {
                let word = match conversion {
                    Conversion::Widen => "widen",
                    Conversion::Checked => "checked",
                    Conversion::Wrapping => "wrapping",
                };
                format!("{word}[{}]({})", self.ty(ty), self.expr(inner))
            }
            ExprKind::Struct(_, fields) => {
                let fields: Vec<_> = fields
                    .iter()
                    .map(|(index, value)| format!("{index}: {}", self.expr(value)))
                    .collect();
                format!("{}{{{}}}", self.ty(ty), fields.join(", "))
            }
            ExprKind::Tuple(elements) => format!("({})", self.list(elements)),
            ExprKind::Array(elements) => format!("{}[{}]", self.ty(ty), self.list(elements)),
            ExprKind::ArrayRepeat(value, count) => {
                format!(
                    "{}[{}; {}]",
                    self.ty(ty),
                    self.expr(value),
                    self.expr(count)
                )
            }
            ExprKind::Map(entries) => {
                let entries: Vec<_> = entries
                    .iter()
                    .map(|(key, value)| format!("{}: {}", self.expr(key), self.expr(value)))
                    .collect();
                format!("{}{{{}}}", self.ty(ty), entries.join(", "))
            }
            ExprKind::Variant(id, index, payload) => {
                let decl = &self.program.enums[id.0 as usize];
                let name = format!("{}.{}", decl.name, decl.variants[*index].name);
                match payload.is_empty() {
                    true => name,
                    false => format!("{name}({})", self.list(payload)),
                }
            }
            ExprKind::Some(inner) => format!("Some({})", self.expr(inner)),
            ExprKind::None => format!("None[{}]", self.ty(ty)),
            ExprKind::Ok(inner) => format!("Ok[{}]({})", self.ty(ty), self.expr(inner)),
            ExprKind::Err(inner) => format!("Err[{}]({})", self.ty(ty), self.expr(inner)),
            ExprKind::Field(base, index) => format!("{}.{index}", self.expr(base)),
            ExprKind::Index(base, index) => format!("{}[{}]", self.expr(base), self.expr(index)),
            ExprKind::MapIndex(base, key) => format!("{}[key {}]", self.expr(base), self.expr(key)),
            ExprKind::CharAt(base, index) => {
                format!("{}[char {}]", self.expr(base), self.expr(index))
            }
            ExprKind::Slice(base, start, end) => {
                let base = self.expr(base);
                let start = self.list(start.as_deref());
                format!("{base}[{start}:{}]", self.list(end.as_deref()))
            }
            ExprKind::Call(call) => self.call(call),
            ExprKind::Spawn(call) => format!("spawn {}", self.call(call)),
            ExprKind::AwaitCall(call) => format!("await {}", self.call(call)),
            ExprKind::Await(inner) => format!("(await {})", self.expr(inner)),
            ExprKind::TryAwait(inner) => format!("(try await {})", self.expr(inner)),
            ExprKind::NewChan(capacity) => {
                format!("new {}({})", self.ty(ty), self.list(capacity.as_deref()))
            }
            ExprKind::Receive(inner) => format!("(<- {})", self.expr(inner)),
            ExprKind::ReceiveOk(inner) => format!("(ok <- {})", self.expr(inner)),
            ExprKind::Send(channel, value) => self.infix(channel, "<-", value),
            ExprKind::If(condition, then, otherwise) => {
                let condition = self.expr(condition);
                let then = self.inline_block(then);
                let otherwise = otherwise.as_ref().map(|block| self.inline_block(block));
                format!(
                    "if {condition} {then} else {}",
                    otherwise.unwrap_or_default()
                )
            }
            ExprKind::Match(matched) => self.inline_match(matched),
            ExprKind::Block(block) => self.inline_block(block),
            ExprKind::Diverge(stmt) => format!("{{ {} }}", self.inline_stmt(stmt)),
            ExprKind::Question(inner) => format!("{}?", self.expr(inner)),
        }
    }

    fn infix(&mut self, left: &Expr, op: &str, right: &Expr) -> String {
        format!("({} {op} {})", self.expr(left), self.expr(right))
    }

    fn call(&mut self, call: &Call) -> String {
        let args = self.list(&call.args);
        let callee = match &call.callee {
            Callee::Function(id) => self.program.functions[id.0 as usize].name.clone(),
            Callee::Value(value) => format!("({})", self.expr(value)),
            Callee::Builtin(Builtin::SizeOf(ty)) => format!("@SizeOf[{}]", self.ty(*ty)),
            Callee::Builtin(builtin) => format!("@{builtin:?}"),
        };
        format!("{callee}({args})")
    }

    /// A block inside an expression, on one line.
    fn inline_block(&mut self, block: &Block) -> String {
        let mut parts: Vec<_> = block
            .stmts
            .iter()
            .map(|stmt| self.inline_stmt(stmt))
            .collect();
        parts.extend(block.value.as_ref().map(|value| self.expr(value)));
        format!("{{ {} }}", parts.join("; "))
    }

    /// What the statement would be on lines of its own, those joined.
    fn inline_stmt(&mut self, stmt: &Stmt) -> String {
        let mut text = String::new();
        let mut inner = Dump {
            program: self.program,
            function: self.function,
            out: &mut text,
            indent: 1,
        };
        inner.stmt(stmt);
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        lines.join(" | ")
    }

    fn inline_match(&mut self, matched: &Match) -> String {
        let value = self.expr(&matched.value);
        let arms: Vec<_> = matched
            .arms
            .iter()
            .map(|arm| format!("{} => {}", self.arm_head(arm), self.expr(&arm.body)))
            .collect();
        let partial = if matched.exhaustive { "" } else { " (partial)" };
        format!("match {value}{partial} {{ {} }}", arms.join("; "))
    }

    // ------------------------------------------------------------ patterns

    fn arm_head(&mut self, arm: &Arm) -> String {
        let pattern = self.pattern(&arm.pattern);
        match &arm.guard {
            Some(guard) => format!("{pattern} if {}", self.expr(guard)),
            None => pattern,
        }
    }

    fn patterns(&self, patterns: &[Pattern], separator: &str) -> String {
        let texts: Vec<_> = patterns
            .iter()
            .map(|pattern| self.pattern(pattern))
            .collect();
        texts.join(separator)
    }

    fn pattern(&self, pattern: &Pattern) -> String {
        match &pattern.kind {
            PatternKind::Wildcard => "_".to_string(),
            PatternKind::Bind(local) => self.local(*local),
            PatternKind::Literal(literal) => literal_text(literal),
            PatternKind::Range(low, high) => {
                format!("{}..{}", literal_text(low), literal_text(high))
            }
            PatternKind::Variant(id, index, payload) => {
                let decl = &self.program.enums[id.0 as usize];
                let name = format!("{}.{}", decl.name, decl.variants[*index].name);
                match payload.is_empty() {
                    true => name,
                    false => format!("{name}({})", self.patterns(payload, ", ")),
                }
            }
            PatternKind::Some(inner) => format!("Some({})", self.pattern(inner)),
            PatternKind::None => "None".to_string(),
            PatternKind::Ok(inner) => format!("Ok({})", self.pattern(inner)),
            PatternKind::Err(inner) => format!("Err({})", self.pattern(inner)),
            PatternKind::Struct(fields) => {
                let fields: Vec<_> = fields
                    .iter()
                    .map(|(index, pattern)| format!("{index}: {}", self.pattern(pattern)))
                    .collect();
                format!("{}{{{}}}", self.ty(pattern.ty), fields.join(", "))
            }
            PatternKind::Tuple(elements) => format!("({})", self.patterns(elements, ", ")),
            PatternKind::Array { elements, rest } => {
                let elements = self.patterns(elements, ", ");
                match rest {
                    Some(rest) => format!("[{elements}, ...{}]", self.maybe_local(*rest)),
                    None => format!("[{elements}]"),
                }
            }
            PatternKind::Or(alternatives) => self.patterns(alternatives, " | "),
        }
    }
}

/// Marks a statement behind which nothing is reached.
fn never(expr: &Expr) -> &'static str {
    if expr.ty == Ty::NEVER { " (never)" } else { "" }
}

fn literal_text(literal: &Literal) -> String {
    match literal {
        Literal::Int(value) => value.to_string(),
        Literal::Float(value) => format!("{value:?}"),
        Literal::Bool(value) => value.to_string(),
        Literal::Char(value) => format!("{value:?}"),
        Literal::Str(text) => format!("{text:?}"),
    }
}

fn op_text(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Add => "+",
        BinaryOp::Sub => "-",
        BinaryOp::Mul => "*",
        BinaryOp::Div => "/",
        BinaryOp::Rem => "%",
        BinaryOp::BitAnd => "&",
        BinaryOp::BitOr => "|",
        BinaryOp::BitXor => "^",
        BinaryOp::Shl => "<<",
        BinaryOp::Shr => ">>",
    }
}

fn compare_text(op: CompareOp) -> &'static str {
    match op {
        CompareOp::Eq => "==",
        CompareOp::Ne => "!=",
        CompareOp::Lt => "<",
        CompareOp::Le => "<=",
        CompareOp::Gt => ">",
        CompareOp::Ge => ">=",
    }
}

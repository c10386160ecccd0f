//! The tree as indented S-expressions: for people (`--emit ast`) and for golden tests.
//!
//! Every node is a list that starts with its kind; spans are left out, synonyms are kept apart.

use std::fmt::Write as _;

use crate::ast::*;

/// Lists no wider than this stand on one line.
const LINE_WIDTH: usize = 100;

/// The whole file as text, one top-level statement after the other.
pub fn dump_ast(file: &File) -> String {
    let mut out = String::new();
    for stmt in &file.stmts {
        stmt_node(stmt).write(0, &mut out);
        out.push('\n');
    }
    out
}

/// An S-expression.
enum Node {
    Atom(String),
    List(Vec<Node>),
}

impl Node {
    fn write(&self, indent: usize, out: &mut String) {
        match self {
            Node::Atom(text) => out.push_str(text),
            Node::List(children) => {
                if indent + self.width() <= LINE_WIDTH {
                    self.write_flat(out);
                } else {
                    Node::write_broken(children, indent, out);
                }
            }
        }
    }

    /// Leading atoms stay on the first line, every list behind them gets its own.
    fn write_broken(children: &[Node], indent: usize, out: &mut String) {
        out.push('(');
        let mut on_first_line = true;
        for (index, child) in children.iter().enumerate() {
            on_first_line &= matches!(child, Node::Atom(_));
            if index > 0 && on_first_line {
                out.push(' ');
            } else if index > 0 {
                let _ = write!(out, "\n{:1$}", "", indent + 2);
            }
            child.write(indent + 2, out);
        }
        out.push(')');
    }

    fn write_flat(&self, out: &mut String) {
        match self {
            Node::Atom(text) => out.push_str(text),
            Node::List(children) => {
                out.push('(');
                for (index, child) in children.iter().enumerate() {
                    if index > 0 {
                        out.push(' ');
                    }
                    child.write_flat(out);
                }
                out.push(')');
            }
        }
    }

    fn width(&self) -> usize {
        match self {
            Node::Atom(text) => text.chars().count(),
            Node::List(children) => {
                let content: usize = children.iter().map(|child| child.width() + 1).sum();
                content.max(1) + 1
            }
        }
    }

    fn with(mut self, child: impl Into<Node>) -> Node {
        if let Node::List(children) = &mut self {
            children.push(child.into());
        }
        self
    }

    fn with_all(self, new: impl IntoIterator<Item = Node>) -> Node {
        new.into_iter().fold(self, Node::with)
    }

    /// Adds a child if there is one.
    fn with_some(self, child: Option<Node>) -> Node {
        self.with_all(child)
    }

    /// Adds a list under its own heading, unless it is empty.
    fn with_group(self, heading: &str, members: impl IntoIterator<Item = Node>) -> Node {
        let group = list(heading).with_all(members);
        match &group {
            Node::List(children) if children.len() > 1 => self.with(group),
            _ => self,
        }
    }
}

impl From<&str> for Node {
    fn from(text: &str) -> Node {
        Node::Atom(text.to_owned())
    }
}

impl From<String> for Node {
    fn from(text: String) -> Node {
        Node::Atom(text)
    }
}

impl From<&Ident> for Node {
    fn from(ident: &Ident) -> Node {
        Node::from(ident.as_str())
    }
}

fn list(heading: &str) -> Node {
    Node::List(vec![heading.into()])
}

// ---------------------------------------------------------------- declarations

fn item_node(item: &Item) -> Node {
    let node = match &item.kind {
        ItemKind::Func(func) => func_node(func),
        ItemKind::Struct(decl) => list("struct")
            .with(&decl.name)
            .with_group("generic", decl.type_params.iter().map(type_param_node))
            .with_all(
                decl.fields
                    .iter()
                    .map(|field| list("field").with(&field.name).with(type_node(&field.ty))),
            ),
        ItemKind::Enum(decl) => list("enum")
            .with(&decl.name)
            .with_group("generic", decl.type_params.iter().map(type_param_node))
            .with_all(decl.variants.iter().map(|variant| {
                list("variant")
                    .with(&variant.name)
                    .with_all(variant.payload.iter().map(type_node))
            })),
        ItemKind::Trait(decl) => trait_node(decl),
        ItemKind::Impl(decl) => impl_node(decl),
        ItemKind::Extend(decl) => list("extend")
            .with(type_node(&decl.ty))
            .with_all(decl.funcs.iter().map(func_node)),
        ItemKind::Alias(decl) => alias_node(decl),
        ItemKind::Package(name) => list("package").with(name),
        ItemKind::Import(decl) => list("import")
            .with(import_path(&decl.path))
            .with_group("as", decl.alias.iter().map(Node::from)),
        ItemKind::FromImport(decl) => {
            list("from")
                .with(import_path(&decl.path))
                .with_all(decl.names.iter().map(|imported| {
                    list("import")
                        .with(&imported.name)
                        .with_group("as", imported.alias.iter().map(Node::from))
                }))
        }
    };
    match item.private {
        Some(_) => list("private").with(node),
        None => node,
    }
}

fn func_node(func: &Func) -> Node {
    let heading = match func.is_async {
        Some(_) => "async-func",
        None => "func",
    };
    let receiver = func
        .receiver
        .iter()
        .flat_map(|receiver| [Node::from(&receiver.name), type_node(&receiver.ty)]);
    let where_clause = func
        .where_clause
        .iter()
        .flat_map(|clause| [type_node(&clause.left), type_node(&clause.right)]);
    list(heading)
        .with(&func.name)
        .with_group("receiver", receiver)
        .with_group("generic", func.type_params.iter().map(type_param_node))
        .with_group("params", func.params.iter().map(param_node))
        .with_group("result", func.result.iter().map(type_node))
        .with_group("where", where_clause)
        .with_some(func.body.as_ref().map(block_node))
}

fn type_param_node(param: &TypeParam) -> Node {
    let subject = type_node(&param.subject);
    if param.bounds.is_empty() {
        return subject;
    }
    let bounds = param.bounds.iter().map(type_node);
    Node::List(vec![subject, ":".into()]).with_all(bounds)
}

fn param_node(param: &Param) -> Node {
    Node::List(vec![Node::from(&param.name), type_node(&param.ty)])
}

fn trait_node(decl: &TraitDecl) -> Node {
    let members = decl.members.iter().map(|member| match member {
        TraitMember::AssocType(name) => list("type").with(name),
        TraitMember::Func(func) => func_node(func),
    });
    list("trait")
        .with(&decl.name)
        .with_group("generic", decl.type_params.iter().map(type_param_node))
        .with_group("super", decl.supertraits.iter().map(type_node))
        .with_all(members)
}

fn impl_node(decl: &ImplDecl) -> Node {
    let clauses = decl.clauses.iter().map(|clause| {
        list("trait")
            .with(type_node(&clause.trait_type))
            .with_all(clause.assoc_types.iter().map(alias_node))
    });
    list("impl").with_all(clauses).with(match &decl.target {
        ImplTarget::Item(item) => item_node(item),
        ImplTarget::Type(ty) => list("for").with(type_node(ty)),
        ImplTarget::Error(_) => list("error"),
    })
}

fn alias_node(decl: &AliasDecl) -> Node {
    list("type").with(&decl.name).with(type_node(&decl.ty))
}

fn import_path(path: &ImportPath) -> String {
    match path.quoted {
        true => format!("{:?}", path.text),
        false => path.text.to_string(),
    }
}

// ---------------------------------------------------------------- types

fn type_node(ty: &Type) -> Node {
    match &ty.kind {
        TypeKind::Path(path) => {
            let name = joined(&path.segments);
            if path.args.is_empty() {
                return name.into();
            }
            Node::List(vec![name.into()]).with_all(path.args.iter().map(type_node))
        }
        TypeKind::Array(element, style) => list(match style {
            ArrayStyle::Around => "[T]",
            ArrayStyle::Before => "[]T",
        })
        .with(type_node(element)),
        TypeKind::Map(key, value) => list("map").with(type_node(key)).with(type_node(value)),
        TypeKind::Chan(element, style) => match style {
            ChanStyle::Plain => list("chan-T"),
            ChanStyle::Bracketed => list("chan[T]"),
            ChanStyle::WithCapacity(capacity) => list(&format!("chan[{capacity}]T")),
        }
        .with(type_node(element)),
        TypeKind::Tuple(elements) => list("tuple-type").with_all(elements.iter().map(type_node)),
        TypeKind::Func(params, result) => list("func-type")
            .with_group("params", params.iter().map(type_node))
            .with_group("result", result.iter().map(|result| type_node(result))),
        TypeKind::Ref(target, style) => list(match style {
            RefStyle::Star => "*T",
            RefStyle::Ampersand => "&T",
            RefStyle::AmpersandMut => "&mut-T",
        })
        .with(type_node(target)),
        TypeKind::Error => list("error"),
    }
}

fn joined(path: &[Ident]) -> String {
    let names: Vec<&str> = path.iter().map(Ident::as_str).collect();
    names.join(".")
}

// ---------------------------------------------------------------- statements

fn block_node(block: &Block) -> Node {
    list("block").with_all(block.stmts.iter().map(stmt_node))
}

fn stmt_node(stmt: &Stmt) -> Node {
    match &stmt.kind {
        StmtKind::Item(item) => item_node(item),
        StmtKind::Let(stmt) => let_node(stmt),
        StmtKind::Assign(stmt) => {
            let heading = match stmt.op {
                Some(op) => format!("{}=", op.as_str()),
                None => "=".to_owned(),
            };
            list(&heading)
                .with(expr_node(&stmt.target))
                .with(expr_node(&stmt.value))
        }
        StmtKind::Expr(expr) => expr_node(expr),
        StmtKind::Return(value) => list("return").with_some(value.as_ref().map(expr_node)),
        StmtKind::Break => list("break"),
        StmtKind::Continue => list("continue"),
        StmtKind::While(condition, body) => list("while")
            .with(expr_node(condition))
            .with(block_node(body)),
        StmtKind::Loop(body) => list("loop").with(block_node(body)),
        StmtKind::For(stmt) => for_head_node(&stmt.head).with(block_node(&stmt.body)),
        StmtKind::Select(stmt) => list("select").with_all(stmt.cases.iter().map(case_node)),
        StmtKind::Defer(expr) => list("defer").with(expr_node(expr)),
        StmtKind::Block(block) => block_node(block),
        StmtKind::Error => list("error"),
    }
}

fn let_node(stmt: &LetStmt) -> Node {
    let heading = match stmt.mutable {
        Some(_) => "let-mut",
        None => "let",
    };
    list(heading)
        .with_all(stmt.names.iter().map(Node::from))
        .with_group(":", stmt.ty.iter().map(type_node))
        .with_some(stmt.value.as_ref().map(expr_node))
}

fn for_head_node(head: &ForHead) -> Node {
    match head {
        ForHead::Condition(condition) => list("for").with(expr_node(condition)),
        ForHead::Range { name, start, end } => list("for")
            .with(name)
            .with(list("range").with(expr_node(start)).with(expr_node(end))),
        ForHead::Each { name, iterable } => list("for")
            .with(name)
            .with(list("in").with(expr_node(iterable))),
        ForHead::Pairs {
            key,
            value,
            iterable,
        } => list("for")
            .with(key)
            .with(value)
            .with(list("in").with(expr_node(iterable))),
    }
}

fn case_node(case: &SelectCase) -> Node {
    let comm = match &case.comm {
        SelectComm::Recv { names, channel } => list("recv")
            .with_all(names.iter().map(Node::from))
            .with(expr_node(channel)),
        SelectComm::Send { channel, value } => {
            list("send").with(expr_node(channel)).with(expr_node(value))
        }
        SelectComm::Timeout(duration) => list("timeout").with(expr_node(duration)),
        SelectComm::Default => list("default"),
        SelectComm::Error => list("error"),
    };
    list("case").with(comm).with(block_node(&case.body))
}

// ---------------------------------------------------------------- expressions

fn expr_node(expr: &Expr) -> Node {
    match &expr.kind {
        ExprKind::Int(value) => value.to_string().into(),
        ExprKind::Float(value) => format!("{value:?}").into(),
        ExprKind::Str(value) => format!("{value:?}").into(),
        ExprKind::Char(value) => format!("{value:?}").into(),
        ExprKind::Bool(value) => value.to_string().into(),
        ExprKind::Name(name) => name.into(),
        ExprKind::Paren(inner) => list("paren").with(expr_node(inner)),
        ExprKind::Tuple(elements) => list("tuple").with_all(exprs(elements)),
        ExprKind::Array(elements) => list("array").with_all(exprs(elements)),
        ExprKind::ArrayRepeat(value, count) => {
            list("repeat").with(expr_node(value)).with(expr_node(count))
        }
        ExprKind::Braces(entries) => list("braces").with_all(entries.iter().map(entry_node)),
        ExprKind::StructLit(ty, entries) => list("new")
            .with(type_node(ty))
            .with_all(entries.iter().map(entry_node)),
        ExprKind::Field(base, name, style) => list(match style {
            FieldStyle::Dot => ".",
            FieldStyle::ColonColon => "::",
        })
        .with(expr_node(base))
        .with(name),
        ExprKind::Bracket(base, args) => {
            list("bracket").with(expr_node(base)).with_all(exprs(args))
        }
        ExprKind::Slice(base, start, end) => {
            let bound = |bound: &Option<Box<Expr>>| match bound {
                Some(bound) => expr_node(bound),
                None => "_".into(),
            };
            list("slice")
                .with(expr_node(base))
                .with(bound(start))
                .with(bound(end))
        }
        ExprKind::Call(callee, args) => list("call").with(expr_node(callee)).with_all(exprs(args)),
        ExprKind::Propagate(inner) => list("?").with(expr_node(inner)),
        ExprKind::Unary(op, _, operand) => list(unary_name(*op)).with(expr_node(operand)),
        ExprKind::Binary(binary) => list(binary.op.as_str())
            .with(expr_node(&binary.left))
            .with(expr_node(&binary.right)),
        ExprKind::Send(channel, value) => {
            list("send").with(expr_node(channel)).with(expr_node(value))
        }
        ExprKind::As(inner, ty) => list("as").with(expr_node(inner)).with(type_node(ty)),
        ExprKind::If(expr) => if_node(expr),
        ExprKind::Match(expr) => list("match")
            .with(expr_node(&expr.value))
            .with_all(expr.arms.iter().map(arm_node)),
        ExprKind::Closure(closure) => list("closure")
            .with_group("params", closure.params.iter().map(param_node))
            .with_group("result", closure.result.iter().map(type_node))
            .with(block_node(&closure.body)),
        ExprKind::Spawn(operand) => list("spawn").with(expr_node(operand)),
        ExprKind::Chan(chan) => chan_node(chan),
        ExprKind::Sizeof(ty) => list("sizeof").with(type_node(ty)),
        ExprKind::Print(value) => list("print").with(expr_node(value)),
        ExprKind::Delete(map, key) => list("delete").with(expr_node(map)).with(expr_node(key)),
        ExprKind::Assert(condition, message) => list("assert")
            .with(expr_node(condition))
            .with_some(message.as_deref().map(expr_node)),
        ExprKind::Scope(body) => list("scope").with(block_node(body)),
        ExprKind::Timeout(duration, body) => list("timeout")
            .with(expr_node(duration))
            .with(block_node(body)),
        ExprKind::Block(body) => block_node(body),
        ExprKind::Type(ty) => list("type").with(type_node(ty)),
        ExprKind::Error => list("error"),
    }
}

fn exprs(exprs: &[Expr]) -> impl Iterator<Item = Node> {
    exprs.iter().map(expr_node)
}

fn entry_node(entry: &Entry) -> Node {
    Node::List(vec![expr_node(&entry.key), expr_node(&entry.value)])
}

fn if_node(expr: &IfExpr) -> Node {
    let branches = expr
        .branches
        .iter()
        .flat_map(|branch| [expr_node(&branch.condition), block_node(&branch.body)]);
    list("if")
        .with_all(branches)
        .with_group("else", expr.else_body.iter().map(block_node))
}

fn arm_node(arm: &MatchArm) -> Node {
    let body = match &arm.body {
        ArmBody::Expr(expr) => expr_node(expr),
        ArmBody::Block(block) => block_node(block),
        ArmBody::Stmt(stmt) => stmt_node(stmt),
    };
    list("arm")
        .with(pattern_node(&arm.pattern))
        .with_group("if", arm.guard.iter().map(expr_node))
        .with(body)
}

fn chan_node(chan: &ChanExpr) -> Node {
    list(match chan.style {
        ChanExprStyle::Plain => "new-chan-T",
        ChanExprStyle::Bracketed => "new-chan[T]",
        ChanExprStyle::Call => "new-chan[T]()",
        ChanExprStyle::WithCapacity => "new-chan[n]T",
    })
    .with(type_node(&chan.element))
    .with_some(chan.capacity.as_ref().map(expr_node))
}

/// Not the spelling: that is also the name of an infix operator.
fn unary_name(op: UnaryOp) -> &'static str {
    match op {
        UnaryOp::Neg => "neg",
        UnaryOp::Not => "not",
        UnaryOp::Ref => "ref",
        UnaryOp::Deref => "deref",
        UnaryOp::Recv => "recv",
        UnaryOp::Await => "await",
        UnaryOp::Try => "try",
    }
}

// ---------------------------------------------------------------- patterns

fn pattern_node(pattern: &Pattern) -> Node {
    match &pattern.kind {
        PatternKind::Wildcard => "_".into(),
        PatternKind::Literal(literal) => literal_node(literal),
        PatternKind::Range(start, end) => list("range")
            .with(literal_node(start))
            .with(literal_node(end)),
        PatternKind::Name(name) => name.into(),
        PatternKind::Variant { path, args } => list("variant").with(joined(path)).with_some(
            args.as_ref()
                .map(|args| list("args").with_all(args.iter().map(pattern_node))),
        ),
        PatternKind::Struct { path, fields } => {
            list("struct")
                .with(joined(path))
                .with_all(fields.iter().map(|field| {
                    Node::List(vec![Node::from(&field.name)])
                        .with_some(field.pattern.as_ref().map(pattern_node))
                }))
        }
        PatternKind::Tuple(elements) => list("tuple").with_all(elements.iter().map(pattern_node)),
        PatternKind::Array { elements, rest } => list("array")
            .with_all(elements.iter().map(pattern_node))
            .with_some(
                rest.as_ref()
                    .map(|rest| list("...").with_some(rest.name.as_ref().map(Node::from))),
            ),
        PatternKind::Or(alternatives) => list("or").with_all(alternatives.iter().map(pattern_node)),
        PatternKind::Error => list("error"),
    }
}

fn literal_node(literal: &Literal) -> Node {
    match &literal.kind {
        LiteralKind::Int { negative, value } => {
            let sign = if *negative { "-" } else { "" };
            format!("{sign}{value}").into()
        }
        LiteralKind::Float(value) => format!("{value:?}").into(),
        LiteralKind::Str(value) => format!("{value:?}").into(),
        LiteralKind::Char(value) => format!("{value:?}").into(),
        LiteralKind::Bool(value) => value.to_string().into(),
    }
}

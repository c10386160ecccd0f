//! The syntax tree: what the source says, before any name is resolved.
//!
//! Invariants:
//! - the whole grammar is represented, also what later stages do not support yet;
//! - every node has a span; a node's span covers those of its children;
//! - nothing is desugared: synonyms that the formatter must tell apart (`[T]` and `[]T`,
//!   `Color.Red` and `Color::Red`, `x as T` and `T(x)`) stay distinguishable;
//! - where the parser reported an error it may leave an `Error` node; a tree without errors in
//!   its diagnostics has none;
//! - the height of a tree is bounded, so plain recursion over it is safe.
//!
//! Three things are ambiguous until names are known, and the tree says so:
//! - [`ExprKind::Bracket`]: `name[a, b]` is an index, or type arguments when `name` is a function or
//!   type. The arguments are parsed as expressions; [`Expr::to_type`] reads one as a type.
//! - [`PatternKind::Name`]: a variant without payload, or a binding.
//! - [`ExprKind::Braces`]: `{x: 1}` is a struct or a map, by the expected type.

use std::sync::Arc;

use crate::span::{FileId, Span};

/// An identifier where it stands in the source. `_` is an identifier here.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ident {
    pub name: Arc<str>,
    pub span: Span,
}

impl Ident {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// Whether this is `_`.
    pub fn is_underscore(&self) -> bool {
        &*self.name == "_"
    }
}

/// A parsed source file: declarations ([`StmtKind::Item`]) and statements in source order.
#[derive(Debug, Clone)]
pub struct File {
    pub id: FileId,
    pub stmts: Vec<Stmt>,
    /// All comments in source order; the tree itself does not mention them.
    pub comments: Vec<Comment>,
    pub span: Span,
}

/// A comment, its delimiters included in the span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Comment {
    pub kind: CommentKind,
    pub span: Span,
}

/// The two kinds of comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommentKind {
    /// `// …`
    Line,
    /// `/* … */`
    Block,
}

// ---------------------------------------------------------------- declarations

/// A declaration.
#[derive(Debug, Clone)]
pub struct Item {
    /// The keyword `private`, if written.
    pub private: Option<Span>,
    pub kind: ItemKind,
    pub span: Span,
}

/// The kinds of declaration.
#[derive(Debug, Clone)]
pub enum ItemKind {
    Func(Box<Func>),
    Struct(StructDecl),
    Enum(EnumDecl),
    Trait(TraitDecl),
    Impl(ImplDecl),
    Extend(ExtendDecl),
    Alias(AliasDecl),
    /// `package main`
    Package(Ident),
    Import(ImportDecl),
    FromImport(FromImportDecl),
}

/// A function, method, trait method or extension method.
#[derive(Debug, Clone)]
pub struct Func {
    /// The keyword `async`, if written.
    pub is_async: Option<Span>,
    /// `(p Point)` or `(p *Point)` of a method.
    pub receiver: Option<Receiver>,
    pub name: Ident,
    pub type_params: Vec<TypeParam>,
    pub params: Vec<Param>,
    /// `None` means `void`.
    pub result: Option<Type>,
    /// `where C.Item = int`
    pub where_clause: Option<WhereClause>,
    /// `None` only in a trait.
    pub body: Option<Block>,
    pub span: Span,
}

impl Func {
    /// From the first keyword to the end of the result type: the place to point at.
    pub fn signature_span(&self) -> Span {
        let name_on = self.params.last().map_or(self.name.span, |last| last.span);
        let end = self.result.as_ref().map_or(name_on, |result| result.span);
        self.span.before().to(end)
    }
}

/// The receiver of a method.
#[derive(Debug, Clone)]
pub struct Receiver {
    pub name: Ident,
    pub ty: Type,
    pub span: Span,
}

/// A parameter with its type; of functions and closures.
#[derive(Debug, Clone)]
pub struct Param {
    pub name: Ident,
    pub ty: Type,
    pub span: Span,
}

/// `T` or `T: A + B` between the brackets of a declaration.
#[derive(Debug, Clone)]
pub struct TypeParam {
    /// A plain name declares a parameter; a path like `C.Item` only bounds an associated type.
    pub subject: Type,
    pub bounds: Vec<Type>,
    pub span: Span,
}

impl TypeParam {
    /// The declared parameter, when the subject is a plain name.
    pub fn name(&self) -> Option<&Ident> {
        match &self.subject.kind {
            TypeKind::Path(path) => path.as_plain_name(),
            _ => None,
        }
    }
}

/// `where left = right`
#[derive(Debug, Clone)]
pub struct WhereClause {
    pub left: Type,
    pub right: Type,
    pub span: Span,
}

/// `struct P { x: int, y: int }`
#[derive(Debug, Clone)]
pub struct StructDecl {
    pub name: Ident,
    pub type_params: Vec<TypeParam>,
    pub fields: Vec<FieldDecl>,
    pub span: Span,
}

/// A field of a struct declaration.
#[derive(Debug, Clone)]
pub struct FieldDecl {
    pub name: Ident,
    pub ty: Type,
    pub span: Span,
}

/// `enum Json { Null, Num(float) }`
#[derive(Debug, Clone)]
pub struct EnumDecl {
    pub name: Ident,
    pub type_params: Vec<TypeParam>,
    pub variants: Vec<VariantDecl>,
    pub span: Span,
}

/// A variant of an enum declaration; no payload types for a plain one.
#[derive(Debug, Clone)]
pub struct VariantDecl {
    pub name: Ident,
    pub payload: Vec<Type>,
    pub span: Span,
}

/// `trait Show[X]: Super { … }`
#[derive(Debug, Clone)]
pub struct TraitDecl {
    pub name: Ident,
    pub type_params: Vec<TypeParam>,
    pub supertraits: Vec<Type>,
    pub members: Vec<TraitMember>,
    pub span: Span,
}

/// What a trait holds.
#[derive(Debug, Clone)]
pub enum TraitMember {
    /// `type Item`
    AssocType(Ident),
    /// A method; without body it is required, with body it is a default.
    Func(Box<Func>),
}

/// One or more stacked `@impl` clauses and what they are for.
#[derive(Debug, Clone)]
pub struct ImplDecl {
    /// At least one.
    pub clauses: Vec<ImplClause>,
    pub target: ImplTarget,
    pub span: Span,
}

/// `@impl Show[int]` and the `type Item = int` lines that follow it.
#[derive(Debug, Clone)]
pub struct ImplClause {
    pub trait_type: Type,
    pub assoc_types: Vec<AliasDecl>,
    pub span: Span,
}

/// What `@impl` is applied to.
#[derive(Debug, Clone)]
pub enum ImplTarget {
    /// A struct or enum declared right there ([`ItemKind::Struct`] or [`ItemKind::Enum`]).
    Item(Box<Item>),
    /// A type named on its own line.
    Type(Type),
    /// Missing; an error was reported.
    Error(Span),
}

/// `extend string { func … }`
#[derive(Debug, Clone)]
pub struct ExtendDecl {
    pub ty: Type,
    pub funcs: Vec<Func>,
    pub span: Span,
}

/// `type Handle = int`
#[derive(Debug, Clone)]
pub struct AliasDecl {
    pub name: Ident,
    pub ty: Type,
    pub span: Span,
}

/// `import math`, `import "net/http" as h`
#[derive(Debug, Clone)]
pub struct ImportDecl {
    pub path: ImportPath,
    pub alias: Option<Ident>,
    pub span: Span,
}

/// `from "math" import add, sqrt as root`
#[derive(Debug, Clone)]
pub struct FromImportDecl {
    pub path: ImportPath,
    /// At least one.
    pub names: Vec<ImportedName>,
    pub span: Span,
}

/// `sqrt` or `sqrt as root`
#[derive(Debug, Clone)]
pub struct ImportedName {
    pub name: Ident,
    pub alias: Option<Ident>,
}

/// What is imported from.
#[derive(Debug, Clone)]
pub struct ImportPath {
    pub text: Arc<str>,
    /// `"math"` rather than `math`: looked for beside the importing file first.
    pub quoted: bool,
    pub span: Span,
}

// ---------------------------------------------------------------- types

/// A type as written.
#[derive(Debug, Clone)]
pub struct Type {
    pub kind: TypeKind,
    pub span: Span,
}

/// The kinds of type.
#[derive(Debug, Clone)]
pub enum TypeKind {
    /// `int`, `Option[T]`, `http.Response`, `C.Item`
    Path(TypePath),
    /// `[T]` or `[]T`
    Array(Box<Type>, ArrayStyle),
    /// `map[K]V`
    Map(Box<Type>, Box<Type>),
    /// `chan T`, `chan[T]`, `chan[10] T`
    Chan(Box<Type>, ChanStyle),
    /// `(A, B)`; `()` is `void`; never exactly one element.
    Tuple(Vec<Type>),
    /// `func(A, B) -> R`; no result means `void`.
    Func(Vec<Type>, Option<Box<Type>>),
    /// `*T`, `&T`, `&mut T`
    Ref(Box<Type>, RefStyle),
    /// Not a type; an error was reported.
    Error,
}

/// A possibly qualified name with type arguments.
#[derive(Debug, Clone)]
pub struct TypePath {
    /// At least one; the qualifiers come first.
    pub segments: Vec<Ident>,
    /// Empty when no brackets are written.
    pub args: Vec<Type>,
}

impl TypePath {
    /// The name, when there is neither qualifier nor argument.
    pub fn as_plain_name(&self) -> Option<&Ident> {
        match (&self.segments[..], &self.args[..]) {
            ([name], []) => Some(name),
            _ => None,
        }
    }

    /// The last segment.
    pub fn last(&self) -> &Ident {
        self.segments.last().expect("a path has a segment")
    }
}

/// How an array type is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArrayStyle {
    /// `[T]`
    Around,
    /// `[]T`
    Before,
}

/// How a channel type is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChanStyle {
    /// `chan T`
    Plain,
    /// `chan[T]`
    Bracketed,
    /// `chan[10] T`; the capacity is not part of the type.
    WithCapacity(u64),
}

/// How a reference type is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefStyle {
    /// `*T`
    Star,
    /// `&T`
    Ampersand,
    /// `&mut T`
    AmpersandMut,
}

// ---------------------------------------------------------------- statements

/// `{ … }`
#[derive(Debug, Clone)]
pub struct Block {
    pub stmts: Vec<Stmt>,
    /// Both braces included.
    pub span: Span,
}

/// A statement.
#[derive(Debug, Clone)]
pub struct Stmt {
    pub kind: StmtKind,
    pub span: Span,
}

/// The kinds of statement. `if`, `match`, `scope`, `timeout`, `print`, `delete` and `assert` are
/// [`StmtKind::Expr`].
#[derive(Debug, Clone)]
pub enum StmtKind {
    Item(Box<Item>),
    Let(LetStmt),
    Assign(AssignStmt),
    Expr(Expr),
    Return(Option<Expr>),
    Break,
    Continue,
    While(Expr, Block),
    Loop(Block),
    For(ForStmt),
    Select(SelectStmt),
    /// `defer f(x)`, also `defer print x`, or `defer { … }` ([`ExprKind::Block`]).
    Defer(Expr),
    Block(Block),
    /// Not a statement; an error was reported.
    Error,
}

/// `let mut a, b: T = e`
#[derive(Debug, Clone)]
pub struct LetStmt {
    /// The word `mut`, if written; it means nothing.
    pub mutable: Option<Span>,
    /// At least one; several take a tuple apart (or a receive: `let v, ok = <- ch`). May be `_`.
    pub names: Vec<Ident>,
    pub ty: Option<Type>,
    pub value: Option<Expr>,
}

/// `target = value`, `target += value`
#[derive(Debug, Clone)]
pub struct AssignStmt {
    /// A [`ExprKind::Name`], [`ExprKind::Field`], [`ExprKind::Bracket`] or dereference.
    pub target: Expr,
    /// The operator of `+=` and its like; `None` for `=`. One of the arithmetic operators.
    pub op: Option<BinaryOp>,
    pub op_span: Span,
    pub value: Expr,
}

/// A `for` loop.
#[derive(Debug, Clone)]
pub struct ForStmt {
    pub head: ForHead,
    pub body: Block,
}

/// What a `for` runs over.
#[derive(Debug, Clone)]
pub enum ForHead {
    /// `for c { }`: the same as `while c { }`.
    Condition(Expr),
    /// `for i in 0..n { }`: the end is excluded.
    Range { name: Ident, start: Expr, end: Expr },
    /// `for x in array|string|channel { }`
    Each { name: Ident, iterable: Expr },
    /// `for (k, v) in m { }`
    Pairs {
        key: Ident,
        value: Ident,
        iterable: Expr,
    },
}

/// `select { case … }`
#[derive(Debug, Clone)]
pub struct SelectStmt {
    pub cases: Vec<SelectCase>,
}

/// One case with the statements up to the next.
#[derive(Debug, Clone)]
pub struct SelectCase {
    pub comm: SelectComm,
    /// The span runs from the `:` to the last statement.
    pub body: Block,
    pub span: Span,
}

/// What a select case waits for.
#[derive(Debug, Clone)]
pub enum SelectComm {
    /// `case v, ok := <- ch:` or `case <- ch:` (no names). At most two names.
    Recv { names: Vec<Ident>, channel: Expr },
    /// `case ch <- v:`
    Send { channel: Expr, value: Expr },
    /// `case timeout after 1000:`, in milliseconds
    Timeout(Expr),
    /// `default:`
    Default,
    /// Not a case; an error was reported.
    Error,
}

// ---------------------------------------------------------------- expressions

/// An expression.
#[derive(Debug, Clone)]
pub struct Expr {
    pub kind: ExprKind,
    pub span: Span,
}

/// The kinds of expression.
#[derive(Debug, Clone)]
pub enum ExprKind {
    /// `42`, `0x0F`: any value of 64 bits; a minus sign is a [`ExprKind::Unary`] around it.
    Int(u64),
    Float(f64),
    /// With escapes resolved.
    Str(Arc<str>),
    Char(char),
    Bool(bool),
    /// A variable, function, type, variant or package.
    Name(Ident),
    /// `(e)`
    Paren(Box<Expr>),
    /// `(a, b)`; `()` is the only value of `void`; never exactly one element.
    Tuple(Vec<Expr>),
    /// `[a, b]`
    Array(Vec<Expr>),
    /// `[value; count]`
    ArrayRepeat(Box<Expr>, Box<Expr>),
    /// `{k: v}`: a struct or a map, by the expected type.
    Braces(Vec<Entry>),
    /// `Point{x: 1}`, `Box[int]{v: 1}`, `geo.Point{…}`
    StructLit(Type, Vec<Entry>),
    /// `e.name`, `e::name`; also `t.0` (the name is then the digits). Fields, methods, variants
    /// of an enum and members of a package all look alike here.
    Field(Box<Expr>, Ident, FieldStyle),
    /// `e[a, b]`: an index, or type arguments. At least one argument.
    Bracket(Box<Expr>, Vec<Expr>),
    /// `e[i:j]`; either bound may be missing.
    Slice(Box<Expr>, Option<Box<Expr>>, Option<Box<Expr>>),
    /// `f(x)`; conversions `T(x)` and payload variants `Some(x)` too.
    Call(Box<Expr>, Vec<Expr>),
    /// `e?`
    Propagate(Box<Expr>),
    /// Operand after the operator's own span.
    Unary(UnaryOp, Span, Box<Expr>),
    Binary(Box<BinaryExpr>),
    /// `channel <- value`
    Send(Box<Expr>, Box<Expr>),
    /// `e as T`
    As(Box<Expr>, Type),
    If(IfExpr),
    Match(MatchExpr),
    /// `func(x: int) -> int { … }`
    Closure(Box<ClosureExpr>),
    /// `spawn f(x)`: the operand is a [`ExprKind::Call`] (or `print`/`delete` …), or a
    /// [`ExprKind::Block`] for `spawn { … }`.
    Spawn(Box<Expr>),
    /// `chan T`, `chan[10] T`, `chan[T](n)`: a new channel.
    Chan(Box<ChanExpr>),
    /// `sizeof(T)`
    Sizeof(Type),
    /// `print e`
    Print(Box<Expr>),
    /// `delete(map, key)`
    Delete(Box<Expr>, Box<Expr>),
    /// `assert condition, message`
    Assert(Box<Expr>, Option<Box<Expr>>),
    /// `scope { … }`
    Scope(Block),
    /// `timeout ms { … }`; under [`UnaryOp::Try`] it is a `Result`.
    Timeout(Box<Expr>, Block),
    /// Only as the operand of `spawn` and `defer`.
    Block(Block),
    /// What can only be a type: `[]T`, `map[K]V`, `func(A) -> R`. Callee of `[]u8(s)`, or a type
    /// argument.
    Type(Type),
    /// Not an expression; an error was reported.
    Error,
}

/// `key: value` in braces.
#[derive(Debug, Clone)]
pub struct Entry {
    /// A plain name is a [`ExprKind::Name`], also where the name is a keyword.
    pub key: Expr,
    pub value: Expr,
}

/// How a member access is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldStyle {
    /// `a.b`
    Dot,
    /// `a::b`
    ColonColon,
}

/// Prefix operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnaryOp {
    /// `-e`
    Neg,
    /// `!e`
    Not,
    /// `&place`
    Ref,
    /// `*e`
    Deref,
    /// `<- channel`
    Recv,
    /// `await future`
    Await,
    /// `try await future`, `try timeout …`
    Try,
}

/// `left op right`
#[derive(Debug, Clone)]
pub struct BinaryExpr {
    pub op: BinaryOp,
    pub op_span: Span,
    pub left: Expr,
    pub right: Expr,
}

/// Infix operators, loosest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    Or,
    And,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    BitOr,
    BitXor,
    BitAnd,
    Shl,
    Shr,
    Add,
    Sub,
    Mul,
    Div,
    Rem,
}

impl UnaryOp {
    /// How it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            UnaryOp::Neg => "-",
            UnaryOp::Not => "!",
            UnaryOp::Ref => "&",
            UnaryOp::Deref => "*",
            UnaryOp::Recv => "<-",
            UnaryOp::Await => "await",
            UnaryOp::Try => "try",
        }
    }
}

impl BinaryOp {
    /// How it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            BinaryOp::Or => "||",
            BinaryOp::And => "&&",
            BinaryOp::Eq => "==",
            BinaryOp::Ne => "!=",
            BinaryOp::Lt => "<",
            BinaryOp::Le => "<=",
            BinaryOp::Gt => ">",
            BinaryOp::Ge => ">=",
            BinaryOp::BitOr => "|",
            BinaryOp::BitXor => "^",
            BinaryOp::BitAnd => "&",
            BinaryOp::Shl => "<<",
            BinaryOp::Shr => ">>",
            BinaryOp::Add => "+",
            BinaryOp::Sub => "-",
            BinaryOp::Mul => "*",
            BinaryOp::Div => "/",
            BinaryOp::Rem => "%",
        }
    }
}

/// `if c { } else if d { } else { }`
#[derive(Debug, Clone)]
pub struct IfExpr {
    /// At least one: the `if` and every `else if`.
    pub branches: Vec<IfBranch>,
    pub else_body: Option<Block>,
}

/// A condition and what runs when it holds.
#[derive(Debug, Clone)]
pub struct IfBranch {
    pub condition: Expr,
    pub body: Block,
}

/// `match value { arms }`
#[derive(Debug, Clone)]
pub struct MatchExpr {
    pub value: Box<Expr>,
    pub arms: Vec<MatchArm>,
}

/// `pattern if guard => body`
#[derive(Debug, Clone)]
pub struct MatchArm {
    pub pattern: Pattern,
    pub guard: Option<Expr>,
    pub body: ArmBody,
    pub span: Span,
}

/// What stands behind `=>`.
#[derive(Debug, Clone)]
pub enum ArmBody {
    Expr(Expr),
    /// `{ … }`; its last expression is the arm's value.
    Block(Block),
    /// `return`, `break`, an assignment and so on.
    Stmt(Box<Stmt>),
}

/// `func(x: int) -> int { … }`
#[derive(Debug, Clone)]
pub struct ClosureExpr {
    pub params: Vec<Param>,
    /// `None` means `void`.
    pub result: Option<Type>,
    pub body: Block,
}

/// A new channel.
#[derive(Debug, Clone)]
pub struct ChanExpr {
    pub element: Type,
    /// `None`: unbuffered.
    pub capacity: Option<Expr>,
    pub style: ChanExprStyle,
}

/// How a new channel is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChanExprStyle {
    /// `chan T`
    Plain,
    /// `chan[T]`
    Bracketed,
    /// `chan[T]()` or `chan[T](n)`
    Call,
    /// `chan[n] T`
    WithCapacity,
}

// ---------------------------------------------------------------- patterns

/// A pattern.
#[derive(Debug, Clone)]
pub struct Pattern {
    pub kind: PatternKind,
    pub span: Span,
}

/// The kinds of pattern.
#[derive(Debug, Clone)]
pub enum PatternKind {
    /// `_`
    Wildcard,
    Literal(Literal),
    /// `1..5`, `'0'..'9'`: both ends included.
    Range(Literal, Literal),
    /// A variant without payload if the matched type has it, otherwise a binding. Never `_`.
    Name(Ident),
    /// `Some(p)`, `Color.Red`, `Json::Num(n)`.
    Variant {
        /// At least one; qualifiers first.
        path: Vec<Ident>,
        /// `None` when no parentheses are written (the path then has a qualifier).
        args: Option<Vec<Pattern>>,
    },
    /// `Point{x: 0, y}`
    Struct {
        path: Vec<Ident>,
        fields: Vec<FieldPattern>,
    },
    /// `(a, b)`; `()` too; never exactly one element.
    Tuple(Vec<Pattern>),
    /// `[]`, `[a, b]`, `[head, ...tail]`
    Array {
        elements: Vec<Pattern>,
        /// What `...` stands for; it is always last.
        rest: Option<RestPattern>,
    },
    /// `a | b`: at least two.
    Or(Vec<Pattern>),
    /// Not a pattern; an error was reported.
    Error,
}

/// `x: pattern`, or `x` alone, which binds `x`.
#[derive(Debug, Clone)]
pub struct FieldPattern {
    pub name: Ident,
    pub pattern: Option<Pattern>,
    pub span: Span,
}

/// `...tail` or `...`
#[derive(Debug, Clone)]
pub struct RestPattern {
    pub name: Option<Ident>,
    pub span: Span,
}

/// A literal in a pattern.
#[derive(Debug, Clone)]
pub struct Literal {
    pub kind: LiteralKind,
    pub span: Span,
}

/// The kinds of literal.
#[derive(Debug, Clone, PartialEq)]
pub enum LiteralKind {
    Int {
        negative: bool,
        value: u64,
    },
    /// With its sign.
    Float(f64),
    Str(Arc<str>),
    Char(char),
    Bool(bool),
}

// ---------------------------------------------------------------- reading expressions as types

impl Expr {
    /// Reads an expression that stands where a type may stand (`name[…]`, a struct literal's
    /// head) as that type; `None` if it cannot be one.
    pub fn to_type(&self) -> Option<Type> {
        let kind = match &self.kind {
            ExprKind::Type(ty) => return Some(ty.clone()),
            ExprKind::Paren(inner) => return inner.to_type(),
            ExprKind::Name(name) => path_type(vec![name.clone()], Vec::new()),
            ExprKind::Field(..) => path_type(self.to_path()?, Vec::new()),
            ExprKind::Bracket(base, args) => bracket_type(base, args)?,
            ExprKind::Tuple(elements) => TypeKind::Tuple(to_types(elements)?),
            ExprKind::Array(elements) => match &elements[..] {
                [element] => TypeKind::Array(Box::new(element.to_type()?), ArrayStyle::Around),
                _ => return None,
            },
            ExprKind::Unary(UnaryOp::Deref, _, inner) => {
                TypeKind::Ref(Box::new(inner.to_type()?), RefStyle::Star)
            }
            ExprKind::Unary(UnaryOp::Ref, _, inner) => {
                TypeKind::Ref(Box::new(inner.to_type()?), RefStyle::Ampersand)
            }
            ExprKind::Chan(chan) => chan_type(chan)?,
            _ => return None,
        };
        let span = self.span;
        Some(Type { kind, span })
    }

    /// `a.b.c` as its names; `None` if it is anything else.
    pub fn to_path(&self) -> Option<Vec<Ident>> {
        match &self.kind {
            ExprKind::Name(name) => Some(vec![name.clone()]),
            ExprKind::Field(base, name, _) => {
                let mut path = base.to_path()?;
                path.push(name.clone());
                Some(path)
            }
            _ => None,
        }
    }

    /// The expression inside any number of parentheses.
    pub fn without_parens(&self) -> &Expr {
        let mut expr = self;
        while let ExprKind::Paren(inner) = &expr.kind {
            expr = inner;
        }
        expr
    }
}

fn path_type(segments: Vec<Ident>, args: Vec<Type>) -> TypeKind {
    TypeKind::Path(TypePath { segments, args })
}

fn to_types(exprs: &[Expr]) -> Option<Vec<Type>> {
    exprs.iter().map(Expr::to_type).collect()
}

/// `Box[int]`; also `map[K][V]`, a map of arrays, which reads like a double index.
fn bracket_type(base: &Expr, args: &[Expr]) -> Option<TypeKind> {
    if let ExprKind::Bracket(map, key) = &base.kind
        && let ExprKind::Name(name) = &map.kind
        && name.as_str() == "map"
        && let ([key], [element]) = (&key[..], args)
    {
        let element = element.to_type()?;
        // From the bracket, which follows `map[K]` at once, to the end of its content.
        let span = base.span.after().to(element.span);
        let kind = TypeKind::Array(Box::new(element), ArrayStyle::Around);
        let value = Box::new(Type { kind, span });
        return Some(TypeKind::Map(Box::new(key.to_type()?), value));
    }
    Some(path_type(base.to_path()?, to_types(args)?))
}

/// A new channel without a capacity reads as a channel type.
fn chan_type(chan: &ChanExpr) -> Option<TypeKind> {
    let style = match (chan.style, &chan.capacity) {
        (ChanExprStyle::Plain, _) => ChanStyle::Plain,
        (ChanExprStyle::Bracketed, _) => ChanStyle::Bracketed,
        (ChanExprStyle::WithCapacity, Some(capacity)) => match capacity.kind {
            ExprKind::Int(value) => ChanStyle::WithCapacity(value),
            _ => return None,
        },
        _ => return None,
    };
    Some(TypeKind::Chan(Box::new(chan.element.clone()), style))
}

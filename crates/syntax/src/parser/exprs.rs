//! Expressions.

use super::types::ChanBracket;
use super::{Elements, Parse, Parser, Recover};
use crate::ast::{
    ArmBody, BinaryExpr, BinaryOp, ChanExpr, ChanExprStyle, ClosureExpr, Entry, Expr, ExprKind,
    FieldStyle, Ident, IfBranch, IfExpr, MatchArm, MatchExpr, StmtKind, Type, TypeKind, UnaryOp,
};
use crate::diagnostic::{Diagnostic, code};
use crate::span::Span;
use crate::token::{Keyword, Punct, TokenKind};

/// How tightly an infix operator binds; section 6 of the language.
type Level = u8;

/// The loosest infix level that [`Parser::parse_binary`] handles (`<-` is above it).
const LOOSEST: Level = 2;

const ENTRIES: Elements = Elements {
    name: "this entry",
    sign: Some(Punct::Colon),
    keywords: &[],
};

const ARMS: Elements = Elements {
    name: "this arm",
    sign: Some(Punct::FatArrow),
    keywords: &[],
};

fn binary_op(kind: &TokenKind) -> Option<(BinaryOp, Level)> {
    let TokenKind::Punct(punct) = kind else {
        return None;
    };
    Some(match punct {
        Punct::OrOr => (BinaryOp::Or, 2),
        Punct::AndAnd => (BinaryOp::And, 3),
        Punct::EqEq => (BinaryOp::Eq, 4),
        Punct::NotEq => (BinaryOp::Ne, 4),
        Punct::Lt => (BinaryOp::Lt, 4),
        Punct::Le => (BinaryOp::Le, 4),
        Punct::Gt => (BinaryOp::Gt, 4),
        Punct::Ge => (BinaryOp::Ge, 4),
        Punct::Or => (BinaryOp::BitOr, 5),
        Punct::Caret => (BinaryOp::BitXor, 6),
        Punct::And => (BinaryOp::BitAnd, 7),
        Punct::Shl => (BinaryOp::Shl, 8),
        Punct::Shr => (BinaryOp::Shr, 8),
        Punct::Plus => (BinaryOp::Add, 9),
        Punct::Minus => (BinaryOp::Sub, 9),
        Punct::Star => (BinaryOp::Mul, 10),
        Punct::Slash => (BinaryOp::Div, 10),
        Punct::Percent => (BinaryOp::Rem, 10),
        _ => return None,
    })
}

fn unary_op(kind: &TokenKind) -> Option<UnaryOp> {
    Some(match kind {
        TokenKind::Punct(Punct::Minus) => UnaryOp::Neg,
        TokenKind::Punct(Punct::Not) => UnaryOp::Not,
        TokenKind::Punct(Punct::And) => UnaryOp::Ref,
        TokenKind::Punct(Punct::Star) => UnaryOp::Deref,
        TokenKind::Punct(Punct::LeftArrow) => UnaryOp::Recv,
        TokenKind::Keyword(Keyword::Await) => UnaryOp::Await,
        TokenKind::Keyword(Keyword::Try) => UnaryOp::Try,
        _ => return None,
    })
}

impl Parser<'_> {
    /// `bin ["<-" bin]`
    pub(super) fn parse_expr(&mut self) -> Parse<Expr> {
        let start = self.span();
        let channel = self.parse_binary(LOOSEST)?;
        if !self.at(Punct::LeftArrow) {
            return Ok(channel);
        }
        let kind = self.parse_send(channel)?;
        Ok(self.expr(start, kind))
    }

    /// `<- value` behind the channel
    fn parse_send(&mut self, channel: Expr) -> Parse<ExprKind> {
        self.bump();
        let value = self.nested_in_same(|p| p.parse_binary(LOOSEST))?;
        self.wrap()?;
        Ok(ExprKind::Send(Box::new(channel), Box::new(value)))
    }

    /// An expression where a statement may stand: also `print e`, `assert e`, `delete(m, k)`.
    pub(super) fn parse_effect(&mut self) -> Parse<Expr> {
        let start = self.span();
        let kind = match self.kind() {
            TokenKind::Keyword(_) if self.at_misnamed() => return self.parse_expr(),
            TokenKind::Keyword(Keyword::Print) => self.parse_print(),
            TokenKind::Keyword(Keyword::Delete) => self.parse_delete(),
            TokenKind::Keyword(Keyword::Assert) => self.parse_assert(false),
            TokenKind::Ident(_) if self.at_timeout(true) => self.parse_timeout(),
            _ => return self.parse_expr(),
        }?;
        Ok(self.expr(start, kind))
    }

    /// Whether an operand could start here.
    pub(super) fn at_operand(&self) -> bool {
        matches!(
            self.kind(),
            TokenKind::Ident(_)
                | TokenKind::Int(_)
                | TokenKind::Float(_)
                | TokenKind::Str(_)
                | TokenKind::Char(_)
                | TokenKind::Keyword(Keyword::True | Keyword::False)
        )
    }

    // ------------------------------------------------------------ operators

    /// Levels 2 to 11: operators at `level` and tighter.
    fn parse_binary(&mut self, level: Level) -> Parse<Expr> {
        // What stands beside this expression is not part of its height.
        let outer_height = std::mem::take(&mut self.height);
        let result = self.parse_binary_chain(level);
        self.height = self.height.max(outer_height);
        result
    }

    fn parse_binary_chain(&mut self, level: Level) -> Parse<Expr> {
        let start = self.span();
        let mut left = self.parse_unary()?;
        loop {
            // Level 11: tighter than every infix operator.
            let kind = if self.maybe(Keyword::As).is_some() {
                self.parse_as(left)
            } else {
                match binary_op(self.kind()) {
                    Some((op, op_level)) if op_level >= level => {
                        self.parse_infix(left, op, op_level)
                    }
                    _ => return Ok(left),
                }
            }?;
            self.wrap()?;
            left = self.expr(start, kind);
        }
    }

    fn parse_as(&mut self, value: Expr) -> Parse<ExprKind> {
        let ty = self.parse_type_in_expr()?;
        Ok(ExprKind::As(Box::new(value), ty))
    }

    /// The operator and the right operand, which binds tighter
    fn parse_infix(&mut self, left: Expr, op: BinaryOp, level: Level) -> Parse<ExprKind> {
        if matches!(op, BinaryOp::Or | BinaryOp::BitOr) {
            self.reject_moving_closure(&left)?;
        }
        let op_span = self.bump().span;
        self.reject_chain(&left, op, op_span)?;
        let right = self.nested_in_same(|p| p.parse_binary(level + 1))?;
        Ok(ExprKind::Binary(Box::new(BinaryExpr {
            op,
            op_span,
            left,
            right,
        })))
    }

    /// `a < b < c`, `x as Vec<int>`
    fn reject_chain(&mut self, left: &Expr, op: BinaryOp, op_span: Span) -> Parse<()> {
        let ExprKind::Binary(first) = &left.kind else {
            return Ok(());
        };
        if op == BinaryOp::Gt && first.op == BinaryOp::Lt && is_as(&first.left) {
            let message = "type arguments stand in brackets";
            let diagnostic = Diagnostic::error(code::FOREIGN_SYNTAX, message, first.op_span);
            return self.fail(diagnostic.with_help("type arguments are written `Name[T]`"));
        }
        if is_ordering(op) && is_ordering(first.op) {
            let message = "comparisons cannot be chained";
            let diagnostic = Diagnostic::error(code::CHAINED_COMPARISON, message, op_span);
            self.report(diagnostic.with_help("write `a < b && b < c`"));
        }
        Ok(())
    }

    /// Prefix operators, an operand, and what follows it
    fn parse_unary(&mut self) -> Parse<Expr> {
        let start = self.span();
        if self.at_misnamed() {
            return self.parse_postfix();
        }
        let kind = if self.at(Keyword::Spawn) {
            self.nested_in_same(Self::parse_spawn)
        } else {
            match unary_op(self.kind()) {
                Some(op) => self.parse_prefix(op),
                None => return self.parse_postfix(),
            }
        }?;
        Ok(self.expr(start, kind))
    }

    fn parse_prefix(&mut self, op: UnaryOp) -> Parse<ExprKind> {
        let op_span = self.bump().span;
        if op == UnaryOp::Try && self.at(Punct::LBrace) {
            let message = "there is no `try { … }`";
            let diagnostic = Diagnostic::error(code::FOREIGN_SYNTAX, message, op_span);
            let help = "`try await f()` gives a `Result`, which `match` takes apart";
            return self.fail(diagnostic.with_help(help));
        }
        let operand = self.nested_in_same(|p| match op {
            UnaryOp::Try if p.at_timeout(true) => {
                let start = p.span();
                let kind = p.parse_timeout()?;
                Ok(p.expr(start, kind))
            }
            UnaryOp::Ref if p.at_word("mut") && p.is_ident_ahead(1) => {
                let diagnostic = p
                    .unexpected_here("the place that is passed")
                    .with_help("write `&place`: all variables can be changed");
                p.report(diagnostic);
                p.bump();
                p.parse_unary()
            }
            _ => p.parse_unary(),
        })?;
        Ok(ExprKind::Unary(op, op_span, Box::new(operand)))
    }

    /// `spawn f(x)`, `spawn { … }`
    fn parse_spawn(&mut self) -> Parse<ExprKind> {
        self.bump();
        if self.at(Punct::LBrace) {
            let start = self.span();
            let block = self.parse_block()?;
            let body = self.expr(start, ExprKind::Block(block));
            return Ok(ExprKind::Spawn(Box::new(body)));
        }
        let operand = match self.kind() {
            TokenKind::Keyword(Keyword::Print | Keyword::Delete) => self.parse_effect(),
            _ => self.parse_unary(),
        }?;
        let is_call = matches!(
            operand.without_parens().kind,
            ExprKind::Call(..) | ExprKind::Print(_) | ExprKind::Delete(..) | ExprKind::Error
        );
        if !is_call {
            let message = "`spawn` takes a call or a block";
            self.report(
                Diagnostic::error(code::BAD_SPAWN, message, operand.span)
                    .with_help("write `spawn f(x)`"),
            );
        }
        Ok(ExprKind::Spawn(Box::new(operand)))
    }

    /// Calls, indices, members and `?` behind an operand
    fn parse_postfix(&mut self) -> Parse<Expr> {
        let start = self.span();
        let mut expr = self.parse_primary()?;
        loop {
            let kind = match self.kind() {
                TokenKind::Punct(Punct::LParen) => self.parse_call(expr),
                TokenKind::Punct(Punct::LBracket) => self.parse_brackets(expr),
                TokenKind::Punct(Punct::Dot) => self.parse_member(expr, FieldStyle::Dot),
                TokenKind::Punct(Punct::ColonColon) => {
                    self.parse_member(expr, FieldStyle::ColonColon)
                }
                TokenKind::Punct(Punct::Question) => {
                    self.bump();
                    Ok(ExprKind::Propagate(Box::new(expr)))
                }
                TokenKind::Punct(Punct::LBrace) if !self.in_head && is_struct_head(&expr) => {
                    self.parse_struct_lit(&expr)
                }
                TokenKind::Punct(Punct::LBrace) if self.at_go_literal() => match &expr.kind {
                    ExprKind::Type(ty) => Ok(self.parse_go_literal(ty)),
                    _ => return Ok(expr),
                },
                _ => return Ok(expr),
            }?;
            self.wrap()?;
            expr = self.expr(start, kind);
        }
    }

    /// `(a, b)` behind an expression
    fn parse_call(&mut self, callee: Expr) -> Parse<ExprKind> {
        let args = self.parse_parenthesised("this argument")?;
        Ok(ExprKind::Call(Box::new(callee), args))
    }

    /// `(a, b)`
    fn parse_parenthesised(&mut self, what: &str) -> Parse<Vec<Expr>> {
        let opening = self.bump().span;
        self.nested(|p| p.parse_list(opening, Punct::RParen, what, Self::parse_expr))
    }

    /// `{x: 1}` behind a type's name
    fn parse_struct_lit(&mut self, head: &Expr) -> Parse<ExprKind> {
        match head.to_type() {
            Some(ty) if self.at_unnamed_fields() => {
                self.reject_unnamed_fields(ty.span);
                Ok(ExprKind::Error)
            }
            Some(ty) => Ok(ExprKind::StructLit(ty, self.parse_entries()?)),
            None => self.unexpected("the end of the statement"),
        }
    }

    /// Whether the braces here hold something, but no `name: value`.
    fn at_unnamed_fields(&self) -> bool {
        let is_closed =
            self.tokens[self.partners[self.pos]].kind == TokenKind::Punct(Punct::RBrace);
        is_closed && !self.at_ahead(1, Punct::RBrace) && !self.at_entries()
    }

    /// `P{1, 2}`, `P{x, y}`
    fn reject_unnamed_fields(&mut self, head: Span) {
        let name = &self.text[head.start as usize..head.end as usize];
        let help = match (self.word_ahead(1), self.peek(2)) {
            (Some(field), TokenKind::Punct(Punct::Comma | Punct::RBrace)) => {
                format!("write `{name}{{{field}: {field}, …}}`")
            }
            _ => format!("write `{name}{{field: value, …}}`"),
        };
        let diagnostic = self.foreign_block(head).unwrap_or_else(|| {
            let message = "the fields of a struct literal are named";
            Diagnostic::error(code::UNEXPECTED_TOKEN, message, self.span()).with_help(help)
        });
        self.report(diagnostic);
        self.skip_group();
    }

    /// Whether the braces here cannot be a body.
    fn at_go_literal(&self) -> bool {
        let behind = self.partners[self.pos] + 1;
        let is_before_body = self
            .tokens
            .get(behind)
            .is_some_and(|token| token.kind == TokenKind::Punct(Punct::LBrace));
        !self.in_head || is_before_body
    }

    /// `.name`, `::name`, `.0`
    fn parse_member(&mut self, base: Expr, style: FieldStyle) -> Parse<ExprKind> {
        self.bump();
        let name = match *self.kind() {
            TokenKind::Int(index) => Ident {
                name: index.to_string().into(),
                span: self.bump().span,
            },
            _ => self.expect_member_name("a name after `.`")?,
        };
        Ok(ExprKind::Field(Box::new(base), name, style))
    }

    /// `[a]`, `[a, b]`, `[i:j]` behind an expression
    fn parse_brackets(&mut self, base: Expr) -> Parse<ExprKind> {
        let opening = self.bump().span;
        self.nested(|p| {
            if p.at(Punct::RBracket) {
                let diagnostic = p
                    .unexpected_here("an index")
                    .with_help("the array type is written `[T]`");
                return p.fail(diagnostic);
            }
            let base = Box::new(base);
            if p.maybe(Punct::Colon).is_some() {
                let end = p.parse_slice_end(opening)?;
                return Ok(ExprKind::Slice(base, None, end));
            }
            let first = p.parse_expr()?;
            if p.maybe(Punct::Colon).is_some() {
                let end = p.parse_slice_end(opening)?;
                return Ok(ExprKind::Slice(base, Some(Box::new(first)), end));
            }
            let mut args = vec![first];
            if p.maybe(Punct::Comma).is_some() {
                let what = "this argument";
                args.extend(p.parse_list(opening, Punct::RBracket, what, Self::parse_expr)?);
            } else {
                p.expect_closing(Punct::RBracket, opening, "this index")?;
            }
            Ok(ExprKind::Bracket(base, args))
        })
    }

    fn parse_slice_end(&mut self, opening: Span) -> Parse<Option<Box<Expr>>> {
        let end = match self.at(Punct::RBracket) {
            true => None,
            false => Some(Box::new(self.parse_expr()?)),
        };
        self.expect_closing(Punct::RBracket, opening, "")?;
        Ok(end)
    }

    // ------------------------------------------------------------ operands

    fn parse_primary(&mut self) -> Parse<Expr> {
        let start = self.span();
        let kind = self.parse_primary_kind()?;
        Ok(self.expr(start, kind))
    }

    fn parse_primary_kind(&mut self) -> Parse<ExprKind> {
        match self.kind() {
            &TokenKind::Int(value) => self.literal(ExprKind::Int(value)),
            &TokenKind::Float(value) => self.literal(ExprKind::Float(value)),
            &TokenKind::Char(value) => self.literal(ExprKind::Char(value)),
            TokenKind::Str(value) => {
                let value = value.clone();
                self.literal(ExprKind::Str(value))
            }
            TokenKind::Error => self.literal(ExprKind::Error),
            TokenKind::Ident(_) => match self.maybe_macro() {
                Some(kind) => Ok(kind),
                None => self.parse_name_operand(),
            },
            TokenKind::Keyword(_) if self.at_misnamed() => {
                Ok(ExprKind::Name(self.expect_member_name("a name")?))
            }
            TokenKind::Punct(Punct::LParen) => self.parse_parens(),
            TokenKind::Punct(Punct::LBracket) => self.parse_array(),
            TokenKind::Punct(Punct::LBrace) if !self.in_head => {
                self.parse_entries().map(ExprKind::Braces)
            }
            TokenKind::Keyword(keyword) => match keyword {
                Keyword::True => self.literal(ExprKind::Bool(true)),
                Keyword::False => self.literal(ExprKind::Bool(false)),
                Keyword::If => self.nested_in_same(Self::parse_if),
                Keyword::Match => self.nested_in_same(Self::parse_match),
                Keyword::Func => self.nested_in_same(Self::parse_closure),
                Keyword::Chan => self.parse_chan(),
                Keyword::Sizeof => self.parse_sizeof(),
                Keyword::Scope => self.nested_in_same(Self::parse_scope),
                _ if self.misnamed.contains(keyword) => {
                    Ok(ExprKind::Name(self.expect_member_name("a name")?))
                }
                _ => self.no_operand(),
            },
            _ => self.no_operand(),
        }
    }

    /// `scope { … }`
    fn parse_scope(&mut self) -> Parse<ExprKind> {
        self.bump();
        self.parse_body("`scope`").map(ExprKind::Scope)
    }

    fn no_operand<T>(&mut self) -> Parse<T> {
        let expected = match self.in_head && self.at(Punct::LBrace) {
            true => "a condition or value before the body",
            false => "an expression",
        };
        let mut diagnostic = self.unexpected_here(expected);
        diagnostic.help = self.foreign_operand_help().map(str::to_owned);
        self.fail(diagnostic)
    }

    fn literal(&mut self, kind: ExprKind) -> Parse<ExprKind> {
        self.bump();
        Ok(kind)
    }

    /// A name, or what starts with a contextual keyword
    fn parse_name_operand(&mut self) -> Parse<ExprKind> {
        if self.at_timeout(false) {
            return self.parse_timeout();
        }
        if self.at_map_type_in_expr() {
            return Ok(ExprKind::Type(self.parse_type()?));
        }
        Ok(ExprKind::Name(self.expect_ident("a name")?))
    }

    /// `()`, `(e)`, `(a, b)`
    fn parse_parens(&mut self) -> Parse<ExprKind> {
        let mut elements = self.parse_parenthesised("this expression")?;
        match (elements.pop(), elements.is_empty()) {
            (Some(only), true) => Ok(ExprKind::Paren(Box::new(only))),
            (last, _) => {
                elements.extend(last);
                Ok(ExprKind::Tuple(elements))
            }
        }
    }

    /// `[]`, `[a, b]`, `[value; count]`, and the type `[]T`
    fn parse_array(&mut self) -> Parse<ExprKind> {
        if self.at_array_type() {
            return Ok(ExprKind::Type(self.parse_type()?));
        }
        let opening = self.bump().span;
        self.nested(|p| {
            if p.maybe(Punct::RBracket).is_some() {
                return Ok(ExprKind::Array(Vec::new()));
            }
            let first = p.parse_expr()?;
            if p.maybe(Punct::Semi).is_some() {
                let count = Box::new(p.parse_expr()?);
                p.expect_closing(Punct::RBracket, opening, "")?;
                return Ok(ExprKind::ArrayRepeat(Box::new(first), count));
            }
            let mut elements = vec![first];
            if p.maybe(Punct::Comma).is_some() {
                let what = "this element";
                elements.extend(p.parse_list(opening, Punct::RBracket, what, Self::parse_expr)?);
            } else {
                p.expect_closing(Punct::RBracket, opening, "this element")?;
            }
            // `[3]int{1, 2, 3}`
            let is_type = p.at_ident() && !p.token().on_new_line;
            if is_type && p.at_ahead(1, Punct::LBrace) && elements.len() == 1 {
                let ty = p.parse_type()?;
                return Ok(p.parse_go_literal(&ty));
            }
            Ok(ExprKind::Array(elements))
        })
    }

    /// `[]` with a type behind it on its line
    fn at_array_type(&self) -> bool {
        if !self.at_ahead(1, Punct::RBracket) {
            return false;
        }
        let next = &self.tokens[(self.pos + 2).min(self.tokens.len() - 1)];
        let starts_type = matches!(
            next.kind,
            TokenKind::Ident(_)
                | TokenKind::Keyword(Keyword::Chan | Keyword::Func)
                | TokenKind::Punct(Punct::LBracket)
        );
        starts_type && !next.on_new_line
    }

    /// `{k: v, …}`
    fn parse_entries(&mut self) -> Parse<Vec<Entry>> {
        let opening = self.pos;
        self.bump();
        self.nested(|p| Ok(p.parse_braced_list(opening, &ENTRIES, Self::parse_entry)))
    }

    fn parse_entry(&mut self) -> Parse<Entry> {
        let is_name = matches!(self.kind(), TokenKind::Ident(_) | TokenKind::Keyword(_));
        let key = if is_name && self.at_ahead(1, Punct::Colon) {
            let name = self.expect_member_name("a name")?;
            let span = name.span;
            let kind = ExprKind::Name(name);
            Expr { kind, span }
        } else {
            self.parse_expr()?
        };
        if !self.at(Punct::Colon) {
            let mut diagnostic = self.unexpected_here("`:` and a value");
            if let ExprKind::Name(name) = &key.kind {
                diagnostic.help = Some(format!("write `{0}: {0}`", name.name));
            }
            return self.fail(diagnostic);
        }
        self.bump();
        let value = self.parse_expr()?;
        Ok(Entry { key, value })
    }

    // ------------------------------------------------------------ control flow

    /// `if c { } else if d { } else { }`
    fn parse_if(&mut self) -> Parse<ExprKind> {
        let mut branches = Vec::new();
        let mut else_body = None;
        self.bump();
        loop {
            let condition = self.parse_head()?;
            let body = self.parse_body("the condition")?;
            branches.push(IfBranch { condition, body });
            if self.maybe(Keyword::Else).is_none() {
                break;
            }
            if self.maybe(Keyword::If).is_none() {
                else_body = Some(self.parse_body("`else`")?);
                break;
            }
        }
        Ok(ExprKind::If(IfExpr {
            branches,
            else_body,
        }))
    }

    /// `match v { arms }`
    fn parse_match(&mut self) -> Parse<ExprKind> {
        self.bump();
        let value = Box::new(self.parse_head()?);
        let arms = self.nested(|p| {
            let opening = p.expect_opening_brace("the matched value")?;
            Ok(p.parse_braced_list(opening, &ARMS, Self::parse_arm))
        })?;
        Ok(ExprKind::Match(MatchExpr { value, arms }))
    }

    /// `pattern if guard => body`
    fn parse_arm(&mut self) -> Parse<MatchArm> {
        let start = self.span();
        let pattern = self.parse_pattern()?;
        let guard = match self.maybe(Keyword::If) {
            Some(_) => Some(self.parse_expr()?),
            None => None,
        };
        if !self.at(Punct::FatArrow) {
            let mut diagnostic = self.unexpected_here("`=>` after the pattern");
            if !self.at(Punct::Arrow) && !self.at(Punct::Colon) {
                return self.fail(diagnostic);
            }
            diagnostic.help = Some("arms are written `pattern => result`".to_owned());
            self.report(diagnostic);
        }
        self.bump();
        let body = self.parse_arm_body()?;
        let span = self.span_from(start);
        Ok(MatchArm {
            pattern,
            guard,
            body,
            span,
        })
    }

    fn parse_arm_body(&mut self) -> Parse<ArmBody> {
        if self.at(Punct::LBrace) && !self.at_entries() {
            return Ok(ArmBody::Block(self.parse_block()?));
        }
        if self.at(Keyword::Assert) {
            let start = self.span();
            let kind = self.parse_assert(true)?;
            return Ok(ArmBody::Expr(self.expr(start, kind)));
        }
        let stmt = self.nested(Self::parse_stmt)?;
        Ok(match stmt.kind {
            StmtKind::Expr(expr) => ArmBody::Expr(expr),
            _ => ArmBody::Stmt(Box::new(stmt)),
        })
    }

    /// Whether this is `timeout` with its duration, not a variable of that name. `timeout (…)` is
    /// a call unless a body follows; that is looked for only where `{` cannot mean another body.
    pub(super) fn at_timeout(&self, may_be_parenthesised: bool) -> bool {
        if !self.at_word("timeout") {
            return false;
        }
        let next = &self.tokens[(self.pos + 1).min(self.tokens.len() - 1)];
        match next.kind {
            TokenKind::Int(_) | TokenKind::Ident(_) => !next.on_new_line,
            TokenKind::Punct(Punct::LParen) if may_be_parenthesised && !self.in_head => {
                self.brace_ends_line_part(self.pos + 1)
            }
            _ => false,
        }
    }

    /// Whether the expression from this index on runs into a `{`.
    fn brace_ends_line_part(&self, mut at: usize) -> bool {
        loop {
            match self.tokens[at].kind {
                TokenKind::Punct(Punct::LBrace) => return true,
                TokenKind::Punct(Punct::LParen | Punct::LBracket) => {
                    at = self.partners[at].max(at);
                }
                TokenKind::Newline
                | TokenKind::Eof
                | TokenKind::Keyword(_)
                | TokenKind::Punct(
                    Punct::Semi | Punct::RBrace | Punct::Comma | Punct::Eq | Punct::RParen,
                ) => return false,
                _ => {}
            }
            at = (at + 1).min(self.tokens.len() - 1);
        }
    }

    /// `timeout ms { … }`
    fn parse_timeout(&mut self) -> Parse<ExprKind> {
        self.bump();
        let duration = Box::new(self.parse_head()?);
        Ok(ExprKind::Timeout(
            duration,
            self.parse_body("the duration")?,
        ))
    }

    // ------------------------------------------------------------ closures, channels, words

    /// `func(x: int) -> int { … }`, or the type `func(int) -> int`
    fn parse_closure(&mut self) -> Parse<ExprKind> {
        let start = self.span();
        let has_params = self.is_name_ahead(2) && self.at_ahead(3, Punct::Colon);
        let is_empty = self.at_ahead(2, Punct::RParen);
        if !self.at_ahead(1, Punct::LParen) || !(has_params || is_empty) {
            let kind = self.parse_func_type()?;
            let span = self.span_from(start);
            if self.at(Punct::LBrace) && !self.in_head {
                let diagnostic = self
                    .unexpected_here("the end of the function type")
                    .with_help(super::foreign::NO_CLOSURES);
                return self.fail(diagnostic);
            }
            return Ok(ExprKind::Type(Type { kind, span }));
        }
        self.bump();
        let opening = self.bump().span;
        let params = self.parse_params(opening)?;
        let result = self.maybe_result_type()?;
        if is_empty && !self.at_body() {
            let kind = TypeKind::Func(Vec::new(), result.map(Box::new));
            let span = self.span_from(start);
            return Ok(ExprKind::Type(Type { kind, span }));
        }
        let body = self.parse_body("the closure's head")?;
        Ok(ExprKind::Closure(Box::new(ClosureExpr {
            params,
            result,
            body,
        })))
    }

    /// `chan T`, `chan[T]`, `chan[T](n)`, `chan[n] T`
    fn parse_chan(&mut self) -> Parse<ExprKind> {
        self.bump();
        let mut chan = match self.chan_bracket() {
            ChanBracket::None => ChanExpr {
                element: self.parse_type()?,
                capacity: None,
                style: ChanExprStyle::Plain,
            },
            ChanBracket::Element => {
                let opening = self.bump().span;
                let element = self.parse_type()?;
                self.expect_closing(Punct::RBracket, opening, "")?;
                ChanExpr {
                    element,
                    capacity: None,
                    style: ChanExprStyle::Bracketed,
                }
            }
            ChanBracket::Capacity => {
                let opening = self.bump().span;
                let capacity = Some(self.nested(Self::parse_expr)?);
                self.expect_closing(Punct::RBracket, opening, "")?;
                ChanExpr {
                    element: self.parse_type()?,
                    capacity,
                    style: ChanExprStyle::WithCapacity,
                }
            }
        };
        if chan.style != ChanExprStyle::Bracketed
            && self.at(Punct::LParen)
            && !self.token().on_new_line
        {
            let message = "the capacity of a channel stands in brackets, before the type";
            let diagnostic = Diagnostic::error(code::FOREIGN_SYNTAX, message, self.span());
            return self.fail(diagnostic.with_help("write `chan[8] T`"));
        }
        if chan.style == ChanExprStyle::Bracketed && self.at(Punct::LParen) {
            let opening = self.bump().span;
            chan.style = ChanExprStyle::Call;
            if !self.at(Punct::RParen) {
                chan.capacity = Some(self.nested(Self::parse_expr)?);
            }
            self.expect_closing(Punct::RParen, opening, "the capacity")?;
        }
        Ok(ExprKind::Chan(Box::new(chan)))
    }

    /// `sizeof(T)`
    fn parse_sizeof(&mut self) -> Parse<ExprKind> {
        self.bump();
        let opening = self.expect(Punct::LParen, "after `sizeof`")?;
        let ty = self.parse_type()?;
        self.expect_closing(Punct::RParen, opening, "")?;
        Ok(ExprKind::Sizeof(ty))
    }

    /// `print e`
    fn parse_print(&mut self) -> Parse<ExprKind> {
        self.bump();
        if self.at_stmt_end() {
            let diagnostic = self
                .unexpected_here("a value after `print`")
                .with_help("an empty line is printed by `print \"\"`");
            return self.fail(diagnostic);
        }
        Ok(ExprKind::Print(Box::new(self.parse_expr()?)))
    }

    /// `delete(m, k)`
    fn parse_delete(&mut self) -> Parse<ExprKind> {
        self.bump();
        let opening = self.expect(Punct::LParen, "after `delete`")?;
        self.nested(|p| {
            let map = Box::new(p.parse_expr()?);
            p.expect(Punct::Comma, "and the key after the map")?;
            let key = Box::new(p.parse_expr()?);
            p.maybe(Punct::Comma);
            p.expect_closing(Punct::RParen, opening, "")?;
            Ok(ExprKind::Delete(map, key))
        })
    }

    /// `assert e`, `assert e, message`, also with parentheses around both. In an arm of `match` a
    /// `,` ends the arm, unless a string that is no pattern follows.
    fn parse_assert(&mut self, in_arm: bool) -> Parse<ExprKind> {
        self.bump();
        let condition = self.parse_expr()?;
        if let ExprKind::Tuple(mut parts) = condition.kind {
            if parts.len() == 2
                && let (Some(message), Some(condition)) = (parts.pop(), parts.pop())
            {
                let message = Some(Box::new(message));
                return Ok(ExprKind::Assert(Box::new(condition), message));
            }
            let message = "`assert` takes a condition and a message";
            self.report(Diagnostic::error(
                code::UNEXPECTED_TOKEN,
                message,
                condition.span,
            ));
            return Err(Recover);
        }
        let message_follows = self.at(Punct::Comma)
            && (!in_arm
                || matches!(self.peek(1), TokenKind::Str(_))
                    && !matches!(
                        self.peek(2),
                        TokenKind::Punct(Punct::FatArrow | Punct::Or | Punct::DotDot)
                            | TokenKind::Keyword(Keyword::If)
                    ));
        let message = match message_follows {
            true => {
                self.bump();
                Some(Box::new(self.parse_expr()?))
            }
            false => None,
        };
        Ok(ExprKind::Assert(Box::new(condition), message))
    }

    /// An expression from `start` to the token read last
    fn expr(&self, start: Span, kind: ExprKind) -> Expr {
        let span = self.span_from(start);
        Expr { kind, span }
    }
}

fn is_as(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::As(..))
}

fn is_ordering(op: BinaryOp) -> bool {
    matches!(
        op,
        BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge
    )
}

/// Whether a `{` behind this expression makes it a struct literal: `a.B`, `B[T]`
fn is_struct_head(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Name(_) => true,
        ExprKind::Field(base, ..) => is_path(base),
        ExprKind::Bracket(base, _) => is_path(base) && expr.to_type().is_some(),
        _ => false,
    }
}

fn is_path(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Name(_) => true,
        ExprKind::Field(base, ..) => is_path(base),
        _ => false,
    }
}

//! Statements and blocks.

use super::{Parse, Parser, Recover};
use crate::ast::{
    AssignStmt, BinaryOp, Block, Expr, ExprKind, ForHead, ForStmt, Ident, LetStmt, SelectCase,
    SelectComm, SelectStmt, Stmt, StmtKind, UnaryOp,
};
use crate::diagnostic::{Diagnostic, code};
use crate::span::Span;
use crate::token::{Keyword, Punct, TokenKind};

impl Parser<'_> {
    /// Everything up to the end of the file.
    pub(super) fn parse_file(&mut self) -> Vec<Stmt> {
        let mut stmts = self.parse_stmts_to_brace();
        while self.at(Punct::RBrace) {
            // Where arms or cases went astray, this is the end of what they were in.
            if !std::mem::take(&mut self.in_strays) {
                let message = "unexpected `}`: there is nothing to close";
                self.report(Diagnostic::error(code::UNOPENED, message, self.span()));
            }
            self.bump();
            stmts.extend(self.parse_stmts_to_brace());
        }
        stmts
    }

    /// Statements up to `}` or the end of the file.
    fn parse_stmts_to_brace(&mut self) -> Vec<Stmt> {
        let mut stmts = self.parse_stmts();
        while self.at(Keyword::Case) || self.at(Keyword::Default) {
            if !std::mem::replace(&mut self.in_strays, true) {
                let message = format!("unexpected {} outside of `select`", self.kind());
                let diagnostic = Diagnostic::error(code::UNEXPECTED_TOKEN, message, self.span());
                self.report(diagnostic);
            }
            self.skip_stmt();
            stmts.extend(self.parse_stmts());
        }
        stmts
    }

    /// Statements up to `}`, `case`, `default` or the end of the file.
    fn parse_stmts(&mut self) -> Vec<Stmt> {
        let mut stmts = Vec::new();
        loop {
            self.skip_separators();
            if self.at_stmts_end() {
                return stmts;
            }
            let (start, reported) = (self.pos, self.diagnostics.len());
            stmts.push(self.parse_stmt().unwrap_or_else(|Recover| {
                self.skip_stmt();
                let span = self.span_from(self.tokens[start].span);
                let kind = StmtKind::Error;
                Stmt { kind, span }
            }));
            self.expect_stmt_end();
            self.forgive_stray_arm(start, reported);
        }
    }

    fn at_stmts_end(&self) -> bool {
        !self.at_misnamed()
            && matches!(
                self.kind(),
                TokenKind::Punct(Punct::RBrace)
                    | TokenKind::Eof
                    | TokenKind::Keyword(Keyword::Case | Keyword::Default)
            )
    }

    // ------------------------------------------------------------ blocks

    /// Whether a body starts here, perhaps wrongly on the next line.
    pub(super) fn at_body(&self) -> bool {
        self.at(Punct::LBrace) || self.at_brace_on_next_line()
    }

    fn at_brace_on_next_line(&self) -> bool {
        self.at(TokenKind::Newline) && self.at_ahead(1, Punct::LBrace)
    }

    /// The `{` behind a head; gives its index (or that of the line end where it was forgotten).
    pub(super) fn expect_opening_brace(&mut self, head: &str) -> Parse<usize> {
        if self.at_brace_on_next_line() {
            self.bump();
            let message = format!("the `{{` must stand on the same line as {head}");
            self.report(
                Diagnostic::error(code::BRACE_ON_NEXT_LINE, message, self.span())
                    .with_help("a line end ends the statement: move the `{` up"),
            );
        }
        if !self.at(Punct::LBrace) {
            let mut diagnostic = self.unexpected_here(&format!("`{{` after {head}"));
            let help = self.foreign_help();
            diagnostic.help = Some(help.unwrap_or("bodies stand in braces: `{ … }`").to_owned());
            self.report(diagnostic);
            // What is indented behind the head was meant to be its body.
            if self.at_indented_line() {
                return Ok(self.pos);
            }
            return Err(Recover);
        }
        let opening = self.pos;
        self.bump();
        Ok(opening)
    }

    /// `{ … }` behind a head
    pub(super) fn parse_body(&mut self, head: &str) -> Parse<Block> {
        self.nested(|p| {
            let opening = p.expect_opening_brace(head)?;
            Ok(p.parse_block_rest(opening))
        })
    }

    /// `{ … }`
    pub(super) fn parse_block(&mut self) -> Parse<Block> {
        self.parse_body("this")
    }

    fn parse_block_rest(&mut self, opening: usize) -> Block {
        let around = std::mem::take(&mut self.in_strays);
        let stmts = self.parse_stmts_to_brace();
        self.in_strays |= around;
        if self.maybe(Punct::RBrace).is_none() {
            self.report_unclosed(opening);
        }
        let span = self.span_from(self.tokens[opening].span);
        Block { stmts, span }
    }

    /// The condition, value or count in front of a body. A broken one is skipped if its body
    /// follows.
    pub(super) fn parse_head(&mut self) -> Parse<Expr> {
        let start = self.span();
        let parsed = self.nested_in_head(|p| {
            let expr = p.parse_expr()?;
            p.reject_declaration_in_head()?;
            p.reject_assignment_in_head()?;
            Ok(expr)
        });
        let expr = match parsed {
            Ok(expr) => expr,
            Err(Recover) => {
                self.skip_to_body()?;
                let span = self.span_from(start);
                let kind = ExprKind::Error;
                Expr { kind, span }
            }
        };
        self.skip_struct_lit_in_head();
        Ok(expr)
    }

    /// `if x = 1 {`
    fn reject_assignment_in_head(&mut self) -> Parse<()> {
        if !self.at(Punct::Eq) {
            return Ok(());
        }
        let message = "this assigns; a condition is expected";
        self.report(
            Diagnostic::error(code::ASSIGNMENT_IN_CONDITION, message, self.span())
                .with_help("compare with `==`"),
        );
        self.bump();
        self.parse_expr()?;
        Ok(())
    }

    /// `if p == Point{x: 1} {`
    fn skip_struct_lit_in_head(&mut self) {
        let behind = self.partners[self.pos] + 1;
        let is_empty = self.at(Punct::LBrace) && self.at_ahead(1, Punct::RBrace);
        let is_struct_lit = (is_empty || self.at_entries())
            && self
                .tokens
                .get(behind)
                .is_some_and(|token| token.kind == TokenKind::Punct(Punct::LBrace));
        if is_struct_lit {
            let message = "a struct literal cannot stand here: its `{` would start the body";
            self.report(
                Diagnostic::error(code::UNEXPECTED_TOKEN, message, self.span())
                    .with_help("put the literal in parentheses: `(Name{…})`"),
            );
            self.skip_group();
        }
    }

    /// Whether the `{` here starts `key: value` entries rather than statements: a `:` comes
    /// before the first line end, `,` or inner brace. No statement has one there but `let`.
    pub(super) fn at_entries(&self) -> bool {
        if !self.at(Punct::LBrace) {
            return false;
        }
        let is_name = matches!(self.peek(1), TokenKind::Keyword(_) | TokenKind::Ident(_));
        if is_name && self.at_ahead(2, Punct::Colon) {
            return true;
        }
        let mut at = self.pos + 1;
        loop {
            match &self.tokens[at].kind {
                TokenKind::Punct(Punct::Colon) => return true,
                TokenKind::Punct(Punct::LParen | Punct::LBracket) => {
                    at = self.partners[at].max(at);
                }
                TokenKind::Punct(
                    Punct::LBrace | Punct::RBrace | Punct::Comma | Punct::Semi | Punct::Eq,
                )
                | TokenKind::Newline
                | TokenKind::Eof
                | TokenKind::Keyword(
                    Keyword::Let | Keyword::Func | Keyword::Case | Keyword::Default,
                ) => return false,
                _ => {}
            }
            at = (at + 1).min(self.tokens.len() - 1);
        }
    }

    // ------------------------------------------------------------ statements

    pub(super) fn parse_stmt(&mut self) -> Parse<Stmt> {
        let start = self.span();
        if !self.at_timeout(true)
            && let Some(stmt) = self.maybe_foreign_stmt()
        {
            return stmt;
        }
        let kind = self.parse_stmt_kind()?;
        let span = self.span_from(start);
        Ok(Stmt { kind, span })
    }

    fn parse_stmt_kind(&mut self) -> Parse<StmtKind> {
        if self.at_item() && !self.at_misnamed() {
            return self.parse_item_stmt();
        }
        match self.kind() {
            TokenKind::Keyword(_) if self.at_misnamed() => self.parse_expr_stmt(),
            TokenKind::Keyword(Keyword::Let) => self.parse_let(),
            TokenKind::Keyword(Keyword::Return) => self.parse_return(),
            TokenKind::Keyword(Keyword::Break) => self.parse_break(),
            TokenKind::Keyword(Keyword::Continue) => self.parse_word(StmtKind::Continue),
            TokenKind::Keyword(Keyword::While) => self.parse_while(),
            TokenKind::Keyword(Keyword::Loop) => self.parse_loop(),
            TokenKind::Keyword(Keyword::For) => self.parse_for(),
            TokenKind::Keyword(Keyword::Select) => self.parse_select(),
            TokenKind::Keyword(Keyword::Defer) => self.parse_defer(),
            TokenKind::Punct(Punct::LBrace) if !self.at_entries() => {
                self.parse_block().map(StmtKind::Block)
            }
            _ => self.parse_expr_stmt(),
        }
    }

    fn parse_item_stmt(&mut self) -> Parse<StmtKind> {
        let item = self.nested(Self::parse_item)?;
        Ok(StmtKind::Item(Box::new(item)))
    }

    fn parse_break(&mut self) -> Parse<StmtKind> {
        self.bump();
        if self.at_operand() && !self.token().on_new_line {
            let message = "`break` takes no value";
            let diagnostic = Diagnostic::error(code::FOREIGN_SYNTAX, message, self.span())
                .with_help("assign it to a variable before the `break`");
            return self.fail(diagnostic);
        }
        Ok(StmtKind::Break)
    }

    /// A statement of one word
    fn parse_word(&mut self, kind: StmtKind) -> Parse<StmtKind> {
        self.bump();
        Ok(kind)
    }

    fn parse_while(&mut self) -> Parse<StmtKind> {
        self.bump();
        let condition = self.parse_head()?;
        Ok(StmtKind::While(
            condition,
            self.parse_body("the condition")?,
        ))
    }

    fn parse_loop(&mut self) -> Parse<StmtKind> {
        self.bump();
        self.parse_body("`loop`").map(StmtKind::Loop)
    }

    /// `let mut a, b: T = e`, behind whatever word declares a variable
    pub(super) fn parse_let(&mut self) -> Parse<StmtKind> {
        let is_foreign = !self.at(Keyword::Let);
        self.bump();
        let mutable = match self.at_word("mut") && self.is_ident_ahead(1) {
            true => Some(self.bump().span),
            false => None,
        };
        let names = self.parse_let_names()?;
        let lacks_colon = !self.at(Punct::Colon) && self.at_type();
        if lacks_colon {
            // The word before the name has been reported.
            if is_foreign {
                self.last_error = Some(self.pos);
            }
            let help = format!("write `let {}: Type = …`", names[0].name);
            let diagnostic = self.unexpected_here("`=`, or `:` and a type");
            self.report(diagnostic.with_help(help));
        }
        let ty = match self.maybe(Punct::Colon).is_some() || lacks_colon {
            true => Some(self.parse_type()?),
            false => None,
        };
        if self.at(Punct::ColonEq) {
            let diagnostic = self.unexpected_here("`=`").with_help("write `=`");
            self.report(diagnostic);
        }
        let has_value = self.maybe(Punct::Eq).is_some() || self.maybe(Punct::ColonEq).is_some();
        let value = match has_value {
            true => Some(self.parse_expr()?),
            false => None,
        };
        if has_value {
            self.reject_bare_tuple("let a, b =")?;
        }
        Ok(StmtKind::Let(LetStmt {
            mutable,
            names,
            ty,
            value,
        }))
    }

    fn parse_let_names(&mut self) -> Parse<Vec<Ident>> {
        if self.at(Punct::LParen) && self.is_ident_ahead(1) {
            let diagnostic = self
                .unexpected_here("a variable's name")
                .with_help("a tuple is taken apart without parentheses: `let a, b = tuple`");
            self.report(diagnostic);
            let opening = self.bump().span;
            return self.parse_list(opening, Punct::RParen, "this name", |p| {
                p.expect_ident("a variable's name")
            });
        }
        let mut names = vec![self.expect_ident("a variable's name")?];
        while self.maybe(Punct::Comma).is_some() {
            names.push(self.expect_ident("a variable's name")?);
        }
        Ok(names)
    }

    fn parse_return(&mut self) -> Parse<StmtKind> {
        self.bump();
        match self.at_stmt_end() {
            true => Ok(StmtKind::Return(None)),
            false => {
                let value = self.parse_expr()?;
                self.reject_bare_tuple("return")?;
                Ok(StmtKind::Return(Some(value)))
            }
        }
    }

    /// `defer f(x)`, `defer print x`, `defer { … }`
    fn parse_defer(&mut self) -> Parse<StmtKind> {
        self.bump();
        if self.at(Punct::LBrace) {
            let block = self.parse_block()?;
            let span = block.span;
            let kind = ExprKind::Block(block);
            return Ok(StmtKind::Defer(Expr { kind, span }));
        }
        Ok(StmtKind::Defer(self.parse_effect()?))
    }

    /// An expression, or an assignment to it
    fn parse_expr_stmt(&mut self) -> Parse<StmtKind> {
        let expr = self.parse_effect()?;
        match self.kind() {
            TokenKind::Punct(Punct::Eq) => self.parse_assign(expr, None),
            TokenKind::Punct(Punct::PlusEq) => self.parse_assign(expr, Some(BinaryOp::Add)),
            TokenKind::Punct(Punct::MinusEq) => self.parse_assign(expr, Some(BinaryOp::Sub)),
            TokenKind::Punct(Punct::StarEq) => self.parse_assign(expr, Some(BinaryOp::Mul)),
            TokenKind::Punct(Punct::SlashEq) => self.parse_assign(expr, Some(BinaryOp::Div)),
            TokenKind::Punct(Punct::PercentEq) => self.parse_assign(expr, Some(BinaryOp::Rem)),
            TokenKind::Punct(Punct::ColonEq) => self.parse_foreign_define(expr),
            TokenKind::Punct(Punct::Comma) => match self.many_targets_end() {
                Some(end) => self.reject_many_targets(&expr, end),
                None if matches!(expr.kind, ExprKind::Print(_)) && self.goes_on_behind_comma() => {
                    let message = "`print` takes one value";
                    let diagnostic = Diagnostic::error(code::FOREIGN_SYNTAX, message, self.span());
                    let help = "`+` joins text and values: `print \"x = \" + x`";
                    self.fail(diagnostic.with_help(help))
                }
                None => Ok(StmtKind::Expr(expr)),
            },
            _ => Ok(StmtKind::Expr(expr)),
        }
    }

    /// `= e`, `+= e` behind the target
    fn parse_assign(&mut self, target: Expr, op: Option<BinaryOp>) -> Parse<StmtKind> {
        self.check_assignable(&target);
        let op_span = self.bump().span;
        let value = self.parse_expr()?;
        Ok(StmtKind::Assign(AssignStmt {
            target,
            op,
            op_span,
            value,
        }))
    }

    fn check_assignable(&mut self, target: &Expr) {
        let assignable = match &target.without_parens().kind {
            ExprKind::Name(_) | ExprKind::Field(..) | ExprKind::Error => true,
            ExprKind::Bracket(_, args) => args.len() == 1,
            ExprKind::Unary(UnaryOp::Deref, ..) => true,
            _ => false,
        };
        if !assignable {
            let message = "this cannot be assigned to";
            let help = "assign to a variable, a field, an element of an array, or a map's entry";
            self.report(
                Diagnostic::error(code::BAD_ASSIGNMENT_TARGET, message, target.span)
                    .with_help(help),
            );
        }
    }

    /// `x := e`
    fn parse_foreign_define(&mut self, target: Expr) -> Parse<StmtKind> {
        let message = "`:=` stands only in the cases of `select`";
        self.report(
            Diagnostic::error(code::FOREIGN_SYNTAX, message, self.span())
                .with_help("declare with `let x = …`, assign with `x = …`"),
        );
        self.bump();
        let value = Some(self.parse_expr()?);
        match target.kind {
            ExprKind::Name(name) => Ok(StmtKind::Let(LetStmt {
                mutable: None,
                names: vec![name],
                ty: None,
                value,
            })),
            _ => Ok(StmtKind::Error),
        }
    }

    // ------------------------------------------------------------ loops

    fn parse_for(&mut self) -> Parse<StmtKind> {
        let start = self.bump().span;
        let head = match self.parse_for_head() {
            Ok(head) => head,
            Err(Recover) => {
                self.skip_to_body()?;
                let span = self.span_from(start);
                let kind = ExprKind::Error;
                ForHead::Condition(Expr { kind, span })
            }
        };
        let body = self.parse_body("the head of the loop")?;
        Ok(StmtKind::For(ForStmt { head, body }))
    }

    fn parse_for_head(&mut self) -> Parse<ForHead> {
        let open_pair = self.at(Punct::LParen);
        let first = usize::from(open_pair);
        let is_pair = self.is_name_ahead(first)
            && self.at_ahead(first + 1, Punct::Comma)
            && self.is_name_ahead(first + 2);
        if is_pair && open_pair && self.at_ahead(5, Keyword::In) {
            self.bump();
            let key = self.expect_ident("a variable's name")?;
            self.bump();
            let value = self.expect_ident("a variable's name")?;
            self.expect(Punct::RParen, "after the two names")?;
            return self.parse_pairs(key, value);
        }
        if is_pair && !open_pair && self.at_ahead(3, Keyword::In) {
            let message = "the two names of a pair stand in parentheses";
            let help = "write `for (key, value) in …`";
            self.report(
                Diagnostic::error(code::FOREIGN_SYNTAX, message, self.span()).with_help(help),
            );
            let key = self.expect_ident("a variable's name")?;
            self.bump();
            let value = self.expect_ident("a variable's name")?;
            return self.parse_pairs(key, value);
        }
        if self.is_name_ahead(0) && self.at_ahead(1, Keyword::In) {
            return self.parse_for_each();
        }
        self.reject_range_loop()?;
        self.reject_declared_loop_name(open_pair)?;
        if self.at(Punct::LBrace) {
            let diagnostic = self
                .unexpected_here("what to loop over")
                .with_help("an endless loop is written `loop { … }`");
            return self.fail(diagnostic);
        }
        let three_part = matches!(self.kind(), TokenKind::Keyword(Keyword::Let))
            || open_pair && self.at_ahead(1, Keyword::Let)
            || self.at_ident() && (self.at_ahead(1, Punct::ColonEq) || self.at_ahead(1, Punct::Eq));
        if three_part {
            let message = "there is no three-part `for`";
            let help = "write `for i in 0..n { … }`, or a `while` loop";
            let diagnostic =
                Diagnostic::error(code::FOREIGN_SYNTAX, message, self.span()).with_help(help);
            self.report(diagnostic);
            // The parts are separated by `;`: skip to the body across them.
            self.skip_to_brace();
            return Err(Recover);
        }
        Ok(ForHead::Condition(self.parse_head()?))
    }

    fn parse_pairs(&mut self, key: Ident, value: Ident) -> Parse<ForHead> {
        self.expect_keyword(Keyword::In, "after the two names")?;
        let iterable = self.parse_head()?;
        Ok(ForHead::Pairs {
            key,
            value,
            iterable,
        })
    }

    /// `x in e`, `i in a..b`
    fn parse_for_each(&mut self) -> Parse<ForHead> {
        let name = self.expect_ident("a variable's name")?;
        self.expect_keyword(Keyword::In, "after the name")?;
        let start = self.parse_head()?;
        if self.at(Punct::DotDotEq) {
            let message = "the end of a range is never included";
            self.report(
                Diagnostic::error(code::FOREIGN_SYNTAX, message, self.span())
                    .with_help("write `a..b + 1`"),
            );
        } else if !self.at(Punct::DotDot) {
            let iterable = start;
            return Ok(ForHead::Each { name, iterable });
        }
        self.bump();
        let end = self.parse_head()?;
        Ok(ForHead::Range { name, start, end })
    }

    // ------------------------------------------------------------ select

    fn parse_select(&mut self) -> Parse<StmtKind> {
        self.bump();
        self.nested(|p| {
            let opening = p.expect_opening_brace("`select`")?;
            let mut cases = Vec::new();
            loop {
                p.skip_separators();
                match p.kind() {
                    TokenKind::Keyword(Keyword::Case | Keyword::Default) => {
                        cases.push(p.parse_select_case());
                    }
                    TokenKind::Punct(Punct::RBrace) => {
                        p.bump();
                        break;
                    }
                    TokenKind::Eof => {
                        p.report_unclosed(opening);
                        break;
                    }
                    _ => {
                        let diagnostic = p.unexpected_here("`case`, `default` or `}` in `select`");
                        p.report(diagnostic);
                        p.skip_stmt();
                    }
                }
            }
            Ok(StmtKind::Select(SelectStmt { cases }))
        })
    }

    fn parse_select_case(&mut self) -> SelectCase {
        let start = self.span();
        let comm = self.parse_select_comm().unwrap_or_else(|Recover| {
            while !self.at(Punct::Colon) && !self.at_stmt_end() {
                self.skip_group();
            }
            SelectComm::Error
        });
        let colon = self.span();
        if self.maybe(Punct::Colon).is_none() {
            let mut diagnostic = self.unexpected_here("`:` after the case");
            if self.at(Punct::FatArrow) || self.at(Punct::LBrace) {
                diagnostic.help = Some("cases are written `case v := <- ch: …`".to_owned());
            }
            self.report(diagnostic);
            self.maybe(Punct::FatArrow);
        }
        let stmts = self.parse_stmts();
        let last = stmts.last().map_or(colon, |stmt| stmt.span);
        let body = Block {
            span: colon.to(last),
            stmts,
        };
        let span = start.to(body.span);
        SelectCase { comm, body, span }
    }

    /// `case …` or `default`, up to the `:`
    fn parse_select_comm(&mut self) -> Parse<SelectComm> {
        if self.maybe(Keyword::Default).is_some() {
            return Ok(SelectComm::Default);
        }
        self.bump();
        if self.at_word("timeout") && self.word_ahead(1) == Some("after") {
            self.bump();
            self.bump();
            return Ok(SelectComm::Timeout(self.parse_expr()?));
        }
        self.reject_case_time()?;
        if let Some(names) = self.maybe_select_names()? {
            let value = self.parse_expr()?;
            return match value.kind {
                ExprKind::Unary(UnaryOp::Recv, _, channel) => Ok(SelectComm::Recv {
                    names,
                    channel: *channel,
                }),
                _ => self.bad_select_case(value.span),
            };
        }
        let expr = self.parse_expr()?;
        match expr.kind {
            ExprKind::Unary(UnaryOp::Recv, _, channel) => Ok(SelectComm::Recv {
                names: Vec::new(),
                channel: *channel,
            }),
            ExprKind::Send(channel, value) => Ok(SelectComm::Send {
                channel: *channel,
                value: *value,
            }),
            _ => self.bad_select_case(expr.span),
        }
    }

    fn bad_select_case<T>(&mut self, span: Span) -> Parse<T> {
        let message = "a case receives or sends";
        let help = "write `case v := <- ch:`, `case <- ch:`, `case ch <- v:` or `case timeout after 1000:`";
        self.fail(Diagnostic::error(code::BAD_SELECT_CASE, message, span).with_help(help))
    }

    /// `v :=` or `v, ok :=`; also with the `=` or `let` people write by habit
    fn maybe_select_names(&mut self) -> Parse<Option<Vec<Ident>>> {
        let has_let = self.at(Keyword::Let);
        let first = usize::from(has_let);
        let mut behind = first;
        while self.is_name_ahead(behind) && self.at_ahead(behind + 1, Punct::Comma) {
            behind += 2;
        }
        behind += 1;
        let is_define = self.at_ahead(behind, Punct::ColonEq);
        if !self.is_name_ahead(behind - 1) || !(is_define || self.at_ahead(behind, Punct::Eq)) {
            return Ok(None);
        }
        if has_let || !is_define {
            let message = "a case declares its names with `:=`";
            self.report(
                Diagnostic::error(code::BAD_SELECT_CASE, message, self.span())
                    .with_help("write `case v := <- ch:`"),
            );
        }
        self.maybe(Keyword::Let);
        let mut names = vec![self.expect_ident("a variable's name")?];
        while self.maybe(Punct::Comma).is_some() {
            names.push(self.expect_ident("a variable's name")?);
        }
        self.bump();
        if let [_, _, third, ..] = &names[..] {
            let message =
                "a receive gives a value and whether the channel is open: at most two names";
            let diagnostic = Diagnostic::error(code::BAD_SELECT_CASE, message, third.span);
            self.report(diagnostic);
        }
        Ok(Some(names))
    }
}

//! Tokens to syntax tree: recursive descent, one function per production of the grammar.
//!
//! Prefixes carry meaning: `parse_x` reads an x that must be here, `maybe_x` reads one if it is
//! here, `expect_x` demands a token, `at_x` only looks.
//!
//! Invariants:
//! - a parse function that returns [`Recover`] has reported why; the statement (or list) around
//!   it skips to a place where it can go on, so one mistake gives one error;
//! - every loop advances or ends: what stops a loop is never skipped by the parse of its element;
//! - the tree's height is bounded: [`Parser::nested`] counts what is inside something,
//!   [`Parser::wrap`] counts what is put around something already read (`a + b + c`).

mod exprs;
mod foreign;
mod items;
mod patterns;
mod recovery;
mod stmts;
mod types;

use crate::ast::{File, Ident};
use crate::diagnostic::{Diagnostic, code};
use crate::lexer::lex;
use crate::span::{FileId, Span};
use crate::token::{Keyword, Punct, Token, TokenKind};

/// How deep statements, expressions, types and patterns may nest.
pub const MAX_NESTING: u32 = 128;

/// How high an expression may grow by chaining (`a + b + …`, `a.b().c()…`).
pub const MAX_HEIGHT: u32 = 500;

/// How many broken elements of one braced list are reported.
const MAX_BROKEN_ELEMENTS: u32 = 3;

/// What [`parse`] gives.
#[derive(Debug, Clone)]
pub struct Parsed {
    pub file: File,
    pub diagnostics: Vec<Diagnostic>,
}

impl Parsed {
    /// Whether any diagnostic is an error.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// Parses one source file.
pub fn parse(file: FileId, text: &str) -> Parsed {
    let lexed = lex(file, text);
    let mut parser = Parser::new(text, lexed.tokens);
    parser.diagnostics = lexed.diagnostics;
    let stmts = parser.parse_file();
    let mut diagnostics = parser.diagnostics;
    diagnostics.sort_by_key(|diagnostic| diagnostic.span.start);
    let end = parser.tokens.last().map_or(0, |eof| eof.span.end);
    let file = File {
        id: file,
        stmts,
        comments: lexed.comments,
        span: Span::new(file, 0, end),
    };
    Parsed { file, diagnostics }
}

/// The parse of something failed, and that was reported.
struct Recover;

type Parse<T> = Result<T, Recover>;

/// What a braced list holds; for messages and recovery.
struct Elements {
    name: &'static str,
    /// Every element has this in it, outside of inner brackets.
    sign: Option<Punct>,
    /// The keywords that elements start with, unless `:` follows.
    keywords: &'static [Keyword],
}

struct Parser<'a> {
    text: &'a str,
    /// Ends with [`TokenKind::Eof`], on which `pos` stays.
    tokens: Vec<Token>,
    /// For every bracket the index of its partner; for an unclosed one, that of `Eof`.
    partners: Vec<usize>,
    pos: usize,
    diagnostics: Vec<Diagnostic>,
    /// The token of the last error: another error there is a consequence.
    last_error: Option<usize>,
    /// Whether arms or cases were met outside of their `match` or `select`; up to the `}` that is left over then.
    in_strays: bool,
    /// How many things are open around this place.
    depth: u32,
    /// At least the height of every expression read so far inside the innermost open thing.
    height: u32,
    /// Set in the head of `if`, `while`, `for`, `match` …, where `{` starts the body.
    in_head: bool,
    /// Keywords that were used as names, and reported there.
    misnamed: Vec<Keyword>,
    /// Whether "nested too deeply" was reported: once is enough.
    found_too_deep: bool,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, tokens: Vec<Token>) -> Parser<'a> {
        Parser {
            text,
            partners: pair_brackets(&tokens),
            tokens,
            pos: 0,
            diagnostics: Vec::new(),
            last_error: None,
            in_strays: false,
            depth: 0,
            height: 0,
            in_head: false,
            misnamed: Vec::new(),
            found_too_deep: false,
        }
    }

    // ------------------------------------------------------------ looking

    fn token(&self) -> &Token {
        &self.tokens[self.pos]
    }

    fn kind(&self) -> &TokenKind {
        &self.token().kind
    }

    fn span(&self) -> Span {
        self.token().span
    }

    /// The kind of the token `ahead` places on.
    fn peek(&self, ahead: usize) -> &TokenKind {
        let at = (self.pos + ahead).min(self.tokens.len() - 1);
        &self.tokens[at].kind
    }

    /// The span of the token read last.
    fn last_span(&self) -> Span {
        match self.pos.checked_sub(1) {
            Some(last) => self.tokens[last].span,
            None => self.span().before(),
        }
    }

    /// From `start` to the end of the token read last.
    fn span_from(&self, start: Span) -> Span {
        let last = self.last_span();
        if last.end < start.end {
            start
        } else {
            start.to(last)
        }
    }

    fn at(&self, kind: impl Into<TokenKind>) -> bool {
        *self.kind() == kind.into()
    }

    fn at_ahead(&self, ahead: usize, kind: impl Into<TokenKind>) -> bool {
        *self.peek(ahead) == kind.into()
    }

    /// Whether this is the given contextual keyword.
    fn at_word(&self, word: &str) -> bool {
        self.word_ahead(0) == Some(word)
    }

    fn word_ahead(&self, ahead: usize) -> Option<&str> {
        match self.peek(ahead) {
            TokenKind::Ident(name) => Some(name),
            _ => None,
        }
    }

    fn at_ident(&self) -> bool {
        matches!(self.kind(), TokenKind::Ident(_))
    }

    fn is_ident_ahead(&self, ahead: usize) -> bool {
        matches!(self.peek(ahead), TokenKind::Ident(_))
    }

    /// Whether a keyword stands here that was declared as a name, wrongly, and is used as one:
    /// what follows it never follows the keyword.
    fn at_misnamed(&self) -> bool {
        let TokenKind::Keyword(keyword) = *self.kind() else {
            return false;
        };
        let next = &self.tokens[(self.pos + 1).min(self.tokens.len() - 1)];
        let stands_alone = next.on_new_line
            || matches!(
                next.kind,
                TokenKind::Newline | TokenKind::Eof | TokenKind::Punct(Punct::Semi | Punct::RBrace)
            );
        let is_name_use = match next.kind {
            _ if stands_alone => !matches!(
                keyword,
                Keyword::Return | Keyword::Break | Keyword::Continue
            ),
            TokenKind::Punct(
                Punct::Eq
                | Punct::PlusEq
                | Punct::MinusEq
                | Punct::StarEq
                | Punct::SlashEq
                | Punct::PercentEq
                | Punct::Dot
                | Punct::Comma
                | Punct::RParen
                | Punct::RBracket
                | Punct::Plus
                | Punct::Slash
                | Punct::Percent
                | Punct::EqEq
                | Punct::NotEq
                | Punct::Lt
                | Punct::Le
                | Punct::Gt
                | Punct::Ge
                | Punct::AndAnd
                | Punct::Or
                | Punct::OrOr,
            ) => true,
            TokenKind::Punct(_) => matches!(
                keyword,
                Keyword::From
                    | Keyword::Type
                    | Keyword::Package
                    | Keyword::Import
                    | Keyword::In
                    | Keyword::As
            ),
            _ => false,
        };
        is_name_use && self.misnamed.contains(&keyword)
    }

    /// Whether the token before this one is such a keyword: no line end is seen behind most keywords.
    fn is_behind_misnamed(&self) -> bool {
        let last = self.pos.checked_sub(1).map(|last| &self.tokens[last].kind);
        matches!(last, Some(TokenKind::Keyword(keyword)) if self.misnamed.contains(keyword))
    }

    /// Whether a name stands there, or a keyword that was taken for one.
    fn is_name_ahead(&self, ahead: usize) -> bool {
        matches!(
            self.peek(ahead),
            TokenKind::Ident(_) | TokenKind::Keyword(_)
        )
    }

    /// Whether the statement ends here, or what is around it.
    fn at_stmt_end(&self) -> bool {
        !self.at_misnamed()
            && matches!(
                self.kind(),
                TokenKind::Newline
                    | TokenKind::Eof
                    | TokenKind::Punct(
                        Punct::Semi
                            | Punct::RBrace
                            | Punct::Comma
                            | Punct::RParen
                            | Punct::RBracket
                    )
                    | TokenKind::Keyword(Keyword::Case | Keyword::Default)
            )
    }

    // ------------------------------------------------------------ reading

    fn bump(&mut self) -> Token {
        let token = self.token().clone();
        if token.kind != TokenKind::Eof {
            self.pos += 1;
        }
        token
    }

    fn maybe(&mut self, kind: impl Into<TokenKind>) -> Option<Span> {
        let found = self.at(kind);
        found.then(|| self.bump().span)
    }

    fn expect(&mut self, punct: Punct, context: &str) -> Parse<Span> {
        match self.maybe(punct) {
            Some(span) => Ok(span),
            None => self.unexpected(&format!("`{}` {context}", punct.as_str())),
        }
    }

    /// The closing partner of `opening`, which was read before.
    fn expect_closing(&mut self, punct: Punct, opening: Span, list: &str) -> Parse<Span> {
        match self.maybe(punct) {
            Some(span) => Ok(span),
            None => {
                let separator = match punct {
                    Punct::RBrace => "a line end",
                    _ => "`,`",
                };
                let found = self.kind();
                let message = if list.is_empty() {
                    format!("expected `{}`, found {found}", punct.as_str())
                } else {
                    let closing = punct.as_str();
                    format!("expected {separator} or `{closing}` after {list}, found {found}")
                };
                let unclosed = *found == TokenKind::Eof;
                let code = if unclosed {
                    code::UNCLOSED
                } else {
                    code::UNEXPECTED_TOKEN
                };
                let mut diagnostic = Diagnostic::error(code, message, self.span())
                    .with_label(opening, "to close this");
                diagnostic.help = self.foreign_help().map(str::to_owned);
                self.fail(diagnostic)
            }
        }
    }

    fn expect_keyword(&mut self, keyword: Keyword, context: &str) -> Parse<Span> {
        match self.maybe(keyword) {
            Some(span) => Ok(span),
            None => self.unexpected(&format!("`{}` {context}", keyword.as_str())),
        }
    }

    /// A name; a keyword in its place is reported and taken as one.
    fn expect_ident(&mut self, what: &str) -> Parse<Ident> {
        if let TokenKind::Keyword(keyword) = *self.kind() {
            let word = keyword.as_str();
            let message = format!("`{word}` is a keyword and cannot be {what}");
            let help = format!("choose another name, for example `{word}_`");
            if !self.misnamed.contains(&keyword) {
                self.misnamed.push(keyword);
            }
            self.report(
                Diagnostic::error(code::KEYWORD_AS_NAME, message, self.span()).with_help(help),
            );
            return self.expect_member_name(what);
        }
        match self.kind().clone() {
            TokenKind::Ident(name) => {
                let span = self.bump().span;
                Ok(Ident { name, span })
            }
            _ => self.unexpected(what),
        }
    }

    /// A name where keywords are names too: of a method, a field, after `.`.
    fn expect_member_name(&mut self, what: &str) -> Parse<Ident> {
        match self.maybe_member_name() {
            Some(name) => Ok(name),
            None => self.unexpected(what),
        }
    }

    fn maybe_member_name(&mut self) -> Option<Ident> {
        let name = match self.kind() {
            TokenKind::Ident(name) => name.clone(),
            TokenKind::Keyword(keyword) => keyword.as_str().into(),
            _ => return None,
        };
        let span = self.bump().span;
        Some(Ident { name, span })
    }

    fn skip_newlines(&mut self) {
        while self.at(TokenKind::Newline) {
            self.bump();
        }
    }

    /// Skips line ends and `;`.
    fn skip_separators(&mut self) {
        while self.at(TokenKind::Newline) || self.at(Punct::Semi) {
            self.bump();
        }
    }

    /// `element {"," element} [","]` up to `closing`, which is read too.
    fn parse_list<T>(
        &mut self,
        opening: Span,
        closing: Punct,
        what: &str,
        mut element: impl FnMut(&mut Self) -> Parse<T>,
    ) -> Parse<Vec<T>> {
        let mut elements = Vec::new();
        self.skip_newlines();
        while !self.at(closing) {
            elements.push(element(self)?);
            self.skip_newlines();
            if self.maybe(Punct::Comma).is_none() {
                break;
            }
            self.skip_newlines();
        }
        self.expect_closing(closing, opening, what)?;
        Ok(elements)
    }

    /// The elements of a braced list, separated by line ends, `,` or `;`, up to `}`, which is read
    /// too. Mistakes stay inside: a broken element is skipped.
    fn parse_braced_list<T>(
        &mut self,
        opening: usize,
        elements_are: &Elements,
        mut element: impl FnMut(&mut Self) -> Parse<T>,
    ) -> Vec<T> {
        let mut elements = Vec::new();
        let mut broken_elements = 0;
        loop {
            while self.at(TokenKind::Newline) || self.at(Punct::Comma) || self.at(Punct::Semi) {
                self.bump();
            }
            if self.maybe(Punct::RBrace).is_some() {
                return elements;
            }
            if self.at(TokenKind::Eof) {
                self.report_unclosed(opening);
                return elements;
            }
            if self.at_stmt_behind_list(opening, elements_are) {
                self.report_unclosed_before(opening);
                return elements;
            }
            let reported = self.diagnostics.len();
            let broken = match element(self) {
                Ok(element) => {
                    elements.push(element);
                    let has_rest = !self.at_element_end();
                    if has_rest {
                        self.report_element_rest(elements_are.name);
                    }
                    has_rest
                }
                Err(Recover) => true,
            };
            if broken {
                self.skip_element();
                broken_elements += 1;
            }
            // A list with mistakes everywhere is no such list: that was said often enough.
            if broken_elements > MAX_BROKEN_ELEMENTS {
                self.diagnostics.truncate(reported);
            }
        }
    }

    // ------------------------------------------------------------ bounds

    /// Reads something inside something else. Struct literals are allowed again in there.
    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parse<T>) -> Parse<T> {
        self.nested_in(false, parse)
    }

    /// Like [`Parser::nested`], in the head of a statement with a body.
    fn nested_in_head<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parse<T>) -> Parse<T> {
        self.nested_in(true, parse)
    }

    /// Like [`Parser::nested`], in a head only if this place is.
    fn nested_in_same<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parse<T>) -> Parse<T> {
        self.nested_in(self.in_head, parse)
    }

    fn nested_in<T>(
        &mut self,
        in_head: bool,
        parse: impl FnOnce(&mut Self) -> Parse<T>,
    ) -> Parse<T> {
        if self.depth >= MAX_NESTING {
            return self.too_deep();
        }
        let outer_head = std::mem::replace(&mut self.in_head, in_head);
        let outer_height = std::mem::take(&mut self.height);
        self.depth += 1;
        let result = parse(self);
        self.depth -= 1;
        self.in_head = outer_head;
        self.height = outer_height.max(self.height + 1);
        result
    }

    /// Accounts for one more node around the expression read last.
    fn wrap(&mut self) -> Parse<()> {
        self.height += 1;
        if self.height > MAX_HEIGHT {
            return self.too_deep();
        }
        Ok(())
    }

    fn too_deep<T>(&mut self) -> Parse<T> {
        if std::mem::replace(&mut self.found_too_deep, true) {
            self.last_error = Some(self.pos);
            return Err(Recover);
        }
        let message = "this is nested too deeply";
        let diagnostic = Diagnostic::error(code::NESTED_TOO_DEEPLY, message, self.span())
            .with_help("take it apart: give the inner parts names with `let`");
        self.fail(diagnostic)
    }
}

/// Pairs every bracket with its partner. A brace closes the brackets forgotten inside it;
/// a `)` or `]` that fits nothing inside the innermost brace has no partner (its own index).
fn pair_brackets(tokens: &[Token]) -> Vec<usize> {
    let eof = tokens.len() - 1;
    let mut partners: Vec<usize> = (0..tokens.len()).collect();
    let mut open: Vec<(usize, Punct)> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let TokenKind::Punct(punct) = token.kind else {
            continue;
        };
        let opening = match punct {
            Punct::LParen | Punct::LBracket | Punct::LBrace => {
                open.push((at, punct));
                continue;
            }
            Punct::RParen => Punct::LParen,
            Punct::RBracket => Punct::LBracket,
            Punct::RBrace => Punct::LBrace,
            _ => continue,
        };
        let partner = open
            .iter()
            .rposition(|&(_, p)| p == opening || p == Punct::LBrace)
            .filter(|&found| open[found].1 == opening);
        if let Some(found) = partner {
            partners[at] = open[found].0;
            partners[open[found].0] = at;
            for (abandoned, _) in open.drain(found..).skip(1) {
                partners[abandoned] = eof;
            }
        }
    }
    for (abandoned, _) in open {
        partners[abandoned] = eof;
    }
    partners
}

//! Text to tokens.
//!
//! Invariants:
//! - any text gives tokens: what cannot be read becomes one [`TokenKind::Error`] and one
//!   diagnostic, and reading goes on behind it;
//! - the last token, and only it, is [`TokenKind::Eof`];
//! - [`TokenKind::Newline`] appears exactly where a line end ends a statement, so the parser
//!   never has to ask. The rule: not inside `(…)` or `[…]`, not after a token that cannot end an
//!   expression, not before a line that starts with `.`, `&&`, `||` or `else`.
//!
//! Block comments do not nest.

mod literal;

use crate::ast::{Comment, CommentKind};
use crate::diagnostic::{Diagnostic, code};
use crate::span::{FileId, Span};
use crate::token::{Keyword, Punct, Token, TokenKind};

/// What [`lex`] gives.
#[derive(Debug, Clone)]
pub struct Lexed {
    pub tokens: Vec<Token>,
    pub comments: Vec<Comment>,
    pub diagnostics: Vec<Diagnostic>,
}

/// Splits a text into tokens and comments.
pub fn lex(file: FileId, text: &str) -> Lexed {
    // Offsets, and the end offset itself, must fit a `Span`.
    let too_large = u32::try_from(text.len()).is_err();
    let mut lexer = Lexer::new(file, if too_large { "" } else { text });
    if too_large {
        let message = "the file is too large: 4 GiB is the limit";
        lexer.error(code::FILE_TOO_LARGE, message, 0);
    }
    lexer.run();
    Lexed {
        tokens: lexer.tokens,
        comments: lexer.comments,
        diagnostics: lexer.diagnostics,
    }
}

struct Lexer<'a> {
    file: FileId,
    text: &'a str,
    /// Byte offset of what is read next.
    pos: usize,
    tokens: Vec<Token>,
    comments: Vec<Comment>,
    diagnostics: Vec<Diagnostic>,
    /// The brackets that are open here; line ends count where the innermost is a brace.
    open: Vec<Punct>,
    /// Where the first line end since the last token is.
    line_end: Option<usize>,
}

impl<'a> Lexer<'a> {
    fn new(file: FileId, text: &'a str) -> Lexer<'a> {
        Lexer {
            file,
            text,
            pos: 0,
            tokens: Vec::new(),
            comments: Vec::new(),
            diagnostics: Vec::new(),
            open: Vec::new(),
            line_end: None,
        }
    }

    fn run(&mut self) {
        if self.rest().starts_with('\u{feff}') {
            self.pos += '\u{feff}'.len_utf8();
        }
        while let Some(c) = self.peek() {
            self.lex_one(c);
        }
        self.push(TokenKind::Eof, self.pos);
    }

    /// Reads one token, comment or blank; always advances.
    fn lex_one(&mut self, c: char) {
        let start = self.pos;
        match c {
            '\n' => {
                self.line_end.get_or_insert(start);
                self.pos += 1;
            }
            ' ' | '\t' | '\r' => self.pos += 1,
            '/' if self.rest().starts_with("//") => self.lex_line_comment(),
            '/' if self.rest().starts_with("/*") => self.lex_block_comment(),
            '"' => self.lex_string(),
            '\'' => self.lex_char(),
            '0'..='9' => self.lex_number(),
            _ if is_ident_start(c) => self.lex_word(),
            _ => match Punct::at_start_of(self.rest()) {
                Some(punct) => self.lex_punct(punct),
                None => self.lex_unknown(),
            },
        }
        debug_assert!(self.pos > start);
    }

    fn lex_line_comment(&mut self) {
        let start = self.pos;
        self.skip_while(|c| c != '\n');
        self.push_comment(CommentKind::Line, start);
    }

    fn lex_block_comment(&mut self) {
        let start = self.pos;
        match self.rest()[2..].find("*/") {
            Some(length) => self.pos += 2 + length + 2,
            None => {
                self.pos = self.text.len();
                let opening = self.span(start, start + 2);
                let message = "this comment is never closed";
                self.diagnostics.push(
                    Diagnostic::error(code::UNTERMINATED_COMMENT, message, opening)
                        .with_help("end it with `*/`"),
                );
            }
        }
        if let Some(at) = self.text[start..self.pos].find('\n') {
            self.line_end.get_or_insert(start + at);
        }
        self.push_comment(CommentKind::Block, start);
    }

    fn lex_word(&mut self) {
        let start = self.pos;
        self.skip_while(is_ident_continue);
        let word = &self.text[start..self.pos];
        let kind = match Keyword::from_word(word) {
            Some(keyword) if !self.after_member_operator() => TokenKind::Keyword(keyword),
            _ => TokenKind::Ident(word.into()),
        };
        self.push(kind, start);
    }

    /// Whether the last token is `.` or `::`, after which every word is a name.
    fn after_member_operator(&self) -> bool {
        let last = self.tokens.last();
        last.is_some_and(|last| {
            matches!(last.kind, TokenKind::Punct(Punct::Dot | Punct::ColonColon))
        })
    }

    fn lex_punct(&mut self, mut punct: Punct) {
        let start = self.pos;
        // `--` is two prefix minus signs where an operand follows. At the end of a statement it
        // can only be the decrement of other languages, kept whole for a good message.
        if punct == Punct::MinusMinus && !self.statement_ends_at(start + 2) {
            punct = Punct::Minus;
        }
        self.pos += punct.as_str().len();
        self.push(punct.into(), start);
    }

    fn statement_ends_at(&self, offset: usize) -> bool {
        let rest = self.text[offset..].trim_start_matches([' ', '\t', '\r']);
        rest.is_empty() || rest.starts_with(['\n', ';', '}', ')']) || rest.starts_with("//")
    }

    /// A run of characters that start no token becomes one error token.
    fn lex_unknown(&mut self) {
        let start = self.pos;
        let first = self.peek().unwrap_or(' ');
        self.skip_while(starts_no_token);
        if first == '`' && self.pos == start + 1 {
            self.skip_quoted_rest();
        }
        let is_space = first.is_whitespace() || is_invisible(first);
        let shown = match first {
            c if c.is_control() || is_space => format!("U+{:04X}", u32::from(c)),
            c => format!("`{c}`"),
        };
        let message = format!("unexpected character {shown}");
        let help = match first {
            '“' | '”' | '„' => Some("strings are written with straight quotes: \"…\""),
            '‘' | '’' => Some("characters are written with straight quotes: '…'"),
            '`' => Some("strings are written \"…\"; `+` joins text and values"),
            '$' if self.peek() == Some('"') => {
                Some("strings are written \"…\", without a prefix; `+` joins text and values")
            }
            '#' if self.peek() == Some('[') => Some("there are no attributes: leave it out"),
            '#' => Some("comments start with `//`"),
            '~' => Some("bits are flipped with `x ^ -1`"),
            _ if is_space => {
                Some("replace this invisible character by an ordinary space, or remove it")
            }
            _ => None,
        };
        self.error(code::UNKNOWN_CHARACTER, message, start);
        if let Some(help) = help {
            self.help(help);
        }
        // A strange blank separates like any blank: no token.
        if !is_space {
            self.push(TokenKind::Error, start);
        }
    }

    /// To the closing backquote, if it is on this line and not yet behind.
    fn skip_quoted_rest(&mut self) {
        let line = self.rest().split('\n').next().unwrap_or("");
        if let Some(end) = line.find('`') {
            self.pos += end + 1;
        }
    }

    // ------------------------------------------------------------ output

    /// Adds a token that spans from `start` to here, and before it the line end it makes
    /// significant.
    fn push(&mut self, kind: TokenKind, start: usize) {
        let line_end = self.line_end.take();
        if let Some(at) = line_end {
            self.leave_abandoned_brackets(&kind);
            if self.line_end_counts(&kind) {
                self.tokens.push(Token {
                    kind: TokenKind::Newline,
                    span: self.span(at, at + 1),
                    on_new_line: false,
                });
            }
        }
        self.track_brackets(&kind);
        self.tokens.push(Token {
            kind,
            span: self.span(start, self.pos),
            on_new_line: line_end.is_some(),
        });
    }

    fn line_end_counts(&self, next: &TokenKind) -> bool {
        let inside_brackets = matches!(self.open.last(), Some(Punct::LParen | Punct::LBracket));
        let last = self.tokens.last();
        !inside_brackets
            && last.is_some_and(|last| last.kind.can_end_expression())
            && !next.continues_line()
    }

    fn track_brackets(&mut self, kind: &TokenKind) {
        let TokenKind::Punct(punct) = kind else {
            return;
        };
        match punct {
            Punct::LParen | Punct::LBracket | Punct::LBrace => self.open.push(*punct),
            Punct::RParen | Punct::RBracket => {
                if matches!(self.open.last(), Some(Punct::LParen | Punct::LBracket)) {
                    self.open.pop();
                }
            }
            // A brace also closes the brackets that were forgotten inside it.
            Punct::RBrace => {
                if let Some(brace) = self.open.iter().rposition(|&p| p == Punct::LBrace) {
                    self.open.truncate(brace);
                }
            }
            _ => {}
        }
    }

    /// A line that starts with a word no bracketed list can contain: the bracket was forgotten.
    /// Closing it here keeps the error from swallowing the rest of the file's line ends.
    fn leave_abandoned_brackets(&mut self, next: &TokenKind) {
        let TokenKind::Keyword(keyword) = next else {
            return;
        };
        // `func name`, where `func (` is a closure.
        let declares_func = || {
            let behind = self.rest().trim_start_matches([' ', '\t']);
            behind.starts_with(is_ident_start)
        };
        let only_starts_statements = match keyword {
            Keyword::Func => declares_func(),
            Keyword::Let
            | Keyword::While
            | Keyword::For
            | Keyword::Loop
            | Keyword::Return
            | Keyword::Break
            | Keyword::Continue
            | Keyword::Defer
            | Keyword::Select
            | Keyword::Struct
            | Keyword::Enum
            | Keyword::Trait
            | Keyword::Extend
            | Keyword::Import
            | Keyword::Package
            | Keyword::Private
            | Keyword::Async
            | Keyword::Print => true,
            _ => false,
        };
        if only_starts_statements {
            let brace = self.open.iter().rposition(|&p| p == Punct::LBrace);
            self.open.truncate(brace.map_or(0, |brace| brace + 1));
        }
    }

    fn push_comment(&mut self, kind: CommentKind, start: usize) {
        let span = self.span(start, self.pos);
        self.comments.push(Comment { kind, span });
    }

    /// Reports an error on what was read since `start`.
    fn error(&mut self, code: &'static str, message: impl Into<String>, start: usize) {
        let span = self.span(start, self.pos);
        self.diagnostics
            .push(Diagnostic::error(code, message, span));
    }

    /// Adds a help to the diagnostic reported last.
    fn help(&mut self, text: &str) {
        if let Some(last) = self.diagnostics.last_mut() {
            last.help = Some(text.to_owned());
        }
    }

    // ------------------------------------------------------------ input

    fn span(&self, start: usize, end: usize) -> Span {
        // `lex` refused texts whose offsets do not fit.
        Span::new(self.file, start as u32, end as u32)
    }

    fn rest(&self) -> &'a str {
        &self.text[self.pos..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.pos += c.len_utf8();
        Some(c)
    }

    fn skip_while(&mut self, mut accept: impl FnMut(char) -> bool) {
        while self.peek().is_some_and(&mut accept) {
            self.bump();
        }
    }
}

fn is_ident_start(c: char) -> bool {
    c == '_' || unicode_ident::is_xid_start(c)
}

fn is_ident_continue(c: char) -> bool {
    unicode_ident::is_xid_continue(c)
}

/// Zero-width characters, which editors do not show.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

fn starts_no_token(c: char) -> bool {
    !matches!(c, ' ' | '\t' | '\r' | '\n' | '"' | '\'' | '0'..='9')
        && !is_ident_start(c)
        && Punct::at_start_of(c.encode_utf8(&mut [0; 4])).is_none()
}

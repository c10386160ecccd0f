//! Reporting errors, and going on behind them.

use super::{Elements, Parse, Parser, Recover};
use crate::diagnostic::{Diagnostic, code};
use crate::token::{Keyword, Punct, TokenKind};

impl Parser<'_> {
    /// Reports, unless there was an error at this token already, or it or the one before is
    /// unreadable (which the lexer reported).
    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        let is_consequence = self.last_error == Some(self.pos);
        self.last_error = Some(self.pos);
        let near = &self.tokens[self.pos.saturating_sub(1)..=self.pos];
        let is_unreadable = near.iter().any(|token| token.kind == TokenKind::Error);
        if !is_consequence && !is_unreadable {
            self.diagnostics.push(diagnostic);
        }
    }

    /// Reports and gives up on what is being parsed.
    pub(super) fn fail<T>(&mut self, diagnostic: Diagnostic) -> Parse<T> {
        self.report(diagnostic);
        Err(Recover)
    }

    /// "expected …, found …" at this token.
    pub(super) fn unexpected<T>(&mut self, expected: &str) -> Parse<T> {
        let diagnostic = self.unexpected_here(expected);
        self.fail(diagnostic)
    }

    pub(super) fn unexpected_here(&self, expected: &str) -> Diagnostic {
        let message = format!("expected {expected}, found {}", self.kind());
        Diagnostic::error(code::UNEXPECTED_TOKEN, message, self.span())
    }

    /// Skips what is left of a statement that failed: to its line end, or to the brace that
    /// closes what is around it. What stands in brackets on the way is skipped as a whole.
    pub(super) fn skip_stmt(&mut self) {
        while !self.at_recovery_point() {
            self.skip_group();
        }
    }

    fn at_recovery_point(&self) -> bool {
        matches!(
            self.kind(),
            TokenKind::Newline | TokenKind::Eof | TokenKind::Punct(Punct::Semi | Punct::RBrace)
        )
    }

    /// Whether an element of a braced list ends here.
    pub(super) fn at_element_end(&self) -> bool {
        self.at_recovery_point() || self.at(Punct::Comma)
    }

    /// Skips what is left of a broken element of a braced list.
    pub(super) fn skip_element(&mut self) {
        while !self.at_element_end() {
            self.skip_group();
        }
    }

    pub(super) fn report_element_rest(&mut self, what: &str) {
        let diagnostic = self.unexpected_here(&format!("`,` or a line end after {what}"));
        self.report(diagnostic);
    }

    /// Skips one token, or a bracket and everything up to its partner.
    pub(super) fn skip_group(&mut self) {
        let partner = self.partners[self.pos];
        if partner > self.pos && self.tokens[partner].kind != TokenKind::Eof {
            self.pos = partner;
        }
        self.bump();
    }

    /// Skips the rest of a broken head, if the `{` of its body follows on the same line.
    pub(super) fn skip_to_body(&mut self) -> Parse<()> {
        let start = self.pos;
        while !self.at_recovery_point() && !self.at(Punct::LBrace) {
            self.skip_group();
        }
        if self.at(Punct::LBrace) {
            return Ok(());
        }
        self.pos = start;
        Err(Recover)
    }

    /// The end of a statement: a line end or `;`, or the end of what is around it.
    pub(super) fn expect_stmt_end(&mut self) {
        if self.at(TokenKind::Newline) || self.at(Punct::Semi) {
            self.skip_separators();
            return;
        }
        // The declaration that showed a missing `}`; its line end is behind.
        let is_abandoned = self.token().on_new_line
            && (self.last_error == Some(self.pos) || self.is_behind_misnamed());
        let ends_here = self.at(Punct::RBrace) || self.at(TokenKind::Eof) || is_abandoned;
        if !ends_here && !self.at(Keyword::Case) && !self.at(Keyword::Default) {
            self.report_stmt_rest();
            self.skip_stmt();
            self.skip_separators();
        }
    }

    /// Arms outside of `match` follow from one mistake: of a row of them only the first is told.
    pub(super) fn forgive_stray_arm(&mut self, start: usize, reported: usize) {
        let is_broken = self.diagnostics.len() > reported;
        if is_broken && self.is_arm(start) && std::mem::replace(&mut self.in_strays, true) {
            self.diagnostics.truncate(reported);
        }
    }

    /// Whether `=>` stands between this token and its line end, outside of brackets.
    pub(super) fn is_arm(&self, mut at: usize) -> bool {
        loop {
            match self.tokens[at].kind {
                TokenKind::Punct(Punct::FatArrow) => return true,
                TokenKind::Newline
                | TokenKind::Eof
                | TokenKind::Punct(Punct::Semi | Punct::RBrace) => return false,
                _ => at = (self.partners[at].max(at) + 1).min(self.tokens.len() - 1),
            }
        }
    }

    /// Something follows a complete statement on its line.
    fn report_stmt_rest(&mut self) {
        let message = format!("expected the end of the statement, found {}", self.kind());
        let diagnostic = match self.foreign_help() {
            Some(help) => {
                Diagnostic::error(code::FOREIGN_SYNTAX, message, self.span()).with_help(help)
            }
            None => Diagnostic::error(code::MISSING_SEPARATOR, message, self.span())
                .with_help("put each statement on a line of its own, or `;` between them"),
        };
        self.report(diagnostic);
    }

    /// The file ends inside braces. The innermost open brace is rarely the one whose partner was
    /// forgotten, as the braces behind it have shifted; a `}` that is indented less than the line
    /// of its partner gives that one away.
    pub(super) fn report_unclosed(&mut self, opening: usize) {
        let culprit = self.misindented_brace().unwrap_or(opening);
        if self.tokens[culprit].kind != TokenKind::Punct(Punct::LBrace) {
            return;
        }
        let message = "this `{` is never closed";
        self.report(
            Diagnostic::error(code::UNCLOSED, message, self.tokens[culprit].span)
                .with_label(self.span(), "the file ends here")
                .with_help("add the missing `}`"),
        );
    }

    /// Whether something stands here that is no element of the list `opening` opened, and is
    /// outdented as if that list had ended: its `}` was forgotten.
    pub(super) fn at_stmt_behind_list(&self, opening: usize, elements: &Elements) -> bool {
        let is_element = match *self.kind() {
            TokenKind::Punct(Punct::At) => false,
            TokenKind::Keyword(Keyword::True | Keyword::False) => true,
            TokenKind::Keyword(keyword) => {
                elements.keywords.contains(&keyword) || self.at_ahead(1, Punct::Colon)
            }
            _ => elements.sign.is_none_or(|sign| self.element_has(sign)),
        };
        !is_element
            && self.token().on_new_line
            && self.indentation(self.pos) <= self.indentation(opening)
    }

    /// Whether this punctuation stands between here and the end of the element.
    fn element_has(&self, sign: Punct) -> bool {
        let mut at = self.pos;
        loop {
            match self.tokens[at].kind {
                TokenKind::Punct(punct) if punct == sign => return true,
                TokenKind::Punct(Punct::LParen | Punct::LBracket | Punct::LBrace) => {
                    at = self.partners[at].max(at);
                }
                TokenKind::Newline
                | TokenKind::Eof
                | TokenKind::Punct(Punct::Comma | Punct::Semi | Punct::RBrace) => return false,
                _ => {}
            }
            at = (at + 1).min(self.tokens.len() - 1);
        }
    }

    pub(super) fn report_unclosed_before(&mut self, opening: usize) {
        if self.tokens[opening].kind != TokenKind::Punct(Punct::LBrace) {
            return;
        }
        let message = "this `{` is never closed";
        self.report(
            Diagnostic::error(code::UNCLOSED, message, self.tokens[opening].span)
                .with_label(self.span(), "expected `}` before this")
                .with_help("add the missing `}`"),
        );
    }

    fn misindented_brace(&self) -> Option<usize> {
        let closings = self.tokens.iter().enumerate().filter(|(_, token)| {
            token.on_new_line && token.kind == TokenKind::Punct(Punct::RBrace)
        });
        let mut pairs = closings.map(|(closing, _)| (self.partners[closing], closing));
        pairs
            .find(|&(opening, closing)| {
                opening < closing && self.indentation(closing) < self.indentation(opening)
            })
            .map(|(opening, _)| opening)
    }

    /// Whether a line ends here, and the next is indented more.
    pub(super) fn at_indented_line(&self) -> bool {
        // Behind what cannot end a statement there is no token for the line's end.
        let next = match self.kind() {
            TokenKind::Newline => self.pos + 1,
            _ if self.token().on_new_line && self.pos > 0 => self.pos,
            _ => return false,
        };
        self.indentation(next - 1) < self.indentation(next)
    }

    /// The width of the blanks before the first token on the line of this one.
    fn indentation(&self, token: usize) -> usize {
        let start = self.tokens[token].span.start as usize;
        let line_start = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line = &self.text[line_start..];
        line.len() - line.trim_start_matches([' ', '\t']).len()
    }
}

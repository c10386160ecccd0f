//! Patterns.

use super::{Elements, Parse, Parser};
use crate::ast::{FieldPattern, Ident, Literal, LiteralKind, Pattern, PatternKind, RestPattern};
use crate::diagnostic::{Diagnostic, code};
use crate::token::{Keyword, Punct, TokenKind};

const FIELDS: Elements = Elements {
    name: "this field",
    sign: None,
    keywords: &[],
};

impl Parser<'_> {
    /// `a | b`
    pub(super) fn parse_pattern(&mut self) -> Parse<Pattern> {
        self.nested(|p| {
            let first = p.parse_single_pattern()?;
            if !p.at(Punct::Or) {
                return Ok(first);
            }
            let start = first.span;
            let mut alternatives = vec![first];
            while p.maybe(Punct::Or).is_some() {
                alternatives.push(p.parse_single_pattern()?);
            }
            let kind = PatternKind::Or(alternatives);
            let span = p.span_from(start);
            Ok(Pattern { kind, span })
        })
    }

    fn parse_single_pattern(&mut self) -> Parse<Pattern> {
        let start = self.span();
        let kind = match self.kind() {
            TokenKind::Ident(_) => self.parse_name_pattern()?,
            TokenKind::Punct(Punct::LParen) => self.parse_tuple_pattern()?,
            TokenKind::Punct(Punct::LBracket) => self.parse_array_pattern()?,
            TokenKind::Int(_)
            | TokenKind::Float(_)
            | TokenKind::Str(_)
            | TokenKind::Char(_)
            | TokenKind::Keyword(Keyword::True | Keyword::False)
            | TokenKind::Punct(Punct::Minus) => self.parse_literal_pattern()?,
            TokenKind::Keyword(_) if self.at_keyword_pattern() => self.parse_name_pattern()?,
            _ => return self.no_pattern(),
        };
        let span = self.span_from(start);
        Ok(Pattern { kind, span })
    }

    /// A keyword where a binding stands.
    fn at_keyword_pattern(&self) -> bool {
        match self.peek(1) {
            TokenKind::Punct(Punct::Comma | Punct::RParen | Punct::RBracket) => true,
            TokenKind::Punct(Punct::FatArrow) => !matches!(
                self.kind(),
                TokenKind::Keyword(Keyword::Default | Keyword::Else)
            ),
            _ => false,
        }
    }

    fn no_pattern<T>(&mut self) -> Parse<T> {
        let help = match self.kind() {
            TokenKind::Keyword(Keyword::Case) => Some("arms are written `pattern => result`"),
            TokenKind::Keyword(Keyword::Default | Keyword::Else) => {
                Some("the pattern for everything else is `_`")
            }
            TokenKind::Punct(Punct::Ellipsis) => Some("`...tail` stands last in `[head, ...tail]`"),
            _ => None,
        };
        let mut diagnostic = self.unexpected_here("a pattern");
        diagnostic.help = help.map(str::to_owned);
        self.fail(diagnostic)
    }

    /// `_`, `name`, `Color.Red`, `Some(p)`, `Point{x: p}`
    fn parse_name_pattern(&mut self) -> Parse<PatternKind> {
        let mut path = vec![self.expect_ident("a pattern")?];
        while self.at(Punct::Dot) || self.at(Punct::ColonColon) {
            self.bump();
            path.push(self.expect_member_name("a variant's name")?);
        }
        if let Some(opening) = self.maybe(Punct::LParen) {
            let args =
                self.parse_list(opening, Punct::RParen, "this pattern", Self::parse_pattern)?;
            return Ok(PatternKind::Variant {
                path,
                args: Some(args),
            });
        }
        if self.at(Punct::LBrace) {
            let opening = self.pos;
            self.bump();
            let fields = self.parse_braced_list(opening, &FIELDS, Self::parse_field_pattern);
            return Ok(PatternKind::Struct { path, fields });
        }
        match <[Ident; 1]>::try_from(path) {
            Ok([name]) if name.is_underscore() => Ok(PatternKind::Wildcard),
            Ok([name]) => Ok(PatternKind::Name(name)),
            Err(path) => Ok(PatternKind::Variant { path, args: None }),
        }
    }

    fn parse_field_pattern(&mut self) -> Parse<FieldPattern> {
        if self.at(Punct::DotDot) || self.at(Punct::Ellipsis) {
            let message = "the other fields need no mention";
            let diagnostic = Diagnostic::error(code::BAD_PATTERN, message, self.span())
                .with_help("leave it out: fields that are not named are not looked at");
            return self.fail(diagnostic);
        }
        let name = self.expect_member_name("a field's name")?;
        let pattern = match self.maybe(Punct::Colon) {
            Some(_) => Some(self.parse_pattern()?),
            None => None,
        };
        let span = self.span_from(name.span);
        Ok(FieldPattern {
            name,
            pattern,
            span,
        })
    }

    /// `()`, `(p)`, which is `p`, or `(a, b)`
    fn parse_tuple_pattern(&mut self) -> Parse<PatternKind> {
        let opening = self.bump().span;
        let mut patterns =
            self.parse_list(opening, Punct::RParen, "this pattern", Self::parse_pattern)?;
        match (patterns.pop(), patterns.is_empty()) {
            (Some(only), true) => Ok(only.kind),
            (last, _) => {
                patterns.extend(last);
                Ok(PatternKind::Tuple(patterns))
            }
        }
    }

    /// `[a, b, ...rest]`
    fn parse_array_pattern(&mut self) -> Parse<PatternKind> {
        let opening = self.bump().span;
        let mut rest: Option<RestPattern> = None;
        let elements = self.parse_list(opening, Punct::RBracket, "this pattern", |p| {
            if let Some(rest) = &rest {
                let message = "`...` must come last in an array pattern";
                return p.fail(Diagnostic::error(code::BAD_PATTERN, message, rest.span));
            }
            if p.at(Punct::Ellipsis) {
                rest = Some(p.parse_rest_pattern()?);
                return Ok(None);
            }
            if p.at(Punct::DotDot) {
                let diagnostic = p
                    .unexpected_here("a pattern")
                    .with_help("the rest of an array is written `...rest`");
                return p.fail(diagnostic);
            }
            p.parse_pattern().map(Some)
        })?;
        let elements = elements.into_iter().flatten().collect();
        Ok(PatternKind::Array { elements, rest })
    }

    fn parse_rest_pattern(&mut self) -> Parse<RestPattern> {
        let start = self.bump().span;
        let name = if self.at_ident() {
            Some(self.expect_ident("a name")?)
        } else {
            None
        };
        let span = self.span_from(start);
        Ok(RestPattern { name, span })
    }

    /// A literal, or a range of two
    fn parse_literal_pattern(&mut self) -> Parse<PatternKind> {
        let first = self.parse_literal()?;
        if self.at(Punct::DotDotEq) {
            let message = "a range in a pattern is written with `..`";
            self.report(
                Diagnostic::error(code::FOREIGN_SYNTAX, message, self.span())
                    .with_help("both ends are included"),
            );
        } else if !self.at(Punct::DotDot) {
            return Ok(PatternKind::Literal(first));
        }
        self.bump();
        Ok(PatternKind::Range(first, self.parse_literal()?))
    }

    fn parse_literal(&mut self) -> Parse<Literal> {
        let start = self.span();
        let negative = self.maybe(Punct::Minus).is_some();
        let kind = match self.kind() {
            &TokenKind::Int(value) => LiteralKind::Int { negative, value },
            &TokenKind::Float(value) => LiteralKind::Float(if negative { -value } else { value }),
            _ if negative => return self.unexpected("a number after `-`"),
            TokenKind::Str(text) => LiteralKind::Str(text.clone()),
            &TokenKind::Char(c) => LiteralKind::Char(c),
            TokenKind::Keyword(Keyword::True) => LiteralKind::Bool(true),
            TokenKind::Keyword(Keyword::False) => LiteralKind::Bool(false),
            _ => return self.unexpected("a literal"),
        };
        self.bump();
        let span = self.span_from(start);
        Ok(Literal { kind, span })
    }
}

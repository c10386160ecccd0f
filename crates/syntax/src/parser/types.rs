//! Types.

use super::{Parse, Parser};
use crate::ast::{ArrayStyle, ChanStyle, RefStyle, Type, TypeKind, TypePath};
use crate::diagnostic::{Diagnostic, code};
use crate::token::{Keyword, Punct, TokenKind};

impl Parser<'_> {
    pub(super) fn parse_type(&mut self) -> Parse<Type> {
        self.nested(|p| {
            let start = p.span();
            let kind = p.parse_type_kind()?;
            p.reject_type_suffix()?;
            let span = p.span_from(start);
            Ok(Type { kind, span })
        })
    }

    /// A type behind `as`: a `<` behind it compares.
    pub(super) fn parse_type_in_expr(&mut self) -> Parse<Type> {
        self.nested(|p| {
            let start = p.span();
            let kind = p.parse_type_kind()?;
            if p.at(Punct::Question) {
                p.reject_type_suffix()?;
            }
            let span = p.span_from(start);
            Ok(Type { kind, span })
        })
    }

    fn parse_type_kind(&mut self) -> Parse<TypeKind> {
        match *self.kind() {
            TokenKind::Punct(Punct::Star) => {
                self.bump();
                Ok(TypeKind::Ref(Box::new(self.parse_type()?), RefStyle::Star))
            }
            TokenKind::Punct(Punct::And) => self.parse_ampersand_type(),
            TokenKind::Punct(Punct::LBracket) => self.parse_array_type(),
            TokenKind::Punct(Punct::LParen) => self.parse_tuple_type(),
            TokenKind::Keyword(Keyword::Chan) => self.parse_chan_type(),
            TokenKind::Punct(Punct::LeftArrow) if self.at_ahead(1, Keyword::Chan) => {
                self.reject_direction();
                self.parse_chan_type()
            }
            TokenKind::Keyword(Keyword::Func) => self.parse_func_type(),
            TokenKind::Ident(_) if self.at_map_type() => self.parse_map_type(),
            TokenKind::Ident(_) => Ok(TypeKind::Path(self.parse_type_path()?)),
            _ => self.unexpected("a type"),
        }
    }

    /// Whether a type starts at this token and on this line.
    pub(super) fn at_type(&self) -> bool {
        self.is_type_start(self.pos)
    }

    /// Whether a type can start with the token at this index. `where` cannot, as it follows types;
    /// neither can what starts a line.
    fn is_type_start(&self, index: usize) -> bool {
        let token = &self.tokens[index];
        let starts = match &token.kind {
            TokenKind::Ident(name) => &**name != "where",
            TokenKind::Keyword(keyword) => matches!(keyword, Keyword::Chan | Keyword::Func),
            TokenKind::Punct(punct) => matches!(
                punct,
                Punct::Star | Punct::And | Punct::LBracket | Punct::LParen
            ),
            _ => false,
        };
        starts && !token.on_new_line
    }

    fn parse_ampersand_type(&mut self) -> Parse<TypeKind> {
        self.bump();
        let style = if self.at_word("mut") && self.is_type_start(self.pos + 1) {
            self.bump();
            RefStyle::AmpersandMut
        } else {
            RefStyle::Ampersand
        };
        Ok(TypeKind::Ref(Box::new(self.parse_type()?), style))
    }

    /// `[T]` or `[]T`
    fn parse_array_type(&mut self) -> Parse<TypeKind> {
        let opening = self.bump().span;
        if self.maybe(Punct::RBracket).is_some() {
            let element = Box::new(self.parse_type()?);
            return Ok(TypeKind::Array(element, ArrayStyle::Before));
        }
        let element = Box::new(self.parse_type()?);
        if self.at(Punct::Semi) {
            let message = "array types have no length";
            let diagnostic = Diagnostic::error(code::FOREIGN_SYNTAX, message, self.span())
                .with_help(
                    "arrays grow: the type is `[T]`, and `[value; n]` makes one of length n",
                );
            self.report(diagnostic);
            self.bump();
            self.parse_expr()?;
        }
        self.expect_closing(Punct::RBracket, opening, "")?;
        Ok(TypeKind::Array(element, ArrayStyle::Around))
    }

    /// `()`, `(T)`, which is `T`, or `(A, B)`
    fn parse_tuple_type(&mut self) -> Parse<TypeKind> {
        let opening = self.bump().span;
        let mut types = self.parse_list(opening, Punct::RParen, "this type", Self::parse_type)?;
        match (types.pop(), types.is_empty()) {
            (Some(only), true) => Ok(only.kind),
            (last, _) => {
                types.extend(last);
                Ok(TypeKind::Tuple(types))
            }
        }
    }

    fn at_map_type(&self) -> bool {
        self.at_word("map") && self.at_ahead(1, Punct::LBracket)
    }

    /// `map[K]V`
    fn parse_map_type(&mut self) -> Parse<TypeKind> {
        self.bump();
        let opening = self.bump().span;
        let key = Box::new(self.parse_type()?);
        self.expect_closing(Punct::RBracket, opening, "")?;
        if !self.at_type() {
            let diagnostic = self
                .unexpected_here("the type of the map's values")
                .with_help("map types are written `map[Key]Value`");
            return self.fail(diagnostic);
        }
        let value = Box::new(self.parse_type()?);
        Ok(TypeKind::Map(key, value))
    }

    /// Whether `map[…]` here is followed by a type, so that it cannot be an index.
    pub(super) fn at_map_type_in_expr(&self) -> bool {
        if !self.at_map_type() {
            return false;
        }
        let closing = self.partners[self.pos + 1];
        let next = (closing + 1).min(self.tokens.len() - 1);
        match &self.tokens[next].kind {
            TokenKind::Ident(_) | TokenKind::Keyword(_) => self.is_type_start(next),
            // `map[K][]V`: an index is never empty.
            TokenKind::Punct(Punct::LBracket) => self.partners[next] == next + 1,
            _ => false,
        }
    }

    /// `chan T`, `chan[T]`, `chan[10] T`
    fn parse_chan_type(&mut self) -> Parse<TypeKind> {
        self.bump();
        if self.at(Punct::LeftArrow) {
            self.reject_direction();
        }
        match self.chan_bracket() {
            ChanBracket::None => {
                let element = Box::new(self.parse_type()?);
                Ok(TypeKind::Chan(element, ChanStyle::Plain))
            }
            ChanBracket::Element => {
                let opening = self.bump().span;
                let element = Box::new(self.parse_type()?);
                self.expect_closing(Punct::RBracket, opening, "")?;
                Ok(TypeKind::Chan(element, ChanStyle::Bracketed))
            }
            ChanBracket::Capacity => {
                let opening = self.bump().span;
                let TokenKind::Int(capacity) = *self.kind() else {
                    let diagnostic = self
                        .unexpected_here("a number")
                        .with_note("in a type, the brackets of `chan[N] T` hold a plain number")
                        .with_help("the capacity is not part of the type: write `chan T`");
                    return self.fail(diagnostic);
                };
                self.bump();
                self.expect_closing(Punct::RBracket, opening, "")?;
                let element = Box::new(self.parse_type()?);
                Ok(TypeKind::Chan(element, ChanStyle::WithCapacity(capacity)))
            }
        }
    }

    /// What the bracket behind `chan` holds: a capacity if a type follows it on its line,
    /// otherwise the element type. `chan []int` has none.
    pub(super) fn chan_bracket(&self) -> ChanBracket {
        let closing = self.partners[self.pos];
        if !self.at(Punct::LBracket) || closing == self.pos + 1 {
            return ChanBracket::None;
        }
        let next = (closing + 1).min(self.tokens.len() - 1);
        let type_follows = match self.tokens[next].kind {
            TokenKind::Ident(_) | TokenKind::Keyword(_) | TokenKind::Punct(Punct::LBracket) => {
                self.is_type_start(next)
            }
            // `chan[3] (int, int)`, but `chan[int](3)` is a call.
            TokenKind::Punct(Punct::LParen) => {
                self.is_type_start(next) && matches!(self.peek(1), TokenKind::Int(_))
            }
            _ => false,
        };
        if type_follows {
            ChanBracket::Capacity
        } else {
            ChanBracket::Element
        }
    }

    /// `func(A, B) -> R`
    pub(super) fn parse_func_type(&mut self) -> Parse<TypeKind> {
        self.bump();
        let opening = self.expect(Punct::LParen, "after `func` in a function type")?;
        let params = self.parse_list(opening, Punct::RParen, "this type", Self::parse_type)?;
        if self.at_ident() && self.at_type() {
            let diagnostic = self
                .unexpected_here("`->`")
                .with_help("the result of a function type is written `-> T`");
            return self.fail(diagnostic);
        }
        let result = match self.maybe(Punct::Arrow) {
            Some(_) => Some(Box::new(self.parse_type()?)),
            None => None,
        };
        Ok(TypeKind::Func(params, result))
    }

    /// `Name`, `pkg.Name`, each with or without `[A, B]`
    fn parse_type_path(&mut self) -> Parse<TypePath> {
        let mut segments = vec![self.expect_ident("a type")?];
        while self.at(Punct::Dot) {
            self.bump();
            segments.push(self.expect_member_name("a name after `.`")?);
        }
        let mut args = Vec::new();
        if self.at(Punct::LBracket) && !self.token().on_new_line {
            args = self.parse_type_args()?;
        }
        Ok(TypePath { segments, args })
    }

    fn parse_type_args(&mut self) -> Parse<Vec<Type>> {
        let opening = self.bump().span;
        if let Some(closing) = self.maybe(Punct::RBracket) {
            let message = "type arguments are missing between the brackets";
            let diagnostic = Diagnostic::error(code::BAD_DECLARATION, message, opening.to(closing))
                .with_help("the array type is written `[T]`");
            return self.fail(diagnostic);
        }
        self.parse_list(opening, Punct::RBracket, "this type", Self::parse_type)
    }

    /// Type forms of other languages that come after the type.
    fn reject_type_suffix(&mut self) -> Parse<()> {
        let help = match self.kind() {
            TokenKind::Punct(Punct::Lt) => "type arguments are written `Name[T]`",
            TokenKind::Punct(Punct::Question) => "an optional value has the type `Option[T]`",
            _ => return Ok(()),
        };
        let diagnostic = self.unexpected_here("the end of the type").with_help(help);
        self.fail(diagnostic)
    }
}

/// See [`Parser::chan_bracket`].
pub(super) enum ChanBracket {
    None,
    Element,
    Capacity,
}

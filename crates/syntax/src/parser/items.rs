//! Declarations.

use super::{Elements, Parse, Parser};
use crate::ast::{
    AliasDecl, EnumDecl, ExtendDecl, FieldDecl, FromImportDecl, Func, Ident, ImplClause, ImplDecl,
    ImplTarget, ImportDecl, ImportPath, ImportedName, Item, ItemKind, Param, Receiver, StmtKind,
    StructDecl, TraitDecl, TraitMember, Type, TypeParam, VariantDecl, WhereClause,
};
use crate::diagnostic::{Diagnostic, code};
use crate::span::Span;
use crate::token::{Keyword, Punct, TokenKind};

const FIELDS: Elements = Elements {
    name: "this field",
    sign: Some(Punct::Colon),
    keywords: &[],
};

const VARIANTS: Elements = Elements {
    name: "this variant",
    sign: None,
    keywords: &[],
};

/// Of traits and extensions.
const MEMBERS: Elements = Elements {
    name: "this member",
    sign: None,
    keywords: &[Keyword::Func, Keyword::Async, Keyword::Type],
};

/// Which functions a place admits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FuncPlace {
    /// A function or a method, with a body.
    Item,
    /// A method of `extend`: no receiver.
    Extend,
    /// A method of a trait: no receiver, perhaps no body.
    Trait,
}

impl Parser<'_> {
    /// Whether a declaration starts here. `func (` starts a closure, unless a receiver follows.
    pub(super) fn at_item(&self) -> bool {
        match self.kind() {
            TokenKind::Keyword(keyword) => match keyword {
                Keyword::Struct
                | Keyword::Enum
                | Keyword::Trait
                | Keyword::Extend
                | Keyword::Type
                | Keyword::Package
                | Keyword::Import
                | Keyword::From
                | Keyword::Private
                | Keyword::Async => true,
                Keyword::Func => !self.at_ahead(1, Punct::LParen) || self.at_receiver(1),
                _ => false,
            },
            TokenKind::Punct(Punct::At) => true,
            _ => false,
        }
    }

    /// `(p Point)`, not `(p: Point)`, `(p, q)` or `(p)`; but with a method's name and its
    /// parameters behind it, `(p: Point)` is a receiver too, wrongly written.
    fn at_receiver(&self, ahead: usize) -> bool {
        if !self.at_ahead(ahead, Punct::LParen) || !self.is_ident_ahead(ahead + 1) {
            return false;
        }
        match self.peek(ahead + 2) {
            TokenKind::Punct(Punct::Colon) => {
                let closing = self.partners[self.pos + ahead];
                matches!(
                    self.tokens.get(closing + 1..closing + 3),
                    Some([name, paren])
                        if matches!(name.kind, TokenKind::Ident(_))
                            && paren.kind == TokenKind::Punct(Punct::LParen)
                )
            }
            TokenKind::Punct(Punct::Comma | Punct::RParen | Punct::Dot) => false,
            _ => true,
        }
    }

    pub(super) fn parse_item(&mut self) -> Parse<Item> {
        let start = self.span();
        let private = self.maybe(Keyword::Private);
        let kind = self.parse_item_kind(private.is_some())?;
        let span = self.span_from(start);
        Ok(Item {
            private,
            kind,
            span,
        })
    }

    fn parse_item_kind(&mut self, is_private: bool) -> Parse<ItemKind> {
        match self.kind() {
            TokenKind::Keyword(Keyword::Func | Keyword::Async) => {
                let func = self.parse_func(FuncPlace::Item);
                func.map(|func| ItemKind::Func(Box::new(func)))
            }
            TokenKind::Keyword(Keyword::Struct) => self.parse_struct().map(ItemKind::Struct),
            TokenKind::Keyword(Keyword::Enum) => self.parse_enum().map(ItemKind::Enum),
            TokenKind::Keyword(Keyword::Trait) => self.parse_trait().map(ItemKind::Trait),
            TokenKind::Keyword(Keyword::Extend) => self.parse_extend().map(ItemKind::Extend),
            TokenKind::Keyword(Keyword::Type) => self.parse_alias().map(ItemKind::Alias),
            _ if is_private => {
                let expected =
                    "`func`, `struct`, `enum`, `trait`, `extend` or `type` after `private`";
                self.unexpected(expected)
            }
            TokenKind::Keyword(Keyword::Package) => {
                self.bump();
                self.expect_ident("the package's name")
                    .map(ItemKind::Package)
            }
            TokenKind::Keyword(Keyword::Import) => self.parse_import().map(ItemKind::Import),
            TokenKind::Keyword(Keyword::From) => self.parse_from_import().map(ItemKind::FromImport),
            TokenKind::Punct(Punct::At) => self.parse_impl().map(ItemKind::Impl),
            _ => self.unexpected("a declaration"),
        }
    }

    // ------------------------------------------------------------ functions

    fn parse_func(&mut self, place: FuncPlace) -> Parse<Func> {
        let start = self.span();
        let is_async = self.maybe(Keyword::Async);
        if !self.maybe_foreign_func() {
            self.expect_keyword(Keyword::Func, "after `async`")?;
        }
        self.parse_func_rest(start, is_async, place)
    }

    /// A function behind another language's word for `func`.
    pub(super) fn parse_foreign_func(&mut self) -> Parse<StmtKind> {
        let start = self.bump().span;
        let func = self.parse_func_rest(start, None, FuncPlace::Item)?;
        Ok(StmtKind::Item(Box::new(Item {
            private: None,
            span: func.span,
            kind: ItemKind::Func(Box::new(func)),
        })))
    }

    fn parse_func_rest(
        &mut self,
        start: Span,
        is_async: Option<Span>,
        place: FuncPlace,
    ) -> Parse<Func> {
        let receiver = self.maybe_receiver(place)?;
        let is_method = receiver.is_some() || place != FuncPlace::Item;
        let name = if is_method {
            self.expect_member_name("the method's name")?
        } else {
            self.expect_ident("a function's name")?
        };
        let type_params = self.maybe_type_params()?;
        let opening = self.expect(Punct::LParen, "before the parameters")?;
        let params = self.parse_params(opening)?;
        let result = self.maybe_result_type()?;
        self.reject_throws()?;
        if result.is_some() && self.at(Punct::Comma) {
            let message = "several results are one tuple";
            let diagnostic = Diagnostic::error(code::FOREIGN_SYNTAX, message, self.span());
            return self.fail(diagnostic.with_help("write `-> (int, string)`"));
        }
        let where_clause = self.maybe_where()?;
        let body = if self.at_body() {
            Some(self.parse_body("the function's head")?)
        } else {
            self.check_bodyless(place, &name.name);
            None
        };
        let span = self.span_from(start);
        Ok(Func {
            is_async,
            receiver,
            name,
            type_params,
            params,
            result,
            where_clause,
            body,
            span,
        })
    }

    fn maybe_receiver(&mut self, place: FuncPlace) -> Parse<Option<Receiver>> {
        if !self.at(Punct::LParen) {
            return Ok(None);
        }
        if place != FuncPlace::Item {
            let message = "methods have no receiver here";
            let diagnostic = Diagnostic::error(code::BAD_DECLARATION, message, self.span())
                .with_help("the receiver is `self`: write `func name(…)`");
            return self.fail(diagnostic);
        }
        let start = self.bump().span;
        let name = self.expect_ident("the receiver's name")?;
        if self.at(Punct::Colon) {
            let diagnostic = self
                .unexpected_here("the receiver's type")
                .with_help("receivers are written without `:`, as in `func (p Point) name()`");
            self.report(diagnostic);
            self.bump();
        }
        let ty = self.parse_type()?;
        self.expect_closing(Punct::RParen, start, "")?;
        let span = self.span_from(start);
        Ok(Some(Receiver { name, ty, span }))
    }

    /// The parameters up to `)`.
    pub(super) fn parse_params(&mut self, opening: Span) -> Parse<Vec<Param>> {
        // Who leaves out one `:` leaves out all: that is told once.
        let mut lacks_colon = false;
        self.parse_list(opening, Punct::RParen, "this parameter", |p| {
            p.parse_param(&mut lacks_colon)
        })
    }

    fn parse_param(&mut self, lacks_colon: &mut bool) -> Parse<Param> {
        self.reject_self_parameter()?;
        let name = self.expect_ident("a parameter's name")?;
        if self.maybe(Punct::Colon).is_none() {
            if *lacks_colon && self.at_type() {
                self.last_error = Some(self.pos);
            }
            *lacks_colon = true;
            let help = match self.at(Punct::Ellipsis) {
                true => format!("take an array: `{}: [int]`", name.name),
                false => format!("parameters are written `{}: Type`", name.name),
            };
            let diagnostic = self
                .unexpected_here("`:` and the parameter's type")
                .with_help(help);
            if !self.at_type() {
                return self.fail(diagnostic);
            }
            self.report(diagnostic);
        }
        let ty = self.parse_type()?;
        let span = self.span_from(name.span);
        if self.at(Punct::Eq) {
            let message = "parameters have no default values";
            let diagnostic = Diagnostic::error(code::FOREIGN_SYNTAX, message, self.span())
                .with_help("write a second function, or pass an `Option[T]`");
            return self.fail(diagnostic);
        }
        Ok(Param { name, ty, span })
    }

    /// `-> T`, or `T` alone
    pub(super) fn maybe_result_type(&mut self) -> Parse<Option<Type>> {
        if self.at(Punct::Colon) {
            let diagnostic = self
                .unexpected_here("`->` or `{`")
                .with_help("the result type is written `-> T`");
            self.report(diagnostic);
            self.bump();
            return self.parse_type().map(Some);
        }
        self.reject_throws()?;
        let receives = self.at(Punct::LeftArrow) && self.at_ahead(1, Keyword::Chan);
        if self.maybe(Punct::Arrow).is_some() || self.at_type() || receives {
            return self.parse_type().map(Some);
        }
        Ok(None)
    }

    fn maybe_where(&mut self) -> Parse<Option<WhereClause>> {
        if !self.at_word("where") || self.token().on_new_line {
            return Ok(None);
        }
        let start = self.bump().span;
        let left = self.parse_type()?;
        self.expect(Punct::Eq, "between the types of `where`")?;
        let right = self.parse_type()?;
        let span = self.span_from(start);
        Ok(Some(WhereClause { left, right, span }))
    }

    fn check_bodyless(&mut self, place: FuncPlace, name: &str) {
        if place == FuncPlace::Trait {
            return;
        }
        let message = format!("the function `{name}` has no body");
        let diagnostic =
            Diagnostic::error(code::BAD_DECLARATION, message, self.last_span().after())
                .with_span_label(format!("expected `{{`, found {}", self.kind()))
                .with_help("write it in braces behind the head: `{ … }`");
        self.report(diagnostic);
    }

    /// `[T, U: A + B]`
    fn maybe_type_params(&mut self) -> Parse<Vec<TypeParam>> {
        match self.maybe(Punct::LBracket) {
            Some(opening) => self.parse_list(
                opening,
                Punct::RBracket,
                "this type parameter",
                Self::parse_type_param,
            ),
            None if self.at(Punct::Lt) => {
                let diagnostic = self
                    .unexpected_here("`[` or `(`")
                    .with_help("type parameters are written `[T]`");
                self.fail(diagnostic)
            }
            None => Ok(Vec::new()),
        }
    }

    fn parse_type_param(&mut self) -> Parse<TypeParam> {
        let subject = self.parse_type()?;
        let mut bounds = Vec::new();
        if self.maybe(Punct::Colon).is_some() {
            bounds.push(self.parse_type()?);
            while self.maybe(Punct::Plus).is_some() {
                bounds.push(self.parse_type()?);
            }
        }
        let span = self.span_from(subject.span);
        Ok(TypeParam {
            subject,
            bounds,
            span,
        })
    }

    // ------------------------------------------------------------ types

    fn parse_struct(&mut self) -> Parse<StructDecl> {
        let start = self.bump().span;
        let name = self.expect_ident("the struct's name")?;
        let type_params = self.maybe_type_params()?;
        let opening = self.expect_opening_brace("the struct's name")?;
        let mut lacks_colon = false;
        let fields =
            self.parse_braced_list(opening, &FIELDS, |p| p.parse_field_decl(&mut lacks_colon));
        let span = self.span_from(start);
        Ok(StructDecl {
            name,
            type_params,
            fields,
            span,
        })
    }

    fn parse_field_decl(&mut self, lacks_colon: &mut bool) -> Parse<FieldDecl> {
        if self.at(Keyword::Func) && !self.at_ahead(1, Punct::Colon) {
            let message = "methods are declared outside the struct";
            let diagnostic = Diagnostic::error(code::BAD_DECLARATION, message, self.span())
                .with_help("write `func (self_name TypeName) method(…) { … }` after the struct");
            return self.fail(diagnostic);
        }
        let name = self.expect_member_name("a field's name")?;
        if self.maybe(Punct::Colon).is_none() {
            if *lacks_colon && self.at_type() {
                self.last_error = Some(self.pos);
            }
            *lacks_colon = true;
            let help = format!("fields are written `{}: Type`", name.name);
            let diagnostic = self
                .unexpected_here("`:` and the field's type")
                .with_help(help);
            if !self.at_type() {
                return self.fail(diagnostic);
            }
            self.report(diagnostic);
        }
        let ty = self.parse_type()?;
        let span = self.span_from(name.span);
        Ok(FieldDecl { name, ty, span })
    }

    fn parse_enum(&mut self) -> Parse<EnumDecl> {
        let start = self.bump().span;
        let name = self.expect_ident("the enum's name")?;
        let type_params = self.maybe_type_params()?;
        let opening = self.expect_opening_brace("the enum's name")?;
        let variants = self.parse_variants(opening);
        let span = self.span_from(start);
        Ok(EnumDecl {
            name,
            type_params,
            variants,
            span,
        })
    }

    /// Variants need no separator: `enum Color { Red Green }`.
    fn parse_variants(&mut self, opening: usize) -> Vec<VariantDecl> {
        let groups = self.parse_braced_list(opening, &VARIANTS, |p| {
            let mut group = vec![p.parse_variant_decl()?];
            while p.at_ident() {
                group.push(p.parse_variant_decl()?);
            }
            Ok(group)
        });
        groups.into_iter().flatten().collect()
    }

    fn parse_variant_decl(&mut self) -> Parse<VariantDecl> {
        let name = self.expect_ident("a variant's name")?;
        let payload = match self.maybe(Punct::LParen) {
            Some(opening) => {
                self.parse_list(opening, Punct::RParen, "this type", Self::parse_type)?
            }
            None => Vec::new(),
        };
        if self.at(Punct::Eq) {
            let message = "variants have no numbers";
            let diagnostic = Diagnostic::error(code::FOREIGN_SYNTAX, message, self.span())
                .with_help("write a method that matches on the variants");
            return self.fail(diagnostic);
        }
        let span = self.span_from(name.span);
        Ok(VariantDecl {
            name,
            payload,
            span,
        })
    }

    fn parse_alias(&mut self) -> Parse<AliasDecl> {
        let start = self.bump().span;
        let name = self.expect_ident("the type's name")?;
        if !self.at(Punct::Eq) {
            let help = self.foreign_type_help(&name.name);
            let help = help.unwrap_or(format!("an alias is written `type {} = …`", name.name));
            let diagnostic = self.unexpected_here("`=`").with_help(help);
            return self.fail(diagnostic);
        }
        self.bump();
        let ty = self.parse_type()?;
        let span = self.span_from(start);
        Ok(AliasDecl { name, ty, span })
    }

    // ------------------------------------------------------------ traits

    fn parse_trait(&mut self) -> Parse<TraitDecl> {
        let start = self.bump().span;
        let name = self.expect_ident("the trait's name")?;
        let type_params = self.maybe_type_params()?;
        let mut supertraits = Vec::new();
        if self.maybe(Punct::Colon).is_some() {
            supertraits.push(self.parse_type()?);
            while self.maybe(Punct::Comma).is_some() || self.maybe(Punct::Plus).is_some() {
                supertraits.push(self.parse_type()?);
            }
        }
        let opening = self.expect_opening_brace("the trait's head")?;
        let members = self.parse_braced_list(opening, &MEMBERS, Self::parse_trait_member);
        let span = self.span_from(start);
        Ok(TraitDecl {
            name,
            type_params,
            supertraits,
            members,
            span,
        })
    }

    fn parse_trait_member(&mut self) -> Parse<TraitMember> {
        match self.kind() {
            TokenKind::Keyword(Keyword::Type) => {
                self.bump();
                let name = self.expect_ident("the associated type's name")?;
                Ok(TraitMember::AssocType(name))
            }
            TokenKind::Keyword(Keyword::Func | Keyword::Async) => {
                let func = self.parse_func(FuncPlace::Trait)?;
                Ok(TraitMember::Func(Box::new(func)))
            }
            _ => self.unexpected("`func`, `type` or `}` in the trait"),
        }
    }

    fn parse_extend(&mut self) -> Parse<ExtendDecl> {
        let start = self.bump().span;
        let ty = self.parse_type()?;
        let opening = self.expect_opening_brace("the extended type")?;
        let funcs = self.parse_braced_list(opening, &MEMBERS, |p| match p.kind() {
            TokenKind::Keyword(Keyword::Func | Keyword::Async) => p.parse_func(FuncPlace::Extend),
            _ => p.unexpected("`func` or `}` in the extension"),
        });
        let span = self.span_from(start);
        Ok(ExtendDecl { ty, funcs, span })
    }

    /// Stacked `@impl` clauses and their target.
    fn parse_impl(&mut self) -> Parse<ImplDecl> {
        let start = self.span();
        let mut clauses = Vec::new();
        while self.at(Punct::At) {
            clauses.push(self.parse_impl_clause()?);
            self.skip_separators();
        }
        let target = self.parse_impl_target()?;
        let span = self.span_from(start);
        Ok(ImplDecl {
            clauses,
            target,
            span,
        })
    }

    /// `@impl Trait` and the `type X = T` lines behind it
    fn parse_impl_clause(&mut self) -> Parse<ImplClause> {
        let start = self.bump().span;
        if !self.at_word("impl") {
            return self.unexpected("`impl` after `@`");
        }
        self.bump();
        let trait_type = self.parse_type()?;
        let mut assoc_types = Vec::new();
        while self.at_alias_behind_line_end() {
            self.skip_separators();
            assoc_types.push(self.parse_alias()?);
        }
        let span = self.span_from(start);
        Ok(ImplClause {
            trait_type,
            assoc_types,
            span,
        })
    }

    fn at_alias_behind_line_end(&self) -> bool {
        let is_separator = |kind: &TokenKind| {
            *kind == TokenKind::Newline || *kind == TokenKind::Punct(Punct::Semi)
        };
        let first = (0..).find(|&ahead| !is_separator(self.peek(ahead)));
        first.is_some_and(|ahead| self.at_ahead(ahead, Keyword::Type))
    }

    fn parse_impl_target(&mut self) -> Parse<ImplTarget> {
        match self.kind() {
            TokenKind::Keyword(Keyword::Private)
                if !self.at_ahead(1, Keyword::Struct) && !self.at_ahead(1, Keyword::Enum) =>
            {
                self.bump();
                self.unexpected("`struct` or `enum` after `@impl` and `private`")
            }
            TokenKind::Keyword(Keyword::Struct | Keyword::Enum | Keyword::Private) => {
                Ok(ImplTarget::Item(Box::new(self.parse_item()?)))
            }
            TokenKind::Ident(_)
            | TokenKind::Punct(Punct::LBracket | Punct::LParen | Punct::Star)
            | TokenKind::Keyword(Keyword::Chan) => Ok(ImplTarget::Type(self.parse_type()?)),
            _ => {
                let diagnostic = self
                    .unexpected_here("a struct, an enum or a type's name after `@impl`")
                    .with_help("`@impl Trait` stands before the type that implements it");
                self.report(diagnostic);
                Ok(ImplTarget::Error(self.span().before()))
            }
        }
    }

    // ------------------------------------------------------------ packages

    fn parse_import(&mut self) -> Parse<ImportDecl> {
        let start = self.bump().span;
        if self.at(Punct::LParen) {
            let diagnostic = self
                .unexpected_here("a module's name")
                .with_help("each `import` names one module: `import math`");
            return self.fail(diagnostic);
        }
        let path = self.parse_import_path()?;
        let alias = self.maybe_import_alias()?;
        let span = self.span_from(start);
        Ok(ImportDecl { path, alias, span })
    }

    fn parse_from_import(&mut self) -> Parse<FromImportDecl> {
        let start = self.bump().span;
        let path = self.parse_import_path()?;
        self.expect_keyword(Keyword::Import, "after the package")?;
        let mut names = Vec::new();
        loop {
            let name = self.expect_ident("an imported name")?;
            let alias = self.maybe_import_alias()?;
            names.push(ImportedName { name, alias });
            if self.maybe(Punct::Comma).is_none() {
                break;
            }
        }
        let span = self.span_from(start);
        Ok(FromImportDecl { path, names, span })
    }

    fn parse_import_path(&mut self) -> Parse<ImportPath> {
        let span = self.span();
        if let TokenKind::Str(text) = self.kind() {
            let text = text.clone();
            self.bump();
            return Ok(ImportPath {
                text,
                quoted: true,
                span,
            });
        }
        let name = self.expect_ident("a package's name or path")?;
        if self.at(Punct::Slash) || self.at(Punct::Dot) {
            let diagnostic = self
                .unexpected_here("the end of the import")
                .with_help("a module is imported by its name: `import math`");
            return self.fail(diagnostic);
        }
        Ok(ImportPath {
            text: name.name,
            quoted: false,
            span,
        })
    }

    fn maybe_import_alias(&mut self) -> Parse<Option<Ident>> {
        match self.maybe(Keyword::As) {
            Some(_) => self.expect_ident("a name after `as`").map(Some),
            None => Ok(None),
        }
    }
}

//! Syntax of other languages that people write by habit, and what Echo has instead.

use super::{Parse, Parser};
use crate::ast::{Stmt, StmtKind};
use crate::diagnostic::{Diagnostic, code};
use crate::token::{Keyword, Punct, TokenKind};

/// Words that start a variable declaration elsewhere.
const LET_WORDS: &[&str] = &["var", "const", "val", "auto", "final"];

/// Words that start a function elsewhere.
const FUNC_WORDS: &[&str] = &["fn", "fun", "function", "def", "proc", "sub"];

/// Modifiers that Echo does not have: they can be ignored.
const MODIFIERS: &[(&str, &str)] = &[
    ("pub", "leave it out: what is not `private` is public"),
    ("public", "leave it out: what is not `private` is public"),
    ("export", "leave it out: what is not `private` is public"),
    ("static", "leave it out"),
];

/// Other words that start statements elsewhere.
const STMT_WORDS: &[(&str, &str)] = &[
    ("class", "types with fields are written `struct Name { … }`"),
    (
        "record",
        "types with fields are written `struct Name { … }`",
    ),
    ("interface", "write `trait Name { … }`"),
    ("protocol", "write `trait Name { … }`"),
    (
        "impl",
        "write methods as `func (self_name TypeName) name(…) { … }`, and `@impl Trait` before the type",
    ),
    ("switch", "write `match value { pattern => … }`"),
    ("elif", "write `else if`"),
    ("elsif", "write `else if`"),
    ("elseif", "write `else if`"),
    ("unless", "write `if !condition { … }`"),
    ("until", "write `while !condition { … }`"),
    ("foreach", "write `for x in values { … }`"),
    ("go", "write `spawn f(x)`"),
    ("throw", "return an `Err(…)`, or call `panic(…)`"),
    ("raise", "return an `Err(…)`, or call `panic(…)`"),
    ("use", "write `import name` or `from name import member`"),
    ("using", "write `import name` or `from name import member`"),
    ("include", "write `import name` or `import \"path\"`"),
    ("require", "write `import name` or `import \"path\"`"),
    ("module", "write `package name`"),
    ("namespace", "write `package name`"),
    ("mod", "write `package name`"),
    ("not", "write `!condition`"),
];

impl Parser<'_> {
    /// A statement that starts with a word of another language. Such a word is an ordinary name
    /// in Echo, so it counts only where a name cannot be followed by what follows here.
    pub(super) fn maybe_foreign_stmt(&mut self) -> Option<Parse<Stmt>> {
        if !self.foreign_word_position() {
            return None;
        }
        let word = self.word_ahead(0)?.to_owned();
        let has = |words: &[&str]| words.contains(&word.as_str());
        let help_in = |table: &[(&str, &'static str)]| {
            let entry = table.iter().find(|(name, _)| *name == word);
            entry.map(|&(_, help)| help)
        };
        if has(LET_WORDS) {
            self.report_foreign("variables are declared with `let`", "write `let` instead");
            Some(self.stmt_of(Self::parse_let))
        } else if has(FUNC_WORDS) && self.is_ident_ahead(1) {
            self.report_foreign("functions are declared with `func`", "write `func` instead");
            Some(self.stmt_of(Self::parse_foreign_func))
        } else if let Some(help) = help_in(MODIFIERS) {
            self.report_foreign(&format!("Echo has no `{word}`"), help);
            self.bump();
            Some(self.parse_stmt())
        } else if let Some(help) = help_in(STMT_WORDS) {
            self.report_foreign(&format!("Echo has no `{word}`"), help);
            Some(Err(super::Recover))
        } else {
            None
        }
    }

    fn stmt_of(&mut self, parse: impl FnOnce(&mut Self) -> Parse<StmtKind>) -> Parse<Stmt> {
        let start = self.span();
        let kind = parse(self)?;
        let span = self.span_from(start);
        Ok(Stmt { kind, span })
    }

    /// Whether a name stands here, and on its line something that cannot follow a name.
    fn foreign_word_position(&self) -> bool {
        let next = &self.tokens[(self.pos + 1).min(self.tokens.len() - 1)];
        let cannot_follow = match next.kind {
            TokenKind::Ident(_) | TokenKind::Str(_) | TokenKind::Int(_) => true,
            TokenKind::Keyword(keyword) => !matches!(
                keyword,
                Keyword::As | Keyword::In | Keyword::Else | Keyword::Case | Keyword::Default
            ),
            _ => false,
        };
        self.at_ident() && cannot_follow && !next.on_new_line
    }

    fn report_foreign(&mut self, message: &str, help: &str) {
        self.report(Diagnostic::error(code::FOREIGN_SYNTAX, message, self.span()).with_help(help));
    }

    /// What to write instead, where this token is another language's way to go on.
    pub(super) fn foreign_help(&self) -> Option<&'static str> {
        let last = match self.pos.checked_sub(1) {
            Some(last) => &self.tokens[last].kind,
            None => return None,
        };
        if *last == TokenKind::Punct(Punct::Question) && self.at_operand() {
            return Some("there is no `c ? a : b`: write `if c { a } else { b }`");
        }
        if *last == TokenKind::Ident("new".into()) && self.at_ident() {
            return Some("write `Name{field: value}`");
        }
        match self.kind() {
            TokenKind::Punct(Punct::PlusPlus) => Some("write `x += 1`"),
            TokenKind::Punct(Punct::MinusMinus) => Some("write `x -= 1`"),
            TokenKind::Punct(Punct::DotDot | Punct::DotDotEq) => Some(
                "ranges stand only in `for i in a..b` and in patterns; a slice is written `a[i:j]`",
            ),
            TokenKind::Punct(Punct::FatArrow) => {
                Some("closures are written `func(x: int) -> int { … }`")
            }
            TokenKind::Punct(Punct::Arrow) => Some("members are written with `.`"),
            TokenKind::Punct(Punct::Colon) => Some("bodies stand in braces: `{ … }`"),
            TokenKind::Punct(Punct::Comma) => {
                Some("assign one variable at a time; `let a, b = tuple` takes a tuple apart")
            }
            TokenKind::Punct(Punct::Eq) if *last == TokenKind::Punct(Punct::EqEq) => {
                Some("write `==`")
            }
            TokenKind::Punct(Punct::Eq) if *last == TokenKind::Punct(Punct::NotEq) => {
                Some("write `!=`")
            }
            TokenKind::Punct(Punct::Eq) => Some("`=` assigns and has no value; compare with `==`"),
            TokenKind::Ident(word) => match &**word {
                "and" => Some("write `&&`"),
                "or" => Some("write `||`"),
                "is" => Some("write `==`"),
                "of" => Some("write `for x in …`"),
                "then" => Some("bodies stand in braces: `{ … }`"),
                _ => None,
            },
            _ => None,
        }
    }

    /// What to write instead, where an operand was expected.
    pub(super) fn foreign_operand_help(&self) -> Option<&'static str> {
        match self.kind() {
            TokenKind::Punct(Punct::Or | Punct::OrOr) => {
                Some("closures are written `func(x: int) -> int { … }`")
            }
            TokenKind::Punct(Punct::PlusPlus) => Some("write `x += 1`"),
            TokenKind::Punct(Punct::Plus) => Some("there is no prefix `+`: leave it out"),
            TokenKind::Punct(Punct::Eq) => self.foreign_help(),
            TokenKind::Keyword(Keyword::Print | Keyword::Delete | Keyword::Assert) => {
                Some("this is a statement and has no value")
            }
            TokenKind::Keyword(Keyword::Return | Keyword::Break | Keyword::Continue) => {
                Some("this is a statement and has no value; inside `match` it may follow `=>`")
            }
            _ => None,
        }
    }
}

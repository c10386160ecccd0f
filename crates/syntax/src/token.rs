//! Tokens: the alphabet of the grammar.

use std::fmt;
use std::sync::Arc;

use crate::span::Span;

/// A token where it stands in the source.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    pub kind: TokenKind,
    pub span: Span,
    /// Whether a line ended between this token and the one before, significant or not.
    pub on_new_line: bool,
}

/// The kinds of token. Literals carry their value, escapes resolved.
#[derive(Debug, Clone, PartialEq)]
pub enum TokenKind {
    Ident(Arc<str>),
    Int(u64),
    Float(f64),
    Str(Arc<str>),
    Char(char),
    Keyword(Keyword),
    Punct(Punct),
    /// A line end that ends a statement.
    Newline,
    /// Something unreadable; the lexer reported it.
    Error,
    /// Always the last token, and only there.
    Eof,
}

impl TokenKind {
    /// Whether an expression (or a type, or a statement) can end with this token. A line end
    /// after any other token means nothing: rule (b) of the language.
    pub fn can_end_expression(&self) -> bool {
        match self {
            TokenKind::Ident(_)
            | TokenKind::Int(_)
            | TokenKind::Float(_)
            | TokenKind::Str(_)
            | TokenKind::Char(_)
            | TokenKind::Error => true,
            TokenKind::Keyword(keyword) => matches!(
                keyword,
                Keyword::True
                    | Keyword::False
                    | Keyword::Return
                    | Keyword::Break
                    | Keyword::Continue
            ),
            TokenKind::Punct(punct) => matches!(
                punct,
                Punct::RParen
                    | Punct::RBracket
                    | Punct::RBrace
                    | Punct::Question
                    | Punct::PlusPlus
                    | Punct::MinusMinus
            ),
            TokenKind::Newline | TokenKind::Eof => false,
        }
    }

    /// Whether a line that starts with this token continues the line before: rule (c).
    pub fn continues_line(&self) -> bool {
        matches!(
            self,
            TokenKind::Punct(Punct::Dot | Punct::AndAnd | Punct::OrOr)
                | TokenKind::Keyword(Keyword::Else)
        )
    }
}

/// How diagnostics name a token.
impl fmt::Display for TokenKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TokenKind::Ident(name) => write!(f, "`{name}`"),
            TokenKind::Int(_) => f.write_str("an integer"),
            TokenKind::Float(_) => f.write_str("a float"),
            TokenKind::Str(_) => f.write_str("a string"),
            TokenKind::Char(_) => f.write_str("a character"),
            TokenKind::Keyword(keyword) => write!(f, "keyword `{}`", keyword.as_str()),
            TokenKind::Punct(punct) => write!(f, "`{}`", punct.as_str()),
            TokenKind::Newline => f.write_str("the end of the line"),
            TokenKind::Error => f.write_str("an unreadable token"),
            TokenKind::Eof => f.write_str("the end of the file"),
        }
    }
}

impl From<Keyword> for TokenKind {
    fn from(keyword: Keyword) -> TokenKind {
        TokenKind::Keyword(keyword)
    }
}

impl From<Punct> for TokenKind {
    fn from(punct: Punct) -> TokenKind {
        TokenKind::Punct(punct)
    }
}

/// Defines an enum whose variants have one spelling each, with both directions of the table.
macro_rules! spellings {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $(#[doc = concat!("`", $text, "`")] $variant,)*
        }

        impl $name {
            /// All of them, in the order of the table.
            pub const ALL: &[$name] = &[$($name::$variant),*];

            /// How it is written.
            pub fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $text,)*
                }
            }
        }
    };
}

spellings! {
    /// The reserved words. After `.` and `::`, and as names of methods and fields, they are
    /// ordinary names.
    Keyword {
        Func = "func",
        Let = "let",
        If = "if",
        Else = "else",
        While = "while",
        For = "for",
        In = "in",
        Loop = "loop",
        Return = "return",
        Struct = "struct",
        Enum = "enum",
        Trait = "trait",
        Extend = "extend",
        Match = "match",
        Async = "async",
        Await = "await",
        Spawn = "spawn",
        Chan = "chan",
        Select = "select",
        Case = "case",
        Default = "default",
        Defer = "defer",
        Scope = "scope",
        Package = "package",
        Import = "import",
        From = "from",
        As = "as",
        Private = "private",
        Print = "print",
        Break = "break",
        Continue = "continue",
        Delete = "delete",
        Sizeof = "sizeof",
        Type = "type",
        True = "true",
        False = "false",
        Assert = "assert",
        Try = "try",
    }
}

spellings! {
    /// Operators, brackets and separators. Longer spellings come before their prefixes: the
    /// lexer takes the first that fits.
    Punct {
        Ellipsis = "...",
        DotDotEq = "..=",
        DotDot = "..",
        Dot = ".",
        ColonColon = "::",
        ColonEq = ":=",
        Colon = ":",
        Arrow = "->",
        FatArrow = "=>",
        LeftArrow = "<-",
        EqEq = "==",
        Eq = "=",
        NotEq = "!=",
        Not = "!",
        Shl = "<<",
        Le = "<=",
        Lt = "<",
        Shr = ">>",
        Ge = ">=",
        Gt = ">",
        PlusEq = "+=",
        PlusPlus = "++",
        Plus = "+",
        MinusEq = "-=",
        MinusMinus = "--",
        Minus = "-",
        StarEq = "*=",
        Star = "*",
        SlashEq = "/=",
        Slash = "/",
        PercentEq = "%=",
        Percent = "%",
        AndAnd = "&&",
        And = "&",
        OrOr = "||",
        Or = "|",
        Caret = "^",
        Question = "?",
        At = "@",
        LParen = "(",
        RParen = ")",
        LBracket = "[",
        RBracket = "]",
        LBrace = "{",
        RBrace = "}",
        Comma = ",",
        Semi = ";",
    }
}

impl Keyword {
    /// The keyword with this spelling.
    pub fn from_word(word: &str) -> Option<Keyword> {
        Keyword::ALL.iter().copied().find(|k| k.as_str() == word)
    }
}

impl Punct {
    /// The longest punctuation `text` starts with.
    pub fn at_start_of(text: &str) -> Option<Punct> {
        Punct::ALL
            .iter()
            .copied()
            .find(|p| text.starts_with(p.as_str()))
    }
}

//! Syntax of other languages that people write by habit, and what Echo has instead.

use super::{Parse, Parser};
use crate::ast::{Expr, ExprKind, Stmt, StmtKind, Type, TypeKind};
use crate::diagnostic::{Diagnostic, code};
use crate::span::Span;
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

const METHODS: &str =
    "methods stand beside their type: `func (p Type) name(…) { … }`, or `(p *Type)` to change it";

pub(super) const NO_CLOSURES: &str = "write a function, and pass it by its name";

const NO_INTERFACES: &str = "there are no interfaces: write a function that takes other functions, or an enum and a `match`";

const IMPORTS: &str = "write `import name` or `from name import member`";

/// Macros of Rust.
const MACROS: &[(&str, &str)] = &[
    ("println", "write `print x`; `+` joins text and values"),
    (
        "print",
        "write `print_string(x)`; `+` joins text and values",
    ),
    ("eprintln", "write `print x`; `+` joins text and values"),
    (
        "format",
        "`+` joins text and values: `\"x = \" + x`; `string(x)` makes text",
    ),
    ("vec", "an array is written `[1, 2]`, or `[0; n]`"),
    ("panic", "write `panic(\"why\")`"),
    ("todo", "write `panic(\"why\")`"),
    ("unimplemented", "write `panic(\"why\")`"),
    ("unreachable", "write `panic(\"why\")`"),
    ("assert", "write `assert condition`"),
    ("assert_eq", "write `assert a == b`"),
    ("assert_ne", "write `assert a != b`"),
    (
        "matches",
        "write `match value { pattern => true, _ => false }`",
    ),
];

const NO_MACRO: &str = "functions are called without `!`";

/// Other words that start statements elsewhere.
const STMT_WORDS: &[(&str, &str)] = &[
    ("class", "types with fields are written `struct Name { … }`"),
    (
        "record",
        "types with fields are written `struct Name { … }`",
    ),
    ("interface", NO_INTERFACES),
    ("protocol", NO_INTERFACES),
    ("impl", METHODS),
    ("switch", "write `match value { pattern => … }`"),
    ("elif", "write `else if`"),
    ("elsif", "write `else if`"),
    ("elseif", "write `else if`"),
    ("do", "write `loop { … if done { break } }`"),
    ("unless", "write `if !condition { … }`"),
    ("until", "write `while !condition { … }`"),
    ("foreach", "write `for x in values { … }`"),
    ("go", "write `spawn f(x)`"),
    ("throw", "return an `Err(…)`, or call `panic(…)`"),
    ("raise", "return an `Err(…)`, or call `panic(…)`"),
    ("use", IMPORTS),
    ("using", IMPORTS),
    ("include", IMPORTS),
    ("require", IMPORTS),
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

    /// Another language's word for `func`, behind `async`
    pub(super) fn maybe_foreign_func(&mut self) -> bool {
        let is_foreign = FUNC_WORDS.iter().any(|word| self.at_word(word)) && self.is_ident_ahead(1);
        if is_foreign {
            self.report_foreign("functions are declared with `func`", "write `func` instead");
            self.bump();
        }
        is_foreign
    }

    /// `println!(…)`
    pub(super) fn maybe_macro(&mut self) -> Option<ExprKind> {
        let word = self.word_ahead(0)?.to_owned();
        let touches = |at: usize| {
            let pair = self.tokens.get(at..at + 2);
            pair.is_some_and(|pair| pair[0].span.end == pair[1].span.start)
        };
        let has_arguments = matches!(
            self.peek(2),
            TokenKind::Punct(Punct::LParen | Punct::LBracket)
        );
        let is_macro = self.at_ahead(1, Punct::Not)
            && has_arguments
            && touches(self.pos)
            && touches(self.pos + 1);
        if !is_macro {
            return None;
        }
        let entry = MACROS.iter().find(|(name, _)| *name == word);
        let help = entry.map_or(NO_MACRO, |&(_, help)| help);
        self.report_foreign(&format!("there is no macro `{word}!`"), help);
        self.bump();
        self.bump();
        self.skip_group();
        Some(ExprKind::Error)
    }

    /// `[]int{1, 2}`, `map[string]int{"a": 1}`: the braces behind the type.
    pub(super) fn parse_go_literal(&mut self, ty: &Type) -> ExprKind {
        let help = match ty.kind {
            TypeKind::Map(..) => {
                "a map is written `{\"a\": 1}`; the empty one needs a type: `let m: map[string]int = {}`"
            }
            _ => "an array is written `[1, 2]`; the empty one needs a type: `let xs: [int] = []`",
        };
        let message = "a literal is written without its type";
        let diagnostic = Diagnostic::error(code::FOREIGN_SYNTAX, message, ty.span);
        self.report(diagnostic.with_help(help));
        self.skip_group();
        ExprKind::Error
    }

    /// `x := range xs`, `i, x := range xs`, `range xs` behind `for`
    pub(super) fn reject_range_loop(&mut self) -> Parse<()> {
        let mut names = 0;
        while self.is_ident_ahead(2 * names)
            && (self.at_ahead(2 * names + 1, Punct::Comma)
                || self.at_ahead(2 * names + 1, Punct::ColonEq)
                || self.at_ahead(2 * names + 1, Punct::Eq))
        {
            names += 1;
        }
        let behind = 2 * names;
        let is_range = self.peek(behind) == &TokenKind::Ident("range".into())
            && (self.is_ident_ahead(behind + 1) || names > 0)
            && !self.at_ahead(behind + 1, Punct::LBrace);
        if !is_range {
            return Ok(());
        }
        let help = match names {
            2 => {
                "write `for x in xs { … }`, with the index `for i in 0..len(xs) { … }`, for a map `for (k, v) in m { … }`"
            }
            _ => "write `for i in 0..n { … }`, or `for x in xs { … }` for the elements",
        };
        let message = "loops are written with `in`, not with `range`";
        self.fail(Diagnostic::error(code::FOREIGN_SYNTAX, message, self.span()).with_help(help))
    }

    /// How far the `=` or `:=` is behind `, b, c` here.
    pub(super) fn many_targets_end(&self) -> Option<usize> {
        let mut at = 0;
        while self.at_ahead(at, Punct::Comma) && self.is_ident_ahead(at + 1) {
            at += 2;
        }
        let assigns = self.at_ahead(at, Punct::Eq) || self.at_ahead(at, Punct::ColonEq);
        (at > 0 && assigns).then_some(at)
    }

    /// `a, b := e` and `a, b = e`, behind the first name
    pub(super) fn reject_many_targets<T>(&mut self, first: &Expr, end: usize) -> Parse<T> {
        let is_define = self.at_ahead(end, Punct::ColonEq);
        let help = match self.word_ahead(end - 1) {
            Some("err") if is_define => {
                "what may fail gives one `Result`: write `let v = f()?`, or `match f() { Ok(v) => …, Err(err) => … }`"
            }
            _ if is_define => "write `let a, b = tuple`; a tuple is written `(1, 2)`",
            _ => "assign one variable at a time; `let a, b = tuple` takes a tuple apart",
        };
        let message = match is_define {
            true => "variables are declared with `let`",
            false => "only one variable can be assigned at a time",
        };
        self.fail(Diagnostic::error(code::FOREIGN_SYNTAX, message, first.span).with_help(help))
    }

    /// Whether a `,` stands here, and not because it ends an arm of `match`.
    pub(super) fn goes_on_behind_comma(&self) -> bool {
        self.at(Punct::Comma) && !self.at_ahead(1, Punct::RBrace) && !self.is_arm(self.pos + 1)
    }

    /// `if v := f(); v > 1 {`, `if v, ok := m[k]; ok {`, behind the first name
    pub(super) fn reject_declaration_in_head(&mut self) -> Parse<()> {
        if !self.at(Punct::ColonEq) && self.many_targets_end().is_none() {
            return Ok(());
        }
        let message = "a condition declares nothing";
        let diagnostic = Diagnostic::error(code::FOREIGN_SYNTAX, message, self.span());
        self.report(diagnostic.with_help("write `let v = …` on the line before"));
        self.skip_to_brace();
        Err(super::Recover)
    }

    /// `for (const x of xs) {`
    pub(super) fn reject_declared_loop_name(&mut self, open_pair: bool) -> Parse<()> {
        let word = self.word_ahead(usize::from(open_pair));
        let is_declared = word.is_some_and(|word| LET_WORDS.contains(&word))
            && self.is_ident_ahead(usize::from(open_pair) + 1);
        if !is_declared {
            return Ok(());
        }
        let message = "the variable of a loop needs no declaration";
        let diagnostic = Diagnostic::error(code::FOREIGN_SYNTAX, message, self.span());
        self.report(diagnostic.with_help("write `for x in xs { … }` or `for i in 0..n { … }`"));
        self.skip_to_brace();
        Err(super::Recover)
    }

    /// To the `{` on this line, across `;`.
    pub(super) fn skip_to_brace(&mut self) {
        while !matches!(
            self.kind(),
            TokenKind::Newline | TokenKind::Eof | TokenKind::Punct(Punct::LBrace)
        ) {
            self.skip_group();
        }
    }

    /// `move |x| …`, behind `move`
    pub(super) fn reject_moving_closure(&mut self, left: &Expr) -> Parse<()> {
        match &left.kind {
            ExprKind::Name(name) if name.as_str() == "move" => {
                let message = "there are no closures of this form";
                let diagnostic = Diagnostic::error(code::FOREIGN_SYNTAX, message, left.span);
                self.fail(diagnostic.with_help(NO_CLOSURES))
            }
            _ => Ok(()),
        }
    }

    /// `switch { … }`: a word of another language before a block.
    pub(super) fn foreign_block(&self, word: Span) -> Option<Diagnostic> {
        let text = &self.text[word.start as usize..word.end as usize];
        let (_, help) = STMT_WORDS.iter().find(|(word, _)| *word == text)?;
        let message = format!("Echo has no `{text}`");
        Some(Diagnostic::error(code::FOREIGN_SYNTAX, message, word).with_help(*help))
    }

    /// `1, 2` where one value is expected: the rest behind the first.
    pub(super) fn reject_bare_tuple(&mut self, before: &str) -> Parse<()> {
        if !self.goes_on_behind_comma() {
            return Ok(());
        }
        let message = "several values are one tuple, in parentheses";
        let help = format!("write `{before} (1, 2)`");
        self.fail(Diagnostic::error(code::FOREIGN_SYNTAX, message, self.span()).with_help(help))
    }

    /// `self`, `&self`, `&mut self` as a parameter
    pub(super) fn reject_self_parameter(&mut self) -> Parse<()> {
        let is_mut = self.at(Punct::And) && self.peek(1) == &TokenKind::Ident("mut".into());
        let behind = usize::from(self.at(Punct::And)) + usize::from(is_mut);
        let is_self = self.word_ahead(behind) == Some("self")
            && matches!(
                self.peek(behind + 1),
                TokenKind::Punct(Punct::Comma | Punct::RParen)
            );
        if !is_self {
            return Ok(());
        }
        let message = "the receiver stands before the name of the method";
        self.fail(Diagnostic::error(code::FOREIGN_SYNTAX, message, self.span()).with_help(METHODS))
    }

    /// `type Name struct { … }`, `type Name interface { … }`, behind the name
    pub(super) fn foreign_type_help(&self, name: &str) -> Option<String> {
        match self.kind() {
            TokenKind::Keyword(Keyword::Struct) => Some(format!("write `struct {name} {{ … }}`")),
            TokenKind::Ident(word) if &**word == "interface" => Some(NO_INTERFACES.to_owned()),
            _ => None,
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

    /// The `<-` of `chan<- int` and `<-chan int`
    pub(super) fn reject_direction(&mut self) {
        self.report_foreign("the type of a channel has no direction", "write `chan T`");
        self.bump();
    }

    /// `throws` in the head of a function
    pub(super) fn reject_throws(&mut self) -> Parse<()> {
        let is_foreign = ["throws", "rethrows", "raises"]
            .iter()
            .any(|word| self.at_word(word));
        if !is_foreign || self.token().on_new_line {
            return Ok(());
        }
        let message = "a function does not say that it may panic";
        let help =
            "what may fail gives a `Result`: `-> Result[int]`; a panic is caught with `try await`";
        self.fail(Diagnostic::error(code::FOREIGN_SYNTAX, message, self.span()).with_help(help))
    }

    /// `case timeout 10:`, `case after 10:`
    pub(super) fn reject_case_time(&mut self) -> Parse<()> {
        let has_word = self.at_word("timeout") || self.at_word("after");
        if !has_word || !matches!(self.peek(1), TokenKind::Int(_) | TokenKind::Ident(_)) {
            return Ok(());
        }
        let message = "a time to wait is written `timeout after`";
        let help = "write `case timeout after 1000:`, in milliseconds";
        self.fail(Diagnostic::error(code::BAD_SELECT_CASE, message, self.span()).with_help(help))
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
        let behind = |word: &str| *last == TokenKind::Ident(word.into());
        if behind("new") && self.at_ident() {
            return Some("write `Name{field: value}`");
        }
        if behind("not") && self.at_operand() {
            return Some("write `!condition`");
        }
        if let (TokenKind::Ident(prefix), TokenKind::Str(_)) = (last, self.kind())
            && prefix.chars().count() <= 2
            && self.last_span().end == self.span().start
        {
            return Some("strings are written \"…\", without a prefix; `+` joins text and values");
        }
        if behind("lambda") {
            return Some(NO_CLOSURES);
        }
        match self.kind() {
            TokenKind::Punct(Punct::PlusPlus) => Some("write `x += 1`"),
            TokenKind::Punct(Punct::MinusMinus) => Some("write `x -= 1`"),
            TokenKind::Punct(Punct::DotDot | Punct::DotDotEq) => Some(
                "ranges stand only in `for i in a..b` and in patterns; a slice is written `a[i:j]`",
            ),
            TokenKind::Punct(Punct::FatArrow) => Some(NO_CLOSURES),
            TokenKind::Punct(Punct::Arrow) => Some("members are written with `.`"),
            TokenKind::Punct(Punct::Ellipsis) => {
                Some("a range is written `a..b`, its end excluded; there is no spreading")
            }
            TokenKind::Punct(Punct::Colon) if self.behind_argument_name() => {
                Some("arguments have no names: leave the name out")
            }
            TokenKind::Punct(Punct::Colon) => Some("bodies stand in braces: `{ … }`"),
            TokenKind::Keyword(Keyword::For) if !self.token().on_new_line => {
                Some("write a loop that pushes: `for x in xs { ys.push(x * 2) }`")
            }
            TokenKind::Keyword(Keyword::In) => Some("ask what holds it: `xs.contains(x)`"),
            TokenKind::Keyword(Keyword::If) if !self.token().on_new_line => {
                Some("write `if c { a } else { b }`")
            }
            TokenKind::Punct(Punct::Comma) => {
                Some("a tuple is written `(1, 2)`, and `let a, b = tuple` takes it apart")
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
                "step" | "by" => {
                    Some("ranges go up by one: write a `while` loop that adds the step")
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether `(name` or `, name` stands before this token.
    fn behind_argument_name(&self) -> bool {
        let before = self.pos.checked_sub(2).map(|at| &self.tokens[at..self.pos]);
        before.is_some_and(|before| {
            matches!(
                before[0].kind,
                TokenKind::Punct(Punct::LParen | Punct::Comma)
            ) && matches!(before[1].kind, TokenKind::Ident(_))
        })
    }

    /// What to write instead, where an operand was expected.
    pub(super) fn foreign_operand_help(&self) -> Option<&'static str> {
        match self.kind() {
            TokenKind::Punct(Punct::Or | Punct::OrOr) => Some(NO_CLOSURES),
            TokenKind::Keyword(Keyword::Let) => {
                Some("a condition is a `bool`; take values apart with `match v { Some(x) => … }`")
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

//! Numbers, strings and characters.

use std::sync::Arc;

use super::{Lexer, is_ident_continue};
use crate::diagnostic::code;
use crate::token::TokenKind;

impl Lexer<'_> {
    /// `42`, `1_000`, `0x0F`, `0b11`, `0o17`, `3.14`, `1e9`. After `.` only the digits of a tuple
    /// index, so that `t.0.1` is two of them.
    pub(super) fn lex_number(&mut self) {
        let start = self.pos;
        let radix = match self.rest().as_bytes() {
            [b'0', b'x' | b'X', ..] => 16,
            [b'0', b'o' | b'O', ..] => 8,
            [b'0', b'b' | b'B', ..] => 2,
            _ => 10,
        };
        if radix != 10 {
            self.pos += 2;
            return self.lex_integer(start, radix);
        }
        self.skip_digits();
        let mut is_float = false;
        if !self.after_member_operator() {
            is_float |= self.maybe_fraction();
            is_float |= self.maybe_exponent();
        }
        if is_float {
            self.lex_float(start);
        } else {
            self.pos = start;
            self.lex_integer(start, 10);
        }
    }

    /// `.` and digits; a point without a digit behind it is not part of the number.
    fn maybe_fraction(&mut self) -> bool {
        let found = matches!(self.rest().as_bytes(), [b'.', b'0'..=b'9', ..]);
        if found {
            self.pos += 1;
            self.skip_digits();
        }
        found
    }

    /// `e9`, `E-5`
    fn maybe_exponent(&mut self) -> bool {
        let length = match self.rest().as_bytes() {
            [b'e' | b'E', b'0'..=b'9', ..] => 1,
            [b'e' | b'E', b'+' | b'-', b'0'..=b'9', ..] => 2,
            _ => return false,
        };
        self.pos += length;
        self.skip_digits();
        true
    }

    fn skip_digits(&mut self) {
        self.skip_while(|c| c.is_ascii_digit() || c == '_');
    }

    /// The digits from here on, to the end of the word.
    fn lex_integer(&mut self, start: usize, radix: u32) {
        let digits_start = self.pos;
        self.skip_while(is_ident_continue);
        let digits = &self.text[digits_start..self.pos];
        let value = match parse_integer(digits, radix) {
            Ok(value) => value,
            Err(IntegerError::Malformed(reason)) => {
                self.error(code::BAD_NUMBER, reason, start);
                if let Some((number, ty)) = suffixed(digits) {
                    self.help(&format!("write `{ty}({number})`"));
                }
                0
            }
            Err(IntegerError::TooLarge) => {
                let message = "this integer is too large: the largest is 18446744073709551615";
                self.error(code::NUMBER_TOO_LARGE, message, start);
                0
            }
        };
        self.push(TokenKind::Int(value), start);
    }

    /// Checks and pushes the float read since `start`.
    fn lex_float(&mut self, start: usize) {
        let number_end = self.pos;
        self.skip_while(is_ident_continue);
        let suffix = &self.text[number_end..self.pos];
        let digits: String = self.text[start..number_end].replace('_', "");
        let value: f64 = digits.parse().unwrap_or(0.0);
        if !suffix.is_empty() {
            let message = format!("`{suffix}` cannot follow a number");
            self.error(code::BAD_NUMBER, message, start);
        } else if self.text[start..number_end].ends_with('_') {
            self.error(code::BAD_NUMBER, "a number cannot end with `_`", start);
        } else if value.is_infinite() {
            let message = "this number is too large for a float";
            self.error(code::NUMBER_TOO_LARGE, message, start);
        }
        self.push(TokenKind::Float(value), start);
    }

    /// `"…"` on one line.
    pub(super) fn lex_string(&mut self) {
        let start = self.pos;
        self.bump();
        let mut value = String::new();
        loop {
            match self.peek() {
                Some('"') => {
                    self.bump();
                    break;
                }
                Some('\\') => value.extend(self.lex_escape()),
                Some('\n') | None => {
                    let message = "this string is never closed";
                    self.error(code::UNTERMINATED_STRING, message, start);
                    self.help("strings end on the line they start; write `\\n` for a line end");
                    break;
                }
                Some(c) => {
                    self.bump();
                    value.push(c);
                }
            }
        }
        self.push(TokenKind::Str(Arc::from(value)), start);
    }

    /// `'a'`, with the escapes of strings.
    pub(super) fn lex_char(&mut self) {
        let start = self.pos;
        if !self.char_is_closed() {
            self.bump();
            self.skip_while(is_ident_continue);
            let message = "this character literal is never closed";
            self.error(code::BAD_CHAR, message, start);
            self.help("characters are written 'a', strings \"a\"");
            return self.push(TokenKind::Error, start);
        }
        self.bump();
        let mut value = Vec::new();
        let mut escape_failed = false;
        while let Some(c) = self.peek() {
            match c {
                '\'' => {
                    self.bump();
                    break;
                }
                '\\' => match self.lex_escape() {
                    Some(c) => value.push(c),
                    None => escape_failed = true,
                },
                c => {
                    self.bump();
                    value.push(c);
                }
            }
        }
        if value.is_empty() && !escape_failed {
            self.error(code::BAD_CHAR, "this character literal is empty", start);
            self.help("the empty string is \"\"");
        } else if value.len() > 1 {
            let message = "a character literal holds exactly one character";
            self.error(code::BAD_CHAR, message, start);
            self.help("strings are written with double quotes: \"…\"");
        }
        let c = value.first().copied().unwrap_or('\0');
        self.push(TokenKind::Char(c), start);
    }

    /// Whether the character literal that starts here ends on its line, and not too far away:
    /// looking on without end would make the lexer quadratic.
    fn char_is_closed(&self) -> bool {
        let mut chars = self.rest().chars().skip(1).take(200);
        while let Some(c) = chars.next() {
            match c {
                '\'' => return true,
                '\n' => return false,
                '\\' if chars.next() == Some('\n') => return false,
                _ => {}
            }
        }
        false
    }

    /// A backslash and what belongs to it; `None` after a reported error.
    fn lex_escape(&mut self) -> Option<char> {
        let start = self.pos;
        self.bump();
        let c = match self.peek() {
            // The literal is unterminated; that is what gets reported.
            Some('\n') | None => return None,
            Some('u') => {
                self.bump();
                return self.lex_unicode_escape(start);
            }
            Some(c) => c,
        };
        self.bump();
        match c {
            'n' => Some('\n'),
            't' => Some('\t'),
            'r' => Some('\r'),
            '0' => Some('\0'),
            '"' | '\'' | '\\' => Some(c),
            _ => {
                self.error(code::BAD_ESCAPE, format!("unknown escape `\\{c}`"), start);
                self.help(match c {
                    '(' => "nothing is put into a string; `+` joins text and values",
                    _ => r#"the escapes are \n \t \r \" \\ \0 \' and \u{…}"#,
                });
                None
            }
        }
    }

    /// `{1F600}` after `\u`.
    fn lex_unicode_escape(&mut self, start: usize) -> Option<char> {
        if self.peek() == Some('{') {
            self.bump();
            let digits_start = self.pos;
            self.skip_while(|c| c.is_ascii_hexdigit());
            let digits = &self.text[digits_start..self.pos];
            if self.peek() == Some('}') {
                self.bump();
                let scalar = u32::from_str_radix(digits, 16).ok();
                if let Some(c) = scalar.and_then(char::from_u32) {
                    return Some(c);
                }
            }
        }
        self.error(code::BAD_ESCAPE, "malformed unicode escape", start);
        self.help("write the character's number in hexadecimal, at most 10FFFF: `\\u{1F600}`");
        None
    }
}

enum IntegerError {
    Malformed(String),
    TooLarge,
}

/// `5` and `i32` of `5i32`.
fn suffixed(digits: &str) -> Option<(&str, &str)> {
    let types = ["i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "f32"];
    types.into_iter().find_map(|ty| {
        let number = digits.strip_suffix(ty)?.trim_end_matches('_');
        parse_integer(number, 10).is_ok().then_some((number, ty))
    })
}

/// The value of digits with `_` between them.
fn parse_integer(digits: &str, radix: u32) -> Result<u64, IntegerError> {
    let malformed = |reason: String| Err(IntegerError::Malformed(reason));
    if let Some((at, wrong)) = digits
        .char_indices()
        .find(|&(_, c)| c != '_' && !c.is_digit(radix))
    {
        return if wrong.is_ascii_digit() {
            malformed(format!("`{wrong}` is not a digit in base {radix}"))
        } else {
            malformed(format!("`{}` cannot follow a number", &digits[at..]))
        };
    }
    if !digits.contains(|c: char| c != '_') {
        return malformed("digits are missing here".to_owned());
    }
    if digits.ends_with('_') {
        return malformed("a number cannot end with `_`".to_owned());
    }
    digits
        .chars()
        .filter_map(|c| c.to_digit(radix))
        .try_fold(0_u64, |value, digit| {
            value
                .checked_mul(u64::from(radix))?
                .checked_add(u64::from(digit))
        })
        .ok_or(IntegerError::TooLarge)
}

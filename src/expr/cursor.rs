//! A place in a text that is read from left to right, for the languages whose tokens depend on where
//! they stand.

use std::sync::Arc;

use crate::value::{Number, Value};

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// Byte at which it was noticed.
    pub offset: usize,
    /// What was found and what was expected.
    pub message: String,
}

pub(super) type Result<T> = std::result::Result<T, SyntaxError>;

pub(super) struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Cursor<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// Byte at which it stands.
    pub(super) fn offset(&self) -> usize {
        self.at
    }

    /// The text from here on.
    pub(super) fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The text from an earlier place up to here.
    pub(super) fn since(&self, start: usize) -> &'t str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    pub(super) fn accept(&mut self, sign: &str) -> bool {
        let is_next = self.rest().starts_with(sign);
        if is_next {
            self.at += sign.len();
        }
        is_next
    }

    pub(super) fn expect(&mut self, sign: &str) -> Result<()> {
        if self.accept(sign) {
            return Ok(());
        }
        Err(self.expected(&format!("`{sign}`")))
    }

    pub(super) fn take_while(&mut self, is_part: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    pub(super) fn skip_blanks(&mut self) {
        self.take_while(char::is_whitespace);
    }

    /// An error at this place.
    pub(super) fn error(&self, message: impl Into<String>) -> SyntaxError {
        SyntaxError { offset: self.at, message: message.into() }
    }

    /// Something else stands here than what must.
    pub(super) fn expected(&self, what: &str) -> SyntaxError {
        let found = self.peek().map_or_else(|| "the end".to_owned(), |c| format!("`{c}`"));
        self.error(format!("expected {what}, found {found}"))
    }

    /// A JSON number, nothing where none begins here.
    pub(super) fn number(&mut self) -> Result<Option<Value>> {
        let start = self.at;
        self.accept("-");
        if !self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.at = start;
            return Ok(None);
        }
        let mut previous = ' ';
        while let Some(c) = self.peek() {
            let is_sign_of_exponent = matches!(c, '+' | '-') && matches!(previous, 'e' | 'E');
            if !(c.is_alphanumeric() || c == '.' || is_sign_of_exponent) {
                break;
            }
            previous = c;
            self.at += c.len_utf8();
        }
        let digits = self.since(start);
        let number = serde_json::from_str::<serde_json::Number>(digits)
            .map_err(|_| SyntaxError { offset: start, message: format!("`{digits}` is no number") })?;
        Ok(Some(Value::Number(Number::from(number))))
    }

    /// The character that a backslash, which was taken already, and what follows stand for: `\uXXXX` is
    /// that character, any other character is itself.
    pub(super) fn escaped(&mut self) -> Result<char> {
        let escape = self.at - 1;
        if let Some((c, length)) = unicode_escape(self.text.get(escape..).unwrap_or_default()) {
            self.at = escape + length;
            return Ok(c);
        }
        self.next().ok_or_else(|| self.expected("a character after `\\`"))
    }

    /// Text in single or double quotes with the escapes of JSON; any other character behind a backslash is
    /// itself.
    pub(super) fn quoted(&mut self) -> Result<Arc<str>> {
        let start = self.at;
        let quote = self.next();
        let mut out = String::new();
        while let Some(c) = self.next() {
            if Some(c) == quote {
                return Ok(Arc::from(out));
            }
            if c != '\\' {
                out.push(c);
                continue;
            }
            let control = match self.peek() {
                Some('n') => Some('\n'),
                Some('t') => Some('\t'),
                Some('r') => Some('\r'),
                Some('b') => Some('\u{8}'),
                Some('f') => Some('\u{c}'),
                Some(_) | None => None,
            };
            let c = self.escaped()?;
            out.push(control.unwrap_or(c));
        }
        let quote = quote.unwrap_or('\'');
        let message = format!("the string that begins here is not closed with `{quote}`");
        Err(SyntaxError { offset: start, message })
    }
}

/// The character that `\uXXXX` at the beginning of a text stands for, or a surrogate pair of two such, and
/// the length of the escape.
pub(super) fn unicode_escape(text: &str) -> Option<(char, usize)> {
    let unit = |at: usize| {
        let digits = text.get(at..)?.strip_prefix("\\u")?.get(..4)?;
        let is_hex = digits.chars().all(|digit| digit.is_ascii_hexdigit());
        u16::from_str_radix(digits, 16).ok().filter(|_| is_hex)
    };
    let first = unit(0)?;
    if let Some(c) = char::from_u32(u32::from(first)) {
        return Some((c, 6));
    }
    let pair = char::decode_utf16([first, unit(6)?]).next()?.ok()?;
    Some((pair, 12))
}

/// A single operand stands for itself, several are given back.
pub(super) fn only<T>(mut operands: Vec<T>) -> std::result::Result<T, Vec<T>> {
    match operands.pop() {
        Some(operand) if operands.is_empty() => Ok(operand),
        Some(operand) => {
            operands.push(operand);
            Err(operands)
        }
        None => Err(operands),
    }
}

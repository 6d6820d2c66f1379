//! Text to the tests of a filter.

use std::sync::Arc;

use regex::RegexBuilder;

use super::SyntaxError;
use super::filter::{Filter, Operand, Operator, Pattern};
use super::parser::Parser;
use crate::expr::cursor::{Result, only};
use crate::value::Value;

/// Most memory that one regular expression takes when it is compiled, in bytes.
const REGEX_BYTES_MAX: usize = 256 * 1024;

impl Parser<'_> {
    pub(super) fn filter(&mut self) -> Result<Filter> {
        let mut tests = vec![self.and()?];
        while self.cursor.accept("||") {
            tests.push(self.and()?);
        }
        Ok(only(tests).unwrap_or_else(Filter::Any))
    }

    fn and(&mut self) -> Result<Filter> {
        let mut tests = vec![self.test()?];
        while self.cursor.accept("&&") {
            tests.push(self.test()?);
        }
        Ok(only(tests).unwrap_or_else(Filter::All))
    }

    fn test(&mut self) -> Result<Filter> {
        self.cursor.skip_blanks();
        let mut is_negated = false;
        while self.cursor.accept("!") {
            is_negated = !is_negated;
            self.cursor.skip_blanks();
        }
        let test = if self.cursor.accept("(") {
            let inner = self.nested(Self::filter)?;
            self.cursor.expect(")")?;
            inner
        } else {
            self.comparison()?
        };
        self.cursor.skip_blanks();
        Ok(if is_negated { Filter::Not(Box::new(test)) } else { test })
    }

    fn comparison(&mut self) -> Result<Filter> {
        let left = self.operand()?;
        self.cursor.skip_blanks();
        let Some(operator) = self.operator()? else {
            return match left {
                Operand::Path(path) => Ok(Filter::Exists(path)),
                Operand::Literal(Value::Bool(holds)) => Ok(Filter::Constant(holds)),
                Operand::Literal(_) | Operand::Pattern(_) => {
                    Err(self.cursor.expected("an operator such as `==` or `in` behind a constant"))
                }
            };
        };
        let right = self.operand()?;
        let has_pattern = matches!((&left, &right), (Operand::Pattern(_), _) | (_, Operand::Pattern(_)));
        if has_pattern != (operator == Operator::Matches) {
            return Err(self
                .cursor
                .error("`=~` compares with a regular expression `/…/`, and nothing else does"));
        }
        Ok(Filter::Compare(left, operator, right))
    }

    fn operator(&mut self) -> Result<Option<Operator>> {
        if let Some((_, operator)) = Operator::SIGNS.iter().find(|(sign, _)| self.cursor.accept(sign)) {
            return Ok(Some(*operator));
        }
        let start = self.cursor.offset();
        let word = self.cursor.take_while(|c| c.is_alphanumeric() || c == '_');
        if word.is_empty() {
            return Ok(None);
        }
        match Operator::WORDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)) {
            Some((_, operator)) => Ok(Some(*operator)),
            None => {
                Err(SyntaxError { offset: start, message: format!("`{word}` is no operator of filters") })
            }
        }
    }

    /// What is compared, or an argument of a function.
    pub(super) fn operand(&mut self) -> Result<Operand> {
        self.cursor.skip_blanks();
        match self.cursor.peek() {
            Some('@' | '$') => Ok(Operand::Path(self.located()?)),
            Some('/') => Ok(Operand::Pattern(self.pattern()?)),
            Some(_) | None => Ok(Operand::Literal(self.literal()?)),
        }
    }

    fn literal(&mut self) -> Result<Value> {
        match self.cursor.peek() {
            Some('\'' | '"') => return Ok(Value::String(self.cursor.quoted()?)),
            Some('[') => return self.nested(Self::list),
            Some(_) | None => {}
        }
        if let Some(number) = self.cursor.number()? {
            return Ok(number);
        }
        let word = self.cursor.take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
        match word {
            "" => Err(self.cursor.expected("`@`, `$`, text, a number, a list or `/…/`")),
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            "null" => Ok(Value::Null),
            word => Ok(Value::from(word)),
        }
    }

    fn list(&mut self) -> Result<Value> {
        self.cursor.expect("[")?;
        let mut items = Vec::new();
        self.cursor.skip_blanks();
        if self.cursor.accept("]") {
            return Ok(Value::from(items));
        }
        loop {
            self.cursor.skip_blanks();
            items.push(self.literal()?);
            self.cursor.skip_blanks();
            if self.cursor.accept("]") {
                return Ok(Value::from(items));
            }
            if !self.cursor.accept(",") {
                return Err(self.cursor.expected("`,` or `]`"));
            }
        }
    }

    /// A regular expression between slashes, with Java's flags behind it.
    fn pattern(&mut self) -> Result<Pattern> {
        let start = self.cursor.offset();
        self.cursor.expect("/")?;
        let mut body = String::new();
        loop {
            match self.cursor.next() {
                Some('/') => break,
                Some('\\') if self.cursor.accept("/") => body.push('/'),
                Some('\\') => {
                    body.push('\\');
                    body.extend(self.cursor.next());
                }
                Some(c) => body.push(c),
                None => {
                    let message = "the regular expression that begins here is not closed with `/`".to_owned();
                    return Err(SyntaxError { offset: start, message });
                }
            }
        }
        let flags = self.cursor.take_while(|c| c.is_ascii_alphabetic());
        let regex = compile(&body, flags).map_err(|message| SyntaxError { offset: start, message })?;
        Ok(Pattern { text: Arc::from(self.cursor.since(start)), regex })
    }
}

/// The expression for a whole text.
fn compile(body: &str, flags: &str) -> std::result::Result<regex::Regex, String> {
    if let Some(flag) = flags.chars().find(|flag| !"imsxuU".contains(*flag)) {
        return Err(format!("regular expressions have no flag `{flag}`, they have `i m s x u U`"));
    }
    let body = if flags.contains('U') { body.to_owned() } else { with_ascii_classes(body) };
    let build = |pattern: &str| {
        RegexBuilder::new(pattern)
            .case_insensitive(flags.contains('i'))
            .multi_line(flags.contains('m'))
            .dot_matches_new_line(flags.contains('s'))
            .ignore_whitespace(flags.contains('x'))
            .size_limit(REGEX_BYTES_MAX)
            .build()
            .map_err(|error| {
                // The library's message spans lines; its last one says what is wrong.
                let message = error.to_string();
                format!("no regular expression: {}", message.lines().last().unwrap_or_default().trim())
            })
    };
    // On its own first: a bracket too many must not close the one that is put around it.
    build(&body)?;
    // The line end closes a comment, which only `x` has.
    let end = if flags.contains('x') { "\n" } else { "" };
    build(&format!(r"\A(?:{body}{end})\z"))
}

/// Java's `\d`, `\w`, `\s` and `\b` know ASCII only, unless the flag `U` is given.
fn with_ascii_classes(body: &str) -> String {
    let mut out = String::with_capacity(body.len());
    let mut chars = body.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('d') => out.push_str("[0-9]"),
            Some('D') => out.push_str("[^0-9]"),
            Some('w') => out.push_str("[a-zA-Z0-9_]"),
            Some('W') => out.push_str("[^a-zA-Z0-9_]"),
            Some('s') => out.push_str(r"[\t\n\x0B\f\r\x20]"),
            Some('S') => out.push_str(r"[^\t\n\x0B\f\r\x20]"),
            Some('b') => out.push_str(r"(?-u:\b)"),
            Some(c) => out.extend(['\\', c]),
            None => out.push('\\'),
        }
    }
    out
}

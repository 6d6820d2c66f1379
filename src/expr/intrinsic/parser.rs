//! Text to calls.

use super::{CALL_DEPTH_MAX, Expr, Intrinsic, SyntaxError};
use crate::expr::call::arity;
use crate::expr::closest::closest;
use crate::expr::cursor::{Cursor, Result};
use crate::value::Value;

/// Stands for an argument in a template.
const HOLE: &str = "{}";

pub(super) fn parse(text: &str, path: &dyn Fn(&str) -> Result<Expr>) -> Result<Expr> {
    let mut parser = Parser { cursor: Cursor::new(text), path, calls: 0 };
    let call = parser.call()?;
    match parser.cursor.peek() {
        None => Ok(call),
        Some(_) => Err(parser.cursor.expected("the end behind the call")),
    }
}

struct Parser<'t, 'p> {
    cursor: Cursor<'t>,
    path: &'p dyn Fn(&str) -> Result<Expr>,
    /// Calls around this place.
    calls: u32,
}

/// An argument as it was written.
enum Argument {
    /// Text, cut at the places that a template has for arguments.
    Text(Vec<String>),
    Expr(Expr),
}

impl Argument {
    fn expr(self) -> Expr {
        match self {
            Self::Text(pieces) => Expr::Literal(Value::from(pieces.join(HOLE))),
            Self::Expr(expr) => expr,
        }
    }
}

impl Parser<'_, '_> {
    fn call(&mut self) -> Result<Expr> {
        let start = self.cursor.offset();
        let name = self.cursor.take_while(|c| c.is_alphanumeric() || matches!(c, '.' | '_'));
        if name.is_empty() {
            return Err(self.cursor.expected("a call such as `States.Format('{}', $.name)`"));
        }
        let at_name = |message: String| SyntaxError { offset: start, message };
        let Some(function) = Intrinsic::named(name) else {
            let known = Intrinsic::NAMES.iter().copied().filter(|name| !name.contains(' '));
            let help = closest(name, known).map(|known| format!(", did you mean `{known}`?"));
            return Err(at_name(format!("no intrinsic function `{name}`{}", help.unwrap_or_default())));
        };
        self.calls += 1;
        if self.calls > CALL_DEPTH_MAX {
            return Err(at_name(format!("calls nested more than {CALL_DEPTH_MAX} levels deep")));
        }
        let arguments = self.arguments()?;
        self.calls -= 1;
        if !function.takes(arguments.len()) {
            let arity = arity(|count| function.takes(count));
            return Err(at_name(format!("`{name}` takes {arity}, found {}", arguments.len())));
        }
        Ok(lower(function, arguments))
    }

    fn arguments(&mut self) -> Result<Vec<Argument>> {
        self.cursor.expect("(")?;
        let mut arguments = Vec::new();
        self.cursor.skip_blanks();
        if self.cursor.accept(")") {
            return Ok(arguments);
        }
        loop {
            self.cursor.skip_blanks();
            arguments.push(self.argument()?);
            self.cursor.skip_blanks();
            if self.cursor.accept(")") {
                return Ok(arguments);
            }
            if !self.cursor.accept(",") {
                return Err(self.cursor.expected("`,` or `)`"));
            }
        }
    }

    fn argument(&mut self) -> Result<Argument> {
        match self.cursor.peek() {
            Some('\'') => return Ok(Argument::Text(self.text()?)),
            Some('$') => return Ok(Argument::Expr(self.path()?)),
            Some(_) | None => {}
        }
        if let Some(number) = self.cursor.number()? {
            return Ok(Argument::Expr(Expr::Literal(number)));
        }
        for (word, value) in [("null", Value::Null), ("true", true.into()), ("false", false.into())] {
            if self.cursor.rest().strip_prefix(word).is_some_and(|rest| !rest.starts_with(is_name_part)) {
                self.cursor.accept(word);
                return Ok(Argument::Expr(Expr::Literal(value)));
            }
        }
        if self.cursor.peek().is_some_and(char::is_alphabetic) {
            return Ok(Argument::Expr(self.call()?));
        }
        Err(self.cursor.expected("an argument: `'text'`, a number, `null`, a path or a call"))
    }

    /// Text in quotes, cut at each `{}` whose brackets are not escaped.
    fn text(&mut self) -> Result<Vec<String>> {
        let start = self.cursor.offset();
        self.cursor.expect("'")?;
        let mut pieces = Vec::new();
        let mut piece = String::new();
        loop {
            if self.cursor.accept(HOLE) {
                pieces.push(std::mem::take(&mut piece));
                continue;
            }
            match self.cursor.next() {
                Some('\'') => {
                    pieces.push(piece);
                    return Ok(pieces);
                }
                Some('\\') => match self.cursor.peek() {
                    Some(c @ ('\'' | '{' | '}' | '\\')) => {
                        self.cursor.next();
                        piece.push(c);
                    }
                    Some(_) | None => {
                        return Err(self.cursor.expected(r"`'`, `{`, `}` or `\` behind the backslash"));
                    }
                },
                Some(c) => piece.push(c),
                None => {
                    let message = "the text that begins here is not closed with `'`".to_owned();
                    return Err(SyntaxError { offset: start, message });
                }
            }
        }
    }

    /// A path, which ends where the argument does.
    fn path(&mut self) -> Result<Expr> {
        let start = self.cursor.offset();
        let mut brackets = 0_usize;
        let mut quote = None;
        while let Some(c) = self.cursor.peek() {
            match (c, quote) {
                ('\\', _) => {
                    self.cursor.next();
                }
                (c, Some(open)) if c == open => quote = None,
                ('\'' | '"', None) if brackets > 0 => quote = Some(c),
                ('[' | '(', None) => brackets += 1,
                (']' | ')', None) if brackets > 0 => brackets -= 1,
                (',' | ')', None) if brackets == 0 => break,
                (c, None) if brackets == 0 && c.is_whitespace() => break,
                (_, _) => {}
            }
            self.cursor.next();
        }
        let text = self.cursor.since(start);
        (self.path)(text).map_err(|error| SyntaxError { offset: start + error.offset, ..error })
    }
}

fn is_name_part(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '_' | '(')
}

fn lower(function: Intrinsic, arguments: Vec<Argument>) -> Expr {
    let mut arguments = arguments.into_iter();
    if function == Intrinsic::Format {
        match arguments.next() {
            Some(Argument::Text(pieces)) => {
                let pieces = pieces.into_iter().map(Value::from).collect();
                let arguments = std::iter::once(Expr::Literal(pieces)).chain(arguments.map(Argument::expr));
                return Expr::Intrinsic(Intrinsic::FormatPieces, arguments.collect());
            }
            Some(first) => {
                let arguments = std::iter::once(first).chain(arguments).map(Argument::expr);
                return Expr::Intrinsic(function, arguments.collect());
            }
            None => {}
        }
    }
    Expr::Intrinsic(function, arguments.map(Argument::expr).collect())
}

//! Text to the steps of a path.

use std::sync::Arc;

use super::filter::{Located, Operand};
use super::function::{Call, Function};
use super::select::{Route, Slice, Step};
use super::{Head, NESTING_MAX, SyntaxError};
use crate::expr::cursor::{Cursor, Result};
use crate::value::Str;

/// Reads a whole path.
pub(super) fn parse(text: &str) -> Result<(Head, Route)> {
    let mut parser = Parser { cursor: Cursor::new(text), nesting: 0 };
    parser.cursor.expect("$")?;
    let head = parser.head()?;
    let route = parser.route()?;
    match parser.cursor.peek() {
        None => Ok((head, route)),
        Some(_) => Err(parser.cursor.expected("`.`, `[` or the end of the path")),
    }
}

pub(super) struct Parser<'t> {
    pub(super) cursor: Cursor<'t>,
    /// Levels of filters, parentheses and lists around this place.
    nesting: u32,
}

impl Parser<'_> {
    fn head(&mut self) -> Result<Head> {
        if self.cursor.accept("$") {
            return Ok(Head::Context);
        }
        let name = self.cursor.take_while(unicode_ident::is_xid_continue);
        match name.chars().next() {
            None => Ok(Head::Input),
            Some(first) if unicode_ident::is_xid_start(first) || first == '_' => {
                Ok(Head::Variable(Arc::from(name)))
            }
            Some(first) => {
                let message = format!("the name of a variable begins with a letter, found `{first}`");
                Err(SyntaxError { offset: 1, message })
            }
        }
    }

    pub(super) fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.nesting >= NESTING_MAX {
            return Err(self.cursor.error(format!("nested more than {NESTING_MAX} levels deep")));
        }
        self.nesting += 1;
        let result = inner(self);
        self.nesting -= 1;
        result
    }

    /// All steps from here on, and the function behind them.
    pub(super) fn route(&mut self) -> Result<Route> {
        let mut route = Route::default();
        while route.function.is_none() {
            if self.cursor.accept("..") {
                self.below(&mut route)?;
            } else if self.cursor.accept(".") {
                self.behind_dot(&mut route)?;
            } else if self.cursor.peek() == Some('[') {
                let step = self.bracket()?;
                route.steps.push(step);
            } else {
                break;
            }
        }
        Ok(route)
    }

    /// What follows `..`.
    fn below(&mut self, route: &mut Route) -> Result<()> {
        let step = match self.cursor.peek() {
            Some('*') => {
                self.cursor.next();
                Step::All
            }
            Some('[') => self.bracket()?,
            Some(_) | None => Step::Member(self.name(&mut route.has_signs)?),
        };
        match step {
            Step::Filter(filter) => route.steps.push(Step::DeepFilter(filter)),
            Step::Member(_)
            | Step::Members(_)
            | Step::Element(_)
            | Step::Elements(_)
            | Step::Slice(_)
            | Step::All
            | Step::Descend
            | Step::DeepFilter(_) => route.steps.extend([Step::Descend, step]),
        }
        Ok(())
    }

    /// What follows a single `.`.
    fn behind_dot(&mut self, route: &mut Route) -> Result<()> {
        match self.cursor.peek() {
            Some('*') => {
                self.cursor.next();
                route.steps.push(Step::All);
            }
            Some('[') => {
                let step = self.bracket()?;
                route.steps.push(step);
            }
            Some(_) | None => {
                let start = self.cursor.offset();
                let name = self.name(&mut route.has_signs)?;
                if self.cursor.peek() == Some('(') {
                    let offset = |error: SyntaxError| SyntaxError { offset: start, ..error };
                    let function = self.function(&name).map_err(offset)?;
                    let arguments = self.arguments()?;
                    route.function = Some(Box::new(Call { function, arguments }));
                } else {
                    route.steps.push(Step::Member(name));
                }
            }
        }
        Ok(())
    }

    fn function(&self, name: &str) -> Result<Function> {
        let known = Function::NAMES.iter().find(|(known, _)| *known == name);
        known.map(|(_, function)| *function).ok_or_else(|| {
            let names: Vec<_> = Function::NAMES.iter().map(|(known, _)| format!("`{known}()`")).collect();
            self.cursor.error(format!("paths have no function `{name}()`, they have {}", names.join(", ")))
        })
    }

    fn arguments(&mut self) -> Result<Vec<Operand>> {
        self.cursor.expect("(")?;
        let mut arguments = Vec::new();
        self.cursor.skip_blanks();
        if self.cursor.accept(")") {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.nested(Self::operand)?);
            self.cursor.skip_blanks();
            if self.cursor.accept(")") {
                return Ok(arguments);
            }
            if !self.cursor.accept(",") {
                return Err(self.cursor.expected("`,` or `)`"));
            }
        }
    }

    /// A name behind a dot. In a filter it ends at an operator.
    fn name(&mut self, has_signs: &mut bool) -> Result<Str> {
        let is_in_filter = self.nesting > 0;
        let mut name = String::new();
        let start = self.cursor.offset();
        while let Some(c) = self.cursor.peek() {
            if c == '\\' {
                self.cursor.next();
                name.push(self.cursor.escaped()?);
            } else if is_name_character(c, is_in_filter) {
                *has_signs |= matches!(c, '@' | ':');
                self.cursor.next();
                name.push(c);
            } else {
                break;
            }
        }
        if self.cursor.offset() == start {
            return Err(self.cursor.expected("a name, `*` or `[` after `.`"));
        }
        Ok(Arc::from(name))
    }

    fn bracket(&mut self) -> Result<Step> {
        self.cursor.expect("[")?;
        self.cursor.skip_blanks();
        let step = match self.cursor.peek() {
            Some('*') => {
                self.cursor.next();
                Step::All
            }
            Some('?') => {
                self.cursor.next();
                self.cursor.skip_blanks();
                self.cursor.expect("(")?;
                let filter = self.nested(Self::filter)?;
                self.cursor.expect(")")?;
                Step::Filter(filter)
            }
            Some('\'' | '"') => self.quoted_names()?,
            Some('0'..='9' | '-' | ':') => self.positions()?,
            Some(_) | None => {
                return Err(self
                    .cursor
                    .expected("a position, a quoted name, a slice, `*` or `?(` after `[`"));
            }
        };
        self.cursor.skip_blanks();
        self.cursor.expect("]")?;
        Ok(step)
    }

    fn quoted_names(&mut self) -> Result<Step> {
        let first = self.cursor.quoted()?;
        let mut names = vec![first.clone()];
        while self.comma() {
            if !matches!(self.cursor.peek(), Some('\'' | '"')) {
                return Err(self.cursor.expected("a quoted name"));
            }
            names.push(self.cursor.quoted()?);
        }
        Ok(if names.len() == 1 { Step::Member(first) } else { Step::Members(names) })
    }

    fn positions(&mut self) -> Result<Step> {
        let first = self.position()?;
        self.cursor.skip_blanks();
        if self.cursor.accept(":") {
            return self.slice(first);
        }
        let Some(first) = first else { return Err(self.cursor.expected("a position")) };
        let mut positions = vec![first];
        while self.comma() {
            let Some(position) = self.position()? else { return Err(self.cursor.expected("a position")) };
            positions.push(position);
        }
        Ok(if positions.len() == 1 { Step::Element(first) } else { Step::Elements(positions) })
    }

    fn slice(&mut self, from: Option<i64>) -> Result<Step> {
        self.cursor.skip_blanks();
        let to = self.position()?;
        self.cursor.skip_blanks();
        let mut stride = None;
        if self.cursor.accept(":") {
            self.cursor.skip_blanks();
            stride = self.position()?;
        }
        Ok(Step::Slice(Slice { from, to, stride: stride.unwrap_or(1) }))
    }

    fn comma(&mut self) -> bool {
        self.cursor.skip_blanks();
        let is_next = self.cursor.accept(",");
        if is_next {
            self.cursor.skip_blanks();
        }
        is_next
    }

    /// An integer, nothing where none begins here.
    fn position(&mut self) -> Result<Option<i64>> {
        let start = self.cursor.offset();
        self.cursor.accept("-");
        self.cursor.take_while(|c| c.is_ascii_digit());
        let digits = self.cursor.since(start);
        if digits.is_empty() {
            return Ok(None);
        }
        let message = || format!("`{digits}` is no position, which is an integer of 64 bits");
        digits.parse().map(Some).map_err(|_| SyntaxError { offset: start, message: message() })
    }

    /// A path within a filter, whose first sign was seen.
    pub(super) fn located(&mut self) -> Result<Located> {
        let is_relative = self.cursor.accept("@");
        if !is_relative {
            self.cursor.expect("$")?;
        }
        Ok(Located { is_relative, route: self.route()? })
    }
}

/// Whether a name behind a dot may hold a character without a backslash. Jayway takes nearly all; those
/// that end a name elsewhere, in a filter or in a call, must be escaped or quoted.
fn is_name_character(c: char, is_in_filter: bool) -> bool {
    match c {
        '.' | '[' | ']' | '(' | ')' | '{' | '}' | ',' | '\'' | '"' | '?' | '*' | '\\' => false,
        '=' | '!' | '<' | '>' | '&' | '|' | '~' => !is_in_filter,
        _ => !c.is_whitespace() && !c.is_control(),
    }
}

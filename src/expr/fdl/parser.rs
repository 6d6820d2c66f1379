//! Tokens to [`Expr`].

use super::token::{Token, tokens};
use super::{CALL_DEPTH_MAX, NESTING_MAX, SyntaxError, SyntaxErrorKind, Variables};
use crate::expr::call::arity;
use crate::expr::closest::closest;
use crate::expr::cursor::only;
use crate::expr::{Comparison, Expr, Function, PathStep};
use crate::value::{Str, Value};

pub(super) struct Parser {
    tokens: Vec<(usize, Token)>,
    at: usize,
    end: usize,
    variables: Variables,
    nesting: u32,
    calls: u32,
}

type Result<T> = std::result::Result<T, SyntaxError>;

impl Parser {
    pub(super) fn new(text: &str, variables: Variables) -> Result<Self> {
        let tokens = tokens(text)?;
        Ok(Self { tokens, at: 0, end: text.len(), variables, nesting: 0, calls: 0 })
    }

    pub(super) fn parse(mut self) -> Result<Expr> {
        let expr = self.expression()?;
        match self.peek() {
            None => Ok(expr),
            Some(token) => Err(self.error(format!("unexpected {} behind the expression", token.text()))),
        }
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    fn offset(&self) -> usize {
        self.tokens.get(self.at).map_or(self.end, |(offset, _)| *offset)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.at += 1;
        token
    }

    fn error(&self, message: impl Into<String>) -> SyntaxError {
        SyntaxError {
            kind: SyntaxErrorKind::Grammar,
            offset: self.offset(),
            message: message.into(),
            help: None,
        }
    }

    fn found(&self) -> String {
        self.peek().map_or_else(|| "the end".to_owned(), Token::text)
    }

    fn accept(&mut self, sign: &str) -> bool {
        let is_next = matches!(self.peek(), Some(Token::Sign(found)) if *found == sign);
        self.at += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, sign: &str) -> Result<()> {
        if self.accept(sign) {
            return Ok(());
        }
        Err(self.error(format!("expected `{sign}`, found {}", self.found())))
    }

    fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.nesting >= NESTING_MAX {
            return Err(self.error(format!("nested more than {NESTING_MAX} levels deep")));
        }
        self.nesting += 1;
        let result = inner(self);
        self.nesting -= 1;
        result
    }

    fn expression(&mut self) -> Result<Expr> {
        self.nested(Self::or)
    }

    fn or(&mut self) -> Result<Expr> {
        let first = self.and()?;
        let mut operands = vec![first];
        while self.accept("||") {
            operands.push(self.and()?);
        }
        Ok(only(operands).unwrap_or_else(Expr::Any))
    }

    fn and(&mut self) -> Result<Expr> {
        let first = self.comparison()?;
        let mut operands = vec![first];
        while self.accept("&&") {
            operands.push(self.comparison()?);
        }
        Ok(only(operands).unwrap_or_else(Expr::All))
    }

    fn comparison(&mut self) -> Result<Expr> {
        let mut left = self.unary()?;
        // Each further comparison nests the ones before it.
        let mut depth = 0;
        while let Some(comparison) = self.comparison_operator() {
            depth += 1;
            if depth > NESTING_MAX {
                return Err(self.error(format!("more than {NESTING_MAX} comparisons in a row")));
            }
            self.at += 1;
            left = Expr::Compare(comparison, Box::new(left), Box::new(self.unary()?));
        }
        Ok(left)
    }

    fn comparison_operator(&self) -> Option<Comparison> {
        Some(match self.peek()? {
            Token::Sign("==") => Comparison::Equal,
            Token::Sign("!=") => Comparison::NotEqual,
            Token::Sign("<") => Comparison::Less,
            Token::Sign("<=") => Comparison::LessOrEqual,
            Token::Sign(">") => Comparison::Greater,
            Token::Sign(">=") => Comparison::GreaterOrEqual,
            Token::Name(name) if &**name == "in" => Comparison::In,
            Token::Sign(_) | Token::Name(_) | Token::Variable(_) | Token::Number(_) | Token::String(_) => {
                return None;
            }
        })
    }

    fn unary(&mut self) -> Result<Expr> {
        if self.accept("!") {
            return Ok(Expr::Not(Box::new(self.nested(Self::unary)?)));
        }
        if self.accept("-") {
            return Ok(Expr::Negate(Box::new(self.nested(Self::unary)?)));
        }
        self.primary()
    }

    fn primary(&mut self) -> Result<Expr> {
        let at = self.at;
        match self.next() {
            Some(Token::Number(number)) => Ok(Expr::Literal(Value::Number(number))),
            Some(Token::String(text)) => Ok(Expr::Literal(Value::String(text))),
            Some(Token::Variable(name)) => self.variable(&name, at),
            Some(Token::Name(name)) => self.named(&name, at),
            Some(Token::Sign("(")) => {
                let inner = self.expression()?;
                self.expect(")")?;
                Ok(inner)
            }
            Some(Token::Sign("[")) => Ok(Expr::array(self.list("]")?)),
            Some(Token::Sign("{")) => self.object(),
            Some(Token::Sign(_)) | None => {
                self.at = at;
                Err(self.error(format!("expected a value, found {}", self.found())))
            }
        }
    }

    fn variable(&mut self, name: &Str, at: usize) -> Result<Expr> {
        let Some((_, layout)) = self.variables.known.iter().find(|(known, _)| *known == &**name) else {
            self.at = at;
            let known: Vec<_> = self.variables.known.iter().map(|(known, _)| format!("`${known}`")).collect();
            return Err(SyntaxError {
                kind: SyntaxErrorKind::Variable,
                help: Some(format!("here are {}", known.join(", "))),
                ..self.error(format!("no variable `${name}` in this place"))
            });
        };
        let missing = self.variables.missing;
        let mut places = Vec::new();
        let steps = self.steps(&mut places)?;
        layout.resolve(steps, missing).map_err(|unknown| {
            self.at = places.get(unknown.step).copied().unwrap_or(at);
            let help = match closest(&unknown.name, unknown.known.iter().copied()) {
                Some(close) => format!("did you mean `{close}`?"),
                None => format!("there are `{}`", unknown.known.join("`, `")),
            };
            SyntaxError {
                kind: SyntaxErrorKind::Variable,
                help: Some(help),
                ..self.error(format!("`${name}` has no `{}` in this place", unknown.name))
            }
        })
    }

    /// The steps behind a variable, and the token at which each names where it leads.
    fn steps(&mut self, places: &mut Vec<usize>) -> Result<Vec<PathStep>> {
        let mut steps = Vec::new();
        loop {
            places.push(self.at + 1);
            if self.accept(".") {
                steps.push(match self.next() {
                    Some(Token::Name(name)) => PathStep::member(name),
                    Some(Token::Sign("*")) => PathStep::All,
                    Some(_) | None => {
                        self.at -= 1;
                        return Err(self.error(format!("expected a name after `.`, found {}", self.found())));
                    }
                });
            } else if self.accept("[") {
                let is_negative = self.accept("-");
                steps.push(match self.next() {
                    Some(Token::String(name)) if !is_negative => PathStep::Member(name),
                    Some(Token::Sign("*")) if !is_negative => PathStep::All,
                    Some(Token::Number(number)) => match number.as_i64() {
                        Some(index) => PathStep::Element(if is_negative { -index } else { index }),
                        None => {
                            self.at -= 1;
                            return Err(self.error(format!("an index must be an integer, found `{number}`")));
                        }
                    },
                    Some(_) | None => {
                        self.at -= 1;
                        return Err(self.error(format!(
                            "expected an index, a quoted name or `*`, found {}",
                            self.found()
                        )));
                    }
                });
                self.expect("]")?;
            } else {
                return Ok(steps);
            }
        }
    }

    fn named(&mut self, name: &Str, at: usize) -> Result<Expr> {
        if self.accept("(") {
            return self.call(name, at);
        }
        match &**name {
            "true" => Ok(Expr::Literal(Value::Bool(true))),
            "false" => Ok(Expr::Literal(Value::Bool(false))),
            "null" => Ok(Expr::Literal(Value::Null)),
            _ => {
                self.at = at;
                Err(SyntaxError {
                    help: Some(format!("a variable begins with `$`, a string is quoted: `\"{name}\"`")),
                    ..self.error(format!("unexpected `{name}`"))
                })
            }
        }
    }

    fn call(&mut self, name: &Str, at: usize) -> Result<Expr> {
        let refuse = |parser: &mut Self, message: String, help: Option<String>| {
            parser.at = at;
            Err(SyntaxError { kind: SyntaxErrorKind::Function, help, ..parser.error(message) })
        };
        let Some(function) = Function::named(name) else {
            let help = closest(name, Function::NAMES.iter().copied());
            let help = help.map(|known| format!("did you mean `{known}`?"));
            return refuse(self, format!("no function `{name}`"), help);
        };
        self.calls += 1;
        if self.calls > CALL_DEPTH_MAX {
            return refuse(self, format!("calls nested more than {CALL_DEPTH_MAX} levels deep"), None);
        }
        let arguments = self.list(")")?;
        self.calls -= 1;
        if !function.takes(arguments.len()) {
            let message =
                format!("`{name}` takes {}, found {}", arity(|count| function.takes(count)), arguments.len());
            return refuse(self, message, None);
        }
        Ok(Expr::Call(function, arguments))
    }

    fn list(&mut self, close: &str) -> Result<Vec<Expr>> {
        let mut items = Vec::new();
        if self.accept(close) {
            return Ok(items);
        }
        loop {
            items.push(self.expression()?);
            if self.accept(close) {
                return Ok(items);
            }
            if !self.accept(",") {
                return Err(self.error(format!("expected `,` or `{close}`, found {}", self.found())));
            }
        }
    }

    fn object(&mut self) -> Result<Expr> {
        let mut members = Vec::new();
        if self.accept("}") {
            return Ok(Expr::object(members));
        }
        loop {
            let key = match self.next() {
                Some(Token::String(key) | Token::Name(key)) => key,
                Some(_) | None => {
                    self.at -= 1;
                    return Err(self.error(format!("expected a key, found {}", self.found())));
                }
            };
            self.expect(":")?;
            members.push((key, self.expression()?));
            if self.accept("}") {
                return Ok(Expr::object(members));
            }
            if !self.accept(",") {
                return Err(self.error(format!("expected `,` or `}}`, found {}", self.found())));
            }
        }
    }
}

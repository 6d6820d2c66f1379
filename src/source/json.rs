//! JSON text to [`Node`]s, without the detour through YAML: definitions of Amazon States Language are JSON,
//! and compiled whenever a controller starts. Whatever is no plain JSON is left to the YAML reader, which
//! says what is wrong with it.

use std::sync::Arc;

use super::parse::NODES_MAX;
use super::{Content, Entry, Key, Mapping, Node, Span};
use crate::value::{DEPTH_MAX, Number, Str};

/// The document in a JSON text; nothing for any other text.
pub(super) fn parse(text: &str) -> Option<Node> {
    let mut reader = Reader { text, at: 0, line: 1, column: 1, nodes: 0 };
    reader.skip_blanks()?;
    let document = reader.value(0)?;
    reader.skip_blanks()?;
    (reader.at == text.len()).then_some(document)
}

struct Reader<'t> {
    text: &'t str,
    /// The next byte, and its place for a person.
    at: usize,
    line: u32,
    column: u32,
    nodes: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Goes on by so many bytes, which are no line breaks.
    fn advance(&mut self, bytes: usize) -> Option<&str> {
        let piece = self.text.get(self.at..self.at.checked_add(bytes)?)?;
        self.at += bytes;
        self.column = self.column.checked_add(u32::try_from(piece.chars().count()).ok()?)?;
        Some(piece)
    }

    fn skip_blanks(&mut self) -> Option<()> {
        loop {
            match self.peek() {
                Some(b' ' | b'\t') => {
                    self.at += 1;
                    self.column = self.column.checked_add(1)?;
                }
                Some(b'\n') => {
                    self.at += 1;
                    self.line = self.line.checked_add(1)?;
                    self.column = 1;
                }
                // Alone it breaks a line in YAML.
                Some(b'\r') if self.text.as_bytes().get(self.at + 1) == Some(&b'\n') => self.at += 1,
                Some(_) | None => return Some(()),
            }
        }
    }

    /// The span of the next so many bytes.
    fn span(&self, bytes: usize) -> Option<Span> {
        let (start, end) = (u32::try_from(self.at).ok()?, u32::try_from(self.at.checked_add(bytes)?).ok()?);
        Some(Span { start, end, line: self.line, column: self.column })
    }

    fn count(&mut self) -> Option<()> {
        self.nodes += 1;
        (self.nodes <= NODES_MAX).then_some(())
    }

    fn value(&mut self, depth: u32) -> Option<Node> {
        self.count()?;
        match self.peek()? {
            b'{' => self.mapping(depth.checked_add(1)?),
            b'[' => self.sequence(depth.checked_add(1)?),
            b'"' => {
                let (text, span) = self.string()?;
                Some(Node { content: Content::String(text), span: Some(span), lines: None })
            }
            b't' => self.word("true", Content::Bool(true)),
            b'f' => self.word("false", Content::Bool(false)),
            b'n' => self.word("null", Content::Null),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &str, content: Content) -> Option<Node> {
        let span = self.span(word.len());
        (self.advance(word.len())? == word).then_some(Node { content, span, lines: None })
    }

    fn number(&mut self) -> Option<Node> {
        let rest = self.text.get(self.at..)?;
        let is_part = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
        let length = rest.bytes().take_while(|byte| is_part(byte)).count();
        let span = self.span(length);
        let text = self.advance(length)?;
        let number = match text {
            // As YAML has it: an integer.
            "-0" => Number::from(0_i64),
            text => Number::from(text.parse::<serde_json::Number>().ok()?),
        };
        Some(Node { content: Content::Number(number), span, lines: None })
    }

    /// A string with its place, the quotes included.
    fn string(&mut self) -> Option<(Str, Span)> {
        let rest = self.text.get(self.at..)?;
        let mut has_escapes = false;
        let mut bytes = rest.bytes().enumerate().skip(1);
        let end = loop {
            match bytes.next()? {
                (at, b'"') => break at,
                (_, b'\\') => {
                    has_escapes = true;
                    bytes.next()?;
                }
                (_, byte) if byte < b' ' => return None,
                (_, _) => {}
            }
        };
        let span = self.span(end + 1)?;
        let written = self.advance(end + 1)?;
        let text = match has_escapes {
            true => Arc::from(serde_json::from_str::<String>(written).ok()?),
            false => Arc::from(written.get(1..end)?),
        };
        Some((text, span))
    }

    fn mapping(&mut self, depth: u32) -> Option<Node> {
        let (span, mut entries) = (self.open(depth)?, Vec::new());
        if self.peek()? != b'}' {
            loop {
                self.count()?;
                let (name, span) = self.string_after_quote()?;
                self.skip_blanks()?;
                self.sign(b':')?;
                let value = self.value(depth)?;
                entries.push(Entry { key: Key { name, span: Some(span) }, value });
                if !self.goes_on()? {
                    break;
                }
            }
        }
        self.close(b'}')?;
        Some(Node { content: Content::Mapping(Mapping { entries }), span: Some(span), lines: None })
    }

    fn sequence(&mut self, depth: u32) -> Option<Node> {
        let (span, mut items) = (self.open(depth)?, Vec::new());
        if self.peek()? != b']' {
            loop {
                items.push(self.value(depth)?);
                if !self.goes_on()? {
                    break;
                }
            }
        }
        self.close(b']')?;
        Some(Node { content: Content::Sequence(items), span: Some(span), lines: None })
    }

    /// The bracket that begins a list or an object, which is its place.
    fn open(&mut self, depth: u32) -> Option<Span> {
        let span = self.span(1)?;
        self.advance(1)?;
        self.skip_blanks()?;
        (depth <= DEPTH_MAX).then_some(span)
    }

    fn close(&mut self, bracket: u8) -> Option<()> {
        (self.peek()? == bracket).then_some(())?;
        self.advance(1).map(drop)
    }

    fn string_after_quote(&mut self) -> Option<(Str, Span)> {
        (self.peek()? == b'"').then_some(())?;
        self.string()
    }

    fn sign(&mut self, sign: u8) -> Option<()> {
        self.close(sign)?;
        self.skip_blanks()
    }

    /// Whether a comma follows a member.
    fn goes_on(&mut self) -> Option<bool> {
        self.skip_blanks()?;
        if self.peek()? != b',' {
            return Some(false);
        }
        self.sign(b',')?;
        Some(true)
    }
}

//! Where the words of an expression stand.
//!
//! The library's tree has no places, and a message without one is of little help: this finds the
//! starts of tokens, nothing else. What they mean is the library's to say.

/// A token and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'t> {
    /// Byte at which it begins.
    pub(super) start: usize,
    /// As it is written.
    pub(super) text: &'t str,
}

impl<'t> Token<'t> {
    /// Byte behind it.
    pub(super) fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// The token without quotes: the name that a quoted one is.
    pub(super) fn name(&self) -> &'t str {
        let inner = |quote: char| self.text.strip_prefix(quote)?.strip_suffix(quote);
        inner('"').or_else(|| inner('\'')).or_else(|| inner('`')).unwrap_or(self.text)
    }

    /// Whether a `/` behind it divides, rather than begins a regular expression.
    fn is_operand(&self) -> bool {
        if matches!(self.text, "and" | "or" | "in") {
            return false;
        }
        let last = self.text.chars().next_back();
        last.is_some_and(|last| {
            is_word(last) || matches!(last, ')' | ']' | '}' | '"' | '\'' | '`' | '*' | '%')
        })
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '$')
}

/// The tokens of a text. One that is not closed reaches to the end.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens: Vec<Token<'_>> = Vec::new();
    let mut start = 0;
    while let Some(rest) = text.get(start..).filter(|rest| !rest.is_empty()) {
        let skipped = rest.len() - rest.trim_start().len();
        if skipped > 0 {
            start += skipped;
            continue;
        }
        if let Some(comment) = rest.strip_prefix("/*") {
            start += comment.find("*/").map_or(rest.len(), |end| end + 4);
            continue;
        }
        let divides = tokens.last().is_some_and(Token::is_operand);
        let length = length(rest, divides);
        tokens.push(Token { start, text: rest.get(..length).unwrap_or(rest) });
        start += length.max(1);
    }
    tokens
}

fn length(rest: &str, divides: bool) -> usize {
    let Some(first) = rest.chars().next() else { return 0 };
    match first {
        '"' | '\'' => closed(rest, first, true),
        '`' => closed(rest, first, false),
        '/' if !divides => {
            let pattern = closed(rest, first, true);
            let flags = rest.get(pattern..).unwrap_or_default();
            pattern + run(flags, char::is_alphabetic)
        }
        digit if digit.is_ascii_digit() => number(rest),
        '$' => 1 + run(rest.get(1..).unwrap_or_default(), is_word),
        letter if letter.is_alphabetic() || letter == '_' => run(rest, is_word),
        other => {
            const PAIRS: [&str; 9] = ["..", ":=", "!=", ">=", "<=", "~>", "??", "?:", "**"];
            if PAIRS.iter().any(|pair| rest.starts_with(pair)) { 2 } else { other.len_utf8() }
        }
    }
}

/// Bytes of the characters at the beginning that `is_part`.
fn run(text: &str, is_part: impl Fn(char) -> bool) -> usize {
    text.find(|character| !is_part(character)).unwrap_or(text.len())
}

/// Bytes up to the quote that closes what the first one opens.
fn closed(rest: &str, quote: char, has_escapes: bool) -> usize {
    let mut is_escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        if is_escaped {
            is_escaped = false;
        } else if character == '\\' && has_escapes {
            is_escaped = true;
        } else if character == quote {
            return at + character.len_utf8();
        }
    }
    rest.len()
}

fn number(rest: &str) -> usize {
    let digits = |from: usize| run(rest.get(from..).unwrap_or_default(), |digit| digit.is_ascii_digit());
    let mut end = digits(0);
    if rest.get(end..).is_some_and(|rest| rest.starts_with('.')) && digits(end + 1) > 0 {
        end += 1 + digits(end + 1);
    }
    if rest.get(end..).is_some_and(|rest| rest.starts_with(['e', 'E'])) {
        let sign = usize::from(rest.get(end + 1..).is_some_and(|rest| rest.starts_with(['+', '-'])));
        let exponent = digits(end + 1 + sign);
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    end
}

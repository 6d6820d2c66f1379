//! What a person sees: lines that fit a terminal, and nothing in them that a terminal would obey.

use std::fmt::Display;
use std::io::{ErrorKind, IsTerminal as _, Write};

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Columns that everything is laid out for: the width of a terminal that nobody resized, of a log
/// and of a mail.
pub(super) const COLUMNS: usize = 80;

/// Tells a person something, on stderr. That nobody listens is no reason to fail.
pub(super) fn tell(text: impl Display) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// Says why a request cannot be carried out.
pub(super) fn complain(message: impl Display) {
    tell(fit(&format!("millrace: {message}")));
}

/// A message as it is told: on a terminal, where its end is broken anyhow, its lines are broken between
/// words. Elsewhere a line stays one that `grep` finds.
pub(super) fn fit(message: &str) -> String {
    if std::io::stderr().is_terminal() { broken(message) } else { message.to_owned() }
}

/// A message whose lines fit; what follows a line stands further in.
fn broken(message: &str) -> String {
    let lines = message.lines().map(|line| match width(line) {
        ..=COLUMNS => line.to_owned(),
        _ => wrap(line, COLUMNS - 2).join("\n  "),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Writes a result to stdout, byte for byte. A reader who has seen enough and went away is none to
/// complain of.
///
/// # Errors
/// Where it cannot be written; the message says why.
pub(super) fn write_result(text: &str) -> Result<(), String> {
    offer_result(text).map(drop)
}

/// The same with colors, where stdout is a terminal.
///
/// # Errors
/// As [`write_result`].
pub(super) fn write_report(text: &str) -> Result<(), String> {
    offer_report(text).map(drop)
}

/// Writes a part of a result; says whether anybody reads on.
///
/// # Errors
/// As [`write_result`].
pub(super) fn offer_result(text: &str) -> Result<Reader, String> {
    offer(std::io::stdout().lock(), text)
}

/// Writes a part of a report; says whether anybody reads on.
///
/// # Errors
/// As [`write_result`].
pub(super) fn offer_report(text: &str) -> Result<Reader, String> {
    offer(anstream::stdout().lock(), text)
}

/// Whether anybody reads on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    /// Someone may.
    There,
    /// Nobody does.
    Gone,
}

fn offer(mut stdout: impl Write, text: &str) -> Result<Reader, String> {
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(Reader::There),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(format!("cannot write to stdout: {error}")),
    }
}

/// Text from elsewhere on one line, without what would move the cursor or change colours.
pub(super) fn harmless(text: &str) -> String {
    let text = annotate_snippets::normalize_untrusted_str(&text.replace(['\n', '\r', '\t'], " "));
    without_c1(&text)
}

/// Text without the control characters that everyone forgets: some terminals take U+009B for the
/// beginning of a command. What stands in their place is as long, so that places in the text stay.
pub(super) fn without_c1(text: &str) -> String {
    text.replace(|character| matches!(character, '\u{80}'..='\u{9f}'), "·")
}

/// Columns that a text takes. What colors it takes none, Chinese characters take two each.
pub(super) fn width(text: &str) -> usize {
    anstream::adapter::strip_str(text).map(|part| part.width()).sum()
}

/// At most so many columns of a text; where there was more, the last one says so.
pub(super) fn cut(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut left = columns.saturating_sub(1);
    let fits = text.chars().take_while(|character| {
        let width = character.width().unwrap_or_default();
        let fits = width <= left;
        left = left.saturating_sub(width);
        fits
    });
    fits.chain(['…']).collect()
}

/// Whether a person looks at stderr who can be shown something that moves.
pub(super) fn is_stderr_live() -> bool {
    std::io::stderr().is_terminal() && can_move()
}

/// The same for stdout.
pub(super) fn is_stdout_live() -> bool {
    std::io::stdout().is_terminal() && can_move()
}

/// Lines of the terminal that stdout is.
pub(super) fn stdout_lines() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    Some(usize::from(size.ws_row)).filter(|lines| *lines > 0)
}

fn can_move() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Breaks a text between words into lines of at most `columns` columns. A word that is longer
/// than a line stays whole: it is a name or a URL that someone may want to copy.
pub(super) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.width() + 1 + word.width() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    lines
}

/// `1 error`, `2 errors`.
pub(super) fn count(number: u64, noun: &str) -> String {
    let ending = match (number, noun.ends_with('y')) {
        (1, _) => return format!("{number} {noun}"),
        (_, true) => return format!("{number} {}ies", noun.trim_end_matches('y')),
        (_, false) => "s",
    };
    format!("{number} {noun}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrap("a bb  ccc", 4), ["a bb", "ccc"]);
        assert_eq!(wrap("a-long-word b", 4), ["a-long-word", "b"]);
        assert_eq!(wrap("", 4), Vec::<String>::new());
        assert_eq!(wrap("订单 订单", 8), ["订单", "订单"]);
    }

    #[test]
    fn long_messages_are_broken_and_short_lines_stay() {
        let message = format!("  a  b\n{}", "word ".repeat(20));
        let broken = broken(&message);
        let lines: Vec<_> = broken.lines().collect();
        assert_eq!((lines.len(), lines[0]), (3, "  a  b"));
        assert!(
            lines.iter().all(|line| width(line) <= COLUMNS) && lines[2].starts_with("  word"),
            "{broken}"
        );
    }

    #[test]
    fn what_is_cut_fits_and_says_so() {
        assert_eq!(cut("order", 5), "order");
        assert_eq!(cut("orders", 5), "orde…");
        assert_eq!(cut("订单订单", 6), "订单…");
        assert_eq!(width("\u{1b}[31m订\u{1b}[0m"), 2);
    }

    #[test]
    fn nothing_in_a_text_commands_the_terminal() {
        assert_eq!(harmless("a\nb\u{1b}[31m"), "a b␛[31m");
        assert!(!harmless("\u{9b}31m \u{7f} \u{202e}").contains(['\u{9b}', '\u{7f}', '\u{202e}']));
        assert_eq!(without_c1("a\u{9b}b").len(), "a\u{9b}b".len());
    }

    #[test]
    fn counts_are_words() {
        assert_eq!(count(1, "error"), "1 error");
        assert_eq!(count(0, "error"), "0 errors");
        assert_eq!(count(2, "retry"), "2 retries");
    }
}

//! Waiting for the end of a run before the eyes of a person or of a log.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::cluster::object::Key;

use super::connection::Connection;
use super::execution::View;
use super::follow::{End, Pace, follow};
use super::list;
use super::live::{Live, Stream};
use super::redrive::counts_from;
use super::terminal::{COLUMNS, Reader, cut, harmless, is_stderr_live, tell, wrap};

/// How often a line that moves is drawn anew: it shows seconds.
pub(super) const REFRESH: Duration = Duration::from_secs(1);

/// A duration of which nobody waits for the end.
const SECONDS_MAX: i64 = crate::api::YEAR_SECONDS;

/// Reads `90`, `90s`, `10m` or `1h30m`.
///
/// # Errors
/// Where it is none of these or longer than a year.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    if text.strip_prefix('-').is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit())) {
        return Err("a duration must be 0 or more, such as 90s or 10m".to_owned());
    }
    let parsed = match text.parse::<i64>() {
        Ok(seconds) => SignedDuration::from_secs(seconds),
        Err(_) => text
            .parse::<SignedDuration>()
            .map_err(|_| "a duration is a number of seconds, or like `90s`, `10m`, `1h30m`".to_owned())?,
    };
    match Duration::try_from(parsed) {
        Ok(duration) if parsed <= SignedDuration::from_secs(SECONDS_MAX) => Ok(duration),
        Ok(_) | Err(_) => Err("a duration is at most a year".to_owned()),
    }
}

/// Reads a duration that the API counts in whole seconds.
///
/// # Errors
/// As [`parse_duration`], and where it has a fraction.
pub(super) fn parse_seconds(text: &str) -> Result<i64, String> {
    let duration = parse_duration(text)?;
    match i64::try_from(duration.as_secs()) {
        Ok(seconds) if duration.subsec_nanos() == 0 => Ok(seconds),
        Ok(_) | Err(_) => Err("whole seconds are wanted".to_owned()),
    }
}

/// Waits for the end of a run and tells of its way on stderr: a line that moves on a terminal, elsewhere
/// a line for each change.
///
/// # Errors
/// Where it cannot be watched.
pub(super) async fn wait(
    connection: &Connection,
    subject: (&Key, &str),
    limit: Option<Duration>,
) -> Result<End, String> {
    wait_at(connection, subject, Pace { limit, ..Pace::default() }).await
}

/// The same for a run that may have been asked to go on: then it has not ended before that was looked at.
///
/// # Errors
/// As [`wait`].
pub(super) async fn wait_from(
    connection: &Connection,
    view: &View,
    limit: Option<Duration>,
) -> Result<End, String> {
    let pace = Pace { limit, generation: counts_from(view), ..Pace::default() };
    wait_at(connection, (&view.key, &view.uid), pace).await
}

async fn wait_at(connection: &Connection, (key, uid): (&Key, &str), pace: Pace) -> Result<End, String> {
    if is_stderr_live() {
        let live = Live::spinner(Stream::Stderr);
        let pace = Pace { refresh: Some(REFRESH), ..pace };
        return follow(connection, (key, uid), pace, |view| {
            let text = format!("{}: {} {}", key.name, harmless(&going(view)), list::reason(view));
            // The spinner takes two columns.
            live.show(&cut(&text, COLUMNS - 2));
            Reader::There
        })
        .await;
    }
    let mut told = None;
    follow(connection, (key, uid), pace, |view| {
        let mark = mark(view);
        if told.as_ref() != Some(&mark) {
            tell(wrap(&format!("{}: {}", key.name, standing(view)), COLUMNS).join("\n  "));
            told = Some(mark);
        }
        Reader::There
    })
    .await
}

/// What makes two views different for who waits: messages hold times that change all along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    phase: String,
    reason: String,
    active: Option<(String, i32)>,
}

/// What stands in a view.
pub(super) fn mark(view: &View) -> Mark {
    Mark {
        phase: view.status.phase.clone(),
        reason: view.reason().to_owned(),
        active: view.status.active.first().map(|active| (active.path.clone(), active.attempt)),
    }
}

/// `Running for 7s, WaitingForTask: task …`.
fn standing(view: &View) -> String {
    if view.is_ended() {
        return format!("asked to go on after it ended as {}", harmless(&view.status.phase));
    }
    let condition = view.stalled().or_else(|| view.condition("InProgress"));
    let why = condition
        .map_or_else(String::new, |condition| format!(", {}: {}", condition.reason, condition.message));
    harmless(&format!("{}{why}", going(view)))
}

fn going(view: &View) -> String {
    let span = view.duration(Timestamp::now()).map_or_else(String::new, |span| format!(" for {span}"));
    format!("{}{span}", view.status.phase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_seconds_or_have_units() {
        let cases = [
            ("0", 0),
            ("90", 90),
            ("90s", 90),
            ("10m", 600),
            ("1h30m", 5_400),
            ("1h 30m", 5_400),
            ("48h", 172_800),
        ];
        for (text, seconds) in cases {
            assert_eq!(parse_seconds(text), Ok(seconds), "{text}");
        }
        for text in ["", "x", "-1", "-5s", "1.5", "2y", "2d", "10 bananas", "99999999999999999999", "1mo"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        assert!(parse_duration("-5s").unwrap_err().contains("must be 0 or more"));
        assert_eq!(parse_duration("1.5s"), Ok(Duration::from_millis(1_500)));
        assert!(parse_seconds("1.5s").unwrap_err().contains("whole"));
    }
}

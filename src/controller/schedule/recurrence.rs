//! The times of a schedule. Pure.
//!
//! Cron is read by the clock of its time zone. When that clock is set forward, a fixed time (one second, one
//! minute, one hour) that it leaps over comes at the first moment after; when it is set back, a fixed time that it
//! shows twice comes the first time. Everything else (`*/15`, `0 1,2 * * *`) comes whenever the clock shows it:
//! not at all where it leaps over, and both times where it repeats. `@every` and `rate` know no clock: they are
//! durations.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};

use crate::api::YEAR_SECONDS;
use crate::api::condition::cut;
use crate::api::schedule::Terms;

/// The time zone where none is named.
const DEFAULT_ZONE: &str = "Etc/UTC";

/// Characters of a text that a message repeats.
const SHOWN_CHARS_MAX: usize = 64;

/// What can be written.
const FORMS: &str = "a schedule is five fields of cron (`0 3 * * *`), six with the seconds first (`0 0 3 * * *`), `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`, `@every 90s`, `rate(5 minutes)` or `cron(0 3 * * ? *)`";

/// The times of a schedule: whole seconds, in order.
#[derive(Debug)]
pub struct Recurrence {
    form: Form,
    /// The first time that counts.
    start: Option<Timestamp>,
    /// The last time that counts.
    end: Option<Timestamp>,
    /// By how much all of them are later.
    offset: SignedDuration,
}

#[derive(Debug)]
enum Form {
    Cron { cron: Box<Cron>, zone: TimeZone },
    Every { period_seconds: i64, anchor: Timestamp, first: i64 },
}

impl Recurrence {
    /// Reads an expression.
    ///
    /// # Errors
    /// What is wrong with it, for a person: the text that was found and what can be written.
    pub fn new(expression: &str, terms: &Terms, created_at: Timestamp) -> Result<Self, String> {
        let zone_name = terms.time_zone.as_deref().unwrap_or(DEFAULT_ZONE);
        let zone = TimeZone::get(zone_name).map_err(|_| {
            format!("timeZone `{zone_name}` is none of IANA's, such as Etc/UTC or Europe/Berlin")
        })?;
        let anchor = terms.start_time.map(whole_second_after);
        let form = match period_of(expression)? {
            Some(period_seconds) => {
                // A schedule that begins now has its first run when a period is over.
                let first = i64::from(anchor.is_none());
                Form::Every { period_seconds, anchor: anchor.unwrap_or(created_at), first }
            }
            None => Form::Cron { cron: Box::new(cron_of(expression)?), zone },
        };
        if let Form::Cron { cron, zone } = &form
            && cron.find_next_occurrence(&created_at.to_zoned(zone.clone()), false).is_err()
        {
            return Err(refusal(expression, "no such time ever comes"));
        }
        let offset = SignedDuration::from_secs(terms.offset_seconds.unwrap_or_default());
        Ok(Self { form, start: anchor, end: terms.end_time, offset })
    }

    /// The first time after an instant.
    #[must_use]
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let after = after.checked_sub(self.offset).ok()?;
        let after = match self.start {
            Some(start) if start > after => start.checked_sub(SignedDuration::from_nanos(1)).ok()?,
            _ => after,
        };
        let next = match &self.form {
            Form::Cron { cron, zone } => {
                cron.find_next_occurrence(&after.to_zoned(zone.clone()), false).ok()?.timestamp()
            }
            Form::Every { period_seconds, anchor, first } => {
                let passed = periods(*anchor, after, *period_seconds).saturating_add(1);
                nth(*anchor, passed.max(*first), *period_seconds)?
            }
        };
        if self.end.is_some_and(|end| next > end) {
            return None;
        }
        next.checked_add(self.offset).ok()
    }

    /// The latest time that is not after an instant.
    fn latest(&self, at: Timestamp) -> Option<Timestamp> {
        let at = at.checked_sub(self.offset).ok()?;
        let at = Timestamp::from_second(self.end.map_or(at, |end| end.min(at)).as_second()).ok()?;
        let latest = match &self.form {
            Form::Cron { cron, zone } => {
                cron.find_previous_occurrence(&at.to_zoned(zone.clone()), true).ok()?.timestamp()
            }
            Form::Every { period_seconds, anchor, first } => {
                let passed = periods(*anchor, at, *period_seconds);
                nth(*anchor, passed, *period_seconds).filter(|_| passed >= *first)?
            }
        };
        if self.start.is_some_and(|start| latest < start) {
            return None;
        }
        latest.checked_add(self.offset).ok()
    }

    /// The latest times after one instant that are not after another, at most so many, in order.
    #[must_use]
    pub fn between(&self, after: Timestamp, until: Timestamp, max: usize) -> Vec<Timestamp> {
        let mut times = Vec::new();
        let mut at = until;
        while times.len() < max
            && let Some(latest) = self.latest(at).filter(|latest| *latest > after)
        {
            times.push(latest);
            match latest.checked_sub(SignedDuration::from_secs(1)) {
                Ok(before) => at = before,
                Err(_) => break,
            }
        }
        times.reverse();
        times
    }
}

/// Whole periods between an instant and another, less than none where the other is before it.
fn periods(anchor: Timestamp, at: Timestamp, period_seconds: i64) -> i64 {
    at.duration_since(anchor).as_nanos().div_euclid(i128::from(period_seconds) * 1_000_000_000) as i64
}

fn nth(anchor: Timestamp, number: i64, period_seconds: i64) -> Option<Timestamp> {
    anchor.checked_add(SignedDuration::from_secs(number.checked_mul(period_seconds)?)).ok()
}

/// The instant, or the next whole second.
fn whole_second_after(at: Timestamp) -> Timestamp {
    let second = at.as_second();
    let whole = Timestamp::from_second(second).unwrap_or(at);
    if whole >= at { whole } else { Timestamp::from_second(second.saturating_add(1)).unwrap_or(at) }
}

/// The text inside of `name(…)`.
fn inside<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')')
}

/// The period of `@every` and `rate`, in seconds; nothing where it is another form.
fn period_of(expression: &str) -> Result<Option<i64>, String> {
    let text = expression.trim();
    let Some(period) = inside(text, "rate").or_else(|| text.strip_prefix("@every")) else {
        return Ok(None);
    };
    let period = period.trim();
    let duration = period
        .parse::<Span>()
        .ok()
        .and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
    let shown = cut(period.to_owned(), SHOWN_CHARS_MAX);
    let Some(duration) = duration else {
        let why = format!("`{shown}` is no duration, such as `90s`, `1h30m`, `5 minutes` or `1 day`");
        return Err(refusal(expression, &why));
    };
    let seconds = duration.as_secs();
    if duration.subsec_nanos() != 0 || !(1..=YEAR_SECONDS).contains(&seconds) {
        let why = format!("`{shown}` must be a whole number of seconds, from one to a year");
        return Err(refusal(expression, &why));
    }
    Ok(Some(seconds))
}

/// Reads cron in one of its forms.
fn cron_of(expression: &str) -> Result<Cron, String> {
    let text = expression.trim();
    let builder = CronParser::builder().sloppy_ranges(true);
    let (parser, fields) = match inside(text, "cron") {
        // Minutes first, a year at the end, and weeks that begin with Sunday as 1.
        Some(fields) => {
            let parser = builder.seconds(Seconds::Required).year(Year::Required).alternative_weekdays(true);
            (parser.build(), format!("0 {fields}"))
        }
        None => (builder.year(Year::Disallowed).build(), text.replacen("@midnight", "@daily", 1)),
    };
    let expected: &[usize] = if text.starts_with("cron(") { &[7] } else { &[5, 6] };
    let count = fields.split_whitespace().count();
    if !text.starts_with('@') && !expected.contains(&count) {
        let (found, wanted) =
            if expected == [7] { (count.saturating_sub(1), "six") } else { (count, "five or six") };
        return Err(refusal(expression, &format!("it has {found} fields, and {wanted} are needed")));
    }
    parser.parse(&fields).map_err(|error| refusal(expression, &error.to_string()))
}

fn refusal(expression: &str, why: &str) -> String {
    let shown = cut(expression.to_owned(), SHOWN_CHARS_MAX);
    format!("schedule `{shown}` cannot be used: {}; {FORMS}", why.trim_end_matches('.'))
}

#[cfg(test)]
mod tests;

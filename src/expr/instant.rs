//! Instants as text.

use jiff::Timestamp;

/// Digits of a fraction that count: nanoseconds.
const FRACTION_DIGITS_MAX: usize = 9;

/// An instant as RFC 3339 and the services want it (asl.md §9): date, upper-case `T`, time with seconds and a
/// fraction of any length, upper-case `Z` or an offset. Nothing where the text is anything else or no such
/// day exists.
#[must_use]
pub fn parse_rfc3339(text: &str) -> Option<Timestamp> {
    let (date_time, rest) = text.split_at_checked("0000-00-00T00:00:00".len())?;
    let (fraction, zone) = match rest.strip_prefix('.') {
        Some(rest) => {
            let end = rest.find(|c: char| !c.is_ascii_digit()).filter(|end| *end > 0)?;
            rest.split_at_checked(end)?
        }
        None => ("0", rest),
    };
    let is_strict = has_shape(date_time, "0000-00-00T00:00:00")
        && (zone == "Z" || has_shape(zone, "+00:00") || has_shape(zone, "-00:00"));
    if !is_strict {
        return None;
    }
    let fraction = fraction.get(..FRACTION_DIGITS_MAX).unwrap_or(fraction);
    format!("{date_time}.{fraction}{zone}").parse().ok()
}

/// Whether a text has digits where the shape has zeros, and is the shape elsewhere.
fn has_shape(text: &str, shape: &str) -> bool {
    let fits = |(c, wanted): (u8, u8)| if wanted == b'0' { c.is_ascii_digit() } else { c == wanted };
    text.len() == shape.len() && text.bytes().zip(shape.bytes()).all(fits)
}

//! Names of objects as people type them.

/// Longest name of an object.
const CHARS_MAX: usize = 253;

/// Longest name of a namespace.
const LABEL_CHARS_MAX: usize = 63;

/// Most letters in which a name that is suggested may differ.
const DISTANCE_MAX: usize = 2;

/// A name of an object. It is checked because it becomes part of a URL.
///
/// # Errors
/// Where the API server could have no object of this name.
pub(super) fn parse(text: &str) -> Result<String, String> {
    let is_name = |part: &str| {
        let is_inner = |character: char| matches!(character, 'a'..='z' | '0'..='9' | '-');
        !part.is_empty() && part.chars().all(is_inner) && !part.starts_with('-') && !part.ends_with('-')
    };
    if text.len() > CHARS_MAX {
        return Err(format!("a name has at most {CHARS_MAX} characters, this one {}", text.len()));
    }
    match text.split('.').all(is_name) {
        true => Ok(text.to_owned()),
        false => Err("a name consists of lower-case letters, digits, `-` and `.`, and begins and ends with \
                      a letter or digit"
            .to_owned()),
    }
}

/// The name of an Execution, also in the form in which `-o name` prints it.
///
/// # Errors
/// As [`parse`].
pub(super) fn parse_execution(text: &str) -> Result<String, String> {
    let Some((resource, name)) = text.split_once('/') else { return parse(text) };
    match resource.split('.').next() {
        Some("execution" | "executions" | "mexec") => parse(name),
        Some(_) | None => Err(format!("an execution is wanted, not a `{resource}`")),
    }
}

/// A name without dots, as namespaces have it.
///
/// # Errors
/// As [`parse`].
pub(super) fn parse_label(text: &str) -> Result<String, String> {
    let name = parse(text)?;
    match name.len() <= LABEL_CHARS_MAX && !name.contains('.') {
        true => Ok(name),
        false => Err(format!("it has at most {LABEL_CHARS_MAX} characters and no dots")),
    }
}

/// Asks whether one of the names was meant.
pub(super) fn near(name: &str, names: &[String]) -> Option<String> {
    let distances = names.iter().map(|other| (strsim::damerau_levenshtein(name, other), other));
    let (_, other) = distances.filter(|(distance, _)| *distance <= DISTANCE_MAX).min()?;
    Some(format!("did you mean `{other}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_name_never_becomes_part_of_a_url() {
        for name in ["a", "order-7", "order.v1", "0"] {
            assert_eq!(parse(name).unwrap(), name);
        }
        let long = "a".repeat(254);
        for other in ["", ".", "..", "a/b", "../flows/x", "Order", "a b", "a%2fb", "-a", "a-", "a..b", &long]
        {
            assert!(parse(other).is_err(), "{other}");
        }
        assert!(parse_label("a.b").is_err() && parse_label(&"a".repeat(64)).is_err());
    }

    #[test]
    fn what_is_printed_as_a_name_can_be_given_as_one() {
        for name in ["one", "execution.millrace.dev/one", "executions/one", "mexec/one"] {
            assert_eq!(parse_execution(name).unwrap(), "one");
        }
        assert!(parse_execution("flow/one").unwrap_err().contains("`flow`"));
        assert!(parse_execution("execution/../one").is_err());
    }

    #[test]
    fn a_near_name_is_suggested_and_a_far_one_is_not() {
        let names = ["order".to_owned(), "refund".to_owned()];
        assert_eq!(near("ordr", &names).unwrap(), "did you mean `order`?");
        assert_eq!(near("greet", &names), None);
    }
}

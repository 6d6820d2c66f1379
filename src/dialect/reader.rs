//! Reading a document field by field: whatever is wrong is noted, and reading goes on.

use std::cell::{Cell, RefCell};

pub(super) use super::text::Text;
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::source::{Content, Mapping, Node, Span};
use crate::value::Str;

/// Pairs of letters that are compared to find out what was meant by the names of one document: a tenth
/// of a second. Whoever has thousands of wrong names gets a hint for the first of them.
const COMPARISONS_MAX: usize = 10_000_000;

/// Problems of each severity that are kept. Nobody reads more, and a definition that is wrong in every line
/// must not cost more than one that is right.
const PROBLEMS_MAX: usize = 1_000;

/// Characters of a name that are shown in a path.
const PATH_NAME_CHARS_MAX: usize = 100;

/// Longest path that grows, in bytes. Names on the way to thousands of problems would otherwise be kept
/// once for each of them.
const PATH_BYTES_MAX: usize = 1_000;

/// Collects problems.
#[derive(Debug, Default)]
pub(super) struct Problems {
    found: RefCell<Vec<Diagnostic>>,
    errors: Cell<usize>,
    warnings: Cell<usize>,
    /// Pairs of letters that were compared.
    comparisons: Cell<usize>,
}

impl Problems {
    pub(super) fn push(&self, problem: Diagnostic) {
        let count = match problem.severity() {
            Severity::Error => &self.errors,
            Severity::Warning => &self.warnings,
        };
        count.set(count.get().saturating_add(1));
        if count.get() <= PROBLEMS_MAX {
            self.found.borrow_mut().push(problem);
        }
    }

    /// All of them, with a note of how many are not among them.
    pub(super) fn into_vec(self) -> Vec<Diagnostic> {
        let beyond = |count: &Cell<usize>| count.get().saturating_sub(PROBLEMS_MAX);
        let (errors, warnings) = (beyond(&self.errors), beyond(&self.warnings));
        let mut found = self.found.into_inner();
        if errors > 0 || warnings > 0 {
            let message = format!("{errors} more errors and {warnings} more warnings are not told");
            let note = Diagnostic::new(Code::MoreProblems, "", None, message);
            found.push(note.with_help("fix those that are told and look again"));
        }
        found
    }

    /// The name that was probably meant.
    pub(super) fn closest<'a>(&self, name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
        let letters = name.chars().count();
        // A third of the letters may be wrong, ignoring case; of a single one none.
        let tolerance = if letters > 1 { (letters / 3).max(1) } else { 0 };
        let mut best: Option<(usize, &str)> = None;
        for candidate in known {
            let others = candidate.chars().count();
            // Looking at a name costs too, however little it resembles.
            let is_near = letters.abs_diff(others) <= tolerance;
            let cost = if is_near { letters.saturating_mul(others) } else { others };
            let comparisons = self.comparisons.get().saturating_add(cost);
            self.comparisons.set(comparisons);
            if comparisons > COMPARISONS_MAX {
                return None;
            }
            if is_near {
                let distance = strsim::damerau_levenshtein(&candidate.to_lowercase(), &name.to_lowercase());
                if distance <= tolerance && best.is_none_or(|best| (distance, candidate) < best) {
                    best = Some((distance, candidate));
                }
            }
        }
        best.map(|(_, candidate)| candidate)
    }
}

/// A node with its place in the document.
#[derive(Clone, Debug)]
pub(super) struct Field<'n> {
    pub(super) node: &'n Node,
    /// Such as `States[2].Next`.
    pub(super) path: String,
}

impl<'n> Field<'n> {
    pub(super) fn new(node: &'n Node, path: impl Into<String>) -> Self {
        Self { node, path: path.into() }
    }

    pub(super) fn problem(&self, code: Code, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(code, self.path.clone(), self.node.span, message)
    }

    pub(super) fn wrong_type(&self, expected: &str) -> Diagnostic {
        let found = self.node.kind();
        self.problem(Code::WrongType, format!("expected {expected}, found {found}"))
    }

    /// A string that is not empty, or the text of a number: `404` is a name without quotes too.
    pub(super) fn name(&self, problems: &Problems) -> Option<Text> {
        match &self.node.content {
            Content::Number(number) => {
                let value = Str::from(number.to_string());
                Some(Text {
                    value,
                    path: self.path.clone(),
                    span: self.node.span,
                    lines: self.node.lines.clone(),
                })
            }
            Content::Null
            | Content::Bool(_)
            | Content::String(_)
            | Content::Sequence(_)
            | Content::Mapping(_) => self.text(problems),
        }
    }

    /// A string that is not empty.
    pub(super) fn text(&self, problems: &Problems) -> Option<Text> {
        match self.node.as_str() {
            Some(value) if value.is_empty() => {
                problems.push(self.problem(Code::InvalidValue, "expected a string that is not empty"));
                None
            }
            Some(value) => Some(Text {
                value: value.clone(),
                path: self.path.clone(),
                span: self.node.span,
                lines: self.node.lines.clone(),
            }),
            None => {
                let problem = self.wrong_type("a string");
                problems.push(match &self.node.content {
                    Content::Bool(_) | Content::Number(_) => {
                        problem.with_help(format!("quote it: `\"{}\"`", self.node.to_value().excerpt(32)))
                    }
                    Content::Null | Content::String(_) | Content::Sequence(_) | Content::Mapping(_) => {
                        problem
                    }
                });
                None
            }
        }
    }

    pub(super) fn bool(&self, problems: &Problems) -> Option<bool> {
        match self.node.content {
            Content::Bool(value) => Some(value),
            Content::Null
            | Content::Number(_)
            | Content::String(_)
            | Content::Sequence(_)
            | Content::Mapping(_) => {
                let problem = self.wrong_type("true or false");
                let word = self.node.as_str().map(|text| text.to_lowercase());
                problems.push(match word.as_deref() {
                    Some("true") => problem.with_help("write `true` without quotes"),
                    Some("false") => problem.with_help("write `false` without quotes"),
                    Some("yes" | "y" | "on") => problem.with_help("write `true`"),
                    Some("no" | "n" | "off") => problem.with_help("write `false`"),
                    Some(_) | None => problem,
                });
                None
            }
        }
    }

    /// A whole number between bounds, as a number or as a string that holds one.
    pub(super) fn integer(&self, bounds: std::ops::RangeInclusive<u64>, problems: &Problems) -> Option<u64> {
        let number = match &self.node.content {
            Content::Number(number) => number.as_i64(),
            Content::String(text) => text.parse().ok(),
            Content::Null | Content::Bool(_) | Content::Sequence(_) | Content::Mapping(_) => None,
        };
        let number = number.and_then(|number| u64::try_from(number).ok());
        let inside = number.filter(|number| bounds.contains(number));
        if inside.is_none() {
            let is_beyond = number.is_some_and(|number| number > *bounds.end());
            let expected = match (*bounds.start(), *bounds.end()) {
                // Bounds of what can be stored are of interest to those who pass them.
                (start, end) if end >= u64::from(u32::MAX) && !is_beyond => {
                    format!("a whole number from {start}")
                }
                (start, end) => format!("a whole number from {start} to {end}"),
            };
            problems.push(match &self.node.content {
                Content::Number(number) => {
                    self.problem(Code::InvalidValue, format!("expected {expected}, found {number}"))
                }
                Content::String(text) => {
                    self.problem(Code::InvalidValue, format!("expected {expected}, found `{text}`"))
                }
                Content::Null | Content::Bool(_) | Content::Sequence(_) | Content::Mapping(_) => {
                    self.wrong_type(&expected)
                }
            });
        }
        inside
    }

    /// A number of at least 1, as a number or as a string that holds one.
    pub(super) fn factor(&self, problems: &Problems) -> Option<f64> {
        let number = match &self.node.content {
            Content::Number(number) => Some(number.as_f64()),
            Content::String(text) => text.parse().ok(),
            Content::Null | Content::Bool(_) | Content::Sequence(_) | Content::Mapping(_) => None,
        };
        let number = number.filter(|number: &f64| number.is_finite() && *number > 0.0);
        if number.is_none() {
            let found = self.node.to_value().excerpt(32);
            problems.push(
                self.problem(Code::InvalidValue, format!("expected a number above 0, found `{found}`")),
            );
        }
        number
    }

    /// The elements of a list.
    pub(super) fn items(&self, problems: &Problems) -> Option<Vec<Field<'n>>> {
        match &self.node.content {
            Content::Sequence(items) => Some(
                items
                    .iter()
                    .enumerate()
                    .map(|(index, node)| Field::new(node, format!("{}[{index}]", self.path)))
                    .collect(),
            ),
            Content::Null
            | Content::Bool(_)
            | Content::Number(_)
            | Content::String(_)
            | Content::Mapping(_) => {
                problems.push(self.wrong_type("a list"));
                None
            }
        }
    }

    /// The members of an object, for reading one by one. Members given twice are noted.
    pub(super) fn fields(&self, problems: &Problems) -> Option<Fields<'n>> {
        let Some(mapping) = self.node.as_mapping() else {
            problems.push(self.wrong_type("an object"));
            return None;
        };
        report_duplicates(mapping, &self.path, problems);
        Some(Fields { mapping, path: self.path.clone(), span: self.node.span, known: Vec::new() })
    }
}

/// Notes every member that was given before.
pub(super) fn report_duplicates(mapping: &Mapping, path: &str, problems: &Problems) {
    let mut seen = std::collections::BTreeSet::new();
    for entry in &mapping.entries {
        if !seen.insert(&entry.key.name) {
            problems.push(Diagnostic::new(
                Code::DuplicateField,
                member_path(path, &entry.key.name),
                entry.key.span,
                format!("`{}` is given twice", entry.key.name),
            ));
        }
    }
}

/// The path of a member: `States[2].Next`, with brackets where the name is no plain word. Of a long name the
/// beginning, and what lies very deep has the path of what it lies in.
pub(super) fn member_path(path: &str, name: &str) -> String {
    if path.len() > PATH_BYTES_MAX {
        return path.to_owned();
    }
    let shortened = name.char_indices().nth(PATH_NAME_CHARS_MAX);
    let shortened = shortened.and_then(|(end, _)| name.get(..end)).map(|beginning| format!("{beginning}…"));
    let name = shortened.as_deref().unwrap_or(name);
    let is_plain = name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '$' | '.'));
    match (path.is_empty(), is_plain) {
        (true, true) => name.to_owned(),
        (false, true) => format!("{path}.{name}"),
        (_, false) => format!("{path}[{name:?}]"),
    }
}

/// The members of an object while they are read.
#[derive(Debug)]
pub(super) struct Fields<'n> {
    mapping: &'n Mapping,
    path: String,
    span: Option<Span>,
    /// Names that were asked for.
    known: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn span(&self) -> Option<Span> {
        self.span
    }

    /// The member `name`, if it is there. One that is written without a value (`Retry:`) is not.
    pub(super) fn optional(&mut self, name: &'static str) -> Option<Field<'n>> {
        self.known.push(name);
        let node = self.mapping.get(name).filter(|node| !matches!(node.content, Content::Null))?;
        Some(Field::new(node, member_path(&self.path, name)))
    }

    /// The member `name`; its absence is noted.
    pub(super) fn required(&mut self, name: &'static str, problems: &Problems) -> Option<Field<'n>> {
        let field = self.optional(name);
        if field.is_none() {
            self.report_missing(name, problems);
        }
        field
    }

    /// The member `name`, if it is there, also where its value is `null`.
    pub(super) fn given(&mut self, name: &'static str) -> Option<Field<'n>> {
        self.known.push(name);
        let node = self.mapping.get(name)?;
        Some(Field::new(node, member_path(&self.path, name)))
    }

    /// The same of a member whose absence is noted.
    pub(super) fn needed(&mut self, name: &'static str, problems: &Problems) -> Option<Field<'n>> {
        let field = self.given(name);
        if field.is_none() {
            self.report_missing(name, problems);
        }
        field
    }

    /// Those of `names` that are there.
    pub(super) fn given_of(&mut self, names: &[&'static str]) -> Vec<(&'static str, Field<'n>)> {
        names.iter().filter_map(|name| Some((*name, self.given(name)?))).collect()
    }

    /// The name of the member `name` with its place, if it is there and nobody asked for it yet.
    pub(super) fn unasked(&mut self, name: &'static str) -> Option<Text> {
        let entry = self.mapping.entries.iter().rev().find(|entry| &*entry.key.name == name)?;
        if self.known.contains(&name) {
            return None;
        }
        self.known.push(name);
        let (value, span) = (entry.key.name.clone(), entry.key.span);
        Some(Text { value, path: member_path(&self.path, name), span, lines: None })
    }

    /// Notes that there is no member `name`, at the place of its name if only the value is missing.
    pub(super) fn report_missing(&self, name: &str, problems: &Problems) {
        let message = format!("field `{name}` is missing");
        let empty = self.mapping.entries.iter().rev().find(|entry| &*entry.key.name == name);
        problems.push(match empty {
            Some(entry) => {
                Diagnostic::new(Code::MissingField, member_path(&self.path, name), entry.key.span, message)
                    .with_help("its name is there, its value is not")
            }
            None => self.problem(Code::MissingField, message),
        });
    }

    pub(super) fn problem(&self, code: Code, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(code, self.path.clone(), self.span, message)
    }

    /// Notes every member that nobody asked for.
    pub(super) fn finish(self, place: &str, problems: &Problems) {
        for entry in &self.mapping.entries {
            let name = &*entry.key.name;
            if self.known.contains(&name) {
                continue;
            }
            let path = member_path(&self.path, name);
            let problem = Diagnostic::new(
                Code::UnknownField,
                path,
                entry.key.span,
                format!("{place} has no field `{name}`"),
            );
            problems.push(match problems.closest(name, self.known.iter().copied()) {
                Some(close) => problem.with_help(format!("did you mean `{close}`?")),
                None => problem,
            });
        }
    }
}

/// The elements of a list that must have some.
pub(super) fn items_of<'n>(field: Option<Field<'n>>, what: &str, problems: &Problems) -> Vec<Field<'n>> {
    let Some(field) = field else { return Vec::new() };
    let Some(items) = field.items(problems) else { return Vec::new() };
    if items.is_empty() {
        problems.push(field.problem(Code::InvalidValue, format!("expected at least one {what}")));
    }
    items
}

/// What could be read of the elements of a list; without a list none.
pub(super) fn read_list<'n, T>(
    field: Option<Field<'n>>,
    problems: &Problems,
    read: impl Fn(&Field<'n>, &Problems) -> Option<T>,
) -> Vec<T> {
    let items = field.and_then(|field| field.items(problems)).unwrap_or_default();
    items.iter().filter_map(|item| read(item, problems)).collect()
}

/// The position of the word among those allowed; nothing, with a note, for any other.
pub(super) fn expect_word(field: Option<Field<'_>>, words: &[&str], problems: &Problems) -> Option<usize> {
    let field = field?;
    let text = field.text(problems)?;
    let position = words.iter().position(|word| *word == &*text.value);
    if position.is_none() {
        let allowed = words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" or ");
        let message = format!("expected {allowed}, found `{}`", text.value);
        problems.push(field.problem(Code::InvalidValue, message));
    }
    position
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_the_nearest_name_if_any_is_near() {
        let problems = Problems::default();
        let closest = |name| problems.closest(name, ["Charge", "Change", "Wait"].into_iter());
        assert_eq!(closest("charg"), Some("Charge"));
        assert_eq!(closest("Chrage"), Some("Charge"));
        assert_eq!(closest("Refund"), None);
        assert_eq!(problems.closest("b", ["a", "B"].into_iter()), Some("B"));
        assert_eq!(problems.closest("c", ["a", "B"].into_iter()), None);
    }

    #[test]
    fn thousands_of_wrong_names_get_a_hint_for_the_first_of_them() {
        let problems = Problems::default();
        let known: Vec<_> = (0..10_000).map(|number| format!("state-{number}")).collect();
        let hints = (0..10_000)
            .map(|number| problems.closest(&format!("stat-{number}"), known.iter().map(|name| &**name)));
        let hints: Vec<_> = hints.collect();
        assert_eq!(hints[0], Some("state-0"));
        assert!(hints.iter().skip(100).all(Option::is_none));
        let long = "x".repeat(1_000_000);
        assert_eq!(Problems::default().closest(&long, std::iter::once(&*long)), None);
    }
}

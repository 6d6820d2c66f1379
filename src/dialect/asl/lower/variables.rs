//! Assign (asl.md §8).

use std::collections::BTreeSet;

use crate::diagnostic::{Code, Diagnostic};
use crate::ir::Variables;
use crate::source::{Content, Key};

use super::super::super::reader::{Field, member_path};
use super::super::limits::NAME_CHARS_MAX;
use super::super::syntax::{self, Body, Language};
use super::super::template::{EXPRESSION_SUFFIX, Moment, View, payload};
use super::Lowering;
use super::flow::exit;

/// What `$` is in Assign: the result of the work, of a Pass too.
pub(super) fn moment(state: &syntax::State<'_>) -> Moment {
    match (&state.kind, state.language) {
        (syntax::Kind::Pass { .. }, Language::JsonPath) => Moment::Exit,
        (_, _) => exit(state),
    }
}

/// The names that the states of one `States` object assign. What a Catch of a Map or Parallel assigns
/// is among them.
pub(super) fn assigned<'b>(body: &'b Body<'_>) -> BTreeSet<&'b str> {
    let mut names = BTreeSet::new();
    for state in &body.states {
        let mut add = |field: &'b Option<Field<'_>>| {
            let mapping = field.as_ref().and_then(|field| field.node.as_mapping());
            let keys = mapping.iter().flat_map(|mapping| &mapping.entries);
            names.extend(keys.map(|entry| variable(&entry.key, state.language)));
        };
        add(&state.assign);
        state.catch.iter().for_each(|rule| add(&rule.assign));
        if let syntax::Kind::Choice { rules, .. } = &state.kind {
            rules.iter().for_each(|rule| add(&rule.assign));
        }
    }
    names
}

/// The variable that a key of Assign names.
fn variable(key: &Key, language: Language) -> &str {
    match language {
        Language::JsonPath => key.name.strip_suffix(EXPRESSION_SUFFIX).unwrap_or(&key.name),
        Language::Jsonata => &key.name,
    }
}

impl Lowering<'_, '_> {
    pub(super) fn variables(&self, field: &Field<'_>, view: View) -> Option<Variables> {
        let Content::Mapping(mapping) = &field.node.content else {
            self.problems.push(field.wrong_type("an object"));
            return None;
        };
        for entry in &mapping.entries {
            let name = variable(&entry.key, view.language);
            let around = self.assigned.split_last().map_or(&[][..], |(_, around)| around);
            let problem = if around.iter().any(|names| names.contains(name)) {
                Some((
                    format!("variable `{name}` is assigned outside of this branch or iteration too"),
                    "what is outside can be read here, not assigned; choose another name".to_owned(),
                ))
            } else {
                wrong_name(name)
            };
            if let Some((message, help)) = problem {
                let path = member_path(&field.path, &entry.key.name);
                let problem = Diagnostic::new(Code::InvalidVariable, path, entry.key.span, message);
                self.problems.push(problem.with_help(help));
            }
        }
        Some(Variables::from(payload(field, "Assign", view, self.problems)))
    }
}

/// What is wrong with the name of a variable, and what to do.
fn wrong_name(name: &str) -> Option<(String, String)> {
    let length = name.chars().count();
    if length > NAME_CHARS_MAX {
        let message =
            format!("the name of a variable has {length} characters, at most {NAME_CHARS_MAX} are allowed");
        return Some((message, "choose a shorter one".to_owned()));
    }
    if name == "states" {
        return Some(("`states` cannot be assigned".to_owned(), "choose another name".to_owned()));
    }
    let is_name =
        name.starts_with(char::is_alphabetic) && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    (!is_name).then(|| {
        let message = format!("`{name}` is no name of a variable");
        (message, "a letter, then letters, digits and `_`".to_owned())
    })
}

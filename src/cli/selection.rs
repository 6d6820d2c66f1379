//! Which executions a command means, by what they are instead of by their names.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};

use crate::api::{Execution, LABEL_PARENT, Phase};
use crate::cluster::object::Key;

use super::connection::Connection;
use super::execution::View;
use super::page::{self, Page, Selection};
use super::{completion, name};

/// Objects that a page holds, as many as kubectl asks for. Executions are some kilobytes each; with the
/// largest there may be, [`PAGE_SIZE_MIN`] is tried.
const PAGE_SIZE: u32 = 500;

/// Objects of a page where a larger one does not come in time. Of the largest objects there are, an answer
/// with so many still does.
const PAGE_SIZE_MIN: u32 = 50;

/// Executions by what they are. What is not asked for does not matter.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Selection")]
pub(super) struct Filter {
    /// Only runs of this flow
    #[arg(long, value_name = "FLOW", value_parser = name::parse, add = completion::flows())]
    flow: Option<String>,
    /// Only runs in this phase; repeat it for others
    #[arg(long = "phase", value_name = "PHASE", ignore_case = true, value_delimiter = ',', value_parser = phases())]
    phases: Vec<Phase>,
    /// Only runs with this tag; repeat it for those that have several
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Only runs that this execution has started
    #[arg(long, value_name = "NAME", value_parser = name::parse_execution, add = completion::executions())]
    parent: Option<String>,
    /// Only runs made at most so long ago, such as 90s, 2h or 3d
    #[arg(long, value_name = "AGE", visible_alias = "younger-than", allow_hyphen_values = true, value_parser = parse_age)]
    since: Option<SignedDuration>,
    /// Only runs made at least so long ago
    #[arg(long, value_name = "AGE", allow_hyphen_values = true, value_parser = parse_age)]
    older_than: Option<SignedDuration>,
    /// Only runs with these labels, such as team=shop,tier!=test
    #[arg(short = 'l', long, value_name = "LABELS")]
    selector: Option<String>,
    /// Only runs with these fields, such as spec.clientToken=abc, as kubectl takes them
    #[arg(long, value_name = "FIELDS")]
    field_selector: Option<String>,
}

/// What a filter looks at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope<'a> {
    pub(super) connection: &'a Connection,
    /// A namespace, or all.
    pub(super) namespace: Option<&'a str>,
    /// Phases that matter where the filter names none.
    pub(super) phases: &'static [Phase],
}

fn phases() -> impl TypedValueParser<Value = Phase> {
    PossibleValuesParser::new(Phase::ALL.iter().map(|phase| phase.as_str())).map(|word| {
        let named = Phase::ALL.iter().copied().find(|phase| phase.as_str().eq_ignore_ascii_case(&word));
        named.unwrap_or_default()
    })
}

/// Reads `90`, `90s`, `2h30m`, `3d` or `1w`.
fn parse_age(text: &str) -> Result<SignedDuration, String> {
    let wanted = || "an age is a number of seconds, or like 90s, 10m, 2h or 3d".to_owned();
    let age = match text.parse::<i64>() {
        Ok(seconds) => SignedDuration::from_secs(seconds),
        Err(_) => {
            let span = text.parse::<Span>().map_err(|_| wanted())?;
            span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| wanted())?
        }
    };
    if age.is_negative() { Err("an age must be 0 or more, such as 90s or 3d".to_owned()) } else { Ok(age) }
}

impl Filter {
    /// Whether it asks for nothing.
    pub(super) fn is_empty(&self) -> bool {
        let Self { flow, phases, tags, parent, since, older_than, selector, field_selector } = self;
        let words = [flow, parent, selector, field_selector].into_iter().all(Option::is_none);
        words && phases.is_empty() && tags.is_empty() && since.is_none() && older_than.is_none()
    }

    /// Whether it asks for phases.
    pub(super) fn has_phases(&self) -> bool {
        !self.phases.is_empty()
    }

    /// What the API server selects by labels.
    pub(super) fn labels(&self) -> String {
        let parent = self.parent.as_ref().map(|parent| format!("{LABEL_PARENT}={parent}"));
        let terms = [parent, self.selector.clone()].into_iter().flatten().filter(|term| !term.is_empty());
        terms.collect::<Vec<_>>().join(",")
    }

    /// Of executions with these labels.
    pub(super) fn of_labels(labels: String) -> Self {
        Self { selector: Some(labels), ..Self::default() }
    }

    /// What the user says of fields.
    pub(super) fn fields(&self) -> &str {
        self.field_selector.as_deref().unwrap_or_default()
    }

    /// What the API server selects by fields. It knows no `or`: of several phases it is told which it must
    /// not be. Of which flow a run is it cannot tell: only which one the spec asks for now, and a run stays
    /// one of the flow that it was accepted with.
    fn all_fields(&self, phases: &[Phase]) -> String {
        let phases = if self.phases.is_empty() { phases } else { &self.phases };
        let mut terms = match phases {
            [] => Vec::new(),
            [phase] => vec![format!("status.phase={}", phase.as_str())],
            several => vec![Phase::selector(|phase| several.contains(&phase))],
        };
        terms.extend(self.field_selector.clone().filter(|fields| !fields.is_empty()));
        terms.join(",")
    }

    /// Whether there is anything that only [`Filter::takes`] can tell.
    fn is_looking(&self) -> bool {
        let Self { flow, phases, tags, since, older_than, .. } = self;
        flow.is_some() || since.is_some() || older_than.is_some() || !phases.is_empty() || !tags.is_empty()
    }

    /// Whether an execution is meant, as far as the API server has not told already.
    pub(super) fn takes(&self, view: &View, now: Timestamp) -> bool {
        let age = now.duration_since(view.created_at);
        let has = |tag: &String| view.spec.tags.contains(tag);
        self.flow.as_ref().is_none_or(|flow| *flow == view.flow)
            && (self.phases.is_empty() || view.phase().is_some_and(|phase| self.phases.contains(&phase)))
            && self.tags.iter().all(has)
            && self.since.is_none_or(|most| age <= most)
            && self.older_than.is_none_or(|least| age >= least)
    }
}

/// An execution of a list.
#[derive(Debug)]
pub(super) struct Found {
    /// As it came.
    pub(super) text: Box<serde_json::value::RawValue>,
    /// Where it is and when it was made, if that can be read at all.
    pub(super) place: Option<(Timestamp, Key)>,
    /// What it is; where it cannot be read, why.
    pub(super) view: Result<View, String>,
}

impl Found {
    pub(super) fn read(text: Box<serde_json::value::RawValue>) -> Self {
        let stored: Result<crate::cluster::object::Stored<Execution>, _> = serde_json::from_str(text.get());
        match stored {
            Ok(stored) => {
                let place = Some((stored.created_at(), stored.key()));
                Self { view: View::of(&stored), place, text }
            }
            Err(error) => Self { view: Err(error.to_string()), place: None, text },
        }
    }
}

/// A list that is read page by page.
#[derive(Debug)]
pub(super) struct Pages<'a> {
    scope: Scope<'a>,
    filter: &'a Filter,
    fields: String,
    labels: String,
    limit: u32,
    /// Where it goes on; nothing where it is over.
    after: Option<Option<String>>,
    now: Timestamp,
}

impl<'a> Pages<'a> {
    /// Of all executions that a filter means.
    pub(super) fn new(scope: Scope<'a>, filter: &'a Filter) -> Self {
        let fields = filter.all_fields(scope.phases);
        Self {
            scope,
            filter,
            fields,
            labels: filter.labels(),
            limit: PAGE_SIZE,
            after: Some(None),
            now: Timestamp::now(),
        }
    }

    /// The next page, with what is meant of it; nothing at the end.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Found>>, String> {
        let Some(after) = self.after.take() else { return Ok(None) };
        let page = match self.fetch(after.clone()).await {
            Err(_) if self.limit > PAGE_SIZE_MIN => {
                // A namespace of the largest objects: less at a time comes, or says what is wrong.
                self.limit = PAGE_SIZE_MIN;
                self.fetch(after).await?
            }
            page => page?,
        };
        self.after = page.next.map(Some);
        let found = page.items.into_iter().map(Found::read);
        let is_looking = self.filter.is_looking();
        let is_meant = |view: &Result<View, String>| {
            view.as_ref().map_or(!is_looking, |view| self.filter.takes(view, self.now))
        };
        Ok(Some(found.filter(|found| is_meant(&found.view)).collect()))
    }

    async fn fetch(&self, after: Option<String>) -> Result<Page, String> {
        let Scope { connection, namespace, .. } = self.scope;
        let selection =
            Selection { namespace, fields: &self.fields, labels: &self.labels, limit: self.limit };
        page::fetch::<Execution>(connection, &selection, after).await
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        filter: Filter,
    }

    fn filter(line: &str) -> Filter {
        Cli::try_parse_from(format!("list {line}").split_whitespace()).unwrap().filter
    }

    #[test]
    fn the_api_server_is_asked_for_what_it_can_tell() {
        let fields = |line: &str| filter(line).all_fields(&[Phase::Starting, Phase::Running]);
        assert_eq!(fields("--phase failed --field-selector spec.name=a"), "status.phase=Failed,spec.name=a");
        let open = fields("");
        assert!(open.contains("status.phase!=Succeeded") && !open.contains("Running"), "{open}");
        assert_eq!(fields("--phase Running,starting"), open);
        assert_eq!(filter("--flow f").all_fields(&[]), "");
        assert_eq!(filter("--parent p -l a=b").labels(), "millrace.dev/parent=p,a=b");
        assert!(filter("").is_empty() && !filter("-l a=b").is_empty() && !filter("--since 2d").is_empty());
    }

    #[test]
    fn an_execution_is_taken_where_all_that_is_asked_for_holds() {
        let view = View::read(
            r#"{"metadata": {"name": "n", "creationTimestamp": "2026-11-20T00:00:00Z"},
                "spec": {"flowRef": {"name": "f"}, "tags": ["a", "b"]},
                "status": {"phase": "Running"}}"#,
        )
        .unwrap();
        let now = "2026-11-22T00:00:00Z".parse().unwrap();
        for (line, expected) in [
            ("", true),
            ("--flow f --phase running --tag a --tag b", true),
            ("--flow g", false),
            ("--tag a --tag c", false),
            ("--phase failed", false),
            ("--since 2d --older-than 47h", true),
            ("--younger-than 47h59m", false),
            ("--older-than 1w", false),
            ("--older-than 172801", false),
        ] {
            assert_eq!(filter(line).takes(&view, now), expected, "{line}");
        }
    }

    #[test]
    fn ages_are_spans_of_time() {
        assert_eq!(parse_age("1d12h").unwrap(), SignedDuration::from_hours(36));
        for bad in ["", "soon", "-3d", "3 moons", "1mo"] {
            assert!(parse_age(bad).unwrap_err().contains("3d"), "{bad}");
        }
    }
}

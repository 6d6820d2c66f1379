//! What is to be published and said about a Flow. Pure.

use jiff::{SignedDuration, Timestamp};

use super::trigger::{self, ScheduleChange, ScheduleView, Subject};
use crate::api::condition::{self, Claim, cut};
use crate::api::flow::{Binding, DiagnosticEntry, DialectName, FlowState, REVISION_HISTORY_LIMIT};
use crate::api::flow_revision::revision_name;
use crate::api::{
    ConditionStatus, ConditionType, FlowRevision, FlowRevisionSpec, FlowSpec, FlowStatus, Reason,
};
use crate::controller::execution::digest::hex;
use crate::controller::revision;
use crate::diagnostic::{self, Code, Diagnostic, Severity};
use crate::dialect::{Compiled, Dialect};
use crate::driver::binding;
use crate::ir::Program;

/// Diagnostics that are stored.
const DIAGNOSTICS_MAX: usize = 100;

/// Most that stored diagnostics hold together, in bytes: with the longest definition they make an object
/// that the API server takes.
const DIAGNOSTICS_BYTES_MAX: usize = 128 * 1024;

/// Longest text of a diagnostic that is stored, in characters.
const TEXT_CHARS_MAX: usize = 1_000;

/// How long a revision is not removed, whatever the limit: longer than anybody takes to begin with it.
const YOUTH: SignedDuration = SignedDuration::from_secs(10);

/// A revision that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its number.
    pub number: i64,
    /// The digest of its content.
    pub digest: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Everything a decision depends on.
#[derive(Clone, Debug)]
pub struct Observed {
    /// Name of the Flow.
    pub name: String,
    /// Generation of its spec.
    pub generation: i64,
    /// Its spec.
    pub spec: FlowSpec,
    /// Its status.
    pub status: FlowStatus,
    /// Revisions that exist, also of earlier Flows of this name.
    pub published: Vec<Published>,
    /// The highest number under which something else stands that is no revision of this Flow.
    pub taken: i64,
    /// What stands under the name of its Schedule.
    pub schedule: ScheduleView,
    /// The time.
    pub now: Timestamp,
}

/// What is to be published and said.
#[derive(Clone, Debug)]
pub struct Decision {
    /// A revision to be made.
    pub publish: Option<FlowRevision>,
    /// The status to be written after it.
    pub status: FlowStatus,
    /// What becomes of its Schedule after that.
    pub schedule: ScheduleChange,
    /// Numbers of revisions that the Flow needs no longer: to be removed where no Execution needs them.
    pub garbage: Vec<i64>,
}

/// Decides.
#[must_use]
pub fn decide(observed: &Observed) -> Decision {
    let Observed { name, generation, spec, status: before, published, taken, schedule, now } = observed;
    let forced = spec.dialect.map(dialect_of);
    let Compiled { dialect, program, mut diagnostics } = revision::compile(&spec.definition, forced);
    if let Some(program) = &program {
        diagnostics.extend(warnings(name, program, &spec.bindings));
    }
    for (position, problem) in spec.bindings.iter().map(binding::problem).enumerate() {
        if let Some(message) = problem {
            let path = format!("spec.bindings[{position}]");
            diagnostics.push(Diagnostic::new(Code::InvalidValue, path, None, message));
        }
    }
    let is_valid = program.is_some() && !diagnostic::has_errors(&diagnostics);
    let mut status = FlowStatus {
        observed_generation: *generation,
        dialect: dialect.map(|dialect| dialect.as_str().to_owned()),
        diagnostics: entries(&diagnostics),
        ..before.clone()
    };
    // What was deleted is not what anybody can go on using.
    status.latest_revision =
        before.latest_revision.filter(|latest| published.iter().any(|revision| revision.number == *latest));
    let mut publish = None;
    if let (true, Some(dialect)) = (is_valid, dialect) {
        let digest = digest_of(spec, dialect);
        let known = published.iter().find(|revision| revision.digest == digest);
        let number = match known {
            Some(known) => known.number,
            None => {
                // Numbers go on where an earlier Flow of this name left off, and beyond what was deleted.
                let numbers = published.iter().map(|revision| revision.number).chain(before.latest_revision);
                let number = numbers.fold(*taken, i64::max).saturating_add(1);
                publish = Some(revision_of(name, number, digest, dialect, spec));
                number
            }
        };
        status.latest_revision = Some(number);
    }
    let latest_revision = status.latest_revision;
    let subject = Subject {
        name,
        generation: *generation,
        spec,
        before,
        schedule,
        is_valid,
        latest_revision,
        now: *now,
    };
    let life = trigger::life(&subject);
    status.flow_status = life.state;
    status.activated_at = life.activated_at;
    status.consecutive_failures = life.consecutive_failures;
    let claims = claims(is_valid, &status, &diagnostics).into_iter().chain(life.active).collect();
    status.conditions = condition::merge(&before.conditions, claims, *generation, *now);
    let garbage = garbage(observed, status.latest_revision);
    Decision { publish, status, schedule: life.change, garbage }
}

/// What is said of a Flow that is being deleted and that somebody's finalizer holds back. Whether its definition is
/// valid matters to nobody any more, so it is not looked at.
#[must_use]
pub fn leaving(spec: &FlowSpec, before: &FlowStatus, generation: i64, now: Timestamp) -> FlowStatus {
    let message =
        "The Flow is being deleted: nothing of it starts any more. Executions that have begun go on.";
    let claim = |type_| Claim::new(type_, ConditionStatus::False, Reason::Deleted, message);
    let mut claims = vec![claim(ConditionType::Ready), claim(ConditionType::Stalled)];
    if trigger::is_triggered(spec) {
        claims.push(claim(ConditionType::Active));
    }
    FlowStatus {
        flow_status: FlowState::Deleted,
        observed_generation: generation,
        conditions: condition::merge(&before.conditions, claims, generation, now),
        ..before.clone()
    }
}

/// Revisions beyond the limit. Who begins with the newest one at this moment may still begin with what was
/// the newest before: neither that nor anything young is garbage yet.
fn garbage(observed: &Observed, latest: Option<i64>) -> Vec<i64> {
    let Observed { spec, status: before, published, now, .. } = observed;
    let limit = usize::try_from(spec.revision_history_limit.unwrap_or(REVISION_HISTORY_LIMIT));
    let mut others: Vec<_> = published.iter().filter(|revision| Some(revision.number) != latest).collect();
    others.sort_unstable_by_key(|revision| std::cmp::Reverse(revision.number));
    let routes = || spec.aliases.iter().flat_map(|alias| &alias.routes);
    let is_needed = |number: i64| {
        before.latest_revision == Some(number) || routes().any(|route| route.revision == number)
    };
    let is_old = |revision: &Published| now.duration_since(revision.created_at) > YOUTH;
    others
        .into_iter()
        .skip(limit.unwrap_or(usize::MAX))
        .filter(|revision| !is_needed(revision.number) && is_old(revision))
        .map(|revision| revision.number)
        .collect()
}

/// What a definition that compiles and its Flow may have meant otherwise. `millrace lint` says the same of
/// a manifest.
#[must_use]
pub fn warnings(name: &str, program: &Program, bindings: &[Binding]) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    if let Some(own) = program.name().filter(|own| ***own != *name) {
        let message = format!("the definition calls itself `{own}`, the Flow is called `{name}`");
        warnings.push(Diagnostic::new(Code::NameDiffers, "Name", None, message));
    }
    warnings.extend(binding::warnings(program, bindings));
    warnings
}

/// An invalid definition waits for somebody to mend it: a judge that was told only that it is not ready would
/// go on waiting.
fn claims(is_valid: bool, status: &FlowStatus, diagnostics: &[Diagnostic]) -> Vec<Claim> {
    let ready = ready(is_valid, status, diagnostics);
    let stalled = if is_valid {
        let message = "nothing stands in the way";
        Claim::new(ConditionType::Stalled, ConditionStatus::False, Reason::Valid, message)
    } else {
        Claim { type_: ConditionType::Stalled, status: ConditionStatus::True, ..ready.clone() }
    };
    vec![ready, stalled]
}

fn ready(is_valid: bool, status: &FlowStatus, diagnostics: &[Diagnostic]) -> Claim {
    if is_valid {
        let number = status.latest_revision.unwrap_or_default();
        let warnings = match diagnostics.len() {
            0 => String::new(),
            1 => "; 1 warning, see status.diagnostics".to_owned(),
            count => format!("; {count} warnings, see status.diagnostics"),
        };
        let message = format!("the definition is valid and published as revision {number}{warnings}");
        return Claim::new(ConditionType::Ready, ConditionStatus::True, Reason::Valid, message);
    }
    let errors: Vec<_> = diagnostics.iter().filter(|problem| problem.severity() == Severity::Error).collect();
    let first =
        errors.first().map_or_else(|| "the definition does not compile".to_owned(), ToString::to_string);
    let more = match errors.len() {
        0 | 1 => String::new(),
        count => format!("; and {} more, see status.diagnostics", count - 1),
    };
    let goes_on = match status.latest_revision {
        Some(number) => format!(". Executions go on using revision {number}"),
        None => String::new(),
    };
    let message = format!("{first}{more}{goes_on}");
    Claim::new(ConditionType::Ready, ConditionStatus::False, Reason::InvalidDefinition, message)
}

fn dialect_of(name: DialectName) -> Dialect {
    match name {
        DialectName::Fdl => Dialect::Fdl,
        DialectName::FdlLegacy => Dialect::FdlLegacy,
        DialectName::Asl => Dialect::Asl,
    }
}

/// The first diagnostics, as many as can be stored.
fn entries(problems: &[Diagnostic]) -> Vec<DiagnosticEntry> {
    let mut bytes = 0;
    let entries = problems.iter().take(DIAGNOSTICS_MAX).map(entry);
    let fit = entries.take_while(|entry| {
        bytes += entry.message.len() + entry.path.len() + entry.help.as_ref().map_or(0, String::len);
        bytes <= DIAGNOSTICS_BYTES_MAX
    });
    fit.collect()
}

fn entry(problem: &Diagnostic) -> DiagnosticEntry {
    let number = |number: u32| i32::try_from(number).ok();
    DiagnosticEntry {
        code: problem.code.as_str().to_owned(),
        severity: problem.severity().as_str().to_owned(),
        message: cut(problem.message.clone(), TEXT_CHARS_MAX),
        path: cut(problem.path.clone(), TEXT_CHARS_MAX),
        line: problem.span.and_then(|span| number(span.line)),
        column: problem.span.and_then(|span| number(span.column)),
        help: problem.help.clone().map(|help| cut(help, TEXT_CHARS_MAX)),
    }
}

/// Digest over everything that a run depends on.
fn digest_of(spec: &FlowSpec, dialect: Dialect) -> String {
    let FlowSpec {
        definition,
        dialect: _,
        defaults,
        service_account_name,
        allowed_service_accounts,
        bindings,
        execution_mode,
        // They are about starts.
        required_defaults: _,
        name_reuse: _,
        aliases: _,
        revision_history_limit: _,
        lifecycle: _,
        suspend: _,
        concurrency: _,
        trigger: _,
    } = spec;
    let definition =
        definition.parse().map_or_else(|_| definition.text().to_owned(), |value| value.to_canonical_json());
    let rest = (defaults, service_account_name, allowed_service_accounts, bindings, execution_mode);
    let rest = serde_json::to_string(&rest);
    hex(&format!("{dialect}\n{definition}\n{}", rest.unwrap_or_default()))
}

fn revision_of(name: &str, number: i64, digest: String, dialect: Dialect, spec: &FlowSpec) -> FlowRevision {
    FlowRevision::new(
        &revision_name(name, number),
        FlowRevisionSpec {
            flow: name.to_owned(),
            number,
            digest,
            dialect: dialect.as_str().to_owned(),
            definition: spec.definition.clone(),
            defaults: spec.defaults.clone(),
            service_account_name: spec.service_account_name.clone(),
            allowed_service_accounts: spec.allowed_service_accounts.clone(),
            bindings: spec.bindings.clone(),
            execution_mode: spec.execution_mode,
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str =
        "Type: StateMachine\\nSpecVersion: v1\\nStartAt: a\\nStates: [{Type: Succeed, Name: a}]";

    fn published(number: i64, digest: &str) -> Published {
        Published { number, digest: digest.to_owned(), created_at: Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn what_is_beyond_the_limit_and_needed_by_nobody_is_garbage() {
        let valid = format!("\"{VALID}\"");
        let before = decide(&observed(&valid, None));
        let many = |spec: &str, now: i64, latest: i64| {
            let first = observed(&valid, Some(&before));
            let digest = first.published.last().unwrap().digest.clone();
            let mut revisions: Vec<_> = (1..=15).map(|number| published(number, "other")).collect();
            revisions.push(published(16, &digest));
            let mut given: FlowSpec =
                serde_json::from_str(&format!("{{\"definition\": {valid}, {spec}}}")).unwrap();
            given.definition = first.spec.definition.clone();
            let status = FlowStatus { latest_revision: Some(latest), ..first.status.clone() };
            let now = Timestamp::from_second(now).unwrap();
            decide(&Observed { spec: given, published: revisions, status, now, ..first }).garbage
        };
        let none: Vec<i64> = Vec::new();
        assert_eq!(many(r#""suspend": false"#, 11, 16), [5, 4, 3, 2, 1]);
        assert_eq!(many(r#""suspend": false"#, 10, 16), none);
        // The newest one before stays until the next look.
        assert_eq!(many(r#""revisionHistoryLimit": 12"#, 61, 2), [3, 1]);
        let alias = r#""revisionHistoryLimit": 13, "aliases": [{"name": "a", "routes": [{"revision": 1, "weight": 0}]}]"#;
        assert_eq!(many(alias, 61, 16), [2]);
        assert_eq!(many(r#""revisionHistoryLimit": 1000"#, 61, 16), none);
    }

    fn observed(definition: &str, before: Option<&Decision>) -> Observed {
        let spec = serde_json::from_str(&format!(r#"{{"definition": {definition}}}"#)).unwrap();
        let mut published: Vec<_> = vec![published(7, "of an earlier Flow")];
        if let Some(revision) = before.and_then(|before| before.publish.as_ref()) {
            published.push(self::published(revision.spec.number, &revision.spec.digest));
        }
        Observed {
            name: "f".to_owned(),
            generation: 3,
            spec,
            status: before.map(|before| before.status.clone()).unwrap_or_default(),
            published,
            taken: 0,
            schedule: ScheduleView::Absent,
            now: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_valid_definition_is_published_once_and_numbers_go_on() {
        let first = decide(&observed(&format!("\"{VALID}\""), None));
        let revision = first.publish.as_ref().unwrap();
        assert_eq!((revision.metadata.name.as_deref(), revision.spec.number), (Some("f-8"), 8));
        assert_eq!(first.status.latest_revision, Some(8));
        assert_eq!(first.status.flow_status, FlowState::Active);
        assert!(first.status.activated_at.is_some());
        let beyond = decide(&Observed { taken: 9, ..observed(&format!("\"{VALID}\""), None) });
        assert_eq!(beyond.status.latest_revision, Some(10));
        // What was deleted is published anew, under a number that nothing ever had.
        let deleted = Observed { published: Vec::new(), ..observed(&format!("\"{VALID}\""), Some(&first)) };
        assert_eq!(decide(&deleted).status.latest_revision, Some(9));
        let invalid = Observed { published: Vec::new(), ..observed("\"x\"", Some(&first)) };
        assert_eq!(decide(&invalid).status.latest_revision, None);
        let again = decide(&observed(&format!("\"{VALID}\""), Some(&first)));
        assert!(again.publish.is_none());
        assert_eq!(again.status, first.status);
    }

    #[test]
    fn an_invalid_definition_keeps_the_last_valid_revision() {
        let first = decide(&observed(&format!("\"{VALID}\""), None));
        let broken = decide(&observed(r#""Type: StateMachine""#, Some(&first)));
        assert!(broken.publish.is_none());
        assert_eq!((broken.status.latest_revision, broken.status.flow_status), (Some(8), FlowState::Errored));
        let ready = &broken.status.conditions[0];
        assert_eq!((ready.status, ready.reason), (ConditionStatus::False, Reason::InvalidDefinition));
        let stalled = |decision: &Decision| {
            let stalled = condition::find(&decision.status.conditions, ConditionType::Stalled).unwrap();
            (stalled.status, stalled.reason)
        };
        assert_eq!(stalled(&broken), (ConditionStatus::True, Reason::InvalidDefinition));
        assert_eq!(stalled(&first), (ConditionStatus::False, Reason::Valid));
        assert!(
            ready.message.starts_with("E004") && ready.message.contains("and 2 more"),
            "{}",
            ready.message
        );
        assert!(ready.message.ends_with("go on using revision 8"), "{}", ready.message);
        assert_eq!(broken.status.diagnostics.len(), 3);
        assert_eq!(decide(&observed(r#""x""#, None)).status.flow_status, FlowState::Draft);
    }

    #[test]
    fn a_flow_that_is_being_deleted_says_so_once() {
        let valid = observed(&format!("\"{VALID}\""), None);
        let before = decide(&valid).status;
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let left = leaving(&valid.spec, &before, 4, at(10));
        assert_eq!((left.flow_status, left.observed_generation), (FlowState::Deleted, 4));
        assert_eq!(left.latest_revision, before.latest_revision);
        let said: Vec<_> =
            left.conditions.iter().map(|said| (said.type_, said.status, said.reason)).collect();
        let no = |type_| (type_, ConditionStatus::False, Reason::Deleted);
        assert_eq!(said, [no(ConditionType::Ready), no(ConditionType::Stalled)]);
        assert_eq!(leaving(&valid.spec, &left, 4, at(20)), left);
        let event = FlowSpec { trigger: serde_json::from_str(r#"{"type": "Event"}"#).unwrap(), ..valid.spec };
        assert_eq!(leaving(&event, &before, 4, at(10)).conditions.len(), 3);
    }

    #[test]
    fn diagnostics_of_any_length_can_be_stored() {
        let name = |number: usize| format!("{number}{}", "😀".repeat(1_200));
        let states = (0..100)
            .map(|number| format!(r#"{{"Type": "Pass", "Name": "{0}", "Next": "x{0}"}}"#, name(number)));
        let states = states.collect::<Vec<_>>().join(",");
        let object = format!(
            r#"{{"Type": "StateMachine", "SpecVersion": "v1", "StartAt": "{}", "States": [{states}]}}"#,
            name(0)
        );
        let status = decide(&observed(&object, None)).status;
        let bytes = serde_json::to_string(&status).unwrap().len();
        assert!((100_000..200_000).contains(&bytes), "{bytes}");
        assert!(status.diagnostics.iter().all(|entry| entry.message.chars().count() <= TEXT_CHARS_MAX));
    }

    #[test]
    fn text_and_object_say_the_same() {
        let object = r#"{"Type": "StateMachine", "SpecVersion": "v1", "StartAt": "a", "States": [{"Type": "Succeed", "Name": "a"}], "Name": "g"}"#;
        let decision = decide(&observed(object, None));
        assert!(decision.publish.is_some());
        let warning = &decision.status.diagnostics[0];
        assert_eq!((&*warning.code, &*warning.severity), ("W103", "Warning"));
    }

    #[test]
    fn a_task_that_nobody_would_do_is_warned_of() {
        let task = r#"{"Type": "Task", "Name": "a", "Action": "A:B", "End": true}"#;
        let object =
            format!(r#"{{"Type": "StateMachine", "SpecVersion": "v1", "StartAt": "a", "States": [{task}]}}"#);
        let mut observed = observed(&object, None);
        let decision = decide(&observed);
        assert!(decision.publish.is_some());
        assert_eq!(decision.status.diagnostics[0].code, "W104");
        observed.spec.bindings = serde_json::from_str(r#"[{"resource": "A:*", "url": "http://h"}]"#).unwrap();
        assert_eq!(decide(&observed).status.diagnostics, []);
    }

    #[test]
    fn a_binding_that_says_two_things_is_a_problem_of_the_flow() {
        let mut observed = observed(&format!("\"{VALID}\""), None);
        observed.spec.bindings =
            serde_json::from_str(r#"[{"resource": "A:B", "url": "http://h", "service": {"name": "s"}}]"#)
                .unwrap();
        let decision = decide(&observed);
        assert!(decision.publish.is_none());
        assert_eq!(decision.status.diagnostics[0].path, "spec.bindings[0]");
    }
}

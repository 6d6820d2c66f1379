//! An explanation, made of what is known: sentences, the next instant that matters, and what can be done.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::api::Phase;
use crate::controller::execution::status::{duration_text, instant_text};

use super::super::execution::View;
use super::super::plugin;
use super::super::redrive::{hindrance, is_asked_for, is_owed};
use super::facts::Facts;
use super::{ended, going};

/// How late somebody may be before it is worth a word: a controller that is replaced takes as long as its
/// lease.
const LATE: SignedDuration = SignedDuration::from_secs(20);

/// An explanation.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) phase: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) reason: String,
    /// In one sentence.
    pub(super) summary: String,
    /// All that is to be said.
    pub(super) sentences: Vec<String>,
    /// When something happens at the latest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<Due>,
    pub(super) advice: Vec<Advice>,
}

/// An instant that matters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Due {
    pub(super) time: Timestamp,
    /// What happens then.
    pub(super) what: String,
}

/// Something that can be done.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Advice {
    pub(super) what: String,
    pub(super) command: String,
}

impl Account {
    pub(super) fn say(&mut self, sentence: impl Into<String>) {
        self.sentences.push(sentence.into());
    }

    pub(super) fn advise(&mut self, what: impl Into<String>, command: impl Into<String>) {
        self.advice.push(Advice { what: what.into(), command: command.into() });
    }

    /// Keeps what is due first.
    pub(super) fn due(&mut self, time: Timestamp, what: impl Into<String>) {
        let due = Due { time, what: what.into() };
        self.next = match self.next.take() {
            Some(next) if next.time <= due.time => Some(next),
            Some(_) | None => Some(due),
        };
    }
}

/// What there is to say.
pub(super) fn of(facts: &Facts, now: Timestamp) -> Account {
    let view = &facts.view;
    let mut account = Account {
        name: view.key.name.clone(),
        namespace: view.key.namespace.clone(),
        phase: view.status.phase.clone(),
        reason: view.reason().to_owned(),
        ..Account::default()
    };
    // One that was refused and is asked for again waits for its admission as it goes on.
    let is_admitted = view.condition("Accepted").is_none_or(|accepted| accepted.status != "Unknown");
    match view.phase() {
        Some(Phase::Running) if !is_admitted => going::starting(facts, now, &mut account),
        Some(Phase::Starting) => going::starting(facts, now, &mut account),
        _ if view.is_ended() => ended::ended(facts, now, &mut account),
        Some(_) | None => going::running(facts, now, &mut account),
    }
    besides(view, &mut account);
    if let Some(next) = account.next.clone() {
        let late = now.duration_since(next.time);
        account.say(format!("Next: {} at {}.", next.what, moment(next.time, now)));
        if late > LATE {
            nobody_looks(view, &mut account, "That is over, and nobody has acted upon it");
        }
    }
    account
}

/// What holds whatever its phase is.
fn besides(view: &View, account: &mut Account) {
    if let Some(other) = view.already_exists() {
        account.say(format!(
            "Something else was asked for later under its name, which is not done. {} Applying what was accepted takes \
             that back.",
            other.message
        ));
    }
    if let Some(untold) = view.untold() {
        account.say(sentence(&untold.message));
    }
    if view.is_deleting {
        let waits = match &*view.finalizers {
            [] => String::new(),
            finalizers => format!(" It goes once these finalizers are taken off: {}.", finalizers.join(", ")),
        };
        account.say(format!("It is being deleted.{waits}"));
    }
    if let Some(at) = view.status.expiration_time {
        account.due(at, "it is removed, as its time to live says,");
    }
    let is_behind = view.generation > view.status.observed_generation;
    if is_asked_for(view) {
        nobody_looks(
            view,
            account,
            "It was asked to go on (spec.redrive), and no controller has looked at that yet",
        );
    } else if is_owed(view) {
        account
            .say(format!("It was asked to go on (spec.redrive), and cannot: {}", sentence(&hindrance(view))));
    } else if is_behind && view.phase() != Some(Phase::Starting) {
        nobody_looks(view, account, "Its spec was changed, and no controller has looked at that yet");
    }
}

/// Says that a controller is missing.
pub(super) fn nobody_looks(view: &View, account: &mut Account, what: &str) {
    let namespace = &view.key.namespace;
    account.say(format!(
        "{what}: that takes a running controller a fraction of a second. Is there one that watches namespace \
         `{namespace}`?"
    ));
    account.advise(
        "See which controllers there are:",
        "kubectl get deployments --all-namespaces --selector app.kubernetes.io/name=millrace",
    );
}

/// A command of ours about the execution.
pub(super) fn command(view: &View, line: &str) -> String {
    format!("{} {line} --namespace {}", plugin::program(), view.key.namespace)
}

/// An instant, absolute and as a person counts.
pub(super) fn moment(at: Timestamp, now: Timestamp) -> String {
    let text = instant_text(at);
    match at > now {
        true => format!("{text} (in {})", duration_text(now, at)),
        false => format!("{text} ({} ago)", duration_text(at, now)),
    }
}

/// A sentence that ends like one.
pub(super) fn sentence(text: &str) -> String {
    let text = text.trim();
    let mut letters = text.chars();
    let first = letters.next().map(|first| match text.starts_with("spec.") {
        true => first.to_string(),
        false => first.to_uppercase().collect(),
    });
    let text = format!("{}{}", first.unwrap_or_default(), letters.as_str());
    if text.ends_with(['.', '!', '?']) || text.is_empty() { text } else { format!("{text}.") }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::facts::{FlowFacts, Sight};
    use super::*;

    fn account(metadata: &str, spec: &str, status: &str, flow: Sight<FlowFacts>) -> Account {
        account_after("[]", metadata, spec, status, flow)
    }

    fn account_after(
        records: &str,
        metadata: &str,
        spec: &str,
        status: &str,
        flow: Sight<FlowFacts>,
    ) -> Account {
        let text = format!(
            r#"{{"metadata": {{"name": "one", "namespace": "shop", "creationTimestamp": "2026-11-22T10:00:00Z" {metadata}}},
                "spec": {{"flowRef": {{"name": "f"}} {spec}}}, "status": {{"observedGeneration": 1, {status}}}}}"#
        );
        let view = View::read(&text).unwrap();
        let records: Vec<_> = serde_json::from_str(records).unwrap();
        let stays = super::super::super::tree::stays::stays(&view, &records, now());
        let facts = Facts { view, records, stays, flow, jobs: BTreeMap::new(), children: Vec::new() };
        of(&facts, now())
    }

    fn now() -> Timestamp {
        "2026-11-22T10:01:00Z".parse().unwrap()
    }

    fn in_progress(reason: &str, message: &str) -> String {
        format!(
            r#""conditions": [{{"type": "InProgress", "status": "True", "reason": "{reason}", "message": "{message}"}}]"#
        )
    }

    #[test]
    fn what_waits_for_its_turn_is_told_the_limit_and_its_place() {
        let status =
            format!(r#""phase": "Starting", {}"#, in_progress("Queued", "number 3 of 7 in the queue of f"));
        let flow = FlowFacts { limit: Some(2), ..FlowFacts::default() };
        let told = account("", "", &status, Sight::Seen(flow));
        assert!(
            told.summary.contains("queued, 1m0s after it was made: flow `f` runs 2 executions at a time"),
            "{told:?}"
        );
        assert_eq!(told.sentences[0], "Number 3 of 7 in the queue of f.");
        assert_eq!(told.next, None);
    }

    #[test]
    fn what_is_due_first_is_next_and_what_is_overdue_asks_for_a_controller() {
        let active = r#""active": [{"path": "A", "type": "Task", "since": "2026-11-22T10:00:00Z", "attempt": 1, "deadline": "2026-11-22T10:09:00Z"},
            {"path": "B", "type": "Wait", "since": "2026-11-22T10:00:00Z", "attempt": 1, "deadline": "2026-11-22T10:05:00Z"}]"#;
        let status = |start: &str| {
            format!(
                r#""phase": "Running", "startTime": "{start}", "effective": {{"timeoutSeconds": 600}}, {active}, {}"#,
                in_progress("WaitingForTask", "m")
            )
        };
        let told = account("", "", &status("2026-11-22T10:00:00Z"), Sight::Hidden);
        let next = told.next.unwrap();
        assert_eq!((next.time.to_string(), &*next.what), ("2026-11-22T10:05:00Z".to_owned(), "`B` is over"));
        assert!(
            told.sentences.iter().any(|told| told.contains("given up at 2026-11-22T10:09:00Z (in 8m0s)"))
        );
        let late = account("", "", &status("2026-11-22T09:50:00Z"), Sight::Hidden);
        assert!(late.sentences.last().unwrap().contains("nobody has acted upon it"), "{late:?}");
        assert!(late.advice.last().unwrap().command.contains("kubectl get deployments"));
    }

    #[test]
    fn whoever_waits_for_an_execution_is_led_to_it_and_asked_for_no_report() {
        let active = r#""active": [{"path": "Run", "type": "Task", "since": "2026-11-22T10:00:00Z", "attempt": 1, "execution": "child-1"}]"#;
        let records = r#"[{"i": 1, "t": 0, "p": "Run", "k": "StateEntered", "w": "Task"}, {"i": 2, "t": 0, "p": "Run", "k": "TaskAccepted"}]"#;
        let told = |reason: &str, message: &str| {
            let status = format!(r#""phase": "Running", {active}, {}"#, in_progress(reason, message));
            let told = account_after(records, "", "", &status, Sight::Hidden);
            let commands: Vec<_> = told.advice.into_iter().map(|advice| advice.command).collect();
            (told.sentences.join("\n"), commands.join("\n"))
        };
        let (said, commands) = told("WaitingForTask", "task `Run`, Execution `child-1`");
        assert!(said.contains("waits for the end of execution `child-1`"), "{said}");
        assert!(commands.contains(" explain child-1 ") && !commands.contains(" report "), "{commands}");
        let (said, commands) = told("WaitingForCallback", "someone has to report for `Run`");
        assert!(
            said.contains("somebody has to report") && commands.contains(" report "),
            "{said} {commands}"
        );
    }

    #[test]
    fn what_holds_beside_its_phase_is_told_too() {
        let metadata =
            r#", "generation": 2, "deletionTimestamp": "2026-11-22T10:00:30Z", "finalizers": ["a/b"]"#;
        let status = r#""phase": "Succeeded", "expirationTime": "2026-11-22T11:00:00Z""#;
        let told = account(metadata, "", status, Sight::Missing).sentences.join("\n");
        for part in
            ["being deleted", "a/b", "spec was changed", "it is removed, as its time to live says, at"]
        {
            assert!(told.contains(part), "`{part}` is missing: {told}");
        }
        assert_eq!(sentence("spec.input is bad"), "spec.input is bad.");
        assert_eq!((&*sentence("a b"), &*sentence("Why?"), &*sentence(" ")), ("A b.", "Why?", ""));
    }
}

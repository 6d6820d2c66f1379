//! Runs that have ended: how, where and why.

use jiff::Timestamp;

use crate::api::Phase;

use super::super::execution::View;
use super::super::tree::stays::{failed_in, left_in};
use super::account::{Account, command, moment, sentence};
use super::facts::Facts;

/// States that are named.
const STATES_SHOWN_MAX: usize = 3;

/// What there is to say.
pub(super) fn ended(facts: &Facts, now: Timestamp, account: &mut Account) {
    let view = &facts.view;
    let name = &view.key.name;
    let after = view.duration(now).map_or_else(String::new, |span| format!(" after {span}"));
    let at = view.status.completion_time.map_or_else(String::new, |at| format!(", at {}", moment(at, now)));
    let how = match view.phase() {
        Some(Phase::Succeeded) => "has succeeded",
        Some(Phase::TimedOut) => "took longer than it may",
        Some(Phase::Stopped) => "was stopped",
        Some(Phase::Rejected) => "was refused and has never begun",
        Some(Phase::Failed | Phase::Starting | Phase::Running) | None => "has failed",
    };
    let after = if view.phase() == Some(Phase::Rejected) { String::new() } else { after };
    account.summary = format!("`{name}` {how}{after}{at}.");
    match view.phase() {
        Some(Phase::Succeeded) => {
            account.advise("See its output:", command(view, &format!("output {name}")));
            account.advise("See what it did:", command(view, &format!("tree {name}")));
        }
        Some(Phase::Rejected) => rejected(view, account),
        Some(Phase::Failed | Phase::TimedOut | Phase::Stopped | Phase::Starting | Phase::Running) | None => {
            badly(facts, account);
        }
    }
}

fn badly(facts: &Facts, account: &mut Account) {
    let view = &facts.view;
    let name = &view.key.name;
    match view.phase() {
        Some(Phase::TimedOut) => {
            let limit = view.status.effective.timeout_seconds;
            let limit = limit.map_or_else(String::new, |limit| format!(" of {limit} s"));
            account
                .say(format!("It had not ended when the time{limit} was over that the execution may take."));
        }
        Some(Phase::Stopped) => {
            let how = view.condition("Succeeded").map_or("", |condition| &*condition.message);
            account.say(sentence(how));
        }
        Some(_) | None => {
            let parts = [view.status.error.as_deref(), view.status.cause.as_deref()];
            let error = parts.into_iter().flatten().collect::<Vec<_>>().join(": ");
            let place =
                failed_in(&facts.records).map_or_else(String::new, |path| format!(" in state `{path}`"));
            account.say(format!("The error{place}: {}", sentence(&error)));
        }
    }
    if view.phase() != Some(Phase::Failed) {
        let left = left_in(view, &facts.records);
        if !left.is_empty() {
            let shown: Vec<_> = left.iter().take(STATES_SHOWN_MAX).map(|path| format!("`{path}`")).collect();
            let more = left.len().saturating_sub(STATES_SHOWN_MAX);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            account.say(format!("It was in {}{more} then.", shown.join(", ")));
        }
    }
    account.advise("See every state, attempt and error:", command(view, &format!("tree {name} --all")));
    account.advise(
        "Run it again from there, once what was wrong is mended; what has succeeded is not done again:",
        command(view, &format!("redrive {name}")),
    );
}

fn rejected(view: &View, account: &mut Account) {
    let (name, flow) = (&view.key.name, &view.flow);
    let namespace = &view.key.namespace;
    let accepted = view.condition("Accepted");
    let (reason, message) = accepted.map_or(("", ""), |accepted| (&accepted.reason, &accepted.message));
    account.say(format!("{reason}: {}", sentence(message)));
    let is_of_the_flow = matches!(
        reason,
        "FlowNotFound"
            | "FlowNotReady"
            | "FlowDeprecated"
            | "QualifierNotFound"
            | "ModeNotSupported"
            | "Forbidden"
            | "DefaultUndefined"
            | "LimitExceeded"
    );
    if is_of_the_flow {
        account.advise("See the flow:", format!("kubectl get flow {flow} --namespace {namespace} -o yaml"));
        account.advise(
            "Have it admitted anew, once the flow is as it should be:",
            command(view, &format!("redrive {name}")),
        );
    } else {
        account.say("Another run needs another name: this one is used up.");
        account.advise("Start another:", command(view, &format!("start {flow}")));
    }
}

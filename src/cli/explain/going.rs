//! Runs that have not ended: what they wait for.

use jiff::{SignedDuration, Timestamp};

use crate::api::Reason;
use crate::api::execution::STARTING_DEADLINE_SECONDS;
use crate::api::history::RecordKind;
use crate::controller::execution::status::duration_text;

use super::super::execution::View;
use super::super::terminal::count;
use super::super::tree::stays::Stay;
use super::account::{Account, command, moment, nobody_looks, sentence};
use super::facts::{Facts, FlowFacts, JobFacts, Sight};

/// How long it takes at most until a controller that runs has looked at a new execution.
const LOOKED_AT_WITHIN: SignedDuration = SignedDuration::from_secs(5);

/// Children that are named.
const CHILDREN_SHOWN_MAX: usize = 5;

/// Of one that is not admitted yet.
pub(super) fn starting(facts: &Facts, now: Timestamp, account: &mut Account) {
    let view = &facts.view;
    let (name, flow) = (&view.key.name, &view.flow);
    let age = duration_text(view.created_at, now);
    let message = view.condition("InProgress").or_else(|| view.condition("Accepted"));
    let message = sentence(message.map_or("", |condition| &*condition.message));
    let namespace = &view.key.namespace;
    let mut say = |why: &str| {
        account.summary = format!("`{name}` has not begun, {age} after it was made: {why}.");
    };
    match view.reason() {
        "" | "Pending" => {
            say("no controller has looked at it yet");
            if now.duration_since(view.created_at) > LOOKED_AT_WITHIN {
                nobody_looks(view, account, "It was made and not looked at");
            }
        }
        "FlowNotFound" => {
            say(&format!("its flow `{flow}` does not exist"));
            match &facts.flow {
                Sight::Seen(_) => account.say(format!("By now flow `{flow}` exists: it begins in a moment.")),
                Sight::Missing | Sight::Hidden => given_up(view, account),
            }
            account.advise(
                "Apply the flow, or see which there are:",
                format!("kubectl get flows --namespace {namespace}"),
            );
        }
        "FlowNotReady" => {
            say(&format!("its flow `{flow}` cannot be run yet"));
            match &facts.flow {
                Sight::Seen(FlowFacts { problem: Some(problem), .. }) => account.say(sentence(problem)),
                Sight::Seen(_) | Sight::Missing | Sight::Hidden => account.say(message),
            }
            given_up(view, account);
            account.advise(
                "See all that is wrong with its definition (status.diagnostics):",
                format!("kubectl get flow {flow} --namespace {namespace} -o yaml"),
            );
        }
        "FlowSuspended" => {
            say(&format!("its flow `{flow}` is suspended"));
            match &facts.flow {
                Sight::Seen(FlowFacts { is_suspended: false, .. }) => {
                    account.say("By now the flow is no longer suspended: it begins in a moment.");
                }
                Sight::Seen(_) | Sight::Missing | Sight::Hidden => {
                    account.say("It waits until spec.suspend of the flow is false, however long that takes.");
                }
            }
            let patch = r#"'{"spec":{"suspend":false}}'"#;
            account.advise(
                "Let executions of the flow begin:",
                format!("kubectl patch flow {flow} --namespace {namespace} --type merge -p {patch}"),
            );
        }
        "Suspended" => {
            say("it is suspended (spec.suspend)");
            account.say("It begins when it is resumed, however long that takes.");
            account.advise("Let it begin:", command(view, &format!("resume {name}")));
        }
        "Queued" => queued(facts, &message, now, account),
        reason => {
            say(reason);
            account.say(message);
        }
    }
}

/// Until when a flow is waited for.
fn given_up(view: &View, account: &mut Account) {
    if view.status.redrive_count.is_some_and(|count| count > 0) {
        // It counts from the redrive, which the condition knows.
        let message = view.condition("InProgress").map_or("", |condition| &*condition.message);
        account.say(sentence(message));
        return;
    }
    let seconds = view.spec.starting_deadline_seconds.unwrap_or(STARTING_DEADLINE_SECONDS);
    if let Ok(at) = view.created_at.checked_add(SignedDuration::from_secs(seconds)) {
        account.due(at, "it is refused for good (Rejected), where nothing changes before,");
    }
}

/// Of one that waits for its turn.
fn queued(facts: &Facts, message: &str, now: Timestamp, account: &mut Account) {
    let view = &facts.view;
    let (name, flow) = (&view.key.name, &view.flow);
    let age = duration_text(view.created_at, now);
    let limit = match &facts.flow {
        Sight::Seen(FlowFacts { limit: Some(limit), .. }) => {
            format!(
                "flow `{flow}` runs {} at a time (spec.concurrency)",
                count(u64::from(*limit), "execution")
            )
        }
        Sight::Seen(_) | Sight::Missing | Sight::Hidden => format!("flow `{flow}` runs so many at a time"),
    };
    account.summary = format!("`{name}` is queued, {age} after it was made: {limit}.");
    account.say(message);
    account
        .say("It begins when others end: those of higher priority go before it, then those made before it.");
    account.advise(
        "See what runs now, and what waits:",
        command(view, &format!("list --flow {flow} --phase Starting,Running")),
    );
}

/// Of one that has begun.
pub(super) fn running(facts: &Facts, now: Timestamp, account: &mut Account) {
    let view = &facts.view;
    let name = &view.key.name;
    let span = view.duration(now).map_or_else(String::new, |span| format!(" for {span}"));
    account.summary = format!("`{name}` has been going on{span}: {}.", why(view));
    if let Some(stalled) = view.stalled() {
        account
            .say(format!("It cannot go on before somebody mends something. {}", sentence(&stalled.message)));
        mend(view, &stalled.reason, account);
    }
    if view.reason() == "Suspended" {
        account.say(
            "No state begins and no timer fires until it is resumed; tasks that run go on, and how they end is kept.",
        );
        account.advise("Let it go on:", command(view, &format!("resume {name}")));
    }
    if view.reason() == "Stopping" {
        account.say("It was asked to end: nothing new begins, and it ends when its running tasks have.");
        account.advise("End it at once:", command(view, &format!("stop {name} --terminate")));
    }
    let is_still = matches!(view.reason(), "Suspended" | "Stopping");
    for stay in &facts.stays {
        let told = told(facts, stay, now, account);
        account.say(told);
        if !is_still {
            due(stay, account);
        }
    }
    if facts.stays.is_empty() {
        let message = view.condition("InProgress").map_or("", |condition| &*condition.message);
        account.say(sentence(message));
    }
    let listed = u32::try_from(facts.stays.len()).unwrap_or(u32::MAX);
    let more = view.status.active_count.unwrap_or_default().saturating_sub(listed);
    if more > 0 {
        account.say(format!("It is in {} besides.", count(u64::from(more), "state")));
    }
    children(facts, account);
    time_out(facts, now, account);
    account.advise("See every state, attempt and error:", command(view, &format!("tree {name}")));
}

/// The reason in words.
fn why(view: &View) -> String {
    match view.reason() {
        "Running" | "" => "states are being passed".to_owned(),
        "WaitingForTask" => "a task is out".to_owned(),
        "WaitingForTimer" => "it waits for time to pass".to_owned(),
        "WaitingForCallback" => "it waits for somebody to report".to_owned(),
        "RetryBackoff" => "something failed and is tried again later".to_owned(),
        "Suspended" => "it is suspended (spec.suspend)".to_owned(),
        "Stopping" => "it was stopped, and waits for its tasks to end".to_owned(),
        "Queued" => "it is queued".to_owned(),
        other => format!("it is stalled ({other})"),
    }
}

/// What to do about what stalls it.
fn mend(view: &View, reason: &str, account: &mut Account) {
    let namespace = &view.key.namespace;
    if reason == "Forbidden" {
        let account_name = view.status.effective.service_account_name.as_deref().unwrap_or("default");
        account.say("It goes on by itself once the right is there.");
        account.advise(
            format!("See what its account `{account_name}` may do, and bind what it lacks:"),
            format!("kubectl auth can-i --list --as system:serviceaccount:{namespace}:{account_name} -n {namespace}"),
        );
    } else {
        account.advise(
            "See what the controller says of it:",
            format!("kubectl logs --selector app.kubernetes.io/name=millrace --all-containers -n NAMESPACE | grep {}", view.key.name),
        );
    }
}

/// A state that it is in.
fn told(facts: &Facts, stay: &Stay, now: Timestamp, account: &mut Account) -> String {
    let path = &stay.path;
    let resource = stay.resource.as_deref().map_or_else(String::new, |resource| format!(" ({resource})"));
    let since = moment(stay.since, now);
    let until = stay.deadline.map(|at| moment(at, now));
    let given_up = until.as_deref().map_or_else(String::new, |until| format!(", given up at {until}"));
    let until = until.as_deref().map_or_else(String::new, |until| format!(", until {until}"));
    let attempt = if stay.attempt > 1 { format!(", attempt {}", stay.attempt) } else { String::new() };
    let mut text = match (stay.next_attempt_at, &*stay.kind, &stay.awaited) {
        (Some(at), ..) => format!("State `{path}`{resource} is tried again at {}{attempt}.", moment(at, now)),
        (None, "Wait", _) => format!("State `{path}` waits since {since}{until}."),
        (None, _, Some(child)) => {
            see_child(facts, child, account);
            format!(
                "Task `{path}`{resource} waits for the end of execution `{child}`; since {since}{attempt}{given_up}."
            )
        }
        (None, _, None) if stay.is_reported => {
            account.advise(
                format!("Answer for `{path}`, with the token that it was given:"),
                command(&facts.view, "report --token @FILE --output '{}'"),
            );
            format!(
                "Task `{path}`{resource} was taken, and somebody has to report how it ended; since {since}{attempt}{given_up}."
            )
        }
        (None, "Task", _) => format!("Task `{path}`{resource} is out since {since}{attempt}{given_up}."),
        (None, kind, _) => format!("State `{path}` ({kind}) was entered at {since}{attempt}{until}."),
    };
    if let Some(failure) = stay.failure.as_deref().filter(|failure| !failure.is_empty()) {
        text.push_str(&format!(" The attempt before has failed: {}", sentence(failure)));
    }
    if let Some(job) = &stay.job {
        text.push(' ');
        text.push_str(&job_text(&facts.view, job, facts.jobs.get(job), account));
    }
    if let (Some(child), None) = (&stay.execution, &stay.awaited) {
        text.push_str(&format!(" It has started execution `{child}`."));
    }
    if stay.deadline.is_none() && stay.kind == "Task" && stay.next_attempt_at.is_none() {
        text.push_str(" It has no time-out of its own.");
    }
    text
}

/// What happens to a state without news.
fn due(stay: &Stay, account: &mut Account) {
    let path = &stay.path;
    match (stay.next_attempt_at, stay.deadline, &*stay.kind) {
        (Some(at), ..) => account.due(at, format!("`{path}` is tried again")),
        (None, Some(at), "Wait") => account.due(at, format!("`{path}` is over")),
        (None, Some(at), _) => account.due(at, format!("`{path}` is given up")),
        (None, None, _) => {}
    }
}

fn job_text(view: &View, name: &str, job: Option<&Sight<JobFacts>>, account: &mut Account) -> String {
    let namespace = &view.key.namespace;
    match job {
        None | Some(Sight::Hidden) => format!("Job `{name}` does it."),
        Some(Sight::Missing) => format!("Job `{name}` is to do it, and is not there yet."),
        Some(Sight::Seen(job)) => {
            account.advise(
                "See what its Job says:",
                format!("kubectl logs job/{name} --namespace {namespace} --all-containers"),
            );
            match job.pods.first() {
                None => {
                    account.advise(
                        "See why it has no pod:",
                        format!("kubectl describe job {name} --namespace {namespace}"),
                    );
                    format!("Job `{name}` does it, and has no pod.")
                }
                Some(pod) => {
                    let why = pod
                        .why
                        .as_deref()
                        .map_or_else(|| ".".to_owned(), |why| format!(": {}", sentence(why)));
                    format!("Job `{name}` does it; its pod `{}` is {}{why}", pod.name, pod.phase)
                }
            }
        }
    }
}

fn children(facts: &Facts, account: &mut Account) {
    let children = &facts.children;
    if children.is_empty() {
        return;
    }
    let shown = children
        .iter()
        .take(CHILDREN_SHOWN_MAX)
        .map(|child| format!("`{}` ({})", child.name, child.standing));
    let mut shown = shown.collect::<Vec<_>>().join(", ");
    if let Some(more) = children.len().checked_sub(CHILDREN_SHOWN_MAX).filter(|more| *more > 0) {
        shown.push_str(&format!(" and {more} more"));
    }
    account.say(format!("Of what it has started, there go on: {shown}."));
    if let Some(child) = children.first() {
        see_child(facts, &child.name, account);
    }
}

fn see_child(facts: &Facts, child: &str, account: &mut Account) {
    let command = command(&facts.view, &format!("explain {child}"));
    if account.advice.iter().all(|advice| advice.command != command) {
        account.advise("See what that waits for:", command);
    }
}

/// When the run itself is over.
fn time_out(facts: &Facts, now: Timestamp, account: &mut Account) {
    let view = &facts.view;
    let is_held_back = view.reason() == Reason::Suspended.as_str() && facts.stays.is_empty();
    if view.reason() == Reason::Queued.as_str() || is_held_back {
        // Its time counts from when it goes on.
        return;
    }
    let redriven = facts.records.iter().rev().find(|record| record.k == RecordKind::ExecutionRedriven);
    let redriven_at = redriven.and_then(|record| Timestamp::from_millisecond(record.t).ok());
    let limit = view.status.effective.timeout_seconds.map(SignedDuration::from_secs);
    let at = redriven_at
        .or(view.status.start_time)
        .zip(limit)
        .and_then(|(start, limit)| start.checked_add(limit).ok());
    match at {
        Some(at) => {
            account.say(format!("The execution itself ends as TimedOut at {}.", moment(at, now)));
            account.due(at, "the execution ends as TimedOut");
        }
        None if account.next.is_none() => {
            account.say("The execution itself may take as long as its definition says, at most a year.");
        }
        None => {}
    }
}

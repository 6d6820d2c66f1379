//! Other Executions of the same Flow that an admission depends on: those with the same `spec.name`, and
//! those with the same `spec.clientToken`.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::admit::Request;
use crate::api::execution::FlowRef;
use crate::api::flow::NameReuse;
use crate::api::flow_revision::flow_of;
use crate::api::{Execution, Phase, Reason};
use crate::cluster::object::Stored;

/// How long a token names one request, as AppFlow has it (start-apis.md §2.4).
const TOKEN_LIFE: SignedDuration = SignedDuration::from_hours(8);

/// Another Execution of the same Flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sibling {
    /// Name of the object.
    pub object: String,
    /// Its uid.
    pub uid: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Its Flow.
    pub flow: String,
    /// The name of its run.
    pub name: String,
    /// Its token.
    pub token: Option<String>,
    /// Where it stands.
    pub phase: Phase,
    /// Which run of its name it is.
    pub run_number: Option<i64>,
}

impl Sibling {
    /// What matters of an object: what it was accepted with, whatever was applied later. Nothing where it was
    /// refused, goes before it has begun, or cannot be read: nothing of it ever runs.
    #[must_use]
    pub fn of(object: &Stored<Execution>) -> Option<Self> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Spec {
            flow_ref: FlowRef,
            name: Option<String>,
            client_token: Option<String>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Status {
            phase: Phase,
            run_number: Option<i64>,
            flow_revision: Option<String>,
            accepted: Option<Terms>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Terms {
            name: Option<String>,
            client_token: Option<String>,
        }
        let Spec { flow_ref, name, client_token } = object.decode_spec().ok()?;
        let Status { phase, run_number, flow_revision, accepted } = object.decode_status().ok()?;
        // One that was refused and is admitted again waits like any other.
        let is_waiting = phase == Phase::Running && accepted.is_none();
        let phase = if is_waiting { Phase::Starting } else { phase };
        let key = object.key();
        let never_runs = phase == Phase::Rejected || phase == Phase::Starting && object.is_deleting();
        let flow = flow_revision.as_deref().filter(|_| accepted.is_some()).and_then(flow_of);
        let flow = flow.unwrap_or(&flow_ref.name).to_owned();
        let Terms { name, client_token } = accepted.unwrap_or(Terms { name, client_token });
        (!never_runs).then(|| Self {
            uid: object.uid().to_owned(),
            created_at: object.created_at(),
            flow,
            name: name.unwrap_or_else(|| key.name.clone()),
            object: key.name,
            token: client_token,
            phase,
            run_number,
        })
    }

    /// Whether it comes before a request: it was accepted, or was made first. The order is the same for
    /// whoever looks, whatever was seen first.
    fn is_before(&self, request: Request<'_>) -> bool {
        self.phase != Phase::Starting
            || (self.created_at, self.uid.as_str()) < (request.created_at, request.uid)
    }

    /// Where it stands among all that want the same: what was accepted is first.
    fn rank(&self) -> (bool, Timestamp, &str) {
        (self.phase == Phase::Starting, self.created_at, &self.uid)
    }

    fn standing(&self) -> &'static str {
        match self.phase {
            Phase::Starting => "waits to start",
            Phase::Running => "is in progress",
            Phase::Succeeded | Phase::Failed | Phase::TimedOut | Phase::Stopped | Phase::Rejected => {
                "has ended"
            }
        }
    }
}

/// Which run of its name a request is; nothing where names are taken once.
///
/// # Errors
/// Where its name or its token is taken; the reason and what is said of it.
pub fn run_number(
    siblings: &[Sibling],
    request: Request<'_>,
    reuse: NameReuse,
) -> Result<Option<i64>, (Reason, String)> {
    let spec = request.spec;
    let flow = &spec.flow_ref.name;
    let others = || siblings.iter().filter(|other| other.uid != request.uid && other.is_before(request));
    let is_recent = |other: &&Sibling| other.created_at.duration_since(request.created_at).abs() < TOKEN_LIFE;
    let same_token = |other: &&Sibling| spec.client_token.is_some() && other.token == spec.client_token;
    if let Some(first) = others().filter(same_token).filter(is_recent).min_by_key(|other| other.rank()) {
        let message = format!(
            "spec.clientToken is that of Execution {} of flow {flow}, which {}: within 8 hours it is the same request.",
            first.object,
            first.standing()
        );
        return Err((Reason::DuplicateRequest, message));
    }
    let Some(name) = &spec.name else { return Ok(None) };
    let namesakes = || others().filter(|other| other.name == *name);
    let in_the_way = namesakes().filter(|other| reuse == NameReuse::Never || !other.phase.is_ended());
    if let Some(first) = in_the_way.min_by_key(|other| other.rank()) {
        let message = format!(
            "Execution {name} for flow {flow} already exists: {} {}.",
            first.object,
            first.standing()
        );
        return Err((Reason::NameTaken, message));
    }
    let last = namesakes().filter_map(|other| other.run_number).max().unwrap_or_default();
    Ok((reuse == NameReuse::AfterEnd).then_some(last.saturating_add(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ExecutionSpec;

    fn sibling(uid: &str, seconds: i64, phase: Phase) -> Sibling {
        Sibling {
            object: format!("object-{uid}"),
            uid: uid.to_owned(),
            created_at: Timestamp::from_second(seconds).unwrap(),
            flow: "f".to_owned(),
            name: "N".to_owned(),
            token: Some("t".to_owned()),
            phase,
            run_number: Some(4),
        }
    }

    fn ask(siblings: &[Sibling], name: Option<&str>, token: Option<&str>, reuse: NameReuse) -> String {
        let spec = ExecutionSpec {
            flow_ref: FlowRef { name: "f".to_owned(), qualifier: None },
            name: name.map(str::to_owned),
            client_token: token.map(str::to_owned),
            ..ExecutionSpec::default()
        };
        let created_at = Timestamp::from_second(100_000).unwrap();
        let request = Request { uid: "m", spec: &spec, created_at, waits_since: created_at };
        match run_number(siblings, request, reuse) {
            Ok(number) => format!("{number:?}"),
            Err((reason, message)) => format!("{} {message}", reason.as_str()),
        }
    }

    #[test]
    fn a_name_is_taken_by_who_was_accepted_or_came_first() {
        let exists = "NameTaken Execution N for flow f already exists: object-";
        let (never, after) = (NameReuse::Never, NameReuse::AfterEnd);
        let cases = [
            // Itself is no other.
            ("m", 100_000, Phase::Running, never, "None".to_owned()),
            ("a", 100_000, Phase::Starting, never, format!("{exists}a waits to start.")),
            ("z", 99_999, Phase::Starting, never, format!("{exists}z waits to start.")),
            ("z", 100_000, Phase::Starting, never, "None".to_owned()),
            ("a", 100_001, Phase::Starting, never, "None".to_owned()),
            ("z", 100_001, Phase::Running, never, format!("{exists}z is in progress.")),
            ("z", 100_001, Phase::Failed, never, format!("{exists}z has ended.")),
            ("z", 100_001, Phase::Running, after, format!("{exists}z is in progress.")),
            ("a", 99_999, Phase::Starting, after, format!("{exists}a waits to start.")),
            ("a", 99_999, Phase::Failed, after, "Some(5)".to_owned()),
            ("z", 100_001, Phase::Starting, after, "Some(1)".to_owned()),
        ];
        for (uid, seconds, phase, reuse, expected) in cases {
            let siblings = [sibling(uid, seconds, phase)];
            assert_eq!(ask(&siblings, Some("N"), None, reuse), expected, "{uid} {seconds} {phase:?}");
            assert_eq!(ask(&siblings, Some("Other"), None, never), "None");
            assert_eq!(ask(&siblings, None, None, reuse), "None");
        }
    }

    #[test]
    fn a_token_names_one_request_for_eight_hours() {
        let said = "DuplicateRequest spec.clientToken is that of Execution object-a of flow f";
        let hours = 3_600;
        for (seconds, phase, is_same) in [
            (100_000 - 8 * hours + 1, Phase::Succeeded, true),
            (100_000 - 8 * hours, Phase::Succeeded, false),
            (100_000, Phase::Starting, true),
            (100_001, Phase::Starting, false),
            (100_001, Phase::Running, true),
        ] {
            let answer = ask(&[sibling("a", seconds, phase)], None, Some("t"), NameReuse::Never);
            assert_eq!(answer.starts_with(said), is_same, "{seconds}: {answer}");
            assert_eq!(ask(&[sibling("a", seconds, phase)], None, Some("u"), NameReuse::Never), "None");
        }
    }
}

//! Decisions that may not end by themselves: expressions of theirs can loop for ever, or gather more
//! memory than there is. They are made on a thread of their own and interrupted when it takes too long.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout};

use super::decide::{self, Decision, Observed};
use crate::expr::{Interrupt, interruptible};

/// Longest time for one decision. All but endless ones take milliseconds.
const TIME_MAX: Duration = Duration::from_secs(10);

/// By how much the controller may grow meanwhile. Many decisions share it, so it is far above what one
/// needs, and far below what a container usually has.
const GROWTH_BYTES_MAX: u64 = 192 * 1024 * 1024;

/// How often the memory is looked at, from when on a decision takes long.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long an interrupted decision may take to notice. A single operation of the library is not
/// interrupted; one that goes on longer is left behind with its thread.
const GRACE: Duration = Duration::from_secs(2);

/// Stack of the thread; the library takes more from the heap where it needs it.
const STACK_BYTES: usize = 2 * 1024 * 1024;

/// Executions that have a thread at work, maybe one that was left behind. Each has one at most, however often it is
/// tried again.
static AT_WORK: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Stands for the thread of an Execution until that ends.
struct Place(String);

impl Place {
    /// Nothing where there is one already.
    fn take(uid: &str) -> Option<Self> {
        let is_first = AT_WORK.lock().unwrap_or_else(PoisonError::into_inner).insert(uid.to_owned());
        is_first.then(|| Self(uid.to_owned()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        AT_WORK.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

/// Decides. What takes too long is a fault: it is said, and tried again when something changes.
pub(super) async fn decide(observed: Observed) -> Decision {
    let Some(place) = Place::take(&observed.facts.uid) else {
        let why = "an expression that was given up has not noticed yet and still takes a processor";
        return decide::fault(&observed, why);
    };
    let observed = Arc::new(observed);
    let work = {
        let observed = observed.clone();
        move || {
            let _place = place;
            decide::decide(&observed)
        }
    };
    watched(work, TIME_MAX)
        .await
        .unwrap_or_else(|why| decide::fault(&observed, &format!("an expression was given up: {why}")))
}

/// Does `work` on a thread of its own and interrupts its expressions when it takes longer than `time_max`,
/// or too much memory. What an interrupted one gives says itself that it was ([`crate::engine::Fault`]).
///
/// # Errors
/// Where it cannot be done, or does not end when it is interrupted.
async fn watched<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
    time_max: Duration,
) -> Result<T, String> {
    let interrupt = Interrupt::default();
    let (done, mut answer) = oneshot::channel();
    let work = {
        let interrupt = interrupt.clone();
        // Where nobody waits any more, nobody wants what it gives.
        move || drop(done.send(interruptible(&interrupt, work)))
    };
    let thread = std::thread::Builder::new().name("decide".to_owned()).stack_size(STACK_BYTES).spawn(work);
    thread.map_err(|why| format!("there is no thread for it: {why}"))?;
    let why = tokio::select! {
        biased;
        answer = &mut answer => {
            return answer.map_err(|_| "it broke off: a bug in millrace".to_owned());
        }
        why = too_much(time_max) => why,
    };
    interrupt.interrupt();
    match timeout(GRACE, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) | Err(_) => Err(why),
    }
}

/// Waits until something has taken too long, or too much.
async fn too_much(time_max: Duration) -> String {
    let began = Instant::now();
    let before = resident_bytes();
    let mut look = began;
    loop {
        look += LOOK_EVERY;
        sleep_until(look).await;
        if began.elapsed() >= time_max {
            return format!("it took longer than {time_max:?}");
        }
        if let (Some(before), Some(now)) = (before, resident_bytes())
            && now.saturating_sub(before) > GROWTH_BYTES_MAX
        {
            return format!("it took more than {GROWTH_BYTES_MAX} bytes of memory");
        }
    }
}

/// Memory of this process, where the system tells it.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::engine::{Event, Execution, Fault, Run, TokenKey, step};
    use crate::expr::Expr;
    use crate::expr::jsonata::{Expected, Expression};
    use crate::ir::{
        Boundary, Builder, ErrorName, Errors, Handover, Kind, Limits, Program, ScopeBuilder, State,
    };
    use crate::value::Value;

    const LIMITS: Limits = Limits {
        input_bytes_max: 1_000,
        output_bytes_max: 1_000,
        total_bytes_max: None,
        variable_bytes_max: 1_000,
        assignment_bytes_max: 1_000,
        variables_bytes_max: 1_000,
        events_max: 100,
        map_concurrency_max: 1,
        isolated_map_concurrency_max: 1,
        wait_seconds_max: 1,
        wait_seconds_min: 1,
        task_timeout_seconds_min: 1,
        task_timeout_seconds_max: 1,
        execution_seconds_max: 100,
        error_chars_max: 100,
        cause_chars_max: 100,
    };

    fn program(text: &str) -> Program {
        let states = Expr::Literal(Value::Null);
        let expression = Expression::parse(text, states, "Output", Expected::Any).unwrap();
        let output = Some(Expr::Jsonata(Arc::new(expression)));
        let mut scope = ScopeBuilder::new(Handover::Replace);
        let [spin] = scope.declare_all(["Spin"]);
        scope.define(spin, State { output, ..State::new("Spin", Kind::Succeed) });
        let mut builder = Builder::new(Errors(|_| ErrorName::catchable("Test")), LIMITS);
        let root = builder.scope(scope, spin).unwrap();
        builder.build(None, root, Boundary::default()).unwrap()
    }

    fn step_through(text: &str) -> impl FnOnce() -> Result<(), Fault> + Send + 'static {
        let program = program(text);
        let execution = Execution {
            id: "id".into(),
            name: "name".into(),
            flow: "flow".into(),
            service_account: None,
            input: Value::Null,
            started_at: jiff::Timestamp::UNIX_EPOCH,
            timeout_seconds: None,
            task_timeout_seconds: None,
            attributes: BTreeMap::new(),
        };
        move || {
            let (now, key) = (jiff::Timestamp::UNIX_EPOCH, TokenKey::new([0; 32]));
            step(&program, Run::new(execution), now, Event::Start, &key).map(|_| ())
        }
    }

    #[tokio::test]
    async fn what_does_not_end_is_interrupted() {
        let short = Duration::from_millis(40);
        let endless = step_through("($f := function() { $f() }; $f())");
        assert_eq!(watched(endless, short).await, Ok(Err(Fault::Interrupted("Spin".into()))));
        // Its expression says nothing, so it is the run's own error, not a fault.
        assert_eq!(watched(step_through("$nothing"), TIME_MAX).await, Ok(Ok(())));
    }

    #[tokio::test]
    async fn what_gathers_memory_is_interrupted() {
        // Each call keeps a list of its own until those within it have ended.
        let greedy =
            step_through("($f := function($n) { ($l := [1..100000]; $f($n + 1) + $count($l)) }; $f(0))");
        let began = Instant::now();
        assert_eq!(watched(greedy, TIME_MAX * 6).await, Ok(Err(Fault::Interrupted("Spin".into()))));
        assert!(began.elapsed() < TIME_MAX * 6, "not for the time it took");
    }
}

//! Decisions that may not end by themselves: expressions of theirs can loop for ever, or gather more
//! memory than there is. They are made on a thread of their own and interrupted when it takes too long.

use std::sync::Arc;
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

/// Decides. What takes too long is a fault: it is said, and tried again when something changes.
pub(super) async fn decide(observed: Observed) -> Decision {
    let observed = Arc::new(observed);
    let interrupt = Interrupt::default();
    let (done, mut decided) = oneshot::channel();
    let work = {
        let (observed, interrupt) = (observed.clone(), interrupt.clone());
        move || {
            let decision = interruptible(&interrupt, || decide::decide(&observed));
            // Where nobody waits any more, nobody wants it.
            let _ = done.send(decision);
        }
    };
    let thread = std::thread::Builder::new().name("decide".to_owned()).stack_size(STACK_BYTES).spawn(work);
    if let Err(why) = thread {
        return decide::fault(&observed, &format!("no thread for a decision: {why}"));
    }
    let why = tokio::select! {
        biased;
        decision = &mut decided => match decision {
            Ok(decision) => return decision,
            Err(_) => "its decision broke off: a bug in millrace".to_owned(),
        },
        why = too_much() => why,
    };
    interrupt.interrupt();
    match timeout(GRACE, decided).await {
        // It says which state it was.
        Ok(Ok(decision)) => decision,
        Ok(Err(_)) | Err(_) => decide::fault(&observed, &format!("an expression was given up: {why}")),
    }
}

/// Waits until a decision has taken too long, or too much.
async fn too_much() -> String {
    let began = Instant::now();
    let before = resident_bytes();
    let mut look = began;
    loop {
        look += LOOK_EVERY;
        sleep_until(look).await;
        if began.elapsed() >= TIME_MAX {
            return format!("it took longer than {} seconds", TIME_MAX.as_secs());
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

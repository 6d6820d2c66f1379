//! Errors: tried again, caught, or the end.

use crate::ir::{Jitter, Kind, Next, Retrier, State};

use super::environment::{Place, draw};
use super::run::{Active, Frame, Phase};
use super::step::{Fault, Stepper, Work};
use super::visit::Payload;
use super::{Failure, HistoryKind, time};

/// Longest delay in milliseconds that is computed at all, some three hundred years: beyond every
/// limit of a language, below what could overflow.
const DELAY_MILLIS_MAX: f64 = 1e13;

impl Stepper<'_> {
    /// Has a state deal with an error. Says where that leads; nothing where the state stays, either
    /// to try again or because the run ends here.
    pub(super) fn raise(
        &mut self,
        frame: &mut Frame,
        place: &Place<'_>,
        active: &mut Active,
        failure: Failure,
    ) -> Result<Option<Next>, Fault> {
        let state = self.state_of(frame, active)?;
        active.failure = Some(failure.clone());
        if let Some(delay_millis) = self.next_delay(state, active, &failure) {
            if self.is_out_of_events() {
                let failure = self.out_of_events();
                self.fail(active, failure);
                return Ok(None);
            }
            return self.try_again(frame, place, active, state, failure, delay_millis);
        }
        let catcher = state.catch.iter().find(|catcher| failure.matches(&catcher.errors));
        let Some(catcher) = catcher else {
            self.fail(active, failure);
            return Ok(None);
        };
        let caught = {
            let environment = self.environment(frame, place, active, state);
            let output = match &catcher.output {
                Some(expr) => self.eval(expr, &environment),
                None => Ok(active.input.clone()),
            };
            let variables = catcher.variables.as_ref();
            let variables = variables.map(|variables| self.variables(variables, &environment)).transpose();
            output.and_then(|output| {
                self.check(Payload::Output, state, &output)?;
                self.check_merge(frame, state, &output)?;
                Ok((output, variables?))
            })
        };
        match caught {
            Ok((output, variables)) => {
                self.record(&active.path, HistoryKind::ErrorCaught { failure });
                self.hand_over(frame, active, output, variables)?;
                Ok(Some(Next::State(catcher.next)))
            }
            // What the handler itself gets wrong, nobody handles.
            Err(failure) => {
                self.fail(active, failure);
                Ok(None)
            }
        }
    }

    fn fail(&mut self, active: &mut Active, failure: Failure) {
        self.record(&active.path, HistoryKind::StateFailed { failure: failure.clone() });
        active.failure = Some(failure);
        active.phase = match std::mem::replace(&mut active.phase, Phase::Failed) {
            // Finished branches and iterations stay, for a redrive.
            Phase::Children(children) => Phase::Children(children.failed()),
            Phase::Entering
            | Phase::Task(_)
            | Phase::Reading(_)
            | Phase::Writing(..)
            | Phase::Waiting { .. }
            | Phase::BackingOff { .. }
            | Phase::Failed => Phase::Failed,
        };
    }

    /// The delay before the next attempt in milliseconds; nothing where there is none. The first
    /// retrier that is about the error decides; when it is used up no later one is asked.
    fn next_delay(&self, state: &State, active: &mut Active, failure: &Failure) -> Option<u64> {
        let retry_after_millis = active.retry_after_seconds.take().unwrap_or_default().saturating_mul(1_000);
        let number = state.retry.iter().position(|retrier| failure.matches(&retrier.errors))?;
        let (retrier, used) = (state.retry.get(number)?, active.retries.get_mut(number)?);
        if *used >= retrier.max_attempts {
            return None;
        }
        *used = used.saturating_add(1);
        let delay = delay_millis(retrier, *used);
        let delay = match retrier.jitter {
            Jitter::None => delay,
            Jitter::Full => {
                let draw = draw(&self.execution.id, &active.path, active.attempt, u32::MAX);
                let draw = u128::from_be_bytes(draw) % (u128::from(delay) + 1);
                u64::try_from(draw).unwrap_or(delay)
            }
        };
        Some(delay.max(retry_after_millis))
    }

    fn try_again(
        &mut self,
        frame: &mut Frame,
        place: &Place<'_>,
        active: &mut Active,
        state: &State,
        failure: Failure,
        delay_millis: u64,
    ) -> Result<Option<Next>, Fault> {
        self.progress.retries = self.progress.retries.saturating_add(1);
        active.attempt = active.attempt.saturating_add(1);
        let until = time::after_millis(self.now, delay_millis);
        if matches!(state.kind, Kind::Task { .. }) {
            // The next attempt is asked for now and begun then: no look in between is needed.
            let work = match self.make_input(frame, place, active)? {
                Ok(()) => self.begin_attempt(frame, place, active, Some(until))?,
                Err(failure) => Work::Failed(failure),
            };
            match work {
                Work::Pending | Work::Result(_) => return Ok(None),
                // What it was to be asked with cannot be made. It is made again when its time has come,
                // and what is wrong then is raised like any other error.
                Work::Failed(_) => {}
            }
        }
        self.record(&active.path, HistoryKind::RetryScheduled { failure, at: until });
        active.phase = Phase::BackingOff { until };
        Ok(None)
    }
}

/// Delay before the `nth` retry, from 1: the interval times the rate to the power of n − 1, capped
/// (fdl.md §5, asl.md §10).
fn delay_millis(retrier: &Retrier, nth: u32) -> u64 {
    let exponent = i32::try_from(nth.saturating_sub(1)).unwrap_or(i32::MAX);
    #[expect(clippy::cast_precision_loss, reason = "a delay this long is capped anyway")]
    let delay = retrier.interval_seconds as f64 * 1_000.0 * retrier.backoff_rate.powi(exponent);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and the maximum; NaN becomes 0"
    )]
    let delay = delay.clamp(0.0, DELAY_MILLIS_MAX) as u64;
    match retrier.max_delay_seconds {
        Some(max) => delay.min(max.saturating_mul(1_000)),
        None => delay,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_their_cap_and_never_overflow() {
        let retrier = |interval_seconds, backoff_rate, max_delay_seconds| Retrier {
            errors: Vec::new(),
            max_attempts: 99,
            interval_seconds,
            backoff_rate,
            max_delay_seconds,
            jitter: Jitter::None,
        };
        // The example of the reference: interval 10, factor 2.
        let doubling = retrier(10, 2.0, None);
        let delays: Vec<_> = (1..=3).map(|nth| delay_millis(&doubling, nth)).collect();
        assert_eq!(delays, [10_000, 20_000, 40_000]);
        assert_eq!(delay_millis(&retrier(3, 1.5, None), 2), 4_500);
        assert_eq!(delay_millis(&retrier(10, 2.0, Some(15)), 2), 15_000);
        assert_eq!(delay_millis(&retrier(0, 2.0, None), u32::MAX), 0);
        assert_eq!(delay_millis(&retrier(u64::MAX, f64::MAX, None), u32::MAX), 10_000_000_000_000);
    }
}

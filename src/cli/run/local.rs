//! A run from its start to its end, here and now.

use std::time::Duration;

use jiff::Timestamp;

use crate::engine::{
    Activity, Event, Execution, Fault, HistoryEvent, HistoryKind, Run, Step, Stop, StopMode, TokenKey, step,
    step_in_detail,
};
use crate::expr::{Interrupt, interruptible};
use crate::ir::Program;
use crate::value::Str;

use super::super::terminal::tell;
use super::clock::{Clock, Pace};
use super::progress::Progress;
use super::trace::Trace;
use super::watchdog::Watchdog;
use super::world::{News, World};

/// One run and all that takes part in it.
#[derive(Debug)]
pub(super) struct Local<'p> {
    pub(super) program: &'p Program,
    pub(super) clock: Clock,
    pub(super) world: World,
    pub(super) progress: Progress,
    pub(super) token_key: TokenKey,
    pub(super) trace: Option<Trace>,
    /// Pulled by whoever wants the run to end while it computes.
    pub(super) interrupt: Interrupt,
}

impl Local<'_> {
    /// Runs to the end and gives back the trace. `interrupted` ends the run before it.
    ///
    /// # Errors
    /// Where expressions do not come to an end, or the engine has a bug.
    pub(super) async fn run(
        mut self,
        execution: Execution,
        interrupted: impl Future<Output = ()>,
    ) -> Result<(Run, Option<Trace>), Fault> {
        let mut interrupted = std::pin::pin!(interrupted);
        let mut run = Run::new(execution);
        let mut event = Event::Start;
        loop {
            let Step { run: moved, commands, history, .. } = self.step(run, event)?;
            run = moved;
            self.tell(&run, &history);
            if let Some(trace) = &mut self.trace {
                trace.tell(&history, &commands);
            }
            if run.outcome().is_some() {
                return Ok((run, self.trace));
            }
            self.world.take(commands);
            event = self.next_event(&run, interrupted.as_mut()).await;
        }
    }

    /// Takes in an event. Where its expressions are interrupted, which only an impatient person does, the
    /// run ends instead.
    fn step(&self, run: Run, event: Event) -> Result<Step, Fault> {
        let step = if self.trace.is_some() { step_in_detail } else { step };
        let take = |run, event| step(self.program, run, self.clock.now(), event, &self.token_key);
        if !self.program.is_unbounded() {
            return take(run, event);
        }
        let before = run.clone();
        let watchdog = Watchdog::set(&self.interrupt);
        let stepped = interruptible(&self.interrupt, || take(run, event));
        match stepped {
            Err(Fault::Interrupted(_)) if !watchdog.has_bitten() => take(before, stop()),
            stepped => stepped,
        }
    }

    fn tell(&mut self, run: &Run, history: &[HistoryEvent]) {
        let active = run.active(self.program);
        // People are told of iterations by what their Map says.
        let numbered: Vec<_> = history.iter().filter(|event| event.id > 0).cloned().collect();
        self.progress.tell(&numbered, &active);
        let is_endless = |path: &Str| {
            active.iter().any(|state| {
                state.path == *path && state.activity == Activity::Callback && state.deadline.is_none()
            })
        };
        for event in history {
            if event.kind == HistoryKind::TaskAccepted && is_endless(&event.path) {
                // Told to the quiet as well: without it the run seems to hang.
                tell(format_args!(
                    "millrace: `{}` waits for a callback, which nobody sends to a local run,\nand has no \
                     time-out of its own: only the run's ends it. --mock can answer it.",
                    event.path
                ));
            }
        }
    }

    /// What happens next: an answer, the passing of time, or an interruption.
    async fn next_event(&mut self, run: &Run, interrupted: impl Future<Output = ()>) -> Event {
        let deadline = run.deadline(self.program);
        let now = self.clock.now();
        let news = self.world.begin(now, deadline);
        for task in self.world.begun() {
            if let Some(trace) = &mut self.trace {
                trace.begin(now, &task);
            }
        }
        if let Some(news) = news {
            return event_of(news);
        }
        let wakes: [Option<Timestamp>; 2] = [run.next_wake(self.program), self.world.next_begin()];
        let pace = Pace {
            wake: wakes.into_iter().flatten().min().unwrap_or(deadline),
            is_calling: self.world.is_calling(),
            overdue: self.world.overdue(),
        };
        let patience = self.clock.patience(&pace);
        let time_passes = async {
            match patience {
                // The timer would round it up, and a virtual clock leaps thousands of times.
                Some(Duration::ZERO) => {}
                Some(patience) => tokio::time::sleep(patience).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = interrupted => stop(),
            news = self.world.news() => event_of(news),
            () = time_passes => {
                self.clock.pass(&pace);
                Event::Tick
            }
        }
    }
}

/// What a person who does not want to wait any longer wants.
fn stop() -> Event {
    Event::Stop(Stop { cause: Some("interrupted".into()), ..Stop::new(StopMode::Terminate) })
}

fn event_of(news: News) -> Event {
    match news {
        News::Of(id, report) => Event::Task { id, report },
        // What that means for the clock is found when it is looked at next.
        News::Overdue => Event::Tick,
    }
}

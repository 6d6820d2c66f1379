//! Two clocks for one loop: that on the wall, and one that does not make anybody wait.

use std::time::Duration;

use jiff::Timestamp;

/// Longest time without a look at the clock. A machine that slept or whose clock was set is then
/// late by no more than this.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Which clock a run goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ClockKind {
    /// Waits and back-offs take their time
    Real,
    /// Waits and back-offs are over at once; only calls take time
    Virtual,
}

/// The clock of a run.
#[derive(Debug)]
pub(super) enum Clock {
    /// That on the wall.
    Real,
    /// It stands still while anyone is at work and leaps when nobody is.
    Virtual {
        /// What it shows.
        now: Timestamp,
    },
}

/// What of the world outside decides whether time may leap.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// When something is due, if nothing happens before.
    pub(super) wake: Timestamp,
    /// Whether an answer is awaited: how long it takes is nobody's to leap over.
    pub(super) is_calling: bool,
    /// Until when calls that were given up have taken.
    pub(super) overdue: Option<Timestamp>,
}

impl Clock {
    pub(super) fn new(kind: ClockKind, now: Timestamp) -> Self {
        match kind {
            ClockKind::Real => Self::Real,
            ClockKind::Virtual => Self::Virtual { now },
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        match self {
            Self::Real => Timestamp::now(),
            Self::Virtual { now } => *now,
        }
    }

    /// How long to wait for news before [`Clock::pass`]; nothing: until there are some.
    pub(super) fn patience(&self, pace: &Pace) -> Option<Duration> {
        match self {
            Self::Real => {
                let left = pace.wake.duration_since(self.now());
                Some(Duration::try_from(left).unwrap_or_default().min(LOOK_EVERY))
            }
            Self::Virtual { .. } => {
                let has_taken = pace.overdue.is_some_and(|overdue| pace.wake <= overdue);
                (!pace.is_calling || has_taken).then_some(Duration::ZERO)
            }
        }
    }

    /// Time passes to where something is due.
    pub(super) fn pass(&mut self, pace: &Pace) {
        match self {
            Self::Real => {}
            Self::Virtual { now } => *now = pace.wake.max(*now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn virtual_time_leaps_only_where_nobody_is_at_work() {
        let clock = Clock::new(ClockKind::Virtual, at(100));
        let pace =
            |is_calling, overdue: Option<i64>| Pace { wake: at(400), is_calling, overdue: overdue.map(at) };
        assert_eq!(clock.patience(&pace(false, None)), Some(Duration::ZERO));
        assert_eq!(clock.patience(&pace(true, None)), None);
        // Another call was given up after it had taken this long.
        assert_eq!(clock.patience(&pace(true, Some(399))), None);
        assert_eq!(clock.patience(&pace(true, Some(400))), Some(Duration::ZERO));
    }

    #[test]
    fn virtual_time_never_goes_back() {
        let mut clock = Clock::new(ClockKind::Virtual, at(100));
        clock.pass(&Pace { wake: at(90), is_calling: false, overdue: None });
        assert_eq!(clock.now(), at(100));
        clock.pass(&Pace { wake: at(190), is_calling: false, overdue: None });
        assert_eq!(clock.now(), at(190));
    }

    #[test]
    fn real_time_is_looked_at_now_and_then() {
        let clock = Clock::new(ClockKind::Real, at(0));
        let pace = |wake| Pace { wake, is_calling: true, overdue: None };
        assert_eq!(clock.patience(&pace(Timestamp::MAX)), Some(LOOK_EVERY));
        assert_eq!(clock.patience(&pace(at(0))), Some(Duration::ZERO));
    }
}

//! Leader election by a Lease: of several controllers one acts.
//!
//! # Guarantees
//!
//! * [`Leadership::is_valid`] is true only while nobody else may have taken the lease, by this machine's
//!   boot clock, which goes on while the machine sleeps.
//! * The holder named in the lease takes it again at once: a controller that was restarted under its
//!   name does not wait for itself.
//! * A lease that was given up is free at once.
//!
//! # Assumptions
//!
//! Clocks of different machines need not agree: whether a lease has run out is judged by how long it
//! has not been renewed, as seen from here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Api;
use kube::api::PostParams;
use tracing::{info, warn};

/// The lease is renewed so often within its duration.
const RENEWALS_PER_DURATION: u32 = 5;

/// How often a lease that is held by another is looked at: how long a hand-over takes at most.
const RETRY_PERIOD: Duration = Duration::from_millis(500);

/// Who holds which lease, and for how long it counts.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Name of the Lease.
    pub lease: String,
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name under which it is held.
    pub identity: String,
    /// How long it counts after a renewal.
    pub duration: Duration,
}

/// The right to act, as long as it lasts. Cheap to ask.
#[derive(Clone, Debug, Default)]
pub struct Leadership {
    /// Milliseconds since boot until which the lease counts.
    valid_until: Arc<AtomicU64>,
}

impl Leadership {
    /// Whether one may act.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        boot_millis() < self.valid_until.load(Ordering::Acquire)
    }

    fn extend(&self, from: u64, duration: Duration) {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        self.valid_until.store(from.saturating_add(millis), Ordering::Release);
    }

    fn end(&self) {
        self.valid_until.store(0, Ordering::Release);
    }
}

/// Milliseconds since boot, sleep included.
fn boot_millis() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanos = u64::try_from(time.tv_nsec).unwrap_or_default();
    seconds.saturating_mul(1_000).saturating_add(nanos / 1_000_000)
}

/// A lease as it was last seen, and since when it has looked like that.
struct Seen {
    lease: Lease,
    since: u64,
}

/// Takes part in the election.
pub struct Election {
    api: Api<Lease>,
    candidate: Candidate,
    leadership: Leadership,
    seen: Option<Seen>,
}

impl Election {
    /// A candidate that holds nothing yet.
    #[must_use]
    pub fn new(client: kube::Client, candidate: Candidate) -> Self {
        let api = Api::namespaced(client, &candidate.namespace);
        Self { api, candidate, leadership: Leadership::default(), seen: None }
    }

    /// Waits until the lease is held.
    pub async fn win(&mut self) -> Leadership {
        let mut was_told = false;
        loop {
            match self.try_take().await {
                Ok(true) => {
                    info!(lease = self.candidate.lease, identity = self.candidate.identity, "leading");
                    return self.leadership.clone();
                }
                Ok(false) if !was_told => {
                    let holder = self.holder().unwrap_or_default().to_owned();
                    info!(lease = self.candidate.lease, holder, "another controller leads; waiting");
                    was_told = true;
                }
                Ok(false) => {}
                Err(error) => warn!(lease = self.candidate.lease, %error, "the lease cannot be taken"),
            }
            tokio::time::sleep(RETRY_PERIOD).await;
        }
    }

    /// Renews the lease until it is lost.
    pub async fn keep(&mut self) {
        let period = self.candidate.duration / RENEWALS_PER_DURATION;
        loop {
            tokio::time::sleep(period).await;
            match self.try_take().await {
                Ok(true) => {}
                Ok(false) => {
                    let holder = self.holder().unwrap_or_default().to_owned();
                    warn!(lease = self.candidate.lease, holder, "the lease was lost");
                    break;
                }
                Err(error) => warn!(lease = self.candidate.lease, %error, "the lease cannot be renewed"),
            }
            if !self.leadership.is_valid() {
                warn!(lease = self.candidate.lease, "the lease has run out");
                break;
            }
        }
        self.leadership.end();
    }

    /// Gives the lease up, so that nobody has to wait for it to run out.
    pub async fn give_up(&mut self) {
        self.leadership.end();
        let Some(seen) =
            self.seen.take().filter(|seen| holder(&seen.lease) == Some(&*self.candidate.identity))
        else {
            return;
        };
        let mut lease = seen.lease;
        let spec = lease.spec.get_or_insert_default();
        spec.holder_identity = None;
        spec.lease_duration_seconds = Some(1);
        if let Err(error) = self.api.replace(&self.candidate.lease, &PostParams::default(), &lease).await {
            warn!(lease = self.candidate.lease, %error, "the lease cannot be given up");
        }
    }

    fn holder(&self) -> Option<&str> {
        self.seen.as_ref().and_then(|seen| holder(&seen.lease))
    }

    /// Takes or renews the lease, if it is free or ours.
    async fn try_take(&mut self) -> kube::Result<bool> {
        // What counts is when the request began: the answer may be late.
        let began = boot_millis();
        let params = PostParams::default();
        let written = match self.look(began).await? {
            None => self.api.create(&params, &self.lease(None)).await,
            Some(current) if self.may_take(&current, began) => {
                self.api.replace(&self.candidate.lease, &params, &self.lease(Some(current))).await
            }
            Some(_) => return Ok(false),
        };
        match written {
            Ok(lease) => {
                self.leadership.extend(began, self.candidate.duration);
                self.seen = Some(Seen { lease, since: began });
                Ok(true)
            }
            // Somebody was quicker.
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reads the lease and notes since when it has not changed.
    async fn look(&mut self, now: u64) -> kube::Result<Option<Lease>> {
        let Some(lease) = self.api.get_opt(&self.candidate.lease).await? else {
            self.seen = None;
            return Ok(None);
        };
        let version = |lease: &Lease| lease.metadata.resource_version.clone();
        let since =
            self.seen.as_ref().filter(|seen| version(&seen.lease) == version(&lease)).map(|seen| seen.since);
        self.seen = Some(Seen { lease: lease.clone(), since: since.unwrap_or(now) });
        Ok(Some(lease))
    }

    fn may_take(&self, lease: &Lease, now: u64) -> bool {
        let holder = holder(lease);
        if holder.is_none() || holder == Some(&self.candidate.identity) {
            return true;
        }
        let seconds = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds).unwrap_or_default();
        let millis = u64::try_from(seconds).unwrap_or_default().saturating_mul(1_000);
        let since = self.seen.as_ref().map_or(now, |seen| seen.since);
        now.saturating_sub(since) > millis
    }

    fn lease(&self, current: Option<Lease>) -> Lease {
        let now = MicroTime(jiff::Timestamp::now());
        let mut lease = current.unwrap_or_else(|| Lease {
            metadata: ObjectMeta { name: Some(self.candidate.lease.clone()), ..ObjectMeta::default() },
            ..Lease::default()
        });
        let spec: &mut LeaseSpec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_deref() != Some(&self.candidate.identity) {
            spec.lease_transitions = Some(spec.lease_transitions.unwrap_or_default().saturating_add(1));
            spec.acquire_time = Some(now.clone());
        }
        spec.holder_identity = Some(self.candidate.identity.clone());
        // Whole seconds are what the API has; never less than what counts here.
        let seconds = self.candidate.duration.as_millis().div_ceil(1_000);
        spec.lease_duration_seconds = i32::try_from(seconds).ok();
        spec.renew_time = Some(now);
        lease
    }
}

fn holder(lease: &Lease) -> Option<&str> {
    lease.spec.as_ref()?.holder_identity.as_deref().filter(|holder| !holder.is_empty())
}

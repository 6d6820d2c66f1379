//! Requests that an API server has served, by its own account.

use crate::api::Api;

/// What was served up to a moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Requests {
    /// Writes of the status of Executions.
    pub status_writes: f64,
    /// Everything else, but for watches and leases.
    pub others: f64,
    /// Processor time of the API server, in seconds.
    pub cpu_seconds: f64,
}

impl Requests {
    pub async fn so_far(api: &Api) -> Self {
        let text = api.get("/metrics").await;
        let mut sum = Self::default();
        for line in text.lines() {
            if let Some(line) = line.strip_prefix("apiserver_request_total{") {
                sum.add(line);
            } else if let Some(value) = line.strip_prefix("process_cpu_seconds_total ") {
                sum.cpu_seconds = value.parse().unwrap_or_default();
            }
        }
        sum
    }

    fn add(&mut self, line: &str) {
        let Some((labels, value)) = line.rsplit_once("} ") else { return };
        let value: f64 = value.parse().unwrap_or_default();
        let has = |label: &str| labels.split(',').any(|found| found == label);
        if has(r#"resource="executions""#) && has(r#"subresource="status""#) {
            self.status_writes += value;
        } else if !has(r#"verb="WATCH""#) && !has(r#"resource="leases""#) && !has(r#"resource="""#) {
            self.others += value;
        }
    }

    /// What was served since an earlier moment.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            status_writes: self.status_writes - earlier.status_writes,
            others: self.others - earlier.others,
            cpu_seconds: self.cpu_seconds - earlier.cpu_seconds,
        }
    }
}

//! Health and figures over HTTP.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;

use crate::controller::metrics::Metrics;
use crate::controller::readiness::Readiness;

/// What the server tells.
#[derive(Clone, Debug)]
struct Told {
    readiness: Readiness,
    metrics: Arc<Metrics>,
}

/// Serves `/healthz`, `/readyz` and `/metrics` until the process ends.
///
/// # Errors
/// Where the address cannot be listened on.
pub async fn serve(address: SocketAddr, readiness: Readiness, metrics: Arc<Metrics>) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind(address).await?;
    let local = listener.local_addr()?;
    tracing::info!(address = %local, "serving /healthz, /readyz and /metrics");
    let router = Router::new()
        // That it answers is the answer: a backlog is no reason to be restarted.
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(figures))
        .with_state(Told { readiness, metrics });
    axum::serve(listener, router).await
}

async fn ready(State(told): State<Told>) -> impl IntoResponse {
    match told.readiness.missing() {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(what) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {what}\n")),
    }
}

async fn figures(State(told): State<Told>) -> impl IntoResponse {
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], told.metrics.text())
}

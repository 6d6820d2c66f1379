//! The small HTTP service that the examples call: a shop that quotes, charges and packs, and reports that
//! take their time.
//!
//! `cargo run --example service -- 127.0.0.1:8787`

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

/// How often a report is asked after before it is ready.
const ASKED_UNTIL_READY: u32 = 3;

/// What was asked so far.
#[derive(Debug, Default)]
struct Memory {
    /// Orders whose payment was tried.
    charged: HashSet<String>,
    /// How often each report was asked after.
    asked_after: HashMap<u64, u32>,
}

type Shared = Arc<Mutex<Memory>>;

/// Serves until it is dropped.
///
/// # Errors
/// Where the socket fails.
pub async fn serve(listener: tokio::net::TcpListener) -> std::io::Result<()> {
    let router = axum::Router::new()
        .route("/quote", post(quote))
        .route("/charge", post(charge))
        .route("/pack", post(pack))
        .route("/reports", post(begin_report))
        .route("/reports/{report}", get(ask_after_report))
        .with_state(Shared::default());
    axum::serve(listener, router).await
}

/// What was sent; nothing, where it is no JSON.
fn read(body: &Bytes) -> Value {
    serde_json::from_slice(body).unwrap_or_default()
}

fn answer(value: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

/// What each item costs, and all of them.
async fn quote(body: Bytes) -> Response {
    let asked = read(&body);
    let items = asked["items"].as_array().cloned().unwrap_or_default();
    let priced: Vec<Value> = items
        .iter()
        .map(|item| {
            let sku = item["sku"].as_str().unwrap_or_default();
            json!({"sku": sku, "price": sku.len() * 10})
        })
        .collect();
    let total: u64 = priced.iter().filter_map(|item| item["price"].as_u64()).sum();
    answer(&json!({"items": priced, "total": total}))
}

/// Takes the money, but never at the first try. Whoever repeats a call with the key of one that
/// succeeded gets the same receipt.
async fn charge(State(memory): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let asked = read(&body);
    let order = asked["orderId"].to_string();
    let is_first = memory.lock().unwrap_or_else(PoisonError::into_inner).charged.insert(order.clone());
    if is_first {
        return (StatusCode::SERVICE_UNAVAILABLE, "the bank does not answer").into_response();
    }
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).unwrap_or_default();
    let receipt = format!("R-{order}-{}", key.get(..6).unwrap_or("000000"));
    answer(&json!({"receipt": receipt}))
}

async fn pack(body: Bytes) -> Response {
    let asked = read(&body);
    let sku = asked["sku"].as_str().unwrap_or_default();
    answer(&json!({"box": if sku.len() > 4 { "large" } else { "small" }}))
}

async fn begin_report(State(memory): State<Shared>) -> Response {
    let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
    let report = memory.asked_after.len() as u64 + 1;
    memory.asked_after.insert(report, 0);
    answer(&json!({"report": report}))
}

async fn ask_after_report(State(memory): State<Shared>, Path(report): Path<u64>) -> Response {
    let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(asked) = memory.asked_after.get_mut(&report) else {
        return (StatusCode::NOT_FOUND, "there is no such report").into_response();
    };
    *asked += 1;
    let is_ready = *asked >= ASKED_UNTIL_READY;
    let (status, rows) = if is_ready { ("ready", json!(["a", "b", "c"])) } else { ("running", json!([])) };
    answer(&json!({"status": status, "rows": rows}))
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8787".to_owned());
    let address: SocketAddr =
        address.parse().map_err(|_| std::io::Error::other(format!("`{address}` is no ADDRESS:PORT")))?;
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .map_err(|error| std::io::Error::other(format!("cannot listen on {address}: {error}")))?;
    println!("listening on http://{}", listener.local_addr()?);
    serve(listener).await
}

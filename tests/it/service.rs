//! A real HTTP service of this machine that notes what it is asked and answers as it is told.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::sync::Semaphore;

/// A request that came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: Method,
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    pub body: Value,
    pub came_at: Instant,
    pub answered_at: Option<Instant>,
}

impl Asked {
    pub fn idempotency_key(&self) -> &str {
        self.headers.get("idempotency-key").map(|key| key.to_str().unwrap()).unwrap_or_default()
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
    /// How long the answer takes.
    pub delay: Duration,
}

impl Answer {
    pub fn json(body: &Value) -> Self {
        Self {
            status: 200,
            headers: vec![("content-type", "application/json".to_owned())],
            body: body.to_string().into(),
            delay: Duration::ZERO,
        }
    }

    pub fn status(status: u16, body: &str) -> Self {
        let body = Bytes::copy_from_slice(body.as_bytes());
        Self { status, headers: Vec::new(), body, delay: Duration::ZERO }
    }

    pub fn with(mut self, header: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((header, value.into()));
        self
    }

    pub fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }
}

type Script = Box<dyn Fn(Asked, usize) -> Pin<Box<dyn Future<Output = Answer> + Send>> + Send + Sync>;

/// The service. It ends with the runtime that it was begun on.
#[derive(Clone)]
pub struct Service {
    pub address: SocketAddr,
    state: Arc<ServiceState>,
}

struct ServiceState {
    asked: Mutex<Vec<Asked>>,
    counts: Mutex<BTreeMap<String, usize>>,
    script: Script,
}

/// What answers wait at until a test lets them pass.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Semaphore>);

impl Gate {
    pub fn shut() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    /// Lets so many pass, those who come later included.
    pub fn let_pass(&self, count: usize) {
        self.0.add_permits(count);
    }

    /// Lets everybody pass from now on.
    pub fn open(&self) {
        self.0.add_permits(Semaphore::MAX_PERMITS / 2);
    }

    pub async fn pass(&self) {
        self.0.acquire().await.unwrap().forget();
    }
}

impl Service {
    /// One whose answers wait at a gate.
    pub fn behind(gate: &Gate, body: Value) -> Self {
        let gate = gate.clone();
        Self::on_thread(move |_, _| {
            let (gate, body) = (gate.clone(), body.clone());
            async move {
                gate.pass().await;
                Answer::json(&body)
            }
        })
    }

    /// A service whose answers depend on the request and on how often its path was asked for before.
    pub async fn start(script: impl Fn(&Asked, usize) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0", script).await
    }

    /// The same at an address of one's choice.
    pub async fn start_at(
        address: &str,
        script: impl Fn(&Asked, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let script: Script = Box::new(move |asked, n| Box::pin(std::future::ready(script(&asked, n))));
        let service = Self::new(listener.local_addr().unwrap(), script);
        tokio::spawn(service.clone().serve(listener));
        service
    }

    /// A service on a thread of its own, whose answers may wait for whatever a test waits for.
    pub fn on_thread<A>(script: impl Fn(Asked, usize) -> A + Send + Sync + 'static) -> Self
    where
        A: Future<Output = Answer> + Send + 'static,
    {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let script: Script = Box::new(move |asked, n| Box::pin(script(asked, n)));
        let service = Self::new(listener.local_addr().unwrap(), script);
        let serving = service.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { serving.serve(listener.try_into().unwrap()).await });
        });
        service
    }

    fn new(address: SocketAddr, script: Script) -> Self {
        let (asked, counts) = (Mutex::default(), Mutex::default());
        Self { address, state: Arc::new(ServiceState { asked, counts, script }) }
    }

    async fn serve(self, listener: tokio::net::TcpListener) {
        let router = Router::new().fallback(answer).with_state(self.state);
        axum::serve(listener, router).await.unwrap();
    }

    /// A service that gives every request back as `{path, body, n}`.
    pub async fn echo() -> Self {
        Self::start(|asked, n| {
            Answer::json(&serde_json::json!({"path": asked.path, "body": asked.body, "n": n}))
        })
        .await
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.state.asked.lock().unwrap().clone()
    }

    /// How often it was asked so far.
    pub fn count(&self) -> usize {
        self.state.asked.lock().unwrap().len()
    }

    /// What it was asked under a path.
    pub fn asked_at(&self, path: &str) -> Vec<Asked> {
        self.asked().into_iter().filter(|asked| asked.path == path).collect()
    }
}

async fn answer(
    State(state): State<Arc<ServiceState>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let body = serde_json::from_slice(&body)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into_owned()));
    let asked = Asked {
        method,
        path: uri.path().to_owned(),
        query: uri.query().unwrap_or_default().to_owned(),
        headers,
        body,
        came_at: Instant::now(),
        answered_at: None,
    };
    let n = {
        let mut counts = state.counts.lock().unwrap();
        let count = counts.entry(asked.path.clone()).or_default();
        *count += 1;
        *count - 1
    };
    let position = {
        let mut all = state.asked.lock().unwrap();
        all.push(asked.clone());
        all.len() - 1
    };
    let Answer { status, headers, body, delay } = (state.script)(asked, n).await;
    tokio::time::sleep(delay).await;
    state.asked.lock().unwrap()[position].answered_at = Some(Instant::now());
    let mut response = (StatusCode::from_u16(status).unwrap(), body).into_response();
    for (name, value) in headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

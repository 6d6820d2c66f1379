//! An HTTP endpoint of this machine whose answers may wait for whatever a test waits for.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::Response;

/// A call that was made.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) body: String,
    pub(crate) headers: BTreeMap<String, String>,
    /// Which call to this path it is, from 1.
    pub(crate) number: usize,
    pub(crate) at: Instant,
}

/// The endpoint. It ends with the test binary.
pub(crate) struct Endpoint {
    pub(crate) url: String,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Endpoint {
    /// Starts an endpoint that answers calls.
    pub(crate) fn start<F, A>(answer: F) -> Self
    where
        F: Fn(Call) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Response<Body>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let calls = Arc::new(Mutex::new(Vec::new()));
        let noted = calls.clone();
        let router = Router::new().fallback(move |request: Request| {
            let (noted, answer) = (noted.clone(), answer.clone());
            async move {
                let call = note(&noted, request).await;
                answer(call).await
            }
        });
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                axum::serve(listener, router).await.unwrap();
            });
        });
        Self { url, calls }
    }

    /// The calls so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }
}

async fn note(calls: &Mutex<Vec<Call>>, request: Request) -> Call {
    let at = Instant::now();
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let path = parts.uri.path().to_owned();
    let headers = parts.headers.iter();
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    let mut calls = calls.lock().unwrap();
    let number = calls.iter().filter(|call| call.path == path).count() + 1;
    let call = Call {
        method: parts.method.to_string(),
        path,
        body: String::from_utf8(body.to_vec()).unwrap(),
        headers: headers.collect(),
        number,
        at,
    };
    calls.push(call.clone());
    call
}

/// An answer in JSON.
pub(crate) fn json(status: u16, text: &str) -> Response<Body> {
    let answer = Response::builder().status(status).header("content-type", "application/json");
    answer.body(Body::from(text.to_owned())).unwrap()
}

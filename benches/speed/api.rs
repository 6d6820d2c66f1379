//! The API server, asked as directly as it goes: keep-alive connections, bodies as text, and of the
//! answers nothing is decoded but what is used. What the floor is made of must cost next to nothing.

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Asks for an answer without spec and status.
const METADATA_ONLY: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The API server in the eyes of one account.
#[derive(Clone, Debug)]
pub struct Api {
    http: reqwest::Client,
    server: String,
    token: String,
}

/// Where an object stands, as the API server answers a write.
#[derive(Debug, serde::Deserialize)]
pub struct Written {
    pub metadata: Version,
}

#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    pub name: String,
    pub uid: String,
    pub resource_version: String,
}

impl Api {
    /// With the server of a kubeconfig and a token.
    pub fn new(kubeconfig: &Path, token: &str) -> Self {
        let text = std::fs::read_to_string(kubeconfig).unwrap();
        let config = millrace::source::parse(&text).unwrap().to_value().to_json();
        let config: Value = serde_json::from_str(&config).unwrap();
        let cluster = &config["clusters"][0]["cluster"];
        let server = cluster["server"].as_str().unwrap().trim_end_matches('/').to_owned();
        let authority = cluster["certificate-authority-data"].as_str().unwrap();
        let authority = base64::engine::general_purpose::STANDARD.decode(authority).unwrap();
        let http = reqwest::Client::builder().tls_backend_preconfigured(tls(&authority)).build().unwrap();
        Self { http, server, token: token.to_owned() }
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.server)).bearer_auth(&self.token)
    }

    async fn answer(&self, what: &str, request: reqwest::RequestBuilder) -> String {
        let response = request.timeout(TIMEOUT).send().await.unwrap_or_else(|why| panic!("{what}: {why}"));
        let status = response.status();
        let text = response.text().await.unwrap_or_else(|why| panic!("{what}: {why}"));
        assert!(status.is_success(), "{what}: {status} {text}");
        text
    }

    pub async fn get(&self, path: &str) -> String {
        self.answer(path, self.request(Method::GET, path)).await
    }

    /// Makes an object.
    pub async fn create(&self, collection: &str, body: String) -> Written {
        let request = self.request(Method::POST, collection).header("accept", METADATA_ONLY);
        let request = request.header("content-type", "application/json").body(body);
        serde_json::from_str(&self.answer(collection, request).await).unwrap()
    }

    /// Writes a status as the controller does.
    pub async fn put_status(&self, path: &str, body: String) -> Written {
        let request = self.request(Method::PUT, path).header("accept", METADATA_ONLY);
        let request = request.header("content-type", "application/json").body(body);
        serde_json::from_str(&self.answer(path, request).await).unwrap()
    }

    /// Removes an object.
    pub async fn delete(&self, path: &str) {
        self.answer(path, self.request(Method::DELETE, path).header("accept", METADATA_ONLY)).await;
    }

    /// Removes all objects of a collection, and waits until they are gone.
    pub async fn clear(&self, collection: &str) {
        let body = r#"{"apiVersion":"v1","kind":"DeleteOptions","propagationPolicy":"Background"}"#;
        loop {
            let request = self.request(Method::DELETE, collection).body(body);
            let request = request.header("content-type", "application/json").timeout(TIMEOUT);
            let response = request.send().await.unwrap();
            // The API server gives up after a minute; the rest goes with the next request.
            let is_slow = matches!(response.status(), StatusCode::GATEWAY_TIMEOUT);
            assert!(response.status().is_success() || is_slow, "{collection}: {}", response.status());
            let list: Value =
                serde_json::from_str(&self.get(&format!("{collection}?limit=1")).await).unwrap();
            if list["items"].as_array().is_some_and(Vec::is_empty) {
                return;
            }
        }
    }

    /// Follows a collection from now on.
    pub async fn watch(&self, collection: &str, parameters: &str) -> Watch {
        let list: Value = serde_json::from_str(&self.get(&format!("{collection}?limit=1")).await).unwrap();
        let version = list["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
        self.watch_from(collection, parameters, &version, "application/json").await
    }

    /// Follows a collection from a version on, in a form of one's choice.
    pub async fn watch_from(&self, collection: &str, parameters: &str, version: &str, form: &str) -> Watch {
        let path = format!("{collection}?watch=true&resourceVersion={version}&{parameters}");
        let response = self.request(Method::GET, &path).header("accept", form).send().await.unwrap();
        assert!(response.status().is_success(), "{path}: {}", response.status());
        Watch { response, buffer: Vec::new() }
    }
}

/// A watch that goes on.
pub struct Watch {
    response: reqwest::Response,
    buffer: Vec<u8>,
}

impl Watch {
    /// Takes in all that comes and looks at none of it.
    pub async fn drain(mut self) {
        while let Ok(Some(_)) = self.response.chunk().await {}
    }

    /// The next event.
    pub async fn next<T: DeserializeOwned>(&mut self) -> T {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return serde_json::from_slice(&line).unwrap();
            }
            let chunk = tokio::time::timeout(TIMEOUT, self.response.chunk()).await;
            let chunk = chunk.expect("a watch shows nothing").unwrap().expect("a watch has ended");
            self.buffer.extend_from_slice(&chunk);
        }
    }
}

/// TLS with the authority of the cluster. HTTP/1.1 and one connection per request under way carried as
/// much as HTTP/2 and is what the controller does.
fn tls(authority: &[u8]) -> rustls::ClientConfig {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authority) {
        roots.add(certificate.unwrap()).unwrap();
    }
    rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()
}

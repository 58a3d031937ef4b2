//! A client that holds every status it sees against the OpenAPI document of the server.

use reqwest::header::HeaderMap;
use serde_json::Value;

/// One answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    /// The JSON body of an answer that must be a success.
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json()
    }
}

#[derive(Clone)]
pub struct Client {
    pub url: String,
    pub http: reqwest::Client,
}

impl Client {
    pub fn new(url: String) -> Self {
        // This process may hold no server that did it.
        hostler::webhook::prepare_tls();
        Self {
            url,
            http: reqwest::Client::new(),
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("get", path, self.http.get(format!("{}{path}", self.url)))
            .await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_with(path, &[("content-type", "application/json")], body.to_string())
            .await
    }

    pub async fn post_with(&self, path: &str, headers: &[(&str, &str)], body: impl Into<reqwest::Body>) -> Answer {
        let request = self.http.post(format!("{}{path}", self.url)).body(body);
        let request = headers.iter().fold(request, |r, (name, value)| r.header(*name, *value));
        self.send("post", path, request).await
    }

    async fn send(&self, verb: &str, path: &str, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await.unwrap().to_vec();
        self.documented(verb, path, status).await;
        Answer { status, headers, body }
    }

    /// What a path answers, its documentation must name.
    async fn documented(&self, verb: &str, path: &str, status: u16) {
        let Ok(response) = self.http.get(format!("{}/openapi.json", self.url)).send().await else {
            return;
        };
        let document: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        let Some(operation) = document["paths"].get(path).and_then(|p| p.get(verb)) else {
            return;
        };
        let responses = &operation["responses"];
        // Where an author shapes the response himself, no list can name its statuses.
        let named = responses.get(status.to_string()).is_some() || responses.get("default").is_some();
        assert!(
            named,
            "{verb} {path} answered {status}, which its OpenAPI does not name"
        );
    }
}

//! What tests of tasks share: the fixture folders as a server, requests in random company, answers held against a
//! recorded reference.

use std::path::{Path, PathBuf};

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use crate::support::TestServer;

/// Scores may differ from the reference, and from other company in a batch, by this much.
pub const TOLERANCE: f64 = 1e-4;

pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// A record of `tests/fixtures`, by its file name without `.json`.
pub fn record(name: &str) -> Value {
    let text = std::fs::read(fixtures().join(format!("{name}.json"))).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// The cases of a record, with the models they are for.
pub struct Cases {
    pub cases: Vec<Value>,
    models: Vec<String>,
}

impl Cases {
    /// Cases hold `model`, `request`, and the fields of the answer.
    pub fn read(name: &str) -> Self {
        let read = Self::of(record(name)["cases"].as_array().unwrap().clone());
        assert!(read.cases.len() >= 20 * read.models.len(), "{name} has too few cases");
        read
    }

    /// Cases of a record of another form, brought to that of [`Cases::read`].
    pub fn of(cases: Vec<Value>) -> Self {
        let mut models: Vec<String> = cases
            .iter()
            .map(|case| case["model"].as_str().unwrap().to_owned())
            .collect();
        models.sort();
        models.dedup();
        Self { cases, models }
    }

    /// Serves the models; `more` are keys of their entries.
    pub async fn serve(&self, more: &Value) -> TestServer {
        let entry = |model: &String| {
            let mut entry = json!({"model": model});
            for (key, value) in more.as_object().unwrap() {
                entry[key] = value.clone();
            }
            entry
        };
        let entries: Vec<Value> = self.models.iter().map(entry).collect();
        serve(&Value::Array(entries)).await
    }

    /// Holds the server's answers against the record: one request after another in runs of one row, then in the
    /// company of random others.
    pub async fn hold(&self) {
        let alone = {
            let server = self.serve(&json!({"max_batch_size": 1})).await;
            let mut answers = Vec::new();
            for case in &self.cases {
                answers.push(ask(&server, case).await);
            }
            answers
        };
        for (answer, case) in alone.iter().zip(&self.cases) {
            agree(answer, &wanted(case), case);
        }
        let server = self.serve(&json!({"max_batch_size": 7, "max_queue_delay_ms": 3})).await;
        let mut order: Vec<usize> = (0..self.cases.len()).collect();
        for seed in 0..4 {
            fastrand::Rng::with_seed(seed).shuffle(&mut order);
            let asked = order.iter().map(|i| ask(&server, &self.cases[*i]));
            let answers: Vec<Value> = stream::iter(asked).buffered(24).collect().await;
            for (i, answer) in order.iter().zip(&answers) {
                agree(answer, &alone[*i], &self.cases[*i]);
            }
        }
    }
}

/// Serves fixture folders.
pub async fn serve(entries: &Value) -> TestServer {
    TestServer::folders(&fixtures().join("models"), &entries.to_string(), &[]).await
}

/// The answer to a case's request.
async fn ask(server: &TestServer, case: &Value) -> Value {
    let url = format!("{}/{}", server.client.url, case["model"].as_str().unwrap());
    let request = server.client.http.post(url).body(case["request"].to_string());
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let body = response.bytes().await.unwrap();
    assert_eq!(status, 200, "{}\n{case}", String::from_utf8_lossy(&body));
    serde_json::from_slice(&body).unwrap()
}

/// What a case's answer must be: the case without what was asked, and without the tokens of its texts, which no answer
/// tells; the tests of the tasks' pipelines hold these.
fn wanted(case: &Value) -> Value {
    let fields = case.as_object().unwrap().iter();
    let answer = fields.filter(|(key, _)| !["model", "request", "ids"].contains(&key.as_str()));
    Value::Object(answer.map(|(key, value)| (key.clone(), value.clone())).collect())
}

/// Everything alike, scores within the tolerance.
#[track_caller]
pub fn agree(got: &Value, want: &Value, case: &Value) {
    if let Some(place) = difference(got, want) {
        panic!("{place}\ngot  {got}\nwant {want}\ncase {case}");
    }
}

/// The first place where two values differ.
fn difference(got: &Value, want: &Value) -> Option<String> {
    match (got, want) {
        (Value::Object(a), Value::Object(b)) => {
            let differ = |(key, want): (&String, &Value)| match a.get(key) {
                Some(got) => difference(got, want).map(|place| format!(".{key}{place}")),
                None => Some(format!(".{key} is missing")),
            };
            let extra = a.keys().find(|key| !b.contains_key(*key));
            b.iter()
                .find_map(differ)
                .or(extra.map(|key| format!(".{key} is more than wanted")))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let mut pairs = a.iter().zip(b).enumerate();
            pairs.find_map(|(i, (got, want))| difference(got, want).map(|place| format!(".{i}{place}")))
        }
        (Value::Number(a), Value::Number(b)) if a.is_f64() || b.is_f64() => {
            let apart = (a.as_f64().unwrap() - b.as_f64().unwrap()).abs();
            (apart > TOLERANCE).then(|| format!(": {a} is not {b}"))
        }
        (got, want) => (got != want).then(|| ": not alike".to_owned()),
    }
}

/// The path of the first fault of a request that is refused with 422.
pub async fn fault(server: &TestServer, path: &str, request: &Value) -> Vec<String> {
    let answer = server.client.post(path, request).await;
    assert_eq!(answer.status, 422, "{}", answer.text());
    let told = answer.json();
    let loc = told["detail"][0]["loc"].as_array().unwrap();
    loc.iter().map(|part| part.as_str().unwrap().to_owned()).collect()
}

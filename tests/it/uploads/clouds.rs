//! Object stores of three kinds, each in a process of its own.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::ETAG;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use hostler::upload::{Uploader, Uploads, Wish};
use hostler::webhook::{AllowList, Client as Guarded};
use hostler::{FileOutput, Files, Output};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{PNG, picture, sha256};
use crate::support::python::{copies, interpreter, with_packages};
use crate::support::{Binary, eventually, settings};

const BUCKET: &str = "files";

/// What was asked of a store that a test plays.
type Seen = Arc<Mutex<Vec<(Method, Bytes)>>>;

/// An object store in a process of its own, ended when dropped.
struct Cloud {
    process: Child,
    environment: BTreeMap<String, String>,
}

impl Cloud {
    fn start(arguments: &[&str]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/uploads/servers.py");
        let mut process = Command::new(interpreter())
            .arg("-B")
            .arg(script)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let environment = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{arguments:?}: {e}: {line:?}"));
        Self { process, environment }
    }

    fn uploader(&self, url: &str) -> Uploader {
        opened(url, &self.environment)
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        // The end of its input is the end of it.
        drop(self.process.stdin.take());
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end && matches!(self.process.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(10));
        }
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn opened(url: &str, environment: &BTreeMap<String, String>) -> Uploader {
    let url = settings(&[("SERVER_UPLOAD_URL", url)]).upload_url.unwrap();
    let uploads = Uploads::open_with(&url, environment).unwrap();
    Uploader::new(Some(uploads), Guarded::new(AllowList::default()).unwrap())
}

fn wish(model: &str) -> Wish {
    Wish {
        model: Arc::from(model),
        run: None,
        webhook: None,
        responses: false,
        started: Instant::now(),
    }
}

/// A small file and one that goes in parts.
fn two_files() -> Vec<FileOutput> {
    let large: Vec<u8> = (0..20_000_001_u32).map(|i| u8::try_from(i % 251).unwrap()).collect();
    let large = FileOutput {
        name: "large.bin".to_owned(),
        content_type: "application/x-large".to_owned(),
        bytes: large.into(),
    };
    vec![picture(7), large]
}

/// Uploads files, and fetches them by the links of their records. Gives the ETags that the store has for them.
async fn there_and_back(uploader: &Uploader, prefix: &str, signed_by: &str) -> Vec<String> {
    let files = two_files();
    let output = Output::Files(Files::list(files.clone()));
    let told = match uploader.deliver(output, wish("painter")).await.unwrap() {
        Output::Json(text) => serde_json::from_slice::<Value>(&text).unwrap(),
        other => panic!("{other:?}"),
    };
    let records = told.as_array().unwrap();
    assert_eq!(records.len(), files.len());
    let mut tags = Vec::new();
    for (record, file) in records.iter().zip(&files) {
        let (key, url) = (record["key"].as_str().unwrap(), record["url"].as_str().unwrap());
        assert!(key.starts_with(&format!("{prefix}painter/")), "{key}");
        assert!(url.contains(key) && url.contains(signed_by), "{url}");
        let answer = reqwest::get(url).await.unwrap();
        assert_eq!(answer.status(), 200, "{url}");
        assert_eq!(answer.headers()["content-type"], file.content_type.as_str());
        let tag = answer.headers().get("etag");
        tags.push(tag.map_or_else(String::new, |tag| tag.to_str().unwrap().to_owned()));
        let bytes = answer.bytes().await.unwrap();
        assert!(bytes == file.bytes, "{key} is something else now");
        assert_eq!(record["size"], bytes.len());
        assert_eq!(record["sha256"], sha256(&bytes));
        assert_eq!(record["content_type"], file.content_type.as_str());
    }
    tags
}

#[tokio::test(flavor = "multi_thread")]
async fn to_s3_and_back_by_signed_links() {
    let cloud = Cloud::start(&["s3"]);
    let uploader = cloud.uploader("s3://files/out/pictures");
    let tags = there_and_back(&uploader, "out/pictures/", "X-Amz-Signature=").await;
    // S3 tells by the tag how many parts a file came in: none, and three of at most 8 MiB.
    assert!(
        !tags[0].contains('-') && tags[1].trim_matches('"').ends_with("-3"),
        "{tags:?}"
    );
    there_and_back(&cloud.uploader("s3://files"), "", "X-Amz-Expires=604800").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn to_google_and_back_by_signed_links() {
    let cloud = Cloud::start(&["gcs"]);
    there_and_back(&cloud.uploader("gs://files/out"), "out/", "X-Goog-Signature=").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn to_azure_and_back_by_signed_links() {
    let Ok(program) = std::env::var("HOSTLER_TEST_AZURITE") else {
        println!("HOSTLER_TEST_AZURITE names no azurite-blob: Azure was not tried");
        return;
    };
    let cloud = Cloud::start(&["azure", &program]);
    there_and_back(&cloud.uploader("az://files/out"), "out/", "sig=").await;
}

async fn failure(uploader: &Uploader, model: &str, files: Vec<FileOutput>) -> String {
    let output = Output::Files(Files::list(files));
    let error = uploader.deliver(output, wish(model)).await.unwrap_err();
    error.message().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_is_told_of_and_keeps_nothing() {
    let s3 = Cloud::start(&["s3"]);
    let nowhere = s3.uploader("s3://no-such-bucket");
    let told = failure(&nowhere, "painter", vec![picture(0)]).await;
    assert_eq!(
        told,
        "the files could not be uploaded: the bucket, container or folder is not there"
    );

    // The second part of the large file is refused: the small one before it goes, too.
    let google = Cloud::start(&["gcs"]);
    let told = failure(&google.uploader("gs://files"), "broken", two_files()).await;
    assert_eq!(told, "the files could not be uploaded: the store answered 400");
    let account: Value = serde_json::from_str(&google.environment["GOOGLE_SERVICE_ACCOUNT_KEY"]).unwrap();
    let base = account["gcs_base_url"].as_str().unwrap();
    let text = async |path: &str| {
        reqwest::get(format!("{base}{path}"))
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
    };
    eventually("the parts and the small file are gone", async || {
        let listed = text(&format!("/storage/v1/b/{BUCKET}/o")).await;
        text("/uploads-under-way").await == "0" && !listed.contains("broken")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_is_tried_for_a_while() {
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let told = failure(&opened("s3://files", &s3_at(free)), "painter", vec![picture(0)]).await;
    assert_eq!(told, "the files could not be uploaded: no connection can be made");
}

/// The environment that leads to an S3 at an address of this machine.
fn s3_at(address: SocketAddr) -> BTreeMap<String, String> {
    let environment = [
        ("AWS_ENDPOINT_URL", format!("http://{address}")),
        ("AWS_ALLOW_HTTP", "true".to_owned()),
        ("AWS_ACCESS_KEY_ID", "a".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "b".to_owned()),
        // A template left it blank.
        ("AWS_SESSION_TOKEN", String::new()),
    ];
    BTreeMap::from(environment.map(|(name, value)| (name.to_owned(), value)))
}

/// Plays an S3 that is busy when it is asked for the first and the second time.
async fn busy_twice(State(seen): State<Seen>, method: Method, body: Bytes) -> Response {
    let mut seen = seen.lock().unwrap();
    seen.push((method, body));
    if seen.len() <= 2 {
        StatusCode::SERVICE_UNAVAILABLE.into_response()
    } else {
        [(ETAG, "\"1\"")].into_response()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_busy_is_asked_again() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let uploader = opened("s3://files", &s3_at(listener.local_addr().unwrap()));
    let seen = Seen::default();
    let router = Router::new().fallback(busy_twice).with_state(Arc::clone(&seen));
    let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let output = Output::Files(Files::one(picture(0)));
    let told = uploader.deliver(output, wish("painter")).await.unwrap();
    assert!(matches!(told, Output::Json(_)), "{told:?}");
    let requests = seen.lock().unwrap().clone();
    let put = (Method::PUT, picture(0).bytes);
    assert_eq!(requests, [put.clone(), put.clone(), put]);
    task.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_uploads_to_where_its_environment_says() {
    let cloud = Cloud::start(&["s3"]);
    let models = copies(&[("kserve_rotate", &with_packages())]);
    let mut environment = cloud.environment.clone();
    environment.insert("SERVER_UPLOAD_URL".to_owned(), format!("s3://{BUCKET}/out"));
    let server = Binary::folders_with(models.path(), r#"[{"model":"kserve_rotate"}]"#, &environment).await;
    let records = server.client.post("/kserve_rotate", &json!({})).await.ok();
    let answer = reqwest::get(records[0]["url"].as_str().unwrap()).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "image/png");
    assert!(answer.bytes().await.unwrap().starts_with(PNG));
    assert!(records[0]["key"].as_str().unwrap().starts_with("out/kserve_rotate/"));
}

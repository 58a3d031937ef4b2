//! Files of answers: to clients as they always went, to object stores, and to addresses that requests name.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hostler::upload::{Uploader, Uploads, Wish};
use hostler::webhook::{AllowList, Client as Guarded};
use hostler::{Batch, Contract, Error, FileOutput, Files, Mount, Output, Pipeline, Schema, Server};
use serde_json::{Value, json};

use crate::support::python::{copies, interpreter, with_packages};
use crate::support::{Binary, Reaction, Receiver, TestServer, eventually, settings};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
const ACCEPT_JSON: (&str, &str) = ("accept", "application/json");
const LOOPBACK: (&str, &str) = ("SERVER_WEBHOOK_ALLOW", "127.0.0.1");
const BUCKET: &str = "files";

/// Answers the files that a request asks for.
struct Painter;

impl Pipeline for Painter {
    fn run(&mut self, batch: &mut Batch) -> Result<(), Error> {
        for request in batch.iter_mut() {
            let asked = request.take_input().into_json();
            request.finish(asked.and_then(|asked| paint(&asked)));
        }
        Ok(())
    }
}

fn picture(number: u64) -> FileOutput {
    FileOutput {
        name: format!("picture {number}.png"),
        content_type: "image/png".to_owned(),
        bytes: [PNG, number.to_string().as_bytes()].concat().into(),
    }
}

fn paint(asked: &Value) -> Result<Output, Error> {
    match asked["as"].as_str() {
        Some("list") => {
            let count = asked["count"].as_u64().unwrap_or(2);
            Ok(Output::Files(Files::list((0..count).map(picture).collect())))
        }
        Some("inside") => {
            let text = format!("{{\"best\":,\"asked\":{asked}}}");
            Files::placed(text, vec![picture(0)], vec![(8, 0)])
                .map(Output::Files)
                .map_err(Error::pipeline)
        }
        Some("media") => Ok(Output::Media {
            content_type: "audio/wav".to_owned(),
            bytes: "RIFF".into(),
        }),
        Some("text") => Output::json(asked),
        _ => Ok(Output::Files(Files::one(picture(0)))),
    }
}

async fn serve(more: &[(&str, &str)]) -> TestServer {
    let mut contract = Contract::json(Schema::any(), Schema::any());
    contract.media = vec!["*/*".to_owned()];
    let built = Server::builder::<()>()
        .settings(settings(more))
        .pipeline(Mount::new("/painter", contract, |_| Ok(Painter)))
        .build()
        .unwrap();
    TestServer::library(built).await
}

async fn serve_with_folder(folder: &Path, more: &[(&str, &str)]) -> TestServer {
    let url = format!("file:{}", folder.display());
    serve(&[&[("SERVER_UPLOAD_URL", url.as_str())][..], more].concat()).await
}

/// The file of a record, which must be what the record says.
fn fetched(folder: &Path, record: &Value) -> Vec<u8> {
    let key = record["key"].as_str().unwrap_or_else(|| panic!("{record}"));
    let bytes = std::fs::read(folder.join(key)).unwrap();
    let root = std::fs::canonicalize(folder).unwrap();
    assert_eq!(record["url"], format!("file://{}", root.join(key).display()));
    assert_eq!(record["size"], bytes.len());
    assert_eq!(record["sha256"].as_str().unwrap().len(), 64);
    bytes
}

/// Files below a folder.
fn all(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(all(&path));
        } else {
            found.push(path);
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_place_for_them_files_go_to_the_client() {
    let server = serve(&[]).await;
    let client = &server.client;
    for headers in [&[][..], &[("accept", "image/png")], &[("accept", "text/html, */*")]] {
        let file = client.post_with("/painter", headers, "{}").await;
        assert_eq!((file.status, file.header("content-type")), (200, "image/png"));
        assert!(file.body.starts_with(PNG));
    }
    let told = client.post_with("/painter", &[ACCEPT_JSON], "{}").await.ok();
    let first = json!({"name": "picture 0.png", "type": "image/png", "data": "iVBORw0KGgow"});
    assert_eq!(told, first);
    let list = client.post("/painter", &json!({"as": "list"})).await.ok();
    assert_eq!((list.as_array().unwrap().len(), &list[0]), (2, &first));
    let asked = json!({"as": "inside", "n": 1.5});
    let inside = client.post("/painter", &asked).await.ok();
    assert_eq!(inside, json!({"best": first, "asked": asked}));
    let media = client.post("/painter", &json!({"as": "media"})).await;
    assert_eq!(
        (media.header("content-type"), &media.body[..]),
        ("audio/wav", &b"RIFF"[..])
    );
    let predicted = client.post("/v1/models/painter:predict", &json!({})).await;
    assert!(predicted.body.starts_with(PNG));
    let instances = json!({"instances": [{}, {"as": "text"}]});
    let predicted = client.post("/v1/models/painter:predict", &instances).await.ok();
    assert_eq!(predicted, json!({"predictions": [first, {"as": "text"}]}));
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_folder_files_become_records() {
    let dir = tempfile::tempdir().unwrap();
    let server = serve_with_folder(dir.path(), &[]).await;
    let client = &server.client;

    let record = client
        .post_with("/painter", &[("x-request-id", "../mine")], "{}")
        .await
        .ok();
    assert_eq!(fetched(dir.path(), &record), [PNG, b"0"].concat());
    assert_eq!(record["content_type"], "image/png");
    assert_eq!(record["name"], "picture 0.png");
    let key = record["key"].as_str().unwrap();
    assert!(key.starts_with("painter/") && key.ends_with("-0.png"), "{key}");
    assert!(!key.contains("mine"), "a client's id is no part of a key: {key}");

    let list = client.post("/painter", &json!({"as": "list", "count": 3})).await.ok();
    for (n, record) in list.as_array().unwrap().iter().enumerate() {
        assert_eq!(fetched(dir.path(), record), [PNG, n.to_string().as_bytes()].concat());
    }
    let inside = client.post("/painter", &json!({"as": "inside", "n": 1})).await.ok();
    assert_eq!(inside["asked"], json!({"as": "inside", "n": 1}));
    fetched(dir.path(), &inside["best"]);
    let media = client.post("/painter", &json!({"as": "media"})).await.ok();
    assert_eq!(fetched(dir.path(), &media), b"RIFF");
    assert!(media["key"].as_str().unwrap().ends_with("-0.wav"));

    for (path, body) in [
        ("/v1/models/painter:predict", json!({})),
        ("/v1/models/painter:predict", json!({"instances": [{}]})),
    ] {
        let told = client.post(path, &body).await.ok();
        let record = if told["predictions"].is_null() {
            &told
        } else {
            &told["predictions"][0]
        };
        fetched(dir.path(), record);
    }
    let events = client
        .post_with("/painter", &[("accept", "text/event-stream")], "{}")
        .await;
    let data = events.text();
    let data = data
        .strip_prefix("event: result\ndata: ")
        .unwrap_or_else(|| panic!("{data}"));
    fetched(dir.path(), &serde_json::from_str(data.trim()).unwrap());

    let before = all(dir.path()).len();
    assert_eq!(before, 1 + 3 + 1 + 1 + 2 + 1);
    // Who asks for the very file gets it, and what is no file stays what it is.
    let file = client.post_with("/painter", &[("accept", "image/png")], "{}").await;
    assert!(file.body.starts_with(PNG));
    let text = json!({"as": "text"});
    assert_eq!(client.post("/painter", &text).await.ok(), text);
    assert_eq!(all(dir.path()).len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_upload_fails_the_request_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    // A file stands where the model's folder would be.
    std::fs::write(dir.path().join("painter"), "").unwrap();
    let server = serve_with_folder(dir.path(), &[]).await;
    for path in ["/painter", "/v1/models/painter:predict"] {
        let answer = server.client.post(path, &json!({"as": "list"})).await;
        assert_eq!(answer.status, 500, "{}", answer.text());
        let told = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(told.starts_with("the files could not be uploaded: "), "{told}");
        assert!(!told.contains('/'), "{told}");
    }
    assert_eq!(all(dir.path()), [dir.path().join("painter")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn upload_webhook_posts_files_one_by_one() {
    let receiver = Receiver::start().await;
    receiver.always(Reaction::Upload);
    let dir = tempfile::tempdir().unwrap();
    let server = serve_with_folder(dir.path(), &[LOOPBACK]).await;
    let client = &server.client;
    let ask = |kind: &str| json!({"as": kind, "upload_webhook": receiver.url("/upload?token=1")});

    for headers in [&[][..], &[("accept", "image/png")]] {
        let told = client.post_with("/painter", headers, ask("one").to_string()).await.ok();
        assert_eq!(told["output"], json!(["https://files/picture 0.png"]));
        let time = told["running_time"].as_str().unwrap();
        assert!(
            time.ends_with('s') && time.trim_end_matches('s').parse::<f64>().is_ok(),
            "{time}"
        );
    }
    let post = &receiver.posts()[0];
    assert_eq!((post.path.as_str(), post.header("num_files")), ("/upload", "1"));
    assert!(
        post.header("content-type")
            .starts_with("multipart/form-data; boundary=")
    );
    assert!(!post.header("content-length").is_empty());
    let form = String::from_utf8_lossy(&post.body).into_owned();
    assert!(form.contains("name=\"file\"; filename=\"picture 0.png\""), "{form}");
    assert!(form.to_ascii_lowercase().contains("content-type: image/png"), "{form}");
    assert!(post.body.windows(PNG.len() + 1).any(|w| w == [PNG, b"0"].concat()));

    let told = client.post("/painter", &ask("list")).await.ok();
    assert_eq!(
        told["output"],
        json!(["https://files/picture 0.png", "https://files/picture 1.png"])
    );
    assert_eq!(receiver.posts().len(), 4);
    let told = client.post("/painter", &ask("inside")).await.ok();
    assert_eq!(told["best"], "https://files/picture 0.png");
    assert_eq!(
        told["asked"],
        json!({"as": "inside"}),
        "the address never reaches the model"
    );
    assert!(told["running_time"].is_string());
    let told = client.post("/painter", &ask("media")).await.ok();
    assert_eq!(told["output"], json!(["https://files/file_0.wav"]));
    let told = client.post("/v1/models/painter:predict", &ask("one")).await.ok();
    assert_eq!(told["output"], json!(["https://files/picture 0.png"]));
    // It goes before the store; an answer without files is what it is.
    assert_eq!(client.post("/painter", &ask("text")).await.ok(), json!({"as": "text"}));
    assert!(all(dir.path()).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn to_a_batch_address_all_files_go_at_once() {
    let receiver = Receiver::start().await;
    receiver.always(Reaction::Upload);
    let server = serve(&[LOOPBACK]).await;
    let ask = json!({"as": "list", "count": 3, "upload_webhook": receiver.url("/upload_batch")});
    let told = server.client.post("/painter", &ask).await.ok();
    let urls: Vec<String> = (0..3).map(|n| format!("https://files/picture {n}.png")).collect();
    assert_eq!(told["output"], json!(urls));
    let posts = receiver.posts();
    assert_eq!((posts.len(), posts[0].header("num_files")), (1, "3"));
    let form = String::from_utf8_lossy(&posts[0].body).into_owned();
    for n in 0..3 {
        assert!(
            form.contains(&format!("name=\"file_{n}\"; filename=\"picture {n}.png\"")),
            "{form}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_fails_is_tried_again_and_then_told_of() {
    let receiver = Receiver::start().await;
    receiver.always(Reaction::Upload);
    let server = serve(&[LOOPBACK]).await;
    let ask = json!({"upload_webhook": receiver.url("/upload")});
    receiver.then([Reaction::Status(500), Reaction::Status(429)]);
    let told = server.client.post("/painter", &ask).await.ok();
    assert_eq!(told["output"].as_array().unwrap().len(), 1);
    assert_eq!(receiver.posts().len(), 3);

    for (reaction, why, posts) in [
        (Reaction::Status(503), "answered 503", 4),
        (Reaction::Status(403), "answered 403", 1),
        (Reaction::Status(200), "answered neither url nor urls", 1),
        (
            Reaction::Redirect(307, "http://10.0.0.1/".to_owned()),
            "has an address that redirects to an address that leads to 10.0.0.1, a private address",
            1,
        ),
    ] {
        let before = receiver.posts().len();
        receiver.always(reaction);
        let answer = server.client.post("/painter", &ask).await;
        assert_eq!(answer.status, 500, "{}", answer.text());
        let told = answer.json()["error"].as_str().unwrap().to_owned();
        let expected = format!("the files could not be uploaded: upload_webhook {why}");
        assert!(told.starts_with(&expected), "{told}");
        assert_eq!(receiver.posts().len() - before, posts, "{why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_sent_on_to_where_a_redirect_leads() {
    let receiver = Receiver::start().await;
    receiver.always(Reaction::Upload);
    receiver.then([Reaction::Redirect(307, "/upload/".to_owned())]);
    let server = serve(&[LOOPBACK]).await;
    let ask = json!({"upload_webhook": receiver.url("/upload")});
    let told = server.client.post("/painter", &ask).await.ok();
    assert_eq!(told["output"], json!(["https://files/picture 0.png"]));
    let posts = receiver.posts();
    let paths: Vec<&str> = posts.iter().map(|post| post.path.as_str()).collect();
    assert_eq!(paths, ["/upload", "/upload/"]);
    assert_eq!(posts[0].body.len(), posts[1].body.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_ends_with_the_deadline_of_its_request() {
    let receiver = Receiver::start().await;
    receiver.always(Reaction::Hang);
    let server = serve(&[LOOPBACK]).await;
    let ask = json!({"upload_webhook": receiver.url("/upload")}).to_string();
    for path in ["/painter", "/v1/models/painter:predict"] {
        let late = server
            .client
            .post_with(path, &[("x-request-timeout", "0.5")], ask.clone())
            .await;
        assert_eq!(late.status, 504, "{}", late.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_not_public_is_refused_before_anything_runs() {
    let receiver = Receiver::start().await;
    let server = serve(&[]).await;
    for url in [
        receiver.url("/upload"),
        "http://169.254.169.254/upload".to_owned(),
        "no".to_owned(),
    ] {
        let ask = json!({"upload_webhook": url});
        let answer = server.client.post("/painter", &ask).await;
        assert_eq!(answer.status, 422, "{url}: {}", answer.text());
        assert_eq!(answer.json()["detail"][0]["loc"], json!(["body", "upload_webhook"]));
        let answer = server.client.post("/v1/models/painter:predict", &ask).await;
        assert_eq!(answer.status, 400, "{url}: {}", answer.text());
    }
    let answer = server.client.post("/painter", &json!({"upload_webhook": 3})).await;
    assert_eq!(answer.status, 422);
    assert!(receiver.posts().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_of_a_kserve_helper_model_are_uploaded() {
    let receiver = Receiver::start().await;
    receiver.always(Reaction::Upload);
    let models = copies(&[("kserve_rotate", &with_packages())]);
    let dir = tempfile::tempdir().unwrap();
    let url = format!("file:{}", dir.path().display());
    let more = [("SERVER_UPLOAD_URL", url.as_str()), LOOPBACK];
    let server = TestServer::folders(models.path(), r#"[{"model":"kserve_rotate"}]"#, &more).await;
    let records = server.client.post("/kserve_rotate", &json!({"count": 2})).await.ok();
    for (n, record) in records.as_array().unwrap().iter().enumerate() {
        assert!(fetched(dir.path(), record).starts_with(PNG));
        assert_eq!(record["name"], format!("turned_{n}.png"));
    }
    let ask = json!({"count": 4, "upload_webhook": receiver.url("/upload_batch")});
    let told = server.client.post("/v1/models/kserve_rotate:predict", &ask).await.ok();
    let urls: Vec<String> = (0..4).map(|n| format!("https://files/turned_{n}.png")).collect();
    assert_eq!(told["output"], json!(urls));
    assert_eq!(receiver.posts().len(), 1);
    assert_eq!(all(dir.path()).len(), 2);
}

// Object stores

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
        id: None,
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

/// Uploads files, and fetches them by the links of their records.
async fn there_and_back(uploader: &Uploader, prefix: &str, signed_by: &str) {
    let files = two_files();
    let output = Output::Files(Files::list(files.clone()));
    let told = match uploader.deliver(output, wish("painter")).await.unwrap() {
        Output::Json(text) => serde_json::from_slice::<Value>(&text).unwrap(),
        other => panic!("{other:?}"),
    };
    for (record, file) in told.as_array().unwrap().iter().zip(&files) {
        let (key, url) = (record["key"].as_str().unwrap(), record["url"].as_str().unwrap());
        assert!(key.starts_with(&format!("{prefix}painter/")), "{key}");
        assert!(url.contains(key) && url.contains(signed_by), "{url}");
        let answer = reqwest::get(url).await.unwrap();
        assert_eq!(answer.status(), 200, "{url}");
        assert_eq!(answer.headers()["content-type"], file.content_type.as_str());
        let bytes = answer.bytes().await.unwrap();
        assert!(bytes == file.bytes, "{key} is something else now");
        assert_eq!(record["size"], bytes.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn to_s3_and_back_by_signed_links() {
    let cloud = Cloud::start(&["s3"]);
    there_and_back(
        &cloud.uploader("s3://files/out/pictures"),
        "out/pictures/",
        "X-Amz-Signature=",
    )
    .await;
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
    let environment = [
        ("AWS_ENDPOINT_URL", format!("http://{free}")),
        ("AWS_ALLOW_HTTP", "true".to_owned()),
        ("AWS_ACCESS_KEY_ID", "a".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "b".to_owned()),
        // A template left it blank.
        ("AWS_SESSION_TOKEN", String::new()),
    ];
    let environment = BTreeMap::from(environment.map(|(name, value)| (name.to_owned(), value)));
    let told = failure(&opened("s3://files", &environment), "painter", vec![picture(0)]).await;
    assert_eq!(told, "the files could not be uploaded: no connection can be made");
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

//! Uploads to a folder. Clouds and receivers are in `tests/it/uploads`.

use std::path::{Path as FilePath, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::*;
use crate::config::Settings;
use crate::error::Kind;
use crate::payload::ResponseHead;
use crate::webhook::AllowList;

fn uploader(folder: Option<&FilePath>) -> Uploader {
    let uploads = folder.map(|folder| {
        let variable = ("SERVER_UPLOAD_URL".to_owned(), format!("file:{}", folder.display()));
        let url = Settings::from_vars([variable]).unwrap().upload_url.unwrap();
        Uploads::open(&url).unwrap()
    });
    Uploader::new(uploads, Client::new(AllowList::default()).unwrap())
}

fn run(number: u32) -> JobRun {
    JobRun {
        job: "run".to_owned(),
        number,
        accepted: "2026-01-31T23:59:59Z".parse().unwrap(),
    }
}

fn wish() -> Wish {
    Wish {
        model: Arc::from("painter"),
        run: Some(run(1)),
        webhook: None,
        responses: false,
        started: Instant::now(),
    }
}

fn file(name: &str, bytes: impl Into<Bytes>) -> FileOutput {
    FileOutput {
        name: name.to_owned(),
        content_type: "image/png".to_owned(),
        bytes: bytes.into(),
    }
}

fn json(output: Output) -> Value {
    match output {
        Output::Json(text) => serde_json::from_slice(&text).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// Everything below a folder that is no folder.
fn all(folder: &FilePath) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(all(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn files_become_records_in_their_places() {
    let dir = tempfile::tempdir().unwrap();
    // It need not be there.
    let folder = dir.path().join("out");
    let files = vec![file("a.png", "one"), file("", "two")];
    let document = Files::placed(r#"{"images":[,],"seed":1e400}"#, files, vec![(11, 0), (12, 1)]).unwrap();
    let output = uploader(Some(&folder))
        .deliver(Output::Files(document), wish())
        .await
        .unwrap();
    let Output::Json(text) = output else { panic!("no JSON") };
    let text = String::from_utf8(text.to_vec()).unwrap();
    assert!(text.ends_with(r#"],"seed":1e400}"#), "{text}");
    let told: Value = serde_json::from_str(&text.replace("1e400", "1")).unwrap();
    let (first, second) = (&told["images"][0], &told["images"][1]);
    assert_eq!(first["size"], 3);
    assert_eq!(first["content_type"], "image/png");
    assert_eq!(first["name"], "a.png");
    assert_eq!(second.get("name"), None);
    assert_eq!(
        first["sha256"],
        "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
    );
    let key = first["key"].as_str().unwrap();
    assert_eq!(key, "painter/2026/01/31/run-1-0.png");
    assert!(second["key"].as_str().unwrap().ends_with("/run-1-1.png"));
    let root = std::fs::canonicalize(&folder).unwrap();
    assert_eq!(first["url"], format!("file://{}", root.join(key).display()));
    assert_eq!(std::fs::read(folder.join(key)).unwrap(), b"one");
    assert_eq!(all(&folder).len(), 2);
}

#[tokio::test]
async fn a_later_run_of_a_job_removes_what_an_earlier_one_left() {
    let dir = tempfile::tempdir().unwrap();
    let uploader = uploader(Some(dir.path()));
    let store = async |wish: Wish, name: &str| {
        let output = Output::Files(Files::list(vec![file(name, "one"), file("b.png", "two")]));
        json(uploader.deliver(output, wish).await.unwrap())
    };
    let of_job = |job: &str, number| Wish {
        run: Some(JobRun {
            job: job.to_owned(),
            ..run(number)
        }),
        ..wish()
    };
    // Their servers die before the end is recorded.
    for number in 1..=2 {
        store(of_job("a", number), "a.png").await;
    }
    store(of_job("b", 1), "a.png").await;
    let last = store(of_job("a", 3), "a.png").await;
    let folder = dir.path().join("painter/2026/01/31");
    let kept = ["a-3-0.png", "a-3-1.png", "b-1-0.png", "b-1-1.png"].map(|name| folder.join(name));
    let end = Instant::now() + Duration::from_secs(10);
    while all(dir.path()) != kept {
        assert!(Instant::now() < end, "{:?}", all(dir.path()));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(last[0]["key"], "painter/2026/01/31/a-3-0.png");
}

#[tokio::test]
async fn large_files_go_in_parts_and_arrive_whole() {
    let dir = tempfile::tempdir().unwrap();
    let bytes: Vec<u8> = (0..20_000_001_u32).map(|i| u8::try_from(i % 251).unwrap()).collect();
    let output = Output::Files(Files::one(file("big.bin", bytes.clone())));
    let told = json(uploader(Some(dir.path())).deliver(output, wish()).await.unwrap());
    assert_eq!(told["size"], bytes.len());
    let found = all(dir.path());
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(std::fs::read(&found[0]).unwrap() == bytes);
}

#[tokio::test]
async fn without_a_store_nothing_changes() {
    let files = Files::list(vec![file("a.png", "one")]);
    let output = uploader(None).deliver(Output::Files(files.clone()), wish()).await;
    assert!(matches!(output, Ok(Output::Files(same)) if same == files));
}

#[tokio::test]
async fn artefacts_are_files_and_responses_are_where_nobody_reads_them() {
    let dir = tempfile::tempdir().unwrap();
    let uploader = uploader(Some(dir.path()));
    let media = Output::Media {
        content_type: "audio/wav".to_owned(),
        bytes: Bytes::from_static(b"RIFF"),
    };
    let told = json(uploader.deliver(media, wish()).await.unwrap());
    assert!(told["key"].as_str().unwrap().ends_with("/run-1-0.wav"), "{told}");

    let response = |status, media: &str| Output::Response {
        head: ResponseHead {
            status,
            headers: Vec::new(),
            media: Some(media.to_owned()),
        },
        body: Bytes::from_static(b"x"),
    };
    let later = || Wish {
        responses: true,
        ..wish()
    };
    let told = json(uploader.deliver(response(201, "image/png"), later()).await.unwrap());
    assert_eq!(told["content_type"], "image/png");
    for (output, wish) in [
        (response(200, "image/png"), wish()),
        (response(200, "application/json; charset=utf-8"), later()),
        (response(200, "text/html"), later()),
        (response(500, "image/png"), later()),
    ] {
        let same = uploader.deliver(output, wish).await.unwrap();
        assert!(matches!(same, Output::Response { .. }));
    }
    let same = uploader.deliver(Output::Json("[1]".into()), later()).await.unwrap();
    assert_eq!(json(same), serde_json::json!([1]));
}

#[tokio::test]
async fn a_failed_upload_tells_why_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let uploader = uploader(Some(dir.path()));
    // A file stands where the model's folder would be.
    std::fs::write(dir.path().join("painter"), "").unwrap();
    let files = Files::list(vec![file("a.png", "one"), file("b.png", vec![0; 9 << 20])]);
    let error = uploader.deliver(Output::Files(files), wish()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::PipelineFailed);
    assert!(
        error.message().starts_with("the files could not be uploaded: "),
        "{error}"
    );
    assert!(!error.message().contains('/'), "{error}");
    assert_eq!(all(dir.path()), [dir.path().join("painter")]);
}

#[tokio::test]
async fn addresses_that_are_not_public_are_invalid_input() {
    let uploader = uploader(None);
    for url in [
        "http://127.0.0.1/upload",
        "http://10.1.2.3/upload_batch",
        "ftp://example.com/",
        "x",
    ] {
        let error = uploader.check(url).unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidInput, "{url}");
        assert_eq!(error.detail()[0].loc, ["body", "upload_webhook"], "{url}");
    }
    assert!(uploader.check("https://example.com/upload").is_ok());
    let refused = Wish {
        webhook: Some("http://127.0.0.1/upload".to_owned()),
        ..wish()
    };
    let output = Output::Files(Files::one(file("a.png", "one")));
    assert!(uploader.deliver(output, refused).await.is_err());
}

//! Files of jobs: where they are is the job's output, and a job whose files could not be brought away has failed.

use std::path::Path;

use serde_json::json;

use super::{LOOPBACK, PNG, all, fetched, serve_with_folder};
use crate::support::jobs::{becomes, submit};
use crate::support::{Reaction, Receiver, TestServer};

/// A server whose jobs are kept in one folder, and whose files in another.
async fn serve_jobs(store: &Path, files: &Path) -> TestServer {
    let store = format!("file:{}", store.display());
    serve_with_folder(files, &[("SERVER_STORE_URL", store.as_str()), LOOPBACK]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_output_of_a_job_is_the_record_of_its_file() {
    let (store, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = serve_jobs(store.path(), files.path()).await;
    let client = &server.client;
    let id = submit(client, "/painter", &json!({})).await;
    let job = becomes(client, &id, "succeeded").await;
    let record = &job["output"];
    assert_eq!(fetched(files.path(), record), [PNG, b"0"].concat());
    assert_eq!(record["content_type"], "image/png");
    assert_eq!(record["name"], "picture 0.png");
    // The day on which it was accepted, its id, the number of the run, the number of the file.
    let day = job["created"].as_str().unwrap()[..10].replace('-', "/");
    assert_eq!(record["key"], format!("painter/{day}/{id}-1-0.png"));
    assert_eq!(&client.get(&format!("/jobs/{id}/output")).await.ok(), record);

    let id = submit(client, "/painter", &json!({"as": "list", "count": 3})).await;
    let job = becomes(client, &id, "succeeded").await;
    let records = job["output"].as_array().unwrap();
    assert_eq!(records.len(), 3);
    for (n, record) in records.iter().enumerate() {
        assert_eq!(fetched(files.path(), record), [PNG, n.to_string().as_bytes()].concat());
        let key = record["key"].as_str().unwrap();
        assert!(key.ends_with(&format!("/{id}-1-{n}.png")), "{key}");
    }
    assert_eq!(all(files.path()).len(), 1 + 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn upload_webhook_of_a_job_gets_its_files() {
    let receiver = Receiver::start().await;
    receiver.always(Reaction::Upload);
    let (store, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = serve_jobs(store.path(), files.path()).await;
    let client = &server.client;
    let ask = json!({"as": "list", "upload_webhook": receiver.url("/upload")});
    let id = submit(client, "/painter", &ask).await;
    let output = becomes(client, &id, "succeeded").await["output"].take();
    assert_eq!(
        output["output"],
        json!(["https://files/picture 0.png", "https://files/picture 1.png"])
    );
    let time = output["running_time"].as_str().unwrap();
    assert!(
        time.ends_with('s') && time.trim_end_matches('s').parse::<f64>().is_ok(),
        "{time}"
    );
    assert_eq!(output.as_object().unwrap().len(), 2, "{output}");
    let posts = receiver.posts();
    assert_eq!(posts.len(), 2);
    // They go side by side.
    for n in 0..2 {
        let picture = [PNG, n.to_string().as_bytes()].concat();
        let holding = posts
            .iter()
            .filter(|post| post.body.windows(picture.len()).any(|part| part == picture));
        assert_eq!(holding.count(), 1, "picture {n}");
    }
    // It goes before the store.
    assert!(all(files.path()).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_files_are_refused_has_failed_and_leaves_none() {
    let receiver = Receiver::start().await;
    receiver.always(Reaction::Status(403));
    let (store, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = serve_jobs(store.path(), files.path()).await;
    let client = &server.client;
    let id = submit(client, "/painter", &json!({"upload_webhook": receiver.url("/upload")})).await;
    let job = becomes(client, &id, "failed").await;
    let told = job["error"]["message"].as_str().unwrap();
    assert!(
        told.starts_with("the files could not be uploaded: upload_webhook answered 403"),
        "{told}"
    );
    assert!(job["output"].is_null(), "{job}");
    assert_eq!((&job["attempts"], receiver.posts().len()), (&json!(1), 1));
    assert!(all(files.path()).is_empty());
}

//! Webhooks of background jobs: signed, posted again after faults, in order, and never to where they must not go.

use std::path::Path;
use std::time::Duration;

use hostler::{Batch, Chunk, Contract, Error, Mount, Output, Pipeline, Schema, Server};
use serde_json::{Value, json};

use crate::support::{
    Fake, Reaction, Receiver, SECRET, TestServer, eventually, fake_mount, jobs, rightly_signed, settings,
};

/// The first wait is below two seconds; the rest is for slow machines.
const SOON: Duration = Duration::from_secs(10);

/// Gives a piece of its answer, and in the same breath how far it is.
struct Hasty;

impl Pipeline for Hasty {
    fn run(&mut self, batch: &mut Batch) -> Result<(), Error> {
        for request in batch.iter_mut() {
            drop(request.emit_blocking(Chunk::json("a piece")?));
            request.progress(&json!({"step": 1}));
            request.finish(Ok(Output::Chunks));
        }
        Ok(())
    }
}

/// A server whose jobs are kept in `folder`, with settings of the test's own.
async fn serve(folder: &Path, more: &[(&str, &str)]) -> TestServer {
    let store = format!("file:{}", folder.display());
    let settings = settings(&[&[("SERVER_STORE_URL", store.as_str())][..], more].concat());
    let built = Server::builder::<()>()
        .settings(settings)
        .pipeline(fake_mount("/fake", &Fake::default()))
        .pipeline(Mount::new(
            "/hasty",
            Contract::json(Schema::any(), Schema::any()),
            |_| Ok(Hasty),
        ))
        .build()
        .unwrap();
    TestServer::library(built).await
}

const SIGNED: &[(&str, &str)] = &[("SERVER_WEBHOOK_SECRET", SECRET), ("SERVER_WEBHOOK_ALLOW", "127.0.0.1")];

/// Asks for a job that tells `url` of `events`; gives its id.
async fn submit(server: &TestServer, url: &str, events: &[&str]) -> String {
    submit_to(server, "/fake", url, events).await
}

async fn submit_to(server: &TestServer, path: &str, url: &str, events: &[&str]) -> String {
    let body = json!({"row": 7, "webhook": url, "webhook_events": events});
    jobs::submit(&server.client, path, &body).await
}

/// What a job tells of its deliveries, once `done` holds of the last one.
async fn delivery(server: &TestServer, id: &str, done: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    eventually("the delivery is where it should be", async || {
        let job = jobs::job(&server.client, id).await;
        last = job["webhooks"]
            .as_array()
            .and_then(|all| all.last())
            .cloned()
            .unwrap_or_default();
        done(&last)
    })
    .await;
    last
}

async fn dead_letters(server: &TestServer) -> Vec<Value> {
    let answer = server.client.get("/jobs/webhooks/dead").await.ok();
    answer["webhooks"].as_array().unwrap().clone()
}

fn is(state: &str) -> impl Fn(&Value) -> bool {
    move |delivery| delivery["state"] == state
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_job_is_told_and_signed() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start().await);
    let server = serve(folder.path(), SIGNED).await;
    let id = submit(&server, &receiver.url("/hook"), &["completed"]).await;
    let posts = receiver.wait_for(1, SOON).await;
    assert_eq!(posts[0].path, "/hook");
    assert_eq!(posts[0].header("content-type"), "application/json");
    let told = posts[0].json();
    assert_eq!(told["type"], "job.completed");
    assert_eq!(
        (&told["data"]["id"], &told["data"]["status"]),
        (&json!(id), &json!("succeeded"))
    );
    assert_eq!(told["data"]["output"]["row"], 7);
    assert!(told["data"].get("input").is_none());
    assert!(told["timestamp"].as_str().unwrap().ends_with('Z'));
    assert_eq!(rightly_signed(&posts), 1);

    let delivery = delivery(&server, &id, is("delivered")).await;
    assert_eq!((&delivery["attempts"], &delivery["status"]), (&json!(1), &json!(200)));
    assert_eq!(delivery["id"], posts[0].header("webhook-id"));
    assert_eq!(delivery["event"], "completed");
    assert!(dead_letters(&server).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_secret_there_is_no_signature() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start().await);
    let server = serve(folder.path(), &[("SERVER_WEBHOOK_ALLOW", "localhost")]).await;
    let by_name = format!("http://localhost:{}/", receiver.port());
    submit(&server, &by_name, &["completed"]).await;
    let posts = receiver.wait_for(1, SOON).await;
    assert!(posts[0].headers.get("webhook-signature").is_none());
    assert!(!posts[0].header("webhook-id").is_empty());
    assert!(posts[0].header("webhook-timestamp").parse::<i64>().is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_fails_is_asked_again_with_the_same_id() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start().await);
    receiver.then([Reaction::Status(500)]);
    let server = serve(folder.path(), SIGNED).await;
    let id = submit(&server, &receiver.url("/"), &["completed"]).await;
    let posts = receiver.wait_for(2, SOON).await;
    assert!(posts[1].came - posts[0].came >= Duration::from_millis(900));
    assert_eq!(posts[0].header("webhook-id"), posts[1].header("webhook-id"));
    assert_eq!(posts[0].body, posts[1].body);
    assert_eq!(rightly_signed(&posts), 2);
    let delivery = delivery(&server, &id, is("delivered")).await;
    assert_eq!((&delivery["attempts"], &delivery["status"]), (&json!(2), &json!(200)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_that_a_receiver_asks_for_is_kept() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start().await);
    receiver.then([Reaction::RetryAfter(429, 3)]);
    let server = serve(folder.path(), SIGNED).await;
    submit(&server, &receiver.url("/"), &["completed"]).await;
    let posts = receiver.wait_for(2, SOON).await;
    assert!(posts[1].came - posts[0].came >= Duration::from_millis(2900));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_in_order_and_only_the_last_is_posted_again() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start().await);
    // The start is lost, and the end comes at the second try.
    receiver.then([Reaction::Status(500), Reaction::Status(503)]);
    let server = serve(folder.path(), SIGNED).await;
    let id = submit(&server, &receiver.url("/"), &["start", "completed"]).await;
    let posts = receiver.wait_for(3, SOON).await;
    let types: Vec<_> = posts.iter().map(|post| post.json()["type"].clone()).collect();
    assert_eq!(types, ["job.start", "job.completed", "job.completed"]);
    assert_eq!(posts[0].json()["data"]["status"], "running");
    delivery(&server, &id, is("delivered")).await;
    // A start that was lost is no dead letter.
    assert!(dead_letters(&server).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_that_comes_together_with_a_piece_is_told() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start().await);
    let server = serve(folder.path(), SIGNED).await;
    submit_to(&server, "/hasty", &receiver.url("/"), &["progress", "completed"]).await;
    let posts = receiver.wait_for(2, SOON).await;
    let types: Vec<_> = posts.iter().map(|post| post.json()["type"].clone()).collect();
    assert_eq!(types, ["job.progress", "job.completed"]);
    assert_eq!(posts[0].json()["data"]["progress"], json!({"step": 1}));
    assert_eq!(posts[1].json()["data"]["output"], json!(["a piece"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_survives_a_restart() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start().await);
    receiver.then([Reaction::RetryAfter(503, 4)]);
    let mut first = serve(folder.path(), SIGNED).await;
    let id = submit(&first, &receiver.url("/"), &["completed"]).await;
    delivery(&first, &id, |delivery| delivery["attempts"] == 1).await;
    first.join();
    let before = receiver.posts();
    assert_eq!(before.len(), 1);
    let second = serve(folder.path(), SIGNED).await;
    let posts = receiver.wait_for(2, SOON).await;
    assert_eq!(posts[0].header("webhook-id"), posts[1].header("webhook-id"));
    let delivery = delivery(&second, &id, is("delivered")).await;
    assert_eq!(delivery["attempts"], 2);
}

/// Takes the fifteen seconds of a post's time-out.
#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_hangs_is_left_and_asked_again() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start().await);
    let other = Receiver::start().await;
    receiver.then([Reaction::Hang]);
    let server = serve(folder.path(), SIGNED).await;
    submit(&server, &receiver.url("/"), &["completed"]).await;
    receiver.wait_for(1, SOON).await;
    // Nobody else waits for it.
    submit(&server, &other.url("/"), &["completed"]).await;
    other.wait_for(1, SOON).await;
    assert_eq!(receiver.posts().len(), 1);
    let posts = receiver.wait_for(2, Duration::from_secs(40)).await;
    assert!(posts[1].came - posts[0].came >= Duration::from_secs(15));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_to_a_private_address_is_a_dead_letter_until_it_is_sent_again() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start().await);
    receiver.then([Reaction::Redirect(
        307,
        "http://169.254.169.254/latest/meta-data/".to_owned(),
    )]);
    let server = serve(folder.path(), SIGNED).await;
    let id = submit(&server, &receiver.url("/"), &["completed"]).await;
    let dead = delivery(&server, &id, is("dead")).await;
    let error = dead["error"].as_str().unwrap();
    assert!(error.contains("169.254.169.254, a metadata address"), "{error}");
    assert!(error.contains("SERVER_WEBHOOK_ALLOW"), "{error}");
    assert_eq!(dead["attempts"], 1);
    let letters = dead_letters(&server).await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0]["id"], dead["id"]);

    // The receiver is mended.
    let resend = format!("/jobs/webhooks/{}/resend", dead["id"].as_str().unwrap());
    let answer = server.client.post(&resend, &json!({})).await;
    assert!((200..300).contains(&answer.status), "{}", answer.text());
    let posts = receiver.wait_for(2, SOON).await;
    assert_eq!(posts[0].header("webhook-id"), posts[1].header("webhook-id"));
    assert_eq!(rightly_signed(&posts), 2);
    delivery(&server, &id, is("delivered")).await;
    assert!(dead_letters(&server).await.is_empty());
    assert_eq!(server.client.post(&resend, &json!({})).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_try_does_not_mend_is_dead_at_once() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start().await);
    let server = serve(folder.path(), SIGNED).await;
    for status in [400, 404, 410] {
        receiver.then([Reaction::Status(status)]);
        let id = submit(&server, &receiver.url("/"), &["completed"]).await;
        let dead = delivery(&server, &id, is("dead")).await;
        assert_eq!((&dead["attempts"], &dead["status"]), (&json!(1), &json!(status)));
    }
    let all = dead_letters(&server).await;
    assert_eq!((receiver.posts().len(), all.len()), (3, 3));
    // The same, newest first, page by page.
    let (mut paged, mut next) = (Vec::new(), Some(String::new()));
    while let Some(before) = next {
        let path = format!("/jobs/webhooks/dead?limit=1&before={before}");
        let page = server.client.get(&path).await.ok();
        let letters = page["webhooks"].as_array().unwrap();
        assert_eq!(letters.len(), 1, "{page}");
        paged.extend(letters.iter().cloned());
        assert!(paged.len() <= 3, "pages without an end");
        next = page["next"].as_str().map(str::to_owned);
    }
    assert_eq!(paged, all);
    let newest = paged.iter().map(|letter| letter["status"].clone());
    assert!(newest.eq([json!(410), json!(404), json!(400)]), "{paged:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_plainly_private_is_refused_with_the_job() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start().await);
    let server = serve(folder.path(), &[("SERVER_WEBHOOK_SECRET", SECRET)]).await;
    let port = receiver.port();
    let here = [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.1",
        "[::ffff:127.0.0.1]",
        "localhost",
    ];
    let here = here.map(|host| format!("http://{host}:{port}/"));
    let elsewhere = [
        "http://[::1]/",
        "http://10.0.0.1/",
        "http://192.168.1.1/",
        "http://100.64.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[fd00:ec2::254]/",
        "http://0.0.0.0/",
        "ftp://example.com/",
        "https://user:pw@example.com/",
        "/hook",
        "",
    ];
    for url in here.iter().map(String::as_str).chain(elsewhere) {
        for (path, prefer) in [("/fake", "respond-async"), ("/fake/background", "")] {
            let body = json!({"webhook": url}).to_string();
            let answer = server.client.post_with(path, &[("prefer", prefer)], body).await;
            assert_eq!(answer.status, 422, "{url}: {}", answer.text());
            assert_eq!(answer.json()["detail"][0]["loc"], json!(["body", "webhook"]), "{url}");
        }
    }
    let jobs = server.client.get("/jobs").await.ok();
    assert_eq!(jobs["jobs"].as_array().map(Vec::len), Some(0));
    assert!(receiver.posts().is_empty());
}

//! Files posted to addresses that requests name, in the form of kserve-helper.

use serde_json::{Value, json};

use super::{LOOPBACK, PNG, all, fetched, serve, serve_with_folder};
use crate::support::python::{copies, with_packages};
use crate::support::{Reaction, Receiver, TestServer};

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
async fn one_address_at_the_top_serves_all_instances_and_in_one_of_them_it_is_refused() {
    let receiver = Receiver::start().await;
    receiver.always(Reaction::Upload);
    let server = serve(&[LOOPBACK]).await;
    let url = receiver.url("/upload");
    let predict = async |body: Value| server.client.post("/v1/models/painter:predict", &body).await;
    let told = predict(json!({"instances": [{}, {"as": "list"}], "upload_webhook": url}))
        .await
        .ok();
    assert_eq!(told["predictions"][0]["output"], json!(["https://files/picture 0.png"]));
    assert_eq!(told["predictions"][1]["output"].as_array().unwrap().len(), 2);
    assert_eq!(receiver.take().len(), 3);

    let refused = predict(json!({"instances": [{}, {"upload_webhook": url}]})).await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    let place = json!(["body", "instances", "1", "upload_webhook"]);
    assert_eq!(refused.json()["detail"][0]["loc"], place);
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

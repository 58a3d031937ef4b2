//! What clients read in place of files: the files, where nothing else is said, or records of where they are.

use serde_json::json;

use super::{PNG, all, fetched, serve, serve_with_folder};

const ACCEPT_JSON: (&str, &str) = ("accept", "application/json");

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

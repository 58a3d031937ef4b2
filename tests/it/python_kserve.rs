//! kserve-helper models: signatures as contracts, files as answers, streams.

use serde_json::{Value, json};

use crate::support::TestServer;
use crate::support::python::{copies, python_dir, with_packages};

const EVENTS: (&str, &str) = ("accept", "text/event-stream");
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

async fn serve(model: &str) -> TestServer {
    TestServer::folders(&python_dir(), &json!([{"model": model}]).to_string(), &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_constraint_is_held_with_the_field_at_fault() {
    let server = serve("kserve_constraints").await;
    let faults = [
        ("prompt", json!("ab")),
        ("prompt", json!("a".repeat(21))),
        ("prompt", json!(5)),
        ("steps", json!(0)),
        ("steps", json!(101)),
        ("steps", json!("ten")),
        ("steps", json!(1.5)),
        ("strength", json!(-0.1)),
        ("strength", json!(1.1)),
        ("size", json!("large")),
        ("scheduler", json!("fastest")),
        ("images", json!(3)),
        ("tags", json!(["a", "b", "c", "d"])),
        ("safe", json!(1)),
        ("negative_prompt", json!("a".repeat(21))),
        ("no_field", json!(1)),
    ];
    for (field, value) in faults {
        let mut body = json!({"prompt": "a horse"});
        body[field] = value;
        let answer = server.client.post("/kserve_constraints", &body).await;
        assert_eq!(answer.status, 422, "{body}: {}", answer.text());
        assert_eq!(answer.json()["detail"][0]["loc"], json!(["body", field]), "{body}");
        assert!(
            answer.json()["error"].as_str().unwrap().contains(field),
            "{}",
            answer.text()
        );
    }
    let inside = json!({"prompt": "a horse", "tags": ["a", 1]});
    let answer = server.client.post("/kserve_constraints", &inside).await;
    assert_eq!(answer.json()["detail"][0]["loc"], json!(["body", "tags", "1"]));
    let missing = server.client.post("/kserve_constraints", &json!({})).await;
    assert_eq!((missing.status, missing.text().contains("prompt")), (422, true));
    let both = json!({"prompt": "a", "steps": 0});
    let answer = server.client.post("/kserve_constraints", &both).await;
    assert_eq!(
        answer.json()["detail"].as_array().unwrap().len(),
        2,
        "all faults are told"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn defaults_are_filled_in_and_what_was_sent_is_kept() {
    let server = serve("kserve_constraints").await;
    let told = server
        .client
        .post("/kserve_constraints", &json!({"prompt": "a horse"}))
        .await
        .ok();
    let filled = json!({
        "prompt": "a horse", "steps": 10, "strength": 0.5, "size": "512x512", "scheduler": "ddim", "images": 1,
        "tags": [], "safe": true, "negative_prompt": null,
    });
    assert_eq!(told, filled);
    let sent = json!({
        "prompt": "a horse", "steps": 100, "strength": 0, "size": "8x8", "scheduler": "pndm", "images": 4,
        "tags": ["a", "b", "c"], "safe": false, "negative_prompt": "rain",
    });
    assert_eq!(server.client.post("/kserve_constraints", &sent).await.ok(), sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_signature_is_the_contract_of_the_docs() {
    let server = serve("kserve_constraints").await;
    let document = server.client.get("/openapi.json").await.ok();
    let post = &document["paths"]["/kserve_constraints"]["post"];
    let schema = &post["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(schema["required"], json!(["prompt"]));
    let expected = json!({
        "prompt": {"description": "What to draw", "type": "string", "minLength": 3, "maxLength": 20},
        "steps": {"description": "How many steps to take", "type": "integer", "minimum": 1, "maximum": 100, "default": 10},
        "strength": {"type": "number", "minimum": 0, "maximum": 1, "default": 0.5},
        "size": {"pattern": "^[0-9]+x[0-9]+$", "default": "512x512"},
        "scheduler": {"enum": ["ddim", "euler", "pndm"], "default": "ddim"},
        "images": {"enum": [1, 2, 4]},
        "tags": {"type": "array", "maxItems": 3, "items": {"type": "string"}, "default": []},
        "negative_prompt": {"description": "What not to draw", "maxLength": 20},
    });
    for (field, keys) in expected.as_object().unwrap() {
        for (key, value) in keys.as_object().unwrap() {
            assert_eq!(&schema["properties"][field][key], value, "{field}.{key}");
        }
    }
    assert_eq!(post["description"], "Answers what it was given.");
}

#[tokio::test(flavor = "multi_thread")]
async fn generators_stream_as_events_and_are_one_list_for_others() {
    let server = serve("kserve_predict_stream").await;
    let client = &server.client;
    let path = "/kserve_predict_stream";
    let events = client.post_with(path, &[EVENTS], r#"{"start":1}"#).await;
    assert_eq!(events.header("content-type"), "text/event-stream");
    let text = "data: {\"number\":1,\"left\":true}\n\ndata: {\"number\":0,\"left\":false}\n\n";
    assert_eq!(events.text(), text);
    let list = client.post(path, &json!({"start": 1})).await.ok();
    assert_eq!(list, json!([{"number": 1, "left": true}, {"number": 0, "left": false}]));
    let wrong = client.post_with(path, &[EVENTS], r#"{"start":-1}"#).await;
    assert_eq!((wrong.status, wrong.header("content-type")), (422, "application/json"));
}

#[tokio::test(flavor = "multi_thread")]
async fn predict_and_generate_stream_numbered_lines() {
    let lines = |values: &[Value]| -> String {
        let line = |(id, data): (usize, &Value)| format!("{{\"id\":{id},\"data\":{data}}}\n");
        values.iter().enumerate().map(line).collect()
    };
    let server = serve("kserve_predict_stream").await;
    for verb in ["predict", "generate"] {
        let path = format!("/v1/models/kserve_predict_stream:{verb}");
        let answer = server.client.post(&path, &json!({"start": 1})).await;
        assert_eq!(answer.header("content-type"), "application/x-ndjson", "{path}");
        let expected = lines(&[json!({"number": 1, "left": true}), json!({"number": 0, "left": false})]);
        assert_eq!(answer.text(), expected, "{path}");
        assert_eq!(
            server.client.post(&path, &json!({"start": -1})).await.status,
            400,
            "{path}"
        );
    }

    let server = serve("kserve_stream").await;
    let client = &server.client;
    let whole = client
        .post("/v1/models/kserve_stream:predict", &json!({"count": 2}))
        .await;
    assert_eq!(whole.ok(), json!({"output": "the quick"}), "the answer is not wrapped");
    let answer = client
        .post("/v1/models/kserve_stream:generate", &json!({"count": 2}))
        .await;
    assert_eq!(answer.text(), lines(&[json!("the"), json!("quick")]));
    let events = client
        .post_with("/kserve_stream/generate", &[EVENTS], r#"{"count":2}"#)
        .await;
    assert_eq!(events.text(), "data: \"the\"\n\ndata: \"quick\"\n\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_and_the_steps_around_predict_work_as_written() {
    let server = TestServer::folders(
        &python_dir(),
        r#"[{"model":"kserve_batch"},{"model":"kserve_transform"}]"#,
        &[],
    )
    .await;
    let rows = json!({"batch": [{"name": "door", "width": 3}, {"height": 5}], "unit": "mm"});
    let told = server.client.post("/kserve_batch", &rows).await.ok();
    assert_eq!(
        told,
        json!({"names": ["door", "a thing"], "areas": ["60 mm", "50 mm"], "count": 2})
    );
    let wrong = json!({"batch": [{}, {"height": 101}]});
    let answer = server.client.post("/kserve_batch", &wrong).await;
    assert_eq!(
        answer.json()["detail"][0]["loc"],
        json!(["body", "batch", "1", "height"])
    );
    let answer = server.client.post("/v1/models/kserve_batch:predict", &wrong).await;
    assert_eq!(answer.status, 400);
    let told = server
        .client
        .post("/kserve_transform", &json!({"text": "hello there"}))
        .await;
    assert_eq!(told.ok(), json!({"text": "Hello there."}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_answers_the_file_itself_or_in_json_with_name_and_type() {
    let dir = copies(&[("kserve_blur", &with_packages())]);
    let server = TestServer::folders(dir.path(), r#"[{"model":"kserve_blur"}]"#, &[]).await;
    let client = &server.client;
    let arrow = r#"{"file":"arrow.png","radius":3}"#;
    let file = client.post_with("/kserve_blur", &[], arrow).await;
    assert_eq!(
        (file.status, file.header("content-type")),
        (200, "image/png"),
        "{}",
        file.text()
    );
    assert!(file.body.starts_with(PNG));
    let wanted = client
        .post_with("/kserve_blur", &[("accept", "image/png")], arrow)
        .await;
    assert_eq!((wanted.header("content-type"), &wanted.body), ("image/png", &file.body));
    let told = client
        .post_with("/kserve_blur", &[("accept", "application/json")], arrow)
        .await
        .ok();
    assert_eq!(
        (&told["name"], &told["type"]),
        (&json!("blurred.png"), &json!("image/png"))
    );
    // Its base64 is a way in as well, and a radius of 0 leaves an image as it is.
    let again = client
        .post("/kserve_blur", &json!({"image": told["data"], "radius": 0}))
        .await;
    assert_eq!(again.body, file.body);
    let sharp = client
        .post("/kserve_blur", &json!({"file": "arrow.png", "radius": 0}))
        .await;
    assert_ne!(sharp.body, file.body);
    let wrong = client
        .post("/kserve_blur", &json!({"file": "arrow.png", "radius": 51}))
        .await;
    assert_eq!(
        (wrong.status, &wrong.json()["detail"][0]["loc"]),
        (422, &json!(["body", "radius"]))
    );
    let none = client.post("/kserve_blur", &json!({})).await;
    assert_eq!(
        (none.status, none.json()["error"].clone()),
        (422, json!("send an image"))
    );
    let predicted = client.post_with("/v1/models/kserve_blur:predict", &[], arrow).await;
    assert_eq!(predicted.body, file.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_paths_is_a_list_of_files_in_json() {
    let dir = copies(&[("kserve_rotate", &with_packages())]);
    let server = TestServer::folders(dir.path(), r#"[{"model":"kserve_rotate"}]"#, &[]).await;
    let told = server
        .client
        .post("/kserve_rotate", &json!({"angle": 90, "count": 4}))
        .await
        .ok();
    let files = told.as_array().unwrap();
    assert_eq!(files.len(), 4);
    for (n, file) in files.iter().enumerate() {
        assert_eq!(file["name"], format!("turned_{n}.png"));
        assert_eq!(file["type"], "image/png");
        assert!(file["data"].as_str().unwrap().starts_with("iVBORw0KGgo"), "{file}");
    }
    assert_ne!(files[0]["data"], files[1]["data"]);
    let once = server.client.post("/kserve_rotate", &json!({"angle": 360})).await.ok();
    assert_eq!(once[0]["data"], files[3]["data"], "four quarters are a whole turn");
    let wrong = server.client.post("/kserve_rotate", &json!({"count": 5})).await;
    assert_eq!(
        (wrong.status, &wrong.json()["detail"][0]["loc"]),
        (422, &json!(["body", "count"]))
    );
}

//! Tensor models through HTTP: nested lists, raw bytes, missing axes, and faults with their paths.

use serde_json::json;

use crate::support::{TestServer, models_dir};

#[tokio::test(flavor = "multi_thread")]
async fn lists_raw_bytes_and_a_missing_axis_give_the_same_row() {
    let models = models_dir(&[("mlp", crate::onnx::mlp(&[4, 8, 3], 5))]);
    let server = TestServer::folders(models.path(), r#"[{"model":"mlp"}]"#, &[]).await;
    let row = [0.5f32, -1.0, 2.0, 0.25];
    let full = server.client.post("/mlp", &json!({"x": [row, row]})).await.ok();
    let rows = full["results"]["y"].as_array().unwrap();
    assert_eq!((rows.len(), rows[0].as_array().unwrap().len()), (2, 3));
    let short = server.client.post("/mlp", &json!({"x": row})).await.ok();
    assert_eq!(short["results"]["y"], rows[0]);

    let bytes: Vec<u8> = row.iter().flat_map(|v| v.to_le_bytes()).collect();
    let octets = ("content-type", "application/octet-stream");
    let raw = server.client.post_with("/mlp", &[octets], bytes.clone()).await;
    assert_eq!(raw.ok()["results"]["y"][0], rows[0]);
    let raw = server
        .client
        .post_with("/mlp", &[octets, ("accept", "application/octet-stream")], bytes)
        .await;
    assert_eq!(raw.header("content-type"), "application/octet-stream");
    let values: Vec<f32> = raw
        .body
        .chunks(4)
        .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
        .collect();
    // JSON has the shortest text that reads back as the same 32 bits.
    let listed = rows[0].as_array().unwrap();
    #[allow(clippy::cast_possible_truncation, reason = "written from 32 bits")]
    let listed: Vec<f32> = listed.iter().map(|v| v.as_f64().unwrap() as f32).collect();
    assert_eq!(values, listed);
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_name_the_place_and_the_shape_that_is_wanted() {
    let models = models_dir(&[("mlp", crate::onnx::mlp(&[4, 3], 5))]);
    let server = TestServer::folders(models.path(), r#"[{"model":"mlp"}]"#, &[]).await;
    let wrong = server.client.post("/mlp", &json!({"x": [[1, 2]]})).await;
    assert_eq!(wrong.status, 422);
    let error = wrong.json()["error"].as_str().unwrap().to_owned();
    assert!(
        error.contains("has shape [1, 2], the model takes [batch, 4]"),
        "{error}"
    );
    let octets = ("content-type", "application/octet-stream");
    let wrong = server.client.post_with("/mlp", &[octets], vec![0; 10]).await;
    assert_eq!(wrong.status, 400, "{}", wrong.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_as_raw_bytes_passes_and_a_request_may_bring_many_rows() {
    let models = models_dir(&[
        ("image", crate::onnx::image_pool()),
        ("mlp", crate::onnx::mlp(&[2, 2], 1)),
    ]);
    let entries = r#"[{"model":"image"},{"model":"mlp","max_batch_size":4}]"#;
    let server = TestServer::folders(models.path(), entries, &[]).await;
    let octets = ("content-type", "application/octet-stream");
    let raw = server
        .client
        .post_with("/image", &[octets], vec![0; 602_112])
        .await
        .ok();
    assert_eq!(raw["results"]["scores"][0].as_array().unwrap().len(), 10);
    let rows = vec![[1, 2]; 37];
    let answer = server.client.post("/mlp", &json!({"x": rows})).await.ok();
    assert_eq!(answer["results"]["y"].as_array().unwrap().len(), 37);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graph_with_a_fixed_first_axis_serves_one_row_at_a_time() {
    let models = models_dir(&[("fixed", crate::onnx::fixed_batch())]);
    let server = TestServer::folders(models.path(), r#"[{"model":"fixed"}]"#, &[]).await;
    let document = server.client.get("/openapi.json").await.ok();
    let example =
        &document["paths"]["/fixed"]["post"]["requestBody"]["content"]["application/json"]["examples"]["example1"];
    server.client.post("/fixed", &example["value"]).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn words_pass_as_strings_alone_and_together() {
    let models = models_dir(&[("words", crate::onnx::strings())]);
    let server = TestServer::folders(models.path(), r#"[{"model":"words"}]"#, &[]).await;
    let ask = |i: usize| {
        let client = server.client.clone();
        async move {
            let words = json!([format!("wörd {i}"), "\"quoted\""]);
            assert_eq!(
                client.post("/words", &json!({"words": words})).await.ok()["results"]["same"],
                words
            );
        }
    };
    futures_util::future::join_all((0..20).map(ask)).await;
}

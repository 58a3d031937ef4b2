//! Inputs and outputs that are no JSON.

use serde_json::json;

use super::{Gate, serve};
use crate::support::jobs::{PREFER, becomes, submit};
use crate::support::{TestServer, models_dir};

#[tokio::test(flavor = "multi_thread")]
async fn an_output_of_bytes_comes_as_it_is() {
    let (folder, gate) = (tempfile::tempdir().unwrap(), Gate::default());
    let server = serve(folder.path(), &gate, &[]).await;
    let client = &server.client;
    let id = submit(client, "/painter", &json!({})).await;
    let done = becomes(client, &id, "succeeded").await;
    assert_eq!(
        done["output"],
        json!({"content_type": "image/png", "base64": "iVBOR/8="})
    );
    let output = client.get(&format!("/jobs/{id}/output")).await;
    assert_eq!((output.status, output.header("content-type")), (200, "image/png"));
    assert_eq!(output.body, [0x89, b'P', b'N', b'G', 0xff]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_input_of_bytes_is_kept_as_it_is() {
    let models = models_dir(&[("mlp", crate::onnx::mlp(&[2, 3, 2], 7))]);
    let server = TestServer::folders(models.path(), r#"[{"model":"mlp"}]"#, &[]).await;
    let client = &server.client;
    let direct = client.post("/mlp", &json!({"x": [[1.0, 2.0]]})).await.ok();
    let raw: Vec<u8> = [1.0_f32, 2.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    let headers = [PREFER, ("content-type", "application/octet-stream")];
    let answer = client.post_with("/mlp", &headers, raw).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    let done = becomes(client, &id, "succeeded").await;
    assert_eq!(
        done["input"],
        json!({"content_type": "application/octet-stream", "base64": "AACAPwAAAEA="})
    );
    assert_eq!(done["output"], direct);
    let short = client.post_with("/mlp", &headers, vec![0_u8; 3]).await;
    assert_eq!(short.status, 400, "{}", short.text());
}

//! Image classification through HTTP: the answers of the transformers pipeline on the same weights.

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Value, json};

use crate::support::{Binary, TestServer};
use crate::task_support::{Cases, agree, fault, fixtures, record, serve};

const PATH: &str = "/image_classification";

/// A request as it is sent: in the record, `@` and a name stand for a file.
fn filled(request: &Value, images: &Value) -> Value {
    let one = |image: &Value| match image.as_str().unwrap().split_once('@') {
        Some((head, name)) => Value::from(format!("{head}{}", images[name].as_str().unwrap())),
        None => image.clone(),
    };
    let mut request = request.clone();
    request["image"] = match &request["image"] {
        Value::Array(list) => list.iter().map(one).collect(),
        image => one(image),
    };
    request
}

fn picture(name: &str) -> Vec<u8> {
    std::fs::read(fixtures().join("pictures").join(name)).unwrap()
}

async fn server() -> TestServer {
    serve(&json!([{"model": "image_classification"}])).await
}

/// The cases of the record that stand under a name, with their files.
fn cases(of: &str) -> Cases {
    let record = record("image_classification");
    let mut cases = Cases::of(record[of].as_array().unwrap().clone());
    for case in &mut cases.cases {
        case["request"] = filled(&case["request"], &record["images"]);
    }
    cases
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_are_those_of_the_reference_alone_and_in_random_company() {
    let cases = cases("cases");
    assert!(cases.cases.len() >= 60, "too few cases");
    cases.hold().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_of_files_with_loss_are_those_of_the_reference() {
    let cases = cases("lossy");
    assert!(cases.cases.len() >= 30, "too few cases");
    cases.hold().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_may_be_the_body() {
    let server = server().await;
    let url = format!("{}{PATH}", server.client.url);
    let post = async |query: &str, kind: &str, body: Vec<u8>| {
        let request = server
            .client
            .http
            .post(format!("{url}{query}"))
            .header("content-type", kind);
        let response = request.body(body).send().await.unwrap();
        let status = response.status().as_u16();
        let told: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        (status, told)
    };
    for (name, kind) in [
        ("scene.png", "image/png"),
        ("scene.jpg", "image/jpeg"),
        ("scene.webp", "image/webp"),
        // What it is, its first bytes say.
        ("scene.webp", "Image/PNG; name=scene"),
    ] {
        let file = picture(name);
        let request = json!({"image": BASE64_STANDARD.encode(&file)});
        let wanted = server.client.post(PATH, &request).await.ok();
        assert_eq!(wanted["results"].as_array().unwrap().len(), 5);
        let (status, answer) = post("", kind, file.clone()).await;
        assert_eq!(status, 200, "{answer}");
        agree(&answer, &wanted, &request);
        let (status, answer) = post("?top_k=2", kind, file.clone()).await;
        assert_eq!(status, 200, "{answer}");
        agree(
            &answer,
            &json!({"results": wanted["results"].as_array().unwrap()[..2]}),
            &request,
        );
        let (_, all) = post("?top_k=null&function_to_apply=sigmoid", kind, file).await;
        let request = json!({"image": request["image"], "top_k": null, "function_to_apply": "sigmoid"});
        agree(&all, &server.client.post(PATH, &request).await.ok(), &request);
    }
    for (query, kind, body, status, place) in [
        ("?top_k=0", "image/png", picture("scene.png"), 422, json!(["query"])),
        ("?topk=3", "image/png", picture("scene.png"), 422, json!(["query"])),
        ("", "image/png", b"no image".to_vec(), 422, json!(["body"])),
        ("", "image/jpeg", Vec::new(), 422, json!(["body"])),
        ("", "image/gif", picture("scene.png"), 415, Value::Null),
        ("", "application/octet-stream", picture("scene.png"), 415, Value::Null),
    ] {
        let (got, told) = post(query, kind, body).await;
        assert_eq!(got, status, "{query} {kind}: {told}");
        assert_eq!(told["detail"][0]["loc"], place, "{query} {kind}: {told}");
    }
    let kserve = server.client.post_with(
        "/v1/models/image_classification:predict",
        &[("content-type", "image/png")],
        picture("scene.png"),
    );
    assert_eq!(kserve.await.status, 415);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_reaches_a_replica_in_a_process_of_its_own() {
    let models = tempfile::tempdir().unwrap();
    let folder = models.path().join("image_classification");
    std::fs::create_dir(&folder).unwrap();
    for entry in std::fs::read_dir(fixtures().join("models/image_classification")).unwrap() {
        let file = entry.unwrap().path();
        std::fs::copy(&file, folder.join(file.file_name().unwrap())).unwrap();
    }
    std::fs::write(folder.join("model.toml"), "isolation = \"process\"\n").unwrap();
    let apart = Binary::folders(models.path(), r#"[{"model": "image_classification"}]"#).await;
    let here = server().await;
    let (path, headers) = ("/image_classification?top_k=3", [("content-type", "image/png")]);
    let wanted = here.client.post_with(path, &headers, picture("scene.png")).await.ok();
    let answer = apart.client.post_with(path, &headers, picture("scene.png")).await.ok();
    assert_eq!(answer["results"].as_array().unwrap().len(), 3);
    agree(&answer, &wanted, &json!(path));
    let request = json!({"image": BASE64_STANDARD.encode(picture("scene.png")), "top_k": 3});
    agree(&apart.client.post(PATH, &request).await.ok(), &wanted, &request);
    let refused = apart.client.post_with(path, &headers, "no image").await;
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert_eq!(refused.json()["detail"][0]["loc"], json!(["body"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn models_that_read_no_images_take_none() {
    let server = serve(&json!([{"model": "text_classification"}])).await;
    let headers = [("content-type", "image/png")];
    let answer = server
        .client
        .post_with("/text_classification", &headers, picture("scene.png"))
        .await;
    assert_eq!(answer.status, 415, "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_image_is_told_with_its_path() {
    let server = server().await;
    let good = BASE64_STANDARD.encode(picture("scene.png"));
    for (request, place) in [
        (json!({}), vec!["body", "image"]),
        (json!({"image": 5}), vec!["body", "image"]),
        (json!({"image": []}), vec!["body", "image"]),
        (json!({"image": vec![good.clone(); 65]}), vec!["body", "image"]),
        (json!({"image": "not base64!"}), vec!["body", "image"]),
        (json!({"image": "https://example.org/a.png"}), vec!["body", "image"]),
        (
            json!({"image": format!("data:image/png,{good}")}),
            vec!["body", "image"],
        ),
        (json!({"image": [good, "AAAA"]}), vec!["body", "image", "1"]),
        (json!({"image": good, "top_k": 0}), vec!["body", "top_k"]),
        (
            json!({"image": good, "function_to_apply": "tanh"}),
            vec!["body", "function_to_apply"],
        ),
        (json!({"image": good, "text": "a"}), vec!["body"]),
    ] {
        assert_eq!(fault(&server, PATH, &request).await, place, "{request}");
    }
    for (name, file) in record("image_classification")["damaged"].as_object().unwrap() {
        let request = json!({"image": [file]});
        assert_eq!(fault(&server, PATH, &request).await, ["body", "image", "0"], "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_docs_name_the_media_types_of_bodies() {
    let server = server().await;
    let document = server.client.get("/openapi.json").await.ok();
    let content = document["paths"][PATH]["post"]["requestBody"]["content"]
        .as_object()
        .unwrap();
    let mut kinds: Vec<&str> = content.keys().map(String::as_str).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["application/json", "image/jpeg", "image/png", "image/webp"]);
    assert_eq!(content["image/png"]["schema"]["format"], "binary");
    for example in content["application/json"]["examples"].as_object().unwrap().values() {
        server.client.post(PATH, &example["value"]).await.ok();
    }
}

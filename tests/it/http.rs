//! The front: health, docs, headers, CORS, and only the configured models.

use serde_json::json;

use crate::support::{TestServer, models_dir};

const TWO: &str = r#"[{"model":"one"},{"model":"two"}]"#;

fn models() -> tempfile::TempDir {
    let mlp = || crate::onnx::mlp(&[2, 3, 2], 7);
    models_dir(&[("one", mlp()), ("two", mlp())])
}

#[tokio::test(flavor = "multi_thread")]
async fn one_model_in_the_settings_hides_the_other_everywhere() {
    let models = models();
    let server = TestServer::folders(models.path(), r#"[{"model":"two"}]"#, &[]).await;
    let client = &server.client;
    assert_eq!(client.post("/two", &json!({"x": [1, 2]})).await.status, 200);
    assert_eq!(client.post("/one", &json!({"x": [1, 2]})).await.status, 404);
    for path in ["/", "/openapi.json", "/health/readiness"] {
        let text = client.get(path).await.text();
        assert!(
            text.contains("two") && !text.contains("\"one\"") && !text.contains("/one"),
            "{path}: {text}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_health_routes_answer_with_and_without_a_slash() {
    let models = models();
    let server = TestServer::folders(models.path(), TWO, &[]).await;
    for path in ["/health/startup", "/health/readiness", "/health/liveness"] {
        for path in [path.to_owned(), format!("{path}/")] {
            let told = server.client.get(&path).await.ok();
            assert!(told["message"].is_string(), "{path}");
            assert_eq!(told["models"]["one"]["state"], "ready", "{path}");
        }
    }
    assert_eq!(server.client.get("/v2/health/live").await.ok(), json!({"live": true}));
    assert_eq!(server.client.get("/v2/health/ready").await.ok(), json!({"ready": true}));
}

#[tokio::test(flavor = "multi_thread")]
async fn startup_answers_while_a_model_that_cannot_load_keeps_the_server_from_ready() {
    // A graph that reads well and cannot run: its only node is of an operator nobody has.
    let models = models_dir(&[
        ("good", crate::onnx::mlp(&[2, 2], 1)),
        ("bad", crate::onnx::unknown_operator()),
    ]);
    let server = TestServer::loading(models.path(), r#"[{"model":"good"},{"model":"bad"}]"#, &[]).await;
    assert_eq!(server.client.get("/health/startup").await.status, 200);
    crate::support::eventually("the good one serves", async || {
        server.client.post("/good", &json!({"x": [1, 2]})).await.status == 200
    })
    .await;
    let ready = server.client.get("/health/readiness").await;
    assert_eq!(ready.status, 503);
    let refused = server.client.post("/bad", &json!({"x": [1, 2]})).await;
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(
        server.client.get("/health/liveness").await.status,
        200,
        "a restart would not mend it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_root_is_json_for_programs_and_a_page_for_browsers() {
    let models = models();
    let server = TestServer::folders(models.path(), TWO, &[]).await;
    let told = server.client.get("/").await.ok();
    assert_eq!(told["models"][0]["name"], "one");
    assert_eq!(told["models"][0]["status"]["replicas"][0]["device"], "cpu");
    let page = server
        .client
        .http
        .get(&server.client.url)
        .header("accept", "text/html,*/*")
        .send()
        .await
        .unwrap();
    assert!(
        page.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/html")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_of_the_docs_works_and_every_schema_reference_resolves() {
    let models = models();
    let server = TestServer::folders(models.path(), TWO, &[]).await;
    let document = server.client.get("/openapi.json").await.ok();
    let components = &document["components"]["schemas"];
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(components.get(name).is_some(), "{name} is referred to and not there");
    }
    for (path, item) in document["paths"].as_object().unwrap() {
        // A warm-up takes no body.
        let Some(post) = item.get("post").filter(|post| post.get("requestBody").is_some()) else {
            continue;
        };
        let examples = post["requestBody"]["content"]["application/json"]["examples"]
            .as_object()
            .unwrap();
        // A job is kept and not run yet.
        let (good, late) = if path.ends_with("/background") {
            ("202", "409")
        } else {
            ("200", "504")
        };
        for example in examples.values() {
            let answer = server.client.post(path, &example["value"]).await;
            assert_eq!(answer.status.to_string(), good, "{path}: {}", answer.text());
        }
        let broken = if path.starts_with("/v1/") { "400" } else { "422" };
        for status in [good, "400", "413", broken, "500", "503", late] {
            assert!(post["responses"].get(status).is_some(), "{path} {status}");
        }
    }
    for path in ["/docs/", "/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css"] {
        assert_eq!(server.client.get(path).await.status, 200, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_carry_the_latency_and_the_id() {
    let models = models();
    let server = TestServer::folders(models.path(), TWO, &[]).await;
    let answer = server
        .client
        .post_with("/one/", &[("x-banana-request-id", "b-7")], r#"{"x":[1,2]}"#)
        .await;
    assert_eq!((answer.status, answer.header("x-request-id")), (200, "b-7"));
    let latency: f64 = answer.header("metrics-latency").parse().unwrap();
    assert!(latency > 0.0 && latency < 10.0);
    let timing = answer.header("server-timing");
    assert!(
        timing.starts_with("queue;dur=") && timing.contains("compute;dur="),
        "{timing}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn cors_is_a_setting() {
    let models = models();
    let allowed = async |origins: &str| {
        let server = TestServer::folders(models.path(), TWO, &[("SERVER_CORS_ORIGINS", origins)]).await;
        let request = server
            .client
            .http
            .request(reqwest::Method::OPTIONS, format!("{}/one", server.client.url));
        let request = request
            .header("origin", "https://a.example")
            .header("access-control-request-method", "POST");
        let response = request.send().await.unwrap();
        response
            .headers()
            .get("access-control-allow-origin")
            .map(|v| v.to_str().unwrap().to_owned())
    };
    assert_eq!(allowed("*").await.as_deref(), Some("*"));
    assert_eq!(
        allowed("https://a.example,https://b.example").await.as_deref(),
        Some("https://a.example")
    );
    assert_eq!(allowed("https://b.example").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_is_an_alias_beside_the_models_own_path() {
    let models = models();
    let entry = r#"[{"model":"one","endpoint":"/predict/one"}]"#;
    let server = TestServer::folders(models.path(), entry, &[]).await;
    for path in ["/one", "/predict/one"] {
        assert_eq!(
            server.client.post(path, &json!({"x": [1, 2]})).await.status,
            200,
            "{path}"
        );
    }
}

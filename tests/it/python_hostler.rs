//! Hostler's own small form: typed hints, batches, streams, async functions.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::python::{copies, python_dir};
use crate::support::{TestServer, eventually};

const EVENTS: (&str, &str) = ("accept", "text/event-stream");

async fn serve(model: &str) -> TestServer {
    TestServer::folders(&python_dir(), &json!([{"model": model}]).to_string(), &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn hints_are_the_contract() {
    let server = serve("hostler_typed").await;
    let client = &server.client;
    let order =
        json!({"items": [{"name": "hat", "price": 2.5, "count": 2}, {"name": "tie", "price": 4}], "size": "large"});
    let bill = client.post("/hostler_typed", &order).await.ok();
    assert_eq!(
        bill,
        json!({"total": 9.0, "lines": ["2 x hat", "1 x tie"], "size": "large"})
    );
    for (body, loc) in [
        (
            json!({"items": [{"name": "hat", "price": "dear"}]}),
            json!(["body", "items", "0", "price"]),
        ),
        (
            json!({"items": [{"name": "hat", "price": 1}], "size": "huge"}),
            json!(["body", "size"]),
        ),
        (json!({"items": "hat"}), json!(["body", "items"])),
        (json!("hat"), json!(["body"])),
    ] {
        let wrong = client.post("/hostler_typed", &body).await;
        assert_eq!(
            (wrong.status, &wrong.json()["detail"][0]["loc"]),
            (422, &loc),
            "{body}: {}",
            wrong.text()
        );
    }
    let empty = client.post("/hostler_typed", &json!({"items": []})).await;
    assert_eq!(
        (empty.status, empty.json()["error"].clone()),
        (422, json!("an order has at least one item"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_docs_have_the_types_by_their_names() {
    let server = serve("hostler_typed").await;
    let document = server.client.get("/openapi.json").await.ok();
    let post = &document["paths"]["/hostler_typed"]["post"];
    let schema = &post["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(
        (&schema["title"], &schema["required"]),
        (&json!("Order"), &json!(["items"]))
    );
    let items = schema["properties"]["items"]["items"]["$ref"].as_str().unwrap();
    let name = items.strip_prefix("#/components/schemas/").unwrap();
    let item = &document["components"]["schemas"][name];
    assert_eq!(item["properties"]["price"]["type"], "number");
    assert_eq!(item["required"], json!(["name", "price"]));
    let answer = &post["responses"]["200"]["content"]["application/json"]["schema"];
    assert_eq!(answer["title"], "Bill");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_together_shares_a_run_and_a_fault_is_its_own() {
    let dir = copies(&[("hostler_batch", "max_queue_delay_ms = 200\nmax_batch_size = 8\n")]);
    let server = TestServer::folders(dir.path(), r#"[{"model":"hostler_batch"}]"#, &[]).await;
    let ask = |text: String| {
        let client = server.client.clone();
        async move {
            let answer = client.post("/hostler_batch", &json!(text)).await;
            (answer.status, answer.json())
        }
    };
    let together = join_all((1..=8).map(|n| ask("x".repeat(n)))).await;
    for (n, (status, told)) in (1..).zip(&together) {
        assert_eq!((*status, &told["length"]), (200, &json!(n)), "{told}");
    }
    let largest = together
        .iter()
        .filter_map(|(_, told)| told["batch"].as_u64())
        .max()
        .unwrap();
    println!("the largest batch of 8 requests: {largest}");
    assert!(largest > 1, "{together:?}");

    let mixed = join_all(["a", "", "ccc", "dddd"].map(|text| ask(text.to_owned()))).await;
    let statuses: Vec<u16> = mixed.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses, [200, 422, 200, 200]);
    assert_eq!(mixed[1].1["error"], "a text is not empty");
    let wrong = server.client.post("/hostler_batch", &json!(5)).await;
    assert_eq!(
        (wrong.status, &wrong.json()["detail"][0]["loc"]),
        (422, &json!(["body"]))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generator_streams_and_its_fault_ends_the_stream() {
    let server = serve("hostler_stream").await;
    let client = &server.client;
    let stream = async |text: &str| {
        let body = json!({"text": text}).to_string();
        client.post_with("/hostler_stream", &[EVENTS], body).await
    };
    assert_eq!(stream("one two").await.text(), "data: \"one\"\n\ndata: \"two\"\n\n");
    let after = stream("one fail two").await;
    assert_eq!(
        after.text(),
        "data: \"one\"\n\nevent: error\ndata: {\"error\":\"RuntimeError: a word that cannot be said\"}\n\n"
    );
    let before = stream("fail").await;
    assert_eq!(
        (before.status, before.header("content-type")),
        (500, "application/json")
    );
    let whole = client
        .post("/hostler_stream", &json!({"text": "a b", "times": 2}))
        .await;
    assert_eq!(whole.ok(), json!(["a", "b", "a", "b"]));
    let fault = client.post("/hostler_stream", &json!({"text": "a fail"})).await;
    assert_eq!(fault.status, 500);
    assert_eq!(client.post("/hostler_stream", &json!({"times": 2})).await.status, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_leaves_ends_the_generator() {
    let server = serve("hostler_stream").await;
    let client = &server.client;
    let request = client
        .http
        .post(format!("{}/hostler_stream", client.url))
        .header(EVENTS.0, EVENTS.1);
    let endless = json!({"text": "word ".repeat(100), "times": 1_000_000_000});
    let response = request.body(endless.to_string()).send().await.unwrap();
    let mut chunks = response.bytes_stream();
    assert!(chunks.next().await.unwrap().unwrap().starts_with(b"data: \"word\""));
    drop(chunks);
    let done = json!({"text": "done"});
    let next = client.post("/hostler_stream", &done);
    let next = tokio::time::timeout(Duration::from_secs(5), next).await;
    assert_eq!(next.expect("the replica is free again").ok(), json!(["done"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn async_calls_are_under_way_together() {
    let server = serve("hostler_async").await;
    let ask = |seconds: f64| {
        let client = server.client.clone();
        async move { client.post("/hostler_async", &json!(seconds)).await.ok() }
    };
    let began = Instant::now();
    let told = join_all([0.5; 8].map(ask)).await;
    let took = began.elapsed();
    let most = told.iter().map(|one| one["together"].as_u64().unwrap()).max().unwrap();
    println!("8 calls that sleep 0.5 s took {took:?}, {most} at the same time");
    assert!(most > 1 && took < Duration::from_secs(3), "{told:?}");
    let wrong = server.client.post("/hostler_async", &json!("long")).await;
    assert_eq!(wrong.status, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_comes_late_does_not_wait_for_a_long_one() {
    let server = serve("hostler_async").await;
    let ask = |seconds: f64| {
        let client = server.client.clone();
        async move { client.post("/hostler_async", &json!(seconds)).await.ok() }
    };
    let long = tokio::spawn(ask(15.0));
    eventually("the long call is under way", async || ask(0.0).await["together"] == 2).await;
    // Longer than a run of calls done one after the other takes in what waits.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let late = tokio::time::timeout(Duration::from_secs(5), ask(0.0)).await;
    assert_eq!(late.expect("the late call is answered")["together"], 2);
    long.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_is_behind_holds_up_no_other_call() {
    let server = serve("hostler_async_stream").await;
    let client = &server.client;
    let request = client
        .http
        .post(format!("{}/hostler_async_stream", client.url))
        .header(EVENTS.0, EVENTS.1);
    // More than buffers and sockets take, in fewer pieces than a reader may be behind.
    let (times, size) = (800, 128 << 10);
    let much = json!({"times": times, "size": size});
    let mut chunks = request.body(much.to_string()).send().await.unwrap().bytes_stream();
    let mut read = chunks.next().await.unwrap().unwrap().len();
    // By then the process has said all of it.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let few = json!({"times": 2});
    let other = tokio::time::timeout(Duration::from_secs(5), client.post("/hostler_async_stream", &few)).await;
    assert_eq!(other.expect("the other call is answered").ok(), json!(["x", "x"]));
    while let Some(chunk) = chunks.next().await {
        read += chunk.unwrap().len();
    }
    assert!(read > times * size, "{read}");
}

#[tokio::test(flavor = "multi_thread")]
async fn any_json_comes_back_as_it_was_sent() {
    let server = serve("hostler_echo").await;
    let values = [
        json!(null),
        json!("grüße, 世界 \u{1f40e} \"\\\n\u{0}"),
        json!([1, -1, 1.5, 1e-9, true, [], {}]),
        json!({"": {"a": [{"b": null}]}}),
        Value::from("x".repeat(3 << 20)),
        Value::from((0..100_000).collect::<Vec<u32>>()),
    ];
    for value in values {
        let answer = server.client.post("/hostler_echo", &value).await.ok();
        assert!(
            answer == value,
            "{}",
            &value.to_string()[..value.to_string().len().min(80)]
        );
    }
}

//! Text generation through HTTP: what transformers writes with the same weights, whatever else is being written.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{TestServer, eventually};
use crate::task_support::{Cases, fault, record, serve};

const PATH: &str = "/text_generation";
const EVENTS: (&str, &str) = ("accept", "text/event-stream");
/// Goes on until the model's positions end: 157 tokens.
const LONG: &str = "c";

async fn server() -> TestServer {
    serve(&json!([{"model": "text_generation"}])).await
}

async fn write(server: &TestServer, request: &Value) -> Value {
    server.client.post(PATH, request).await.ok()
}

/// The chunks of a stream and its result.
fn events(text: &str) -> (Vec<Value>, Value) {
    let data = |event: &str| serde_json::from_str(event.split_once("data: ").unwrap().1).unwrap();
    let (last, chunks): (Vec<&str>, Vec<&str>) = text
        .split("\n\n")
        .filter(|event| !event.is_empty())
        .partition(|event| event.starts_with("event: result"));
    assert_eq!(last.len(), 1, "{text}");
    (chunks.into_iter().map(data).collect(), data(last[0]))
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_are_those_of_the_reference_alone_and_in_random_company_in_every_layout() {
    Cases::read("text_generation").hold().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_tells_the_same_text_in_pieces_that_keep_characters_whole_in_every_layout() {
    let record = Cases::read("text_generation");
    let server = record.serve(&json!({})).await;
    for case in &record.cases {
        let path = format!("/{}", case["model"].as_str().unwrap());
        let body = case["request"].to_string();
        let answer = server.client.post_with(&path, &[EVENTS], body).await;
        assert_eq!(answer.header("content-type"), "text/event-stream", "{}", answer.text());
        let (chunks, result) = events(&answer.text());
        let pieces: String = chunks.iter().map(|c| c["text"].as_str().unwrap()).collect();
        assert_eq!(pieces, case["results"], "{case}");
        assert_eq!(result["results"], case["results"]);
        assert!(chunks.iter().all(|c| c["index"] == 0 && c["text"] != ""), "{chunks:?}");
    }
    let long = json!({"prompt": LONG, "max_new_tokens": 1000});
    let (chunks, result) = events(&server.client.post_with(PATH, &[EVENTS], long.to_string()).await.text());
    assert_eq!(result["generated_tokens"], 157);
    assert_eq!(result["finish_reason"], "length");
    assert!(chunks.len() > 40, "{} chunks", chunks.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_text_is_written_while_a_long_one_is() {
    let server = serve(&json!([{"model": "text_generation", "max_batch_size": 8}])).await;
    let body = json!({"prompt": LONG, "max_new_tokens": 1000}).to_string();
    let mut sooner = 0;
    // The long text may be over before the short request has arrived, on a busy machine; but not every time.
    for _ in 0..5 {
        let url = format!("{}{PATH}", server.client.url);
        let request = server
            .client
            .http
            .post(url)
            .header(EVENTS.0, EVENTS.1)
            .body(body.clone());
        let mut long = request.send().await.unwrap().bytes_stream();
        long.next().await.unwrap().unwrap();
        let short = write(&server, &json!({"prompt": "The", "max_new_tokens": 1})).await;
        assert_eq!(short["generated_tokens"], 1);
        let running = server.service.admitted() > 0;
        sooner += u8::from(running);
        while long.next().await.is_some() {}
    }
    assert!(sooner > 0, "the short text waited for the long one each time");
}

/// That the rows of a reader that left are gone in the next step is counted in the tests of the schedule.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_leaves_frees_its_rows() {
    let server = serve(&json!([{"model": "text_generation", "max_batch_size": 2}])).await;
    for _ in 0..6 {
        let url = format!("{}{PATH}", server.client.url);
        let request = server.client.http.post(url).header(EVENTS.0, EVENTS.1);
        let body = json!({"prompt": LONG, "max_new_tokens": 1000, "temperature": 1, "num_return_sequences": 32});
        let mut stream = request.body(body.to_string()).send().await.unwrap().bytes_stream();
        stream.next().await.unwrap().unwrap();
    }
    eventually("nothing runs", async || server.service.admitted() == 0).await;
    write(&server, &json!({"prompt": "The", "max_new_tokens": 1})).await;
}

/// Prompts that are as long as the model has positions, and one token shorter.
#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_that_leaves_room_for_one_token_is_answered_and_a_longer_one_is_refused() {
    const POSITIONS: usize = 160;
    let models = ["text_generation", "text_generation_merged", "text_generation_pair"];
    let entries: Vec<Value> = models.iter().map(|model| json!({"model": model})).collect();
    let server = serve(&Value::Array(entries)).await;
    for model in models {
        let path = format!("/{model}");
        let prompt = |letters: usize| json!({"prompt": "x".repeat(letters), "max_new_tokens": 50});
        // Each letter is a token; the tokenizer may put others before them.
        let some = server.client.post(&path, &prompt(100)).await.ok();
        let before = usize::try_from(some["prompt_tokens"].as_u64().unwrap()).unwrap() - 100;
        let last = server.client.post(&path, &prompt(POSITIONS - 1 - before)).await.ok();
        assert_eq!(
            (&last["prompt_tokens"], &last["generated_tokens"]),
            (&json!(159), &json!(1)),
            "{model}"
        );
        for more in [0, 1, 20_000] {
            let request = prompt(POSITIONS - before + more);
            assert_eq!(
                fault(&server, &path, &request).await,
                ["body", "prompt"],
                "{model} {more}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_ends_a_text_and_nobody_elses() {
    let server = server().await;
    let late = [("x-request-timeout", "0.000001")];
    let body = json!({"prompt": LONG, "max_new_tokens": 1000});
    let (late, whole) = tokio::join!(
        server.client.post_with(PATH, &late, body.to_string()),
        server.client.post(PATH, &body)
    );
    assert_eq!(late.status, 504, "{}", late.text());
    assert_eq!(whole.ok()["generated_tokens"], 157);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_draws_the_same_text_whatever_runs_beside_it() {
    let server = server().await;
    let request = |seed: u64| {
        json!({
            "prompt": "The garden", "max_new_tokens": 12, "temperature": 1.2, "top_p": 0.9, "seed": seed,
            "num_return_sequences": 3,
        })
    };
    let mut alone = Vec::new();
    for seed in 0..12 {
        alone.push(write(&server, &request(seed)).await);
    }
    let requests: Vec<Value> = (0..12).map(request).collect();
    let together = join_all(requests.iter().map(|r| write(&server, r))).await;
    assert_eq!(alone, together);
    let texts = |answer: &Value| {
        let sequences = answer["sequences"].as_array().unwrap();
        sequences.iter().map(|s| s["text"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(alone[0]["results"], texts(&alone[0])[0]);
    assert_eq!(alone[0]["seed"], 0);
    assert_ne!(texts(&alone[0])[0], texts(&alone[0])[1]);
    assert_ne!(texts(&alone[0]), texts(&alone[1]));
    // Without a seed the answer tells the one that was used.
    let mut free = request(0);
    free.as_object_mut().unwrap().remove("seed");
    let drawn = write(&server, &free).await;
    let again = write(&server, &request(drawn["seed"].as_u64().unwrap())).await;
    assert_eq!(drawn, again);
    let cold = json!({"prompt": "The garden", "max_new_tokens": 12, "temperature": 0, "seed": 5});
    assert!(write(&server, &cold).await.get("seed").is_none());
}

#[allow(clippy::cast_precision_loss, reason = "a few thousand")]
fn chi_square(counts: &BTreeMap<String, usize>, likely: &BTreeMap<String, f64>) -> (f64, f64) {
    let total = counts.values().sum::<usize>() as f64;
    let count = |text: &String| counts.get(text).copied().unwrap_or(0) as f64;
    let (mut statistic, mut categories) = (0.0, 0.0);
    let (mut rare, mut rare_wanted) = (0.0, 0.0);
    for (text, probability) in likely {
        let wanted = probability * total;
        // Rare texts count together: the statistic holds for categories of some size only.
        if wanted < 8.0 {
            rare += count(text);
            rare_wanted += wanted;
        } else {
            statistic += (count(text) - wanted).powi(2) / wanted;
            categories += 1.0;
        }
    }
    if rare_wanted > 1.0 {
        statistic += (rare - rare_wanted).powi(2) / rare_wanted;
        categories += 1.0;
    }
    (statistic, categories - 1.0)
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_drawn_as_often_as_the_reference_finds_them_likely() {
    let server = server().await;
    for draw in record("text_generation")["draws"].as_array().unwrap() {
        let likely: BTreeMap<String, f64> = serde_json::from_value(draw["probabilities"].clone()).unwrap();
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for seed in 0..64 {
            let mut request = draw["request"].clone();
            request["max_new_tokens"] = json!(1);
            request["num_return_sequences"] = json!(32);
            request["seed"] = json!(seed);
            for sequence in write(&server, &request).await["sequences"].as_array().unwrap() {
                *counts.entry(sequence["text"].as_str().unwrap().to_owned()).or_default() += 1;
            }
        }
        let strange: Vec<_> = counts.keys().filter(|text| !likely.contains_key(*text)).collect();
        assert!(strange.is_empty(), "{strange:?} {draw}");
        let (statistic, freedom) = chi_square(&counts, &likely);
        // Five standard deviations above what is expected. Seeds are fixed, so it holds always or never.
        let bound = freedom + 5.0 * (2.0 * freedom.max(1.0)).sqrt();
        assert!(statistic < bound, "{statistic} of {bound}: {counts:?} {draw}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_is_told_with_its_path() {
    let server = serve(&json!([{"model": "text_generation"}, {"model": "text_generation_pair"}])).await;
    let say = |role: &str| json!([{"role": role, "content": "Hi"}]);
    for (request, place) in [
        (json!({}), vec!["body", "prompt"]),
        (json!({"prompt": 5}), vec!["body", "prompt"]),
        (
            json!({"prompt": "a", "messages": say("user")}),
            vec!["body", "messages"],
        ),
        (json!({"messages": []}), vec!["body", "messages"]),
        (json!({"messages": say("assistant")}), vec!["body", "messages"]),
        (
            json!({"messages": [{"role": "user"}]}),
            vec!["body", "messages", "0", "content"],
        ),
        (json!({"prompt": "garden ".repeat(300)}), vec!["body", "prompt"]),
        (
            json!({"prompt": "a", "max_new_tokens": 0}),
            vec!["body", "max_new_tokens"],
        ),
        (json!({"prompt": "a", "temperature": -1}), vec!["body", "temperature"]),
        (json!({"prompt": "a", "top_p": 1.5}), vec!["body", "top_p"]),
        (
            json!({"prompt": "a", "repetition_penalty": 0}),
            vec!["body", "repetition_penalty"],
        ),
        (json!({"prompt": "a", "stop": vec!["x"; 17]}), vec!["body", "stop"]),
        (json!({"prompt": "a", "stop": "x".repeat(1025)}), vec!["body", "stop"]),
        (
            json!({"prompt": "a", "stop": ["x", "x".repeat(1025)]}),
            vec!["body", "stop", "1"],
        ),
        (
            json!({"prompt": "a", "num_return_sequences": 2}),
            vec!["body", "num_return_sequences"],
        ),
        (
            json!({"prompt": "a", "num_return_sequences": 33}),
            vec!["body", "num_return_sequences"],
        ),
        (json!({"prompt": "a", "beams": 3}), vec!["body"]),
    ] {
        assert_eq!(fault(&server, PATH, &request).await, place, "{request}");
    }
    let chat = json!({"messages": say("user")});
    assert_eq!(
        fault(&server, "/text_generation_pair", &chat).await,
        ["body", "messages"]
    );
    let told = server
        .client
        .post(PATH, &json!({"messages": say("assistant")}))
        .await
        .text();
    assert!(told.contains("a chat does not begin with the assistant"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn examples_of_the_docs_work() {
    let server = server().await;
    let document = server.client.get("/openapi.json").await.ok();
    let content = &document["paths"][PATH]["post"]["requestBody"]["content"]["application/json"];
    let examples = content["examples"].as_object().unwrap();
    assert!(examples.len() >= 2);
    for example in examples.values() {
        write(&server, &example["value"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_texts_of_mixed_lengths_end_within_their_time() {
    let server = serve(&json!([{"model": "text_generation_merged", "max_batch_size": 16}])).await;
    let asked = (0..48).map(|n| {
        let client = server.client.clone();
        async move {
            let request = json!({"prompt": "The ".repeat(n % 9 + 1), "max_new_tokens": 1 + n * 3 % 70});
            client.post("/text_generation_merged", &request).await.ok()
        }
    });
    let all = tokio::time::timeout(Duration::from_secs(60), join_all(asked)).await;
    assert_eq!(all.unwrap().len(), 48);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_sequences_than_run_together_are_drawn_in_turns() {
    let request = json!({
        "prompt": "The garden", "max_new_tokens": 12, "temperature": 1.2, "seed": 5, "num_return_sequences": 11,
    });
    let mut answers = Vec::new();
    for most in [3, 32] {
        let server = serve(&json!([{"model": "text_generation", "max_batch_size": most}])).await;
        let short = json!({"prompt": "Anna", "max_new_tokens": 2});
        let (many, one) = tokio::join!(write(&server, &request), write(&server, &short));
        assert_eq!(one["generated_tokens"], 2);
        answers.push(many);
    }
    assert_eq!(answers[0]["sequences"].as_array().unwrap().len(), 11);
    assert_eq!(answers[0], answers[1]);
}

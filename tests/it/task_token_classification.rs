//! Token classification through HTTP: the answers of the transformers pipeline on the same weights.

use serde_json::{Value, json};

use crate::task_support::{Cases, fault, serve};

#[tokio::test(flavor = "multi_thread")]
async fn entities_are_those_of_the_reference_alone_and_in_random_company() {
    Cases::read("token_classification").hold().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_labelled_is_told_with_its_path() {
    let server = serve(&json!([{"model": "token_classification"}])).await;
    let path = "/token_classification";
    for (request, place) in [
        (json!({"aggregation_strategy": "simple"}), vec!["body", "text"]),
        (json!({"text": {"a": 1}}), vec!["body", "text"]),
        (json!({"text": []}), vec!["body", "text"]),
        (
            json!({"text": "a", "aggregation_strategy": "some"}),
            vec!["body", "aggregation_strategy"],
        ),
        (json!({"text": "a", "stride": 3}), vec!["body"]),
    ] {
        assert_eq!(fault(&server, path, &request).await, place, "{request}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_point_into_the_text_that_was_sent() {
    let server = serve(&json!([{"model": "token_classification_bytes"}])).await;
    let text = "👍🏽 Zoe\u{308}, שלום  and\tAnna";
    let characters: Vec<char> = text.chars().collect();
    let place = |value: &Value| usize::try_from(value.as_u64().unwrap()).unwrap();
    for strategy in ["simple", "first", "average", "max"] {
        let request = json!({"text": text, "aggregation_strategy": strategy});
        let answer = server.client.post("/token_classification_bytes", &request).await.ok();
        let entities = answer["results"].as_array().unwrap();
        assert!(!entities.is_empty(), "{strategy}: {answer}");
        let (mut before, mut whole) = (0, 0);
        for entity in entities {
            let (start, end) = (place(&entity["start"]), place(&entity["end"]));
            assert!(before <= start && start <= end && end <= characters.len(), "{entity}");
            before = start;
            let slice: String = characters[start..end].iter().collect();
            let word = entity["word"].as_str().unwrap();
            // Some bytes of a character are no text, and offsets leave out the spaces that words begin with.
            if !word.contains('\u{fffd}') {
                assert_eq!(word.trim(), slice.trim(), "{strategy}: {entity}");
                whole += usize::from(!word.trim().is_empty());
            }
        }
        assert!(whole > 0, "{strategy}: {answer}");
    }
}

use super::*;

fn names(text: &str) -> Vec<String> {
    let entries = parse(text).unwrap_or_else(|faults| panic!("{text}: {faults:?}"));
    entries.into_iter().map(|entry| entry.name).collect()
}

fn faults(text: &str) -> Vec<String> {
    parse(text).unwrap_err().iter().map(ToString::to_string).collect()
}

fn fault(text: &str) -> String {
    let all = faults(text);
    assert_eq!(all.len(), 1, "{all:?}");
    all[0].clone()
}

#[test]
fn entries_keep_their_order() {
    let text = r#"[{"model":"question_answering","replicas":2},{"model":"digits"}]"#;
    assert_eq!(names(text), ["question_answering", "digits"]);
    assert_eq!(parse(text).unwrap()[0].replicas, Some(2));
}

#[test]
fn quotes_that_docker_keeps_are_taken_away() {
    for text in [
        r#"'[{"model":"digits"}]'"#,
        r#"  '[{"model":"digits"}]'  "#,
        r#"' [{"model":"digits"}] '"#,
        r#""[{"model":"digits"}]""#,
        "'[\n {\"model\": \"digits\"}\n]'",
        "[\r\n {\"model\": \"digits\"}\r\n]",
    ] {
        assert_eq!(names(text), ["digits"], "{text}");
    }
}

#[test]
fn broken_json_is_located() {
    assert_eq!(
        fault(r#"[{"model":"digits"},]"#),
        "SERVER_MODELS: is not valid JSON: trailing comma at line 1, column 21 (character 21), near \
         \"[{\"model\":\"digits\"},]\""
    );
    assert_eq!(
        fault("[\n  {\"model\": \"digits\"},\n  {\"model\" \"other\"}\n]"),
        "SERVER_MODELS: is not valid JSON: expected `:` at line 3, column 12 (character 37), near \
         \"…model\": \"digits\"},   {\"model\" \"other\"} ]\""
    );
}

#[test]
fn columns_count_characters_and_quotes_in_front() {
    let plain = fault(r#"[{"model":"dd"},]"#);
    assert!(plain.contains("line 1, column 17 (character 17)"), "{plain}");
    let wide = fault(r#"[{"model":"dé"},]"#);
    assert!(wide.contains("line 1, column 17 (character 17)"), "{wide}");
    let quoted = fault(r#"'[{"model":"dd"},]'"#);
    assert!(quoted.contains("line 1, column 18 (character 18)"), "{quoted}");
}

#[test]
fn text_that_ends_too_early_is_located_at_its_end() {
    let text = r#"[{"model":"digits""#;
    let shown = fault(text);
    assert!(
        shown.contains("EOF while parsing an object at line 1, column 19 (character 19)"),
        "{shown}"
    );
}

#[test]
fn an_excerpt_is_short() {
    let many = vec![r#"{"model":"digits"}"#; 100].join(",");
    let shown = fault(&format!("[{many},oops,{many}]"));
    assert!(shown.contains("\"…"), "{shown}");
    assert!(shown.contains("oops"), "{shown}");
    assert!(shown.chars().count() < 200, "{shown}");
}

#[test]
fn usual_accidents_are_explained() {
    for (text, hint) in [
        ("", "read nothing, expected a JSON list"),
        ("''", "read nothing, expected a JSON list"),
        ("digits", "expected a list such as [{\"model\":\"digits\"}]"),
        ("[{model:digits}]", "its double quotes are gone"),
        ("[{'model':'digits'}]", "strings in JSON stand between double quotes"),
        ("'[", "docker --env-file takes a value on one line only"),
    ] {
        let shown = fault(text);
        assert!(shown.contains(hint), "{text}: {shown}");
    }
}

#[test]
fn what_is_no_list_comes_with_a_remedy() {
    assert_eq!(
        fault(r#"{"model":"digits"}"#),
        "SERVER_MODELS: read an object, expected a list such as [{\"model\":\"digits\"}]: put square brackets \
         around it"
    );
    for (text, shown) in [
        ("\"digits\"", "read \"digits\","),
        ("3", "read 3,"),
        ("null", "read null,"),
    ] {
        assert!(fault(text).starts_with(&format!("SERVER_MODELS: {shown}")), "{text}");
    }
    assert!(fault("[]").contains("there is nothing to serve"));
    assert!(fault("'[]'").contains("there is nothing to serve"));
}

#[test]
fn all_faults_of_all_entries_come_together() {
    let text = r#"[
        {"model": "a", "replicas": 0, "thread": 1},
        "digits",
        {"model": "b", "endpoint": "/health/x"},
        {"model": "a"}
    ]"#;
    assert_eq!(
        faults(text),
        [
            r#"SERVER_MODELS[0] ("a"): replicas is 0, expected a whole number from 1"#,
            r#"SERVER_MODELS[0] ("a"): unknown key "thread"; did you mean "threads"?"#,
            r#"SERVER_MODELS[1]: read "digits", expected an object such as {"model":"digits"}"#,
            "SERVER_MODELS[2] (\"b\"): endpoint is \"/health/x\", expected another path: /health is a route of the \
             server's own",
            "SERVER_MODELS[3] (\"a\"): is the model of SERVER_MODELS[0] again, expected one entry a model: \
             \"replicas\" says how many run",
        ]
    );
}

#[test]
fn a_name_three_times_is_two_faults() {
    assert_eq!(faults(r#"[{"model":"a"},{"model":"a"},{"model":"a"}]"#).len(), 2);
}

#[test]
fn paths_of_two_models_must_differ() {
    for text in [
        r#"[{"model":"a","endpoint":"/x"},{"model":"b","endpoint":"/x"}]"#,
        r#"[{"model":"a"},{"model":"b","endpoint":"/a"}]"#,
        r#"[{"model":"b","endpoint":"/a"},{"model":"a"}]"#,
        r#"[{"model":"a"},{"model":"b","endpoint":"/a/background"}]"#,
        r#"[{"model":"a","endpoint":"/x"},{"model":"b","endpoint":"/x/background"}]"#,
        r#"[{"model":"a","endpoint":"/x/background"},{"model":"b","endpoint":"/x"}]"#,
        r#"[{"model":"a","endpoint":"/a/background"}]"#,
    ] {
        assert!(fault(text).contains("collides with a path of SERVER_MODELS["), "{text}");
    }
    assert_eq!(
        fault(r#"[{"model":"b","endpoint":"/a"},{"model":"a"}]"#),
        "SERVER_MODELS[0] (\"b\"): endpoint is \"/a\", which collides with a path of SERVER_MODELS[1] (\"a\"), \
         expected a path of its own"
    );
}

#[test]
fn other_paths_live_beside_each_other() {
    for text in [
        r#"[{"model":"a","endpoint":"/a"}]"#,
        r#"[{"model":"a","endpoint":"/x"},{"model":"b","endpoint":"/x/y"}]"#,
        r#"[{"model":"a","endpoint":"/b/x"},{"model":"b","endpoint":"/a/x"}]"#,
        r#"[{"model":"a"},{"model":"A"}]"#,
    ] {
        names(text);
    }
}

#[test]
fn a_key_twice_is_a_fault() {
    assert_eq!(
        fault(r#"[{"model":"b"},{"model":"a","replicas":1,"replicas":2}]"#),
        r#"SERVER_MODELS[1] ("a"): has the key "replicas" twice, expected it once"#
    );
}

#[test]
fn no_cut_of_a_text_panics() {
    let text = "'[ {\"model\": \"dé\",\n \"replicas\": \"2\", \"devices\": [\"cpu\"]},\n\n{\"model\":\"b\"} ]'";
    for (at, _) in text.char_indices() {
        let _ = parse(&text[..at]);
        let _ = parse(&text[at..]);
        let _ = parse(&text.replacen(&text[at..at + 1 + usize::from(!text.is_char_boundary(at + 1))], "é", 1));
    }
}

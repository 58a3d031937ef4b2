use super::*;
use serde_json::json;

fn faults(value: &Value) -> Vec<String> {
    read(1, value).1.iter().map(ToString::to_string).collect()
}

/// The only fault of an entry `digits` with one more key, without its place.
fn fault(key: &str, value: &Value) -> String {
    let all = faults(&json!({"model": "digits", key: value}));
    assert_eq!(all.len(), 1, "{all:?}");
    all[0]
        .strip_prefix("SERVER_MODELS[1] (\"digits\"): ")
        .unwrap()
        .to_owned()
}

fn entry(key: &str, value: &Value) -> ModelEntry {
    let (entry, faults) = read(0, &json!({"model": "digits", key: value}));
    assert_eq!(faults, [], "{key} {value}");
    entry.unwrap()
}

#[test]
fn a_name_is_enough() {
    assert_eq!(
        read(0, &json!({"model": "digits"})),
        (Some(ModelEntry::new("digits")), vec![])
    );
}

#[test]
fn every_key_is_read() {
    let (entry, faults) = read(
        0,
        &json!({
            "model": "digits", "replicas": 2, "devices": ["cuda:0", "ipu:0-1"], "max_batch_size": 8,
            "max_queue_delay_ms": 2.5, "endpoint": "/read", "queue_size": 64, "threads": 4, "request_timeout": 1.5
        }),
    );
    assert_eq!(faults, []);
    assert_eq!(
        entry.unwrap(),
        ModelEntry {
            name: "digits".to_owned(),
            replicas: Some(2),
            devices: Some(vec!["cuda:0".parse().unwrap(), "ipu:0-1".parse().unwrap()]),
            max_batch_size: Some(8),
            max_queue_delay: Some(Duration::from_micros(2500)),
            endpoint: Some("/read".to_owned()),
            queue_size: Some(64),
            threads: Some(4),
            request_timeout: Some(Duration::from_millis(1500)),
        }
    );
}

#[test]
fn every_listed_key_is_known_and_null_is_absent() {
    for key in KEYS.into_iter().filter(|key| *key != "model") {
        assert_eq!(entry(key, &Value::Null), ModelEntry::new("digits"));
    }
}

#[test]
fn counts_are_numbers_or_strings_of_one() {
    for value in [json!(3), json!("3"), json!(" 3 ")] {
        assert_eq!(entry("replicas", &value).replicas, Some(3));
    }
    assert_eq!(
        fault("replicas", &json!(0)),
        "replicas is 0, expected a whole number from 1"
    );
    for (value, shown) in [
        (json!("0"), "\"0\""),
        (json!(-1), "-1"),
        (json!(1.5), "1.5"),
        (json!("two"), "\"two\""),
        (json!(""), "\"\""),
        (json!(true), "true"),
        (json!([2]), "[2]"),
        (json!(1e30), "1e30"),
    ] {
        for key in ["replicas", "max_batch_size", "queue_size", "threads"] {
            let text = fault(key, &value).replace("1e+30", "1e30");
            assert_eq!(text, format!("{key} is {shown}, expected a whole number from 1"));
        }
    }
}

#[test]
fn times_are_numbers() {
    assert_eq!(
        entry("max_queue_delay_ms", &json!(0)).max_queue_delay,
        Some(Duration::ZERO)
    );
    assert_eq!(
        entry("request_timeout", &json!(2)).request_timeout,
        Some(Duration::from_secs(2))
    );
    for value in [json!(-1), json!("5"), json!(1e300), json!([])] {
        assert!(fault("max_queue_delay_ms", &value).ends_with(", expected a number of milliseconds from 0"));
    }
    for value in [json!(0), json!(-1), json!("none"), json!(1e300)] {
        assert!(fault("request_timeout", &value).contains(", expected a number of seconds above zero"));
    }
}

#[test]
fn devices_are_a_list_of_names() {
    assert_eq!(
        fault("devices", &json!("cuda:0")),
        r#"devices is "cuda:0", expected a list: ["cuda:0"]"#
    );
    assert_eq!(
        fault("devices", &json!("cuda:0, cuda:1")),
        r#"devices is "cuda:0, cuda:1", expected a list: ["cuda:0","cuda:1"]"#
    );
    assert_eq!(
        fault("devices", &json!([])),
        "devices is [], expected at least one device, or no such key"
    );
    assert!(fault("devices", &json!(1)).starts_with("devices is 1, expected a list such as"));
    assert!(fault("devices", &json!([1])).starts_with("devices[0] is 1, expected the name of a device"));
    assert!(fault("devices", &json!(["cpu", "gpu0"])).starts_with("devices[1]: \"gpu0\" is not a device"));
}

#[test]
fn every_wrong_device_is_reported() {
    assert_eq!(
        faults(&json!({"model": "digits", "devices": ["x", "cpu", "y"]})).len(),
        2
    );
}

#[test]
fn unknown_keys_come_with_a_suggestion() {
    assert_eq!(
        fault("replica", &json!(2)),
        r#"unknown key "replica"; did you mean "replicas"?"#
    );
    assert_eq!(
        fault("batch_size", &json!(2)),
        r#"unknown key "batch_size"; did you mean "max_batch_size"?"#
    );
    assert_eq!(
        fault("Endpoint", &json!(2)),
        r#"unknown key "Endpoint"; did you mean "endpoint"?"#
    );
    assert_eq!(
        fault("colour", &json!(2)),
        "unknown key \"colour\", expected one of model, replicas, devices, max_batch_size, max_queue_delay_ms, \
         endpoint, queue_size, threads, request_timeout"
    );
}

#[test]
fn names_and_endpoints_are_checked() {
    assert_eq!(
        faults(&json!({"model": "jobs"})),
        [r#"SERVER_MODELS[1] ("jobs"): model is "jobs", expected another name: jobs is a route of the server's own"#]
    );
    assert_eq!(
        faults(&json!({"model": ""})),
        [r#"SERVER_MODELS[1]: model is "", expected the name of a model folder"#]
    );
    assert_eq!(
        faults(&json!({"model": 3})),
        ["SERVER_MODELS[1]: model is 3, expected a string"]
    );
    assert_eq!(
        fault("endpoint", &json!("answer")),
        r#"endpoint is "answer", expected a path that begins with "/""#
    );
    assert_eq!(fault("endpoint", &json!(1)), "endpoint is 1, expected a string");
}

#[test]
fn an_entry_without_a_usable_name_is_none_and_its_other_faults_are_told() {
    for value in [json!({"replicas": 0}), json!({"model": null, "replicas": 0})] {
        assert_eq!(
            faults(&value),
            [
                r#"SERVER_MODELS[1]: has no "model", expected the name of a model folder"#,
                "SERVER_MODELS[1]: replicas is 0, expected a whole number from 1",
            ]
        );
        assert_eq!(read(1, &value).0, None);
    }
}

#[test]
fn what_is_no_object_is_shown() {
    for (value, shown) in [
        (json!("digits"), r#""digits""#),
        (json!(1), "1"),
        (json!(null), "null"),
        (json!(["digits"]), r#"["digits"]"#),
    ] {
        assert_eq!(
            faults(&value),
            [format!(
                "SERVER_MODELS[1]: read {shown}, expected an object such as {{\"model\":\"digits\"}}"
            )]
        );
    }
}

#[test]
fn all_faults_of_an_entry_come_together_and_what_is_right_is_kept() {
    let value = json!({"model": "digits", "replicas": 0, "threads": 2, "endpoint": "x", "nonsense": 1});
    let (entry, faults) = read(1, &value);
    assert_eq!(faults.len(), 3);
    assert_eq!(
        entry,
        Some(ModelEntry {
            threads: Some(2),
            ..ModelEntry::new("digits")
        })
    );
}

use std::sync::Barrier;

use serde_json::{Value, json};

use super::*;
use crate::store::{KeyValue, Memory};

/// The child's side.
struct Line {
    socket: UnixStream,
    bytes: BytesMut,
}

impl Line {
    fn send(&mut self, number: u32, meta: &Value, body: &[u8]) {
        let meta = meta.to_string();
        let head = Head {
            call: number,
            ..Head::process(Kind::Store)
        };
        let header = head.encode(meta.len(), body.len()).unwrap();
        let frame = [&header[..], meta.as_bytes(), body].concat();
        self.socket.write_all(&frame).unwrap();
    }

    /// Number, meta and body of the next answer.
    fn receive(&mut self) -> (u32, Value, Bytes) {
        loop {
            if let Some(frame) = frame::take(&mut self.bytes).unwrap() {
                assert_eq!(frame.head.kind, Kind::Stored);
                let meta = serde_json::from_slice(&frame.meta).unwrap_or_default();
                return (frame.head.call, meta, frame.body);
            }
            let mut chunk = [0; 4096];
            let n = self.socket.read(&mut chunk).unwrap();
            assert_ne!(n, 0, "the desk has closed");
            self.bytes.extend_from_slice(&chunk[..n]);
        }
    }

    fn ask(&mut self, meta: &Value, body: &[u8]) -> (Value, Bytes) {
        self.send(7, meta, body);
        let (number, meta, body) = self.receive();
        assert_eq!(number, 7);
        (meta, body)
    }
}

fn open(engine: Arc<dyn KeyValue>) -> (Desk, Line) {
    let (desk, theirs) = Desk::open(&Store::new(engine, "model"), 0).unwrap();
    let line = Line {
        socket: theirs.into(),
        bytes: BytesMut::new(),
    };
    (desk, line)
}

/// Waits for others, fails or panics by the key.
#[derive(Default)]
struct Strange {
    memory: Memory,
    meeting: Option<Barrier>,
}

impl KeyValue for Strange {
    fn get(&self, namespace: &str, key: &str) -> Result<Option<Entry>, StoreError> {
        match key {
            "meet" => {
                if let Some(meeting) = &self.meeting {
                    meeting.wait();
                }
            }
            "away" => return Err(StoreError::Away("the store is away".to_owned())),
            "panic" => panic!("the store was told to panic"),
            _ => {}
        }
        self.memory.get(namespace, key)
    }

    fn set(&self, namespace: &str, key: &str, value: &Entry, ttl: Option<Duration>) -> Result<(), StoreError> {
        self.memory.set(namespace, key, value, ttl)
    }

    fn delete(&self, namespace: &str, key: &str) -> Result<bool, StoreError> {
        self.memory.delete(namespace, key)
    }

    fn increment(&self, namespace: &str, key: &str, by: i64) -> Result<i64, StoreError> {
        self.memory.increment(namespace, key, by)
    }

    fn compare_and_set(
        &self,
        namespace: &str,
        key: &str,
        expected: Option<&Entry>,
        value: Option<&Entry>,
        ttl: Option<Duration>,
    ) -> Result<bool, StoreError> {
        self.memory.compare_and_set(namespace, key, expected, value, ttl)
    }
}

#[test]
fn values_come_back_in_the_form_they_were_set_in() {
    let memory = Arc::new(Memory::default());
    let (_desk, mut line) = open(memory.clone());
    let get = json!({"op": "get", "key": "k"});
    assert_eq!(line.ask(&get, b""), (Value::Null, Bytes::new()));
    let set = json!({"op": "set", "key": "k", "form": "json"});
    assert_eq!(
        line.ask(&set, br#"{"b":[1.5,null],"a":"x"}"#),
        (Value::Null, Bytes::new())
    );
    let (meta, body) = line.ask(&get, b"");
    assert_eq!(meta, json!({"form": "json"}));
    assert_eq!(
        serde_json::from_slice::<Value>(&body).unwrap(),
        json!({"a": "x", "b": [1.5, null]})
    );
    let bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    line.ask(&json!({"op": "set", "key": "k", "form": "bytes", "ttl": 600}), &bytes);
    assert_eq!(line.ask(&get, b""), (json!({"form": "bytes"}), Bytes::from(bytes)));
    // Under the model's name.
    assert!(matches!(memory.get("model", "k"), Ok(Some(Entry::Bytes(_)))));
    assert_eq!(line.ask(&json!({"op": "delete", "key": "k"}), b"").1, "true");
    assert_eq!(line.ask(&json!({"op": "delete", "key": "k"}), b"").1, "false");
    assert_eq!(line.ask(&json!({"op": "increment", "key": "n", "by": -3}), b"").1, "-3");
}

#[test]
fn a_key_is_exchanged_in_one_step() {
    let (_desk, mut line) = open(Arc::new(Memory::default()));
    let mut swap = |meta: Value, body: &[u8]| {
        let mut all = json!({"op": "compare_and_set", "key": "k"});
        all.as_object_mut().unwrap().extend(meta.as_object().unwrap().clone());
        line.ask(&all, body).1
    };
    assert_eq!(swap(json!({"form": "json"}), b"[1]"), "true");
    assert_eq!(swap(json!({"form": "json"}), b"[1]"), "false");
    let both = json!({"expected": "json", "expected_size": 3, "form": "bytes", "ttl": 30.0});
    assert_eq!(swap(both, b"[1]\xff"), "true");
    assert_eq!(swap(json!({"expected": "bytes", "expected_size": 1}), b"\xff"), "true");
    assert_eq!(swap(json!({}), b""), "true");
}

#[test]
fn requests_under_way_do_not_wait_for_each_other() {
    // Each waits until the other has come.
    let strange = Strange {
        meeting: Some(Barrier::new(3)),
        ..Strange::default()
    };
    let (_desk, mut line) = open(Arc::new(strange));
    for number in [1, 2, 3] {
        line.send(number, &json!({"op": "get", "key": "meet"}), b"");
    }
    let mut answered: Vec<u32> = (0..3).map(|_| line.receive().0).collect();
    answered.sort_unstable();
    assert_eq!(answered, [1, 2, 3]);
}

#[test]
fn more_requests_than_threads_are_all_answered() {
    let (_desk, mut line) = open(Arc::new(Memory::default()));
    for number in 0..200 {
        line.send(number, &json!({"op": "increment", "key": "n", "by": 1}), b"");
    }
    let mut sums: Vec<u32> = (0..200)
        .map(|_| serde_json::from_slice(&line.receive().2).unwrap())
        .collect();
    sums.sort_unstable();
    assert!(sums.into_iter().eq(1..=200));
}

#[test]
fn faults_are_told_and_end_nothing() {
    let (_desk, mut line) = open(Arc::new(Strange::default()));
    let get = |key: &str| json!({"op": "get", "key": key});
    for (meta, body, kind, said) in [
        (get("away"), "", "not_ready", "the store is away"),
        (get(""), "", "invalid_input", "a key has 1 to 1024 bytes"),
        (get("panic"), "", "pipeline_failed", "panicked"),
        (json!({"op": "sing", "key": "k"}), "", "invalid_input", "cannot read"),
        (
            json!({"op": "set", "key": "k", "form": "json"}),
            "{",
            "invalid_input",
            "no JSON",
        ),
        (
            json!({"op": "set", "key": "k", "form": "json", "ttl": -1}),
            "1",
            "invalid_input",
            "seconds",
        ),
        (
            json!({"op": "compare_and_set", "key": "k", "expected": "json", "expected_size": 2}),
            "1",
            "invalid_input",
            "longer",
        ),
    ] {
        let (told, rest) = line.ask(&meta, body.as_bytes());
        assert_eq!(
            (&told["error"]["kind"], rest.len()),
            (&json!(kind), 0),
            "{meta}: {told}"
        );
        assert!(
            told["error"]["message"].as_str().unwrap().contains(said),
            "{meta}: {told}"
        );
    }
    assert_eq!(line.ask(&get("k"), b"").0, Value::Null);
}

#[test]
fn a_desk_that_is_dropped_lets_its_child_go() {
    let (desk, mut line) = open(Arc::new(Memory::default()));
    drop(desk);
    assert_eq!(line.socket.read(&mut [0]).unwrap(), 0);
}

#[test]
fn what_is_no_request_closes_the_socket() {
    let (_desk, mut line) = open(Arc::new(Memory::default()));
    line.socket.write_all(&[0xff; frame::HEADER]).unwrap();
    assert_eq!(line.socket.read(&mut [0]).unwrap(), 0);
}

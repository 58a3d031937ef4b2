//! Frames recorded beside the Python worker, which reads the same ones in its own tests.

use std::path::Path;

use bytes::BytesMut;
use serde_json::Value;

use super::frame::{self, Frame, Kind};
use super::message::{AnswerMeta, CallMeta, ChunkMeta, Failed, Hello, Loaded, StoreMeta, StoredMeta};

fn recorded() -> Vec<(Value, Frame)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/fixtures/wire");
    let index = std::fs::read(folder.join("index.json")).unwrap();
    let entries: Vec<Value> = serde_json::from_slice(&index).unwrap();
    let read = |entry: Value| {
        let bytes = std::fs::read(folder.join(entry["file"].as_str().unwrap())).unwrap();
        let mut input = BytesMut::from(&bytes[..]);
        let frame = frame::take(&mut input).unwrap().unwrap();
        assert!(input.is_empty(), "{} holds more than a frame", entry["file"]);
        // Written anew, it is the same.
        let header = frame.head.encode(frame.meta.len(), frame.body.len()).unwrap();
        assert_eq!([&header[..], &frame.meta, &frame.body].concat(), bytes);
        (entry, frame)
    };
    entries.into_iter().map(read).collect()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[test]
fn every_recorded_frame_is_read_as_it_was_meant() {
    let frames = recorded();
    assert!(frames.len() >= 20, "only {} frames", frames.len());
    for (entry, frame) in frames {
        let file = &entry["file"];
        assert_eq!(frame.head.kind as u64, entry["kind"], "{file}");
        assert_eq!(u64::from(frame.head.flags), entry["flags"], "{file}");
        assert_eq!(u64::from(frame.head.slot), entry["slot"], "{file}");
        assert_eq!(u64::from(frame.head.call), entry["call"], "{file}");
        assert_eq!(hex(&frame.body), entry["body_hex"].as_str().unwrap(), "{file}");
        let meta: Value = serde_json::from_slice(&frame.meta).unwrap_or_default();
        assert_eq!(meta, entry["meta"], "{file}");
    }
}

#[test]
fn every_recorded_object_fits_its_message_and_loses_nothing() {
    fn fits<'a, T: serde::Deserialize<'a> + serde::Serialize>(frame: &'a Frame, file: &Value) {
        let read: T = serde_json::from_slice(&frame.meta).unwrap_or_else(|e| panic!("{file}: {e}"));
        let (again, sent) = (serde_json::to_value(read).unwrap(), serde_json::from_slice(&frame.meta));
        let sent: Value = sent.unwrap();
        for (key, value) in sent.as_object().unwrap() {
            // What is left out reads as its default.
            let default = value.is_null() || value == 0 || value == false || value == &Value::Array(Vec::new());
            assert!(
                default || again[key] == *value,
                "{file}: {key} is {value}, read as {}",
                again[key]
            );
        }
    }
    let (mut seen, mut kinds) = (0, Vec::new());
    for (entry, frame) in recorded().iter().filter(|(_, frame)| !frame.meta.is_empty()) {
        let file = &entry["file"];
        match frame.head.kind {
            Kind::Hello => fits::<Hello>(frame, file),
            Kind::Call => fits::<CallMeta<'_>>(frame, file),
            Kind::Answer => fits::<AnswerMeta>(frame, file),
            Kind::Chunk => fits::<ChunkMeta>(frame, file),
            Kind::Failed => fits::<Failed>(frame, file),
            Kind::Store => fits::<StoreMeta>(frame, file),
            Kind::Stored => fits::<StoredMeta>(frame, file),
            Kind::Loaded => {
                let loaded: Loaded = serde_json::from_slice(&frame.meta).unwrap();
                assert_eq!(loaded.version, super::VERSION);
            }
            Kind::Cancel | Kind::Stop | Kind::Ready => panic!("{file} has an object, its kind has none"),
        }
        kinds.push(frame.head.kind as u8);
        seen += 1;
    }
    kinds.sort_unstable();
    kinds.dedup();
    assert!(seen > 10 && kinds.len() == 8, "{seen} objects of {} kinds", kinds.len());
}

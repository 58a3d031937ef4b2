//! Files of answers: to clients as they always went, to object stores, and to addresses that requests name.

mod clients;
mod clouds;
mod jobs;
mod receivers;

use std::path::{Path, PathBuf};

use hostler::{Batch, Contract, Error, FileOutput, Files, Mount, Output, Pipeline, Schema, Server};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::{TestServer, settings};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
const LOOPBACK: (&str, &str) = ("SERVER_WEBHOOK_ALLOW", "127.0.0.1");

/// Answers the files that a request asks for.
struct Painter;

impl Pipeline for Painter {
    fn run(&mut self, batch: &mut Batch) -> Result<(), Error> {
        for request in batch.iter_mut() {
            let asked = request.take_input().into_json();
            request.finish(asked.and_then(|asked| paint(&asked)));
        }
        Ok(())
    }
}

fn picture(number: u64) -> FileOutput {
    FileOutput {
        name: format!("picture {number}.png"),
        content_type: "image/png".to_owned(),
        bytes: [PNG, number.to_string().as_bytes()].concat().into(),
    }
}

fn paint(asked: &Value) -> Result<Output, Error> {
    match asked["as"].as_str() {
        Some("list") => {
            let count = asked["count"].as_u64().unwrap_or(2);
            Ok(Output::Files(Files::list((0..count).map(picture).collect())))
        }
        Some("inside") => {
            let text = format!("{{\"best\":,\"asked\":{asked}}}");
            Files::placed(text, vec![picture(0)], vec![(8, 0)])
                .map(Output::Files)
                .map_err(Error::pipeline)
        }
        Some("media") => Ok(Output::Media {
            content_type: "audio/wav".to_owned(),
            bytes: "RIFF".into(),
        }),
        Some("text") => Output::json(asked),
        _ => Ok(Output::Files(Files::one(picture(0)))),
    }
}

async fn serve(more: &[(&str, &str)]) -> TestServer {
    let mut contract = Contract::json(Schema::any(), Schema::any());
    contract.media = vec!["*/*".to_owned()];
    let built = Server::builder::<()>()
        .settings(settings(more))
        .pipeline(Mount::new("/painter", contract, |_| Ok(Painter)))
        .build()
        .unwrap();
    TestServer::library(built).await
}

async fn serve_with_folder(folder: &Path, more: &[(&str, &str)]) -> TestServer {
    let url = format!("file:{}", folder.display());
    serve(&[&[("SERVER_UPLOAD_URL", url.as_str())][..], more].concat()).await
}

/// The file of a record, which must be what the record says.
fn fetched(folder: &Path, record: &Value) -> Vec<u8> {
    let key = record["key"].as_str().unwrap_or_else(|| panic!("{record}"));
    let bytes = std::fs::read(folder.join(key)).unwrap();
    let root = std::fs::canonicalize(folder).unwrap();
    assert_eq!(record["url"], format!("file://{}", root.join(key).display()));
    assert_eq!(record["size"], bytes.len());
    assert_eq!(record["sha256"], sha256(&bytes));
    bytes
}

/// SHA-256 in hexadecimal digits, as records have it.
fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let digits = digest.iter();
    digits.fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// Files below a folder.
fn all(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(all(&path));
        } else {
            found.push(path);
        }
    }
    found
}

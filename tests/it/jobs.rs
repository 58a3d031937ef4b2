//! Background jobs over HTTP: accepted before they run, followed, listed, cancelled, and behind those who wait.

mod accepting;
mod bodies;
mod events;
mod following;
mod stopping;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hostler::contract::RawForm;
use hostler::{Batch, Contract, Error, Mount, Output, Pipeline, Schema, Server, ToSchema};
use serde::Deserialize;

use crate::support::{Fake, TestServer, fake_mount, settings};

/// Runs that wait until they are let go, and the numbers of those that began.
#[derive(Clone, Default)]
struct Gate {
    open: Arc<AtomicBool>,
    began: Arc<Mutex<Vec<u64>>>,
}

#[derive(Deserialize, ToSchema)]
struct Numbered {
    n: u64,
}

impl Gate {
    fn pass(&self, n: u64) -> u64 {
        self.began.lock().unwrap().push(n);
        while !self.open.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        n * 2
    }

    fn open(&self) {
        self.open.store(true, Ordering::SeqCst);
    }

    fn began(&self) -> Vec<u64> {
        self.began.lock().unwrap().clone()
    }
}

/// Answers with a picture.
struct Painter;

impl Pipeline for Painter {
    fn run(&mut self, batch: &mut Batch) -> Result<(), Error> {
        for request in batch.iter_mut() {
            request.finish(Ok(Output::Media {
                content_type: "image/png".to_owned(),
                bytes: vec![0x89, b'P', b'N', b'G', 0xff].into(),
            }));
        }
        Ok(())
    }
}

/// A pipeline that reads bodies itself, and their media types.
fn reader() -> Mount {
    let form = RawForm {
        any: true,
        told: true,
        ..RawForm::default()
    };
    let contract = Contract::raw(Schema::any(), Schema::any(), form);
    Mount::new("/reader", contract, |_| Ok(Painter))
}

/// A server whose jobs are kept in `folder`: handlers behind a gate, the fake, a painter, a reader.
async fn serve(folder: &Path, gate: &Gate, more: &[(&str, &str)]) -> TestServer {
    let store = format!("file:{}", folder.join("jobs").display());
    let settings = settings(&[&[("SERVER_STORE_URL", store.as_str())][..], more].concat());
    let gate = gate.clone();
    let server = Server::builder::<()>()
        .settings(settings)
        .handler("/gated", move |(): &mut (), order: Numbered| {
            Ok::<_, Error>(gate.pass(order.n))
        })
        .handler("/owned", |(): &mut (), order: Numbered| Ok::<_, Error>(order.n))
        .handler("/owned/background", |(): &mut (), order: Numbered| {
            Ok::<_, Error>(order.n + 1)
        })
        .pipeline(fake_mount("/fake", &Fake::default()))
        .pipeline(Mount::new(
            "/painter",
            Contract::json(Schema::any(), Schema::any()),
            |_| Ok(Painter),
        ))
        .pipeline(reader());
    TestServer::library(server.build().unwrap()).await
}

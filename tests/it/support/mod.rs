//! What tests share: servers in this process on a port of their own, a fake pipeline, a client that holds every
//! status against the generated OpenAPI.

mod binary;
mod client;
mod fake;
pub mod jobs;
pub mod python;
mod receiver;
#[path = "../../support/redis.rs"]
pub mod redis;
mod server;
mod signed;

pub use binary::{Binary, command};
pub use client::Client;
pub use fake::{Fake, fake_mount};
pub use receiver::{Reaction, Receiver};
pub use server::{TestServer, models_dir, settings};
pub use signed::{SECRET, rightly_signed};

use std::time::{Duration, Instant};

/// Waits until `done` holds; panics with `what` when it does not within ten seconds.
pub async fn eventually(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !done().await {
        assert!(Instant::now() < end, "not within 10 s: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

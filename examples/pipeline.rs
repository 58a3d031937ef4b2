//! A type that implements `Pipeline`: it sees a batch, here of up to eight texts, and answers each.
//!
//!     cargo run --example pipeline
//!     curl localhost:8100/shout -d '{"text":"hello"}'

use std::time::Duration;

use hostler::{Batch, Contract, Error, Mount, Output, Pipeline, Server, ToSchema};
use serde::{Deserialize, Serialize};

#[derive(Deserialize, ToSchema)]
struct Text {
    /// What is shouted.
    text: String,
}

#[derive(Serialize, ToSchema)]
struct Shouted {
    results: String,
    /// How many texts were answered in the same run.
    batch: usize,
}

struct Shout;

impl Pipeline for Shout {
    fn run(&mut self, batch: &mut Batch) -> Result<(), Error> {
        let size = batch.len();
        for mut request in batch.drain() {
            let answer = request.take_input().into_typed::<Text>().and_then(|input| {
                Output::json(&Shouted {
                    results: input.text.to_uppercase(),
                    batch: size,
                })
            });
            request.finish(answer);
        }
        Ok(())
    }
}

fn server() -> Result<Server, hostler::BuildError> {
    let shout = Mount::new("/shout", Contract::typed::<Text, Shouted>(), |_replica| Ok(Shout))
        .batch(8, Duration::from_millis(5))
        .replicas(2)
        .description("Says it louder.");
    Server::builder::<()>().environment().pipeline(shout).build()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    server()?.run()?;
    Ok(())
}

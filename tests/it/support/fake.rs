//! A pipeline that does what each request tells it to: sleeps, fails, panics, hangs, streams.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hostler::{Batch, Chunk, Contract, Error, Mount, Output, Pipeline, ToSchema};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
pub struct Order {
    pub row: u64,
    pub sleep_ms: u64,
    pub fail: bool,
    pub panic: bool,
    /// Sleeps without looking whether anybody still waits.
    pub hang_ms: u64,
    pub chunks: u64,
    /// Sleeps before each chunk.
    pub chunk_ms: u64,
    /// Reports so many steps before the first chunk.
    pub progress: u64,
}

#[derive(Serialize, ToSchema)]
pub struct Done {
    row: u64,
    batch: usize,
    thread: String,
}

/// Counts what its pipelines did.
#[derive(Clone, Default)]
pub struct Fake {
    pub built: Arc<AtomicUsize>,
    pub ran: Arc<AtomicUsize>,
    pub cancelled: Arc<AtomicUsize>,
}

struct FakePipeline(Fake);

/// The fake, mounted at a path.
pub fn fake_mount(path: &str, fake: &Fake) -> Mount {
    let fake = fake.clone();
    Mount::new(path, Contract::typed_stream::<Order, Done>(), move |_| {
        fake.built.fetch_add(1, Ordering::SeqCst);
        Ok(FakePipeline(fake.clone()))
    })
}

impl Pipeline for FakePipeline {
    fn run(&mut self, batch: &mut Batch) -> Result<(), Error> {
        let size = batch.len();
        for request in batch.iter_mut() {
            let order = request.take_input().into_typed::<Order>().unwrap_or_default();
            self.0.ran.fetch_add(1, Ordering::SeqCst);
            assert!(!order.panic, "the fake was told to panic");
            std::thread::sleep(Duration::from_millis(order.hang_ms));
            let mut slept = 0;
            while slept < order.sleep_ms && !request.is_cancelled() {
                std::thread::sleep(Duration::from_millis(1));
                slept += 1;
            }
            for step in 1..=order.progress {
                request.progress(&serde_json::json!({ "step": step }));
            }
            for n in 0..order.chunks {
                std::thread::sleep(Duration::from_millis(order.chunk_ms));
                if request.emit_blocking(Chunk::json(&n)?).is_err() {
                    break;
                }
            }
            if request.is_cancelled() {
                self.0.cancelled.fetch_add(1, Ordering::SeqCst);
            }
            let thread = std::thread::current().name().unwrap_or_default().to_owned();
            request.finish(if order.fail {
                Err(Error::pipeline("the fake was told to fail"))
            } else if order.chunks > 0 {
                Ok(Output::Chunks)
            } else {
                Output::json(&Done {
                    row: order.row,
                    batch: size,
                    thread,
                })
            });
        }
        Ok(())
    }
}

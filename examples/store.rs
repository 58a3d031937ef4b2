//! Handlers that keep values in the server's store: every replica sees them, and so does the server's next start.
//!
//!     cargo run --example store
//!     curl localhost:8100/visit -d '{"name":"Ada"}'
//!     curl localhost:8100/last -d 'null'

use std::time::Duration;

use hostler::store::Entry;
use hostler::{ReplicaContext, Server, Store, ToSchema};
use serde::{Deserialize, Serialize};

#[derive(Deserialize, ToSchema)]
struct Visit {
    /// Who comes.
    #[schema(min_length = 1, max_length = 100, example = "Ada")]
    name: String,
}

#[derive(Serialize, ToSchema)]
struct Visited {
    /// How often this visitor has come, to whichever replica.
    visits: i64,
}

fn server() -> Result<Server, hostler::BuildError> {
    Server::builder()
        .name("visits")
        .environment()
        .replicas(2)
        .init(ReplicaContext::store)
        .handler("/visit", |store: &mut Store, visit: Visit| {
            let visits = store.increment(&format!("visits of {}", visit.name), 1)?;
            store.set("last", &Entry::json(&visit.name)?, Some(Duration::from_secs(3600)))?;
            Ok(Visited { visits })
        })
        .handler("/last", |store: &mut Store, (): ()| {
            let last: Option<String> = store.get("last")?.map(Entry::into_typed).transpose()?;
            Ok(last)
        })
        .build()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    server()?.run()?;
    Ok(())
}

//! Closures with a context that is made once a replica and shared by all of them.
//!
//!     cargo run --example handlers
//!     curl localhost:8100/greet -d '{"name":"Ada"}'
//!     curl -N -H 'accept: text/event-stream' localhost:8100/countdown -d '3'

use hostler::{Error, Server, ToSchema};
use serde::{Deserialize, Serialize};

/// What every handler of a replica shares.
struct Context {
    greeted: u64,
}

#[derive(Deserialize, ToSchema)]
struct Greet {
    /// Who is greeted.
    #[schema(min_length = 1, example = "Ada")]
    name: String,
}

#[derive(Serialize, ToSchema)]
struct Greeting {
    text: String,
    /// How many this replica has greeted so far.
    greeted: u64,
}

fn server() -> Result<Server, hostler::BuildError> {
    Server::builder()
        .name("greeter")
        .environment()
        .init(|_replica| Ok(Context { greeted: 0 }))
        .handler("/greet", |context: &mut Context, request: Greet| {
            context.greeted += 1;
            Ok(Greeting {
                text: format!("Hello {}", request.name),
                greeted: context.greeted,
            })
        })
        .handler("/greeted", |context: &mut Context, (): ()| Ok(context.greeted))
        .stream::<u32, u32, _>("/countdown", |_context, from, stream| {
            for n in (0..=from).rev() {
                stream.emit(&n)?;
            }
            Ok::<_, Error>(())
        })
        .build()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    server()?.run()?;
    Ok(())
}

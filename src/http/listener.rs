//! Accepts connections, and at the end drains them so that nobody is reset.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tower::Service as _;

use super::entry::Entry;
use crate::service::Service;

/// How the end is gone about.
#[derive(Clone, Copy, Debug)]
pub struct Drain {
    /// The longest wait for admitted work.
    pub timeout: Duration,
    /// How long the listener goes on answering 503 at the least, so that load balancers notice.
    pub least: Duration,
}

/// How often the end of admitted work is looked for.
const POLL: Duration = Duration::from_millis(10);
/// How long connections get at the least to close after their last answer.
const CLOSE: Duration = Duration::from_secs(2);

/// Serves until `shutdown` resolves, then drains: new work is refused with 503 while admitted work finishes.
/// Returns whether all of it did.
pub async fn serve(
    listener: TcpListener,
    entry: Entry,
    service: Arc<Service>,
    drain: Drain,
    shutdown: impl Future<Output = ()>,
) -> bool {
    let connections = Connections::new(entry);
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            accepted = listener.accept() => connections.take(accepted).await,
            () = &mut shutdown => break,
        }
    }
    service.begin_drain();
    let started = Instant::now();
    let mut poll = tokio::time::interval(POLL);
    let finished = loop {
        tokio::select! {
            accepted = listener.accept() => connections.take(accepted).await,
            _ = poll.tick() => {
                let waited = started.elapsed();
                let idle = service.admitted() == 0;
                if (idle && waited >= drain.least) || waited >= drain.timeout.max(drain.least) {
                    break idle;
                }
            }
        }
    };
    // Who stands in the listener's backlog would be reset when it closes.
    while let Ok(accepted) = tokio::time::timeout(Duration::ZERO, listener.accept()).await {
        connections.take(accepted).await;
    }
    drop(listener);
    // Answers on their way out get what is left of the time.
    connections
        .close(drain.timeout.saturating_sub(started.elapsed()).max(CLOSE))
        .await;
    finished
}

struct Connections {
    entry: Entry,
    builder: auto::Builder<TokioExecutor>,
    graceful: GracefulShutdown,
}

impl Connections {
    fn new(entry: Entry) -> Self {
        let builder = auto::Builder::new(TokioExecutor::new());
        Self {
            entry,
            builder,
            graceful: GracefulShutdown::new(),
        }
    }

    async fn take(&self, accepted: std::io::Result<(TcpStream, std::net::SocketAddr)>) {
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, mostly: a pause lets some come back.
                tracing::warn!("cannot accept a connection: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
                return;
            }
        };
        // Small answers must not wait for the client's acknowledgement.
        drop(stream.set_nodelay(true));
        let entry = self.entry.clone();
        // It is always ready.
        let handler = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
            entry.clone().call(request.map(axum::body::Body::new) as Request)
        });
        let connection = self
            .builder
            .serve_connection_with_upgrades(TokioIo::new(stream), handler)
            .into_owned();
        let watched = self.graceful.watch(connection);
        tokio::spawn(async move {
            // A client that leaves midway is no fault of the server's.
            if let Err(error) = watched.await {
                tracing::trace!("connection ended: {error}");
            }
        });
    }

    async fn close(self, patience: Duration) {
        drop(tokio::time::timeout(patience, self.graceful.shutdown()).await);
    }
}

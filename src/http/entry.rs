//! What connections are served by: requests of models, which are the many, go to their handler at once, the rest
//! through the router of the fixed routes.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use axum::routing::MethodRouter;
use axum::{Router, routing::any};
use tower::util::Either;
use tower::{Layer, Service};
use tower_http::cors::{Any, Cors, CorsLayer};

use super::native;
use super::router::Front;
use crate::config::CorsOrigins;

/// The front as connections see it; each has a clone.
pub type Entry = Either<Cors<Paths>, Paths>;

/// Adds what other origins may do to the answers of all paths.
pub fn with_cors(paths: Paths, origins: &CorsOrigins) -> Entry {
    let layer = CorsLayer::new()
        .allow_methods(Any)
        .allow_headers(Any)
        .expose_headers(Any);
    match origins {
        // Answers are the same for all of them.
        CorsOrigins::Any => Either::Left(layer.allow_origin(Any).vary([]).layer(paths)),
        CorsOrigins::List(list) => {
            let list: Vec<HeaderValue> = list.iter().filter_map(|o| o.parse().ok()).collect();
            Either::Left(layer.allow_origin(list).layer(paths))
        }
        CorsOrigins::None => Either::Right(paths),
    }
}

/// The fixed routes while they are put together, and which paths they are.
#[derive(Default)]
pub struct Fixed {
    router: Router<Arc<Front>>,
    paths: Known,
}

#[derive(Default)]
struct Known {
    whole: Vec<String>,
    /// What stands before the part of a path that may be anything.
    begun: Vec<String>,
}

impl Fixed {
    #[must_use]
    pub fn route(mut self, path: &str, handler: MethodRouter<Arc<Front>>) -> Self {
        self.router = self.router.route(path, handler);
        match path.split_once('{') {
            Some((begin, _)) => self.paths.begun.push(begin.to_owned()),
            None => self.paths.whole.push(path.to_owned()),
        }
        self
    }

    /// All paths: those which no fixed route takes are the models'.
    pub fn before(self, front: Arc<Front>) -> Paths {
        let router = self.router.fallback(any(native::handle));
        Paths {
            router: router.with_state(Arc::clone(&front)),
            fixed: Arc::new(self.paths),
            front,
        }
    }
}

/// Every path of the server.
#[derive(Clone)]
pub struct Paths {
    front: Arc<Front>,
    fixed: Arc<Known>,
    router: Router,
}

impl Known {
    fn may_have(&self, path: &str) -> bool {
        self.whole.iter().any(|known| known == path) || self.begun.iter().any(|begin| path.starts_with(begin))
    }
}

impl Service<Request> for Paths {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let front = Arc::clone(&self.front);
        if self.fixed.may_have(request.uri().path()) {
            let answer = self.router.call(request);
            return Box::pin(async move { Ok(parting(&front, answer.await?)) });
        }
        Box::pin(async move {
            let answer = native::handle(State(Arc::clone(&front)), request).await;
            Ok(parting(&front, answer))
        })
    }
}

/// While the server drains, clients are asked to come back on a new connection, which finds another instance.
fn parting(front: &Front, mut response: Response) -> Response {
    if front.service.is_draining() {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_routes_are_known_by_their_paths_and_others_are_the_models() {
        let handler = || any(async || "");
        let fixed = Fixed::default()
            .route("/jobs", handler())
            .route("/jobs/{*path}", handler());
        for path in ["/jobs", "/jobs/", "/jobs/1/events"] {
            assert!(fixed.paths.may_have(path), "{path}");
        }
        for path in ["/", "/job", "/jobsite", "/a/jobs", "/Jobs"] {
            assert!(!fixed.paths.may_have(path), "{path}");
        }
    }
}

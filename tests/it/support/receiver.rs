//! A receiver of webhooks in this process: records what comes, and answers as it is told.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{LOCATION, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What a receiver does with one post.
#[derive(Clone, Debug)]
pub enum Reaction {
    Status(u16),
    /// A status, and how many seconds to stay away.
    RetryAfter(u16, u64),
    Redirect(u16, String),
    /// No answer at all.
    Hang,
    /// 200, and where each file of a form is now: `https://files/NAME`.
    Upload,
}

/// One post, as it came.
#[derive(Clone, Debug)]
pub struct Post {
    pub came: Instant,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Post {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

#[derive(Clone, Default)]
struct Seen {
    posts: Arc<Mutex<Vec<Post>>>,
    reactions: Arc<Mutex<VecDeque<Reaction>>>,
    usual: Arc<Mutex<Option<Reaction>>>,
}

/// Listens on a free port of the loopback, until it is dropped.
pub struct Receiver {
    address: SocketAddr,
    seen: Seen,
    task: JoinHandle<()>,
}

impl Receiver {
    /// Answers 200 until told otherwise.
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Seen::default();
        let router = Router::new().fallback(receive).with_state(seen.clone());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, seen, task }
    }

    /// What to do with the next posts, one each.
    pub fn then(&self, reactions: impl IntoIterator<Item = Reaction>) {
        self.seen.reactions.lock().unwrap().extend(reactions);
    }

    /// What to do with all posts after those.
    pub fn always(&self, reaction: Reaction) {
        *self.seen.usual.lock().unwrap() = Some(reaction);
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// All posts so far, in the order in which they came.
    pub fn posts(&self) -> Vec<Post> {
        self.seen.posts.lock().unwrap().clone()
    }

    /// All posts so far, which it forgets.
    pub fn take(&self) -> Vec<Post> {
        std::mem::take(&mut self.seen.posts.lock().unwrap())
    }

    /// The posts so far, as soon as there are `count` of them.
    pub async fn wait_for(&self, count: usize, within: Duration) -> Vec<Post> {
        let end = Instant::now() + within;
        loop {
            let posts = self.posts();
            if posts.len() >= count {
                return posts;
            }
            assert!(
                Instant::now() < end,
                "{} of {count} posts within {within:?}",
                posts.len()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The names of the files of a form.
fn file_names(body: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(body).into_owned();
    let after = text.split("filename=\"").skip(1);
    after
        .map(|rest| rest.split('"').next().unwrap_or_default().to_owned())
        .collect()
}

fn uploaded(path: &str, body: &[u8]) -> Response {
    let mut urls: Vec<String> = file_names(body)
        .iter()
        .map(|name| format!("https://files/{name}"))
        .collect();
    if path.ends_with("/upload_batch") {
        return Json(json!({ "urls": urls })).into_response();
    }
    assert_eq!(urls.len(), 1, "one file a post");
    Json(json!({"url": urls.remove(0)})).into_response()
}

async fn receive(State(seen): State<Seen>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    seen.posts.lock().unwrap().push(Post {
        came: Instant::now(),
        path: uri.path().to_owned(),
        headers,
        body: body.clone(),
    });
    let next = seen.reactions.lock().unwrap().pop_front();
    let reaction = next.or_else(|| seen.usual.lock().unwrap().clone());
    let code = |status: u16| StatusCode::from_u16(status).unwrap();
    match reaction.unwrap_or(Reaction::Status(200)) {
        Reaction::Status(status) => code(status).into_response(),
        Reaction::RetryAfter(status, seconds) => (code(status), [(RETRY_AFTER, seconds.to_string())]).into_response(),
        Reaction::Redirect(status, to) => (code(status), [(LOCATION, to)]).into_response(),
        Reaction::Upload => uploaded(uri.path(), &body),
        Reaction::Hang => std::future::pending().await,
    }
}

//! Takes webhooks in, refuses some at first, and holds all against what is right: signed, and of one job always the
//! same.

use std::collections::HashMap;

use bytes::Bytes;
use serde_json::Value;

use crate::support::{Reaction, Receiver, rightly_signed};

/// Every so manieth post is refused, of the first hundreds.
const REFUSED: usize = 20;

pub struct Inbox {
    receiver: Receiver,
    /// By the id of the job.
    pub letters: HashMap<String, Letter>,
    /// Posts that came, the same ones again among them.
    pub posts: usize,
}

/// What came about one job.
pub struct Letter {
    pub webhook_id: String,
    body: Bytes,
}

impl Letter {
    pub fn told(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Inbox {
    pub async fn start() -> Self {
        let receiver = Receiver::start().await;
        let status = |n: usize| if n.is_multiple_of(REFUSED) { 503 } else { 200 };
        receiver.then((0..20 * REFUSED).map(|n| Reaction::Status(status(n))));
        Self {
            receiver,
            letters: HashMap::new(),
            posts: 0,
        }
    }

    pub fn url(&self) -> String {
        self.receiver.url("")
    }

    /// Looks at what came since the last time.
    pub fn sort(&mut self) {
        let posts = self.receiver.take();
        assert_eq!(rightly_signed(&posts), posts.len());
        self.posts += posts.len();
        for post in posts {
            let (told, webhook_id) = (post.json(), post.header("webhook-id").to_owned());
            assert_eq!(told["type"], "job.completed");
            let job = told["data"]["id"].as_str().unwrap().to_owned();
            let letter = self.letters.entry(job).or_insert_with(|| Letter {
                webhook_id: webhook_id.clone(),
                body: post.body.clone(),
            });
            assert_eq!(letter.webhook_id, webhook_id, "one id for each job");
            assert_eq!(letter.body, post.body, "one end for each job");
        }
    }
}

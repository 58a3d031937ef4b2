//! Messages of Redis channels, over one connection of their own.
//!
//! A message only says that there is something to look at: it may be lost with a connection, and listeners hear of
//! every new connection as of a message, so that they look then too.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use redis::aio::{PubSubSink, PubSubStream};
use redis::{Client, Value};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::link::CONNECT;

/// Between two tries to connect.
const AGAIN: Duration = Duration::from_millis(500);
/// How often a connection without messages is asked whether it is still there.
const PING: Duration = Duration::from_secs(5);

pub(super) struct Listener {
    shared: Arc<Shared>,
    task: OnceLock<JoinHandle<()>>,
}

struct Shared {
    client: Client,
    channels: Mutex<HashMap<String, watch::Sender<()>>>,
    /// A channel came or went.
    changed: Notify,
}

impl Listener {
    pub fn new(client: Client) -> Self {
        let shared = Shared {
            client,
            channels: Mutex::new(HashMap::new()),
            changed: Notify::new(),
        };
        Self {
            shared: Arc::new(shared),
            task: OnceLock::new(),
        }
    }

    /// Hears a channel. A new one sounds once as soon as messages are sure to come: whoever looks after this call, and
    /// again at each sound, misses nothing.
    pub fn listen(&self, channel: String) -> Ear {
        self.task.get_or_init(|| tokio::spawn(Arc::clone(&self.shared).run()));
        let mut channels = self.shared.channels();
        let receiver = if let Some(sender) = channels.get(&channel) {
            sender.subscribe()
        } else {
            let (sender, receiver) = watch::channel(());
            channels.insert(channel.clone(), sender);
            self.shared.changed.notify_one();
            receiver
        };
        drop(channels);
        Ear {
            receiver: Some(receiver),
            channel,
            shared: Arc::clone(&self.shared),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

/// Hears the messages of one channel; a clone has heard what the original has.
#[derive(Clone)]
pub struct Ear {
    /// Taken when dropped.
    receiver: Option<watch::Receiver<()>>,
    channel: String,
    shared: Arc<Shared>,
}

impl Ear {
    /// Returns when there was a message since the last time, or may have been.
    pub async fn heard(&mut self) {
        if let Some(receiver) = &mut self.receiver
            && receiver.changed().await.is_ok()
        {
            return;
        }
        std::future::pending::<()>().await;
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        let mut channels = self.shared.channels();
        // Within the lock, or two ears that go at once would each take the other for a reason to stay.
        drop(self.receiver.take());
        let deaf = channels.get(&self.channel).is_some_and(|s| s.receiver_count() == 0);
        if deaf {
            channels.remove(&self.channel);
            self.shared.changed.notify_one();
        }
    }
}

impl Shared {
    fn channels(&self) -> MutexGuard<'_, HashMap<String, watch::Sender<()>>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(self: Arc<Self>) {
        loop {
            if let Ok(Ok(connection)) = timeout(CONNECT, self.client.get_async_pubsub()).await {
                let (sink, stream) = connection.split();
                self.follow(sink, stream).await;
                // Whoever waits finds out that the Redis is away.
                self.channels().values().for_each(wake);
            }
            sleep(AGAIN).await;
        }
    }

    /// Passes messages on until the connection breaks.
    async fn follow(&self, mut sink: PubSubSink, mut stream: PubSubStream) {
        let mut followed = HashSet::new();
        loop {
            if self.match_up(&mut sink, &mut followed).await.is_none() {
                return;
            }
            loop {
                tokio::select! {
                    message = stream.next() => match message {
                        Some(message) => self.tell(message.get_channel_name()),
                        None => return,
                    },
                    () = self.changed.notified() => break,
                    // A peer whose machine is gone says nothing, as one that has nothing to say.
                    () = sleep(PING) => match timeout(CONNECT, sink.ping::<Value>()).await {
                        Ok(Ok(_)) => {}
                        _ => return,
                    },
                }
            }
        }
    }

    /// Subscribes to what somebody listens to, and to nothing else. None when the connection is broken.
    async fn match_up(&self, sink: &mut PubSubSink, followed: &mut HashSet<String>) -> Option<()> {
        let wanted: HashSet<String> = self.channels().keys().cloned().collect();
        let come: Vec<String> = wanted.difference(followed).cloned().collect();
        let gone: Vec<String> = followed.difference(&wanted).cloned().collect();
        if !come.is_empty() {
            timeout(CONNECT, sink.subscribe(&come)).await.ok()?.ok()?;
            come.iter().for_each(|channel| self.tell(channel));
        }
        if !gone.is_empty() {
            timeout(CONNECT, sink.unsubscribe(&gone)).await.ok()?.ok()?;
        }
        *followed = wanted;
        Some(())
    }

    fn tell(&self, channel: &str) {
        if let Some(sender) = self.channels().get(channel) {
            wake(sender);
        }
    }
}

fn wake(sender: &watch::Sender<()>) {
    sender.send_replace(());
}

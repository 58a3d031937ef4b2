//! One connection that all async calls share: they are written one behind the other, without waiting for answers.
//!
//! It is made by the first call, and made anew by the first call after it broke. While the Redis is away calls fail: at
//! once, or after the time that a connection may take. The client's own manager is not used, since it answers the first
//! call after an outage with the fault of before, and never gives up a connection that has gone silent.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, ErrorKind, RedisError, RedisResult, Value};

use super::fault::ends;

/// What a connection may take, greeting included.
pub(super) const CONNECT: Duration = Duration::from_secs(1);
/// What an answer may take, the bytes of long arguments apart.
pub(super) const ANSWER: Duration = Duration::from_secs(2);
/// Bytes a second that a slow network carries.
const SLOWEST: usize = 8 * 1024 * 1024;
/// How long a failed connection stands for all: a thousand calls need not find out one by one.
const REST: Duration = Duration::from_millis(200);
/// Calls that wait to be written.
const WAITING: usize = 1024;

/// How long an exchange of so many bytes may take.
pub(super) fn patience(bytes: usize) -> Duration {
    let millis = bytes.saturating_mul(1000) / SLOWEST;
    ANSWER + Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

pub(super) struct Link {
    client: Client,
    live: Mutex<Option<Live>>,
    /// Held by whoever connects; what came of the last time, if it failed.
    connecting: tokio::sync::Mutex<Option<(Instant, RedisError)>>,
}

#[derive(Clone)]
struct Live {
    connection: MultiplexedConnection,
    /// So that a call that fails late does not give up the connection after its own.
    made: Instant,
}

impl Link {
    pub fn new(client: Client) -> Self {
        Self {
            client,
            live: Mutex::new(None),
            connecting: tokio::sync::Mutex::new(None),
        }
    }

    /// What a command answers. One that may be sent twice is sent again where the connection broke under it: most often
    /// it broke long before, when the Redis was started anew.
    pub async fn query(&self, command: &Cmd, patience: Duration, repeatable: bool) -> RedisResult<Value> {
        match self.send(command, patience).await {
            Err(error) if repeatable && error.is_connection_dropped() && !error.is_connection_refusal() => {
                self.send(command, patience).await
            }
            answer => answer,
        }
    }

    async fn send(&self, command: &Cmd, patience: Duration) -> RedisResult<Value> {
        let Live { mut connection, made } = self.live().await?;
        connection.set_response_timeout(patience);
        let answer = command.query_async::<Value>(&mut connection).await;
        if let Err(error) = &answer
            && ends(error)
        {
            self.give_up(made);
        }
        answer
    }

    async fn live(&self) -> RedisResult<Live> {
        if let Some(live) = self.current() {
            return Ok(live);
        }
        let mut failed = self.connecting.lock().await;
        if let Some(live) = self.current() {
            return Ok(live);
        }
        if let Some((at, error)) = failed.as_ref()
            && at.elapsed() < REST
        {
            return Err(error.clone());
        }
        match self.connect().await {
            Ok(connection) => {
                let made = Instant::now();
                let live = Live { connection, made };
                *self.slot() = Some(live.clone());
                *failed = None;
                Ok(live)
            }
            Err(error) => {
                *failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(CONNECT))
            .set_pipeline_buffer_size(WAITING);
        let mut connection = self
            .client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        match redis::cmd("INFO")
            .arg("server")
            .query_async::<String>(&mut connection)
            .await
        {
            Ok(about) => suits(&about)?,
            Err(error) if error.is_io_error() => return Err(error),
            // A user who may not ask is taken at the operator's word.
            Err(_) => {}
        }
        Ok(connection)
    }

    fn current(&self) -> Option<Live> {
        self.slot().clone()
    }

    fn give_up(&self, made: Instant) {
        let mut slot = self.slot();
        if slot.as_ref().is_some_and(|live| live.made == made) {
            *slot = None;
        }
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Live>> {
        self.live.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Whether scripts run on this Redis, by its own words.
fn suits(about: &str) -> RedisResult<()> {
    let says = |name: &str| {
        let mut lines = about.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(known, _)| *known == name).map(|(_, value)| value.trim())
    };
    let unsuited = |why: String| RedisError::from((ErrorKind::Client, "unsuited", why));
    if let Some(version) = says("redis_version")
        && let Some(major) = version.split('.').next().and_then(|major| major.parse::<u32>().ok())
        && major < 7
    {
        return Err(unsuited(format!("is version {version}, expected 7 or newer")));
    }
    if says("redis_mode") == Some("cluster") {
        return Err(unsuited("is a cluster, expected one primary".to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_redis_and_a_cluster_are_refused() {
        let about = |version: &str, mode: &str| format!("# Server\r\nredis_version:{version}\r\nredis_mode:{mode}\r\n");
        assert!(suits(&about("7.0.15", "standalone")).is_ok());
        assert!(suits(&about("10.1", "sentinel")).is_ok());
        assert!(suits("").is_ok());
        assert!(suits(&about("6.2.1", "standalone")).is_err());
        assert!(suits(&about("7.2.0", "cluster")).is_err());
    }

    #[test]
    fn long_arguments_get_the_time_they_need() {
        assert_eq!(patience(0), ANSWER);
        assert_eq!(patience(16 * SLOWEST), ANSWER + Duration::from_secs(16));
    }
}

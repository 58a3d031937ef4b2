//! Connections for calls that block: a replica's thread takes one, asks, and gives it back.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::{Client, Cmd, Connection, RedisResult, Value};

use super::fault::ends;
use super::link::{ANSWER, CONNECT};

/// Connections that are kept though nobody uses them.
const IDLE: usize = 8;
/// How long a connection is trusted without asking. One that broke meanwhile must not be found out by a command that
/// may not be sent twice.
const FRESH: Duration = Duration::from_millis(500);

pub(super) struct Pool {
    client: Client,
    idle: Mutex<Vec<(Connection, Instant)>>,
}

impl Pool {
    pub fn new(client: Client) -> Self {
        Self {
            client,
            idle: Mutex::new(Vec::new()),
        }
    }

    /// What a command answers. One that may be sent twice is sent again where the connection broke under it.
    pub fn query(&self, command: &Cmd, repeatable: bool) -> RedisResult<Value> {
        match self.send(command) {
            Err(error) if repeatable && error.is_connection_dropped() && !error.is_connection_refusal() => {
                self.send(command)
            }
            answer => answer,
        }
    }

    fn send(&self, command: &Cmd) -> RedisResult<Value> {
        let mut connection = self.take()?;
        let answer = command.query::<Value>(&mut connection);
        match &answer {
            // All others broke with it, most likely.
            Err(error) if ends(error) => self.idle().clear(),
            _ => self.put(connection),
        }
        answer
    }

    fn take(&self) -> RedisResult<Connection> {
        let idle = self.idle().pop();
        if let Some((mut connection, used)) = idle {
            if used.elapsed() < FRESH {
                return Ok(connection);
            }
            match redis::cmd("PING").query::<Value>(&mut connection) {
                Ok(_) => return Ok(connection),
                Err(error) => {
                    self.idle().clear();
                    // A silent Redis would be as silent on a new connection.
                    if error.is_timeout() {
                        return Err(error);
                    }
                }
            }
        }
        let connection = self.client.get_connection_with_timeout(CONNECT)?;
        connection.set_read_timeout(Some(ANSWER))?;
        connection.set_write_timeout(Some(ANSWER))?;
        Ok(connection)
    }

    fn put(&self, connection: Connection) {
        let mut idle = self.idle();
        if idle.len() < IDLE {
            idle.push((connection, Instant::now()));
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(Connection, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

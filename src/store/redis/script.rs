//! Lua scripts, which Redis runs whole or not at all. They are called by their hash, and sent where the Redis does not
//! know them: it forgets them when it starts anew.

use redis::{Cmd, ErrorKind, ServerErrorKind, Value};

use super::{LARGEST, Redis, fault, link};
use crate::store::StoreError;

/// A script and its hash.
pub struct Script {
    code: &'static str,
    hash: String,
}

impl Script {
    pub fn new(code: &'static str) -> Self {
        Self {
            code,
            hash: redis::Script::new(code).get_hash().to_owned(),
        }
    }

    pub(super) const fn code(&self) -> &'static str {
        self.code
    }

    pub(super) fn hash(&self) -> &str {
        &self.hash
    }
}

/// A call of a script, being written.
#[must_use]
pub struct Call<'a> {
    redis: &'a Redis,
    script: &'a Script,
    command: Cmd,
    size: usize,
    largest: usize,
    repeatable: bool,
}

impl<'a> Call<'a> {
    pub(super) fn new(redis: &'a Redis, script: &'a Script) -> Self {
        let mut command = redis::cmd("EVALSHA");
        command.arg(script.hash()).arg(1).arg(redis.prefix.as_str());
        Self {
            redis,
            script,
            command,
            size: 0,
            largest: 0,
            repeatable: false,
        }
    }

    pub fn arg(mut self, arg: impl AsRef<[u8]>) -> Self {
        let arg = arg.as_ref();
        self.size += arg.len();
        self.largest = self.largest.max(arg.len());
        self.command.arg(arg);
        self
    }

    /// An integer, in decimals.
    pub fn number(self, number: impl itoa::Integer) -> Self {
        self.arg(itoa::Buffer::new().format(number))
    }

    /// Running twice is as running once.
    pub fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    /// What the script answers.
    ///
    /// # Errors
    /// A Redis that is away or refuses, an argument longer than 512 MiB. After a broken connection or a time-out the
    /// script may have run all the same.
    pub async fn run(self) -> Result<Value, StoreError> {
        if self.largest > LARGEST {
            let told = format!("{} bytes are more than the {LARGEST} that Redis keeps", self.largest);
            return Err(StoreError::Refused(told));
        }
        let link = &self.redis.link;
        let patience = link::patience(self.size);
        let answer = match link.query(&self.command, patience, self.repeatable).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                let mut load = redis::cmd("SCRIPT");
                load.arg("LOAD").arg(self.script.code());
                match link.query(&load, link::patience(0), true).await {
                    Ok(_) => link.query(&self.command, patience, self.repeatable).await,
                    unloaded => unloaded,
                }
            }
            answer => answer,
        };
        answer.map_err(|error| fault::told(&error))
    }
}

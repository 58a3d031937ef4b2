//! The address of a Redis: where to connect, and which keys are this server's.

use redis::Client;
use url::Url;

use crate::store::StoreError;

/// The most bytes of a prefix; every key pays for them.
const LONGEST_PREFIX: usize = 64;

pub(super) struct Address {
    pub client: Client,
    /// What every key begins with, colon included.
    pub prefix: String,
}

impl Address {
    /// Reads `redis://USER:PASSWORD@HOST:PORT/DATABASE?prefix=PREFIX`.
    ///
    /// # Errors
    /// A sentence that shows nothing of the address, since it may hold a password.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        let refuse = |what: &str| StoreError::Refused(format!("SERVER_STORE_URL {what}"));
        let mut url = Url::parse(text).map_err(|_| refuse("is no address"))?;
        let mut prefix = "hostler:".to_owned();
        for (name, value) in url.query_pairs() {
            if name != "prefix" {
                return Err(refuse("may have prefix=… behind its question mark, and nothing else"));
            }
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
            if value.is_empty() || value.len() > LONGEST_PREFIX || !value.bytes().all(plain) {
                let told = format!("has a prefix, expected 1 to {LONGEST_PREFIX} of A-Z a-z 0-9 . _ -");
                return Err(refuse(&told));
            }
            prefix = format!("{value}:hostler:");
        }
        url.set_query(None);
        let client = Client::open(url).map_err(|_| refuse("is no address of a Redis: redis://HOST:PORT/DATABASE"))?;
        Ok(Self { client, prefix })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Address, String> {
        Address::parse(text).map_err(|e| e.to_string())
    }

    #[test]
    fn a_prefix_stands_before_every_key() {
        assert_eq!(parse("redis://host").unwrap().prefix, "hostler:");
        assert_eq!(parse("redis://host/2?prefix=team-1").unwrap().prefix, "team-1:hostler:");
    }

    #[test]
    fn user_password_and_database_reach_the_client() {
        let address = parse("redis://me:p%40ss@host:7000/3?prefix=x").unwrap();
        let settings = address.client.get_connection_info().redis_settings();
        assert_eq!(settings.username(), Some("me"));
        assert_eq!(settings.password(), Some("p@ss"));
        assert_eq!(settings.db(), 3);
    }

    #[test]
    fn an_address_that_cannot_be_read_is_not_shown() {
        for text in [
            "redis://me:secret@host/notanumber",
            "redis://me:secret@host?protocol=3",
            "redis://me:secret@host?prefix=",
            "redis://me:secret@host?prefix=a%20b",
            "http://me:secret@host",
            "secret",
        ] {
            let told = parse(text).err().unwrap();
            assert!(
                told.starts_with("SERVER_STORE_URL ") && !told.contains("secret"),
                "{told}"
            );
        }
    }
}

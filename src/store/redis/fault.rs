//! What goes wrong with a Redis, told without addresses, keys or values.

use redis::{ErrorKind, RedisError};

use crate::store::StoreError;

/// The sentence for a fault.
pub(super) fn told(error: &RedisError) -> StoreError {
    let away = |what: &str| StoreError::Away(format!("the Redis of SERVER_STORE_URL {what}"));
    if error.is_timeout() {
        return away("does not answer");
    }
    if error.is_connection_refusal() {
        return away("refuses connections");
    }
    match error.kind() {
        ErrorKind::Io | ErrorKind::Parse => away("cannot be reached"),
        ErrorKind::AuthenticationFailed => away("refuses the user or the password"),
        // Only this room makes such faults, of a Redis that it cannot use.
        ErrorKind::Client => away(error.detail().unwrap_or("cannot be used")),
        _ => answered(error),
    }
}

/// The sentence for an answer that is a fault. Codes are words that Redis defines; what follows them may show keys, and
/// is for the log.
fn answered(error: &RedisError) -> StoreError {
    let away = |what: &str| StoreError::Away(format!("the Redis of SERVER_STORE_URL {what}"));
    match error.code() {
        Some("LOADING") => away("is loading its data"),
        Some("OOM") => away("is out of memory"),
        Some("MISCONF") => away("cannot write its data to its disk"),
        Some("READONLY") => away("is a replica, which takes no writes"),
        Some("NOAUTH" | "WRONGPASS") => away("refuses the user or the password"),
        Some("NOPERM") => away("forbids its user a command, a key or a channel"),
        Some(code @ ("BUSY" | "CLUSTERDOWN" | "CROSSSLOT" | "MASTERDOWN" | "MOVED" | "NOREPLICAS" | "TRYAGAIN")) => {
            away(&format!("answers {code}"))
        }
        code => {
            tracing::error!(%error, "a fault of Redis");
            let code = code.unwrap_or("what cannot be read");
            StoreError::Broken(format!("the Redis of SERVER_STORE_URL answers {code}"))
        }
    }
}

/// Whether a connection is of no more use after a fault. A silent one is given up too: what was asked may be answered
/// hours later. A primary that became a replica, or that wants a password now, is looked up anew.
pub(super) fn ends(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_unrecoverable_error()
        || matches!(error.code(), Some("READONLY" | "MASTERDOWN" | "NOAUTH"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_pass_are_told_apart_from_those_that_do_not() {
        let answer = |code: &str| redis::make_extension_error(code.to_owned(), Some("about key x".to_owned()));
        for code in ["OOM", "MISCONF", "NOAUTH", "NOPERM", "NOREPLICAS"] {
            let told = told(&answer(code));
            assert!(matches!(told, StoreError::Away(_)), "{code}");
            assert!(!told.to_string().contains("key x"));
        }
        let told = told(&answer("WRONGTYPE"));
        assert!(matches!(told, StoreError::Broken(_)));
        assert!(!told.to_string().contains("key x"));
    }

    #[test]
    fn a_connection_that_is_silent_is_replaced_and_one_that_refuses_a_command_is_not() {
        assert!(ends(&std::io::Error::from(std::io::ErrorKind::TimedOut).into()));
        assert!(ends(&std::io::Error::from(std::io::ErrorKind::BrokenPipe).into()));
        assert!(!ends(&redis::make_extension_error("OOM".to_owned(), None)));
    }
}

//! Why there is no answer.

use std::error::Error as _;

use super::TimeOuts;
use crate::webhook::guard::Refused;

/// Why there is no answer. Told without the address, which may hold a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PostFault {
    /// It may not be posted there; another try changes nothing.
    #[error("the address {0}")]
    Refused(String),
    /// The connection or the receiver failed.
    #[error("{0}")]
    Failed(String),
}

impl From<Refused> for PostFault {
    fn from(Refused(told): Refused) -> Self {
        Self::Refused(told)
    }
}

impl PostFault {
    /// Why a request that was sent has no answer.
    pub(super) fn of(error: &reqwest::Error, times: TimeOuts) -> Self {
        if let Some(refused) = refusal(error) {
            return refused.clone().into();
        }
        if error.is_builder() {
            return Self::Refused(format!("cannot be asked: {}", root_cause(error)));
        }
        Self::Failed(if error.is_timeout() && error.is_connect() {
            format!("no connection within {:?}", times.connect)
        } else if error.is_timeout() {
            format!("no answer within {:?}", times.total)
        } else if error.is_connect() {
            format!("no connection: {}", root_cause(error))
        } else {
            format!("the connection broke: {}", root_cause(error))
        })
    }
}

/// What the guard said, where it was the guard: it stands somewhere in the chain of causes.
fn refusal(error: &reqwest::Error) -> Option<&Refused> {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(refused) = cause.downcast_ref::<Refused>() {
            return Some(refused);
        }
        source = cause.source();
    }
    None
}

/// The innermost cause. The outer ones repeat the address.
pub(super) fn root_cause(error: &reqwest::Error) -> String {
    let Some(mut cause) = error.source() else {
        return "no reason was given".to_owned();
    };
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

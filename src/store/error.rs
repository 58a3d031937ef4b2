//! What goes wrong with a store.

use crate::error::{Error, Kind};

/// A fault of the store, told without addresses or secrets.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be had now: a lost connection, a folder that another server holds, a full disk. Passes, or is mended
    /// outside.
    #[error("{0}")]
    Away(String),
    /// The caller asked for what cannot be: a key that is too long, a sum of what is no number.
    #[error("{0}")]
    Refused(String),
    /// What is kept cannot be read; a fault of the data or of this program.
    #[error("{0}")]
    Broken(String),
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Away(message) => Self::new(Kind::NotReady, message),
            StoreError::Refused(message) => Self::new(Kind::InvalidInput, message),
            StoreError::Broken(message) => Self::new(Kind::PipelineFailed, message),
        }
    }
}

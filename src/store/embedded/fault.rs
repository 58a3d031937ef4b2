//! What SQLite says, in the words of the store: without paths and statements, which go to the log alone.

use rusqlite::ErrorCode as Code;

use crate::store::StoreError;

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let away = |told: &str| Self::Away(told.to_owned());
        let told = match error.sqlite_error_code() {
            Some(Code::DiskFull) => away("the disk of the store is full"),
            Some(Code::DatabaseBusy | Code::DatabaseLocked) => away("another program holds the store's database"),
            Some(Code::ReadOnly | Code::PermissionDenied) => away("the store's database cannot be written"),
            Some(Code::CannotOpen) => away("the store's database cannot be opened"),
            Some(Code::SystemIoFailure | Code::FileLockingProtocolFailed) => {
                away("the store's database cannot be read or written")
            }
            Some(Code::OutOfMemory) => away("there is no memory left for the store"),
            Some(Code::TooBig) => return Self::Refused("the store takes no more than 1 GB in one piece".into()),
            Some(Code::DatabaseCorrupt | Code::NotADatabase) => Self::Broken(
                "the store's database is damaged; with the server stopped, restore it, or move it away to begin anew"
                    .into(),
            ),
            _ => Self::Broken("the store failed by a fault of its own; the server's log says more".into()),
        };
        tracing::warn!("the store's database: {error}");
        told
    }
}

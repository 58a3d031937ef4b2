//! One SQLite file in a folder: what a single server needs to keep its data, with nothing to install.
//!
//! SQLite, because it is the most tried of the embedded databases, keeps its promises through power cuts, and leaves a
//! file that many other tools read. Knows neither jobs nor models: a room that keeps something brings a [`Schema`].
//!
//! **What is on disk when.** The database is in WAL mode with `synchronous=FULL`: each commit ends with an fsync of the
//! write-ahead log, and no write is answered before that. A killed process loses nothing that was answered; neither
//! does a power cut, if the disk does what it says of fsync (a consumer SSD may not). Writes that come while an fsync
//! runs wait, and share the next transaction and its one fsync (group commit), up to 256 of them or 20 ms of work: a
//! lone write takes as long as one fsync, and thousands a second take a few more. Each write has a savepoint of its
//! own, so the fault of one does not undo the others.
//!
//! **Who holds the folder.** One server: it holds a lock file for as long as it lives (the system frees the lock of one
//! that died). Another one with the same folder is told so at each call, and gets the folder once it is free. The
//! database is made by the first write that needs it, and opened once in the life of a server.

mod database;
mod fault;
mod folder;
mod kv;
mod readers;
mod schema;
#[cfg(test)]
mod tests;
mod writer;

pub use database::Database;
pub use kv::{EmbeddedKv, SCHEMA as KV_SCHEMA};
pub use schema::Schema;

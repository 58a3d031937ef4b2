//! Data that outlives a request: one SQLite file by default, Redis where several servers share it.
//!
//! A leaf: knows neither jobs nor models. What is kept in it is said by those who keep it.

pub mod embedded;
mod error;
mod kv;
mod memory;
pub mod redis;

pub use error::StoreError;
pub use kv::{Entry, KeyValue, LONGEST_KEY, LONGEST_TTL, Store};
pub use memory::Memory;

//! Webhooks on the wire: which addresses may be posted to, the one client that posts, the signature, and when to post
//! again.
//!
//! A leaf: knows neither jobs nor stores. Whoever gives an address to this server makes it connect there, so every
//! address is looked at on every connection.

mod address;
mod allow;
mod client;
mod guard;
mod schedule;
mod secret;
mod sign;
#[cfg(test)]
pub(crate) mod testing;

pub use allow::AllowList;
pub use client::{Client, PostFault, Reply, TimeOuts, prepare_tls};
pub use guard::Refused;
pub use schedule::{MOST_POSTS, Verdict, judge};
pub use secret::Secret;
pub use sign::headers;

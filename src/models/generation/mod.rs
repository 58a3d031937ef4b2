//! What tasks that write text share: past keys and values, choice of tokens, beams, and the loop that lets requests
//! join and leave between two steps.
//!
//! Knows backends and the pipeline's batch; nothing of what a task's requests look like.

pub mod beam;
pub mod cache;
pub mod chat;
pub mod config;
pub mod decoder;
pub mod detokenize;
pub mod processors;
#[cfg(test)]
pub mod recorded;
pub mod sampling;
pub mod schedule;
pub mod stop;
pub mod writer;

use serde::Serialize;
use utoipa::ToSchema;

/// Why a text ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum FinishReason {
    /// The model ended it, or a stop string came.
    Stop,
    /// As many tokens were written as were asked for, or as the model has positions for.
    Length,
}

/// A piece of a text that is written while the client reads.
#[derive(Debug, Serialize)]
pub struct Piece<'a> {
    /// Which of the request's texts it belongs to.
    pub index: usize,
    pub text: &'a str,
}

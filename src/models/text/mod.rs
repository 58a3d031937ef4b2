//! What the tasks on texts share: tokens that fit the model, and batches padded to their longest. Knows no task.

mod batch;
mod chars;
mod encoding;
mod pipeline;
mod runs;
mod special;
mod wire;

pub use super::rows::{Slice, one_output};
pub(super) use super::scores;
pub use batch::Row;
pub use chars::Chars;
pub use encoding::{Cut, EncodeError, Encoded, TextEncoder};
pub use pipeline::{TextTask, loaded};
pub use wire::{Texts, Truncated, truncated};

//! Work on bodies that is long enough for others on the same thread to notice.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Bodies from this size on take long enough to decode that other connections should not wait for it.
const HEAVY: usize = 512 * 1024;

/// Decodes or writes a body of this size, in bytes, where nobody else has to wait for it. To be called within a runtime.
pub fn decoding<T>(size: usize, decode: impl FnOnce() -> T) -> T {
    if size >= HEAVY && may_block() {
        tokio::task::block_in_place(decode)
    } else {
        decode()
    }
}

/// A library user may run the server on a runtime of one thread, which cannot step aside.
fn may_block() -> bool {
    Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread
}

//! How the C library keeps freed memory: the one place of the crate with unsafe code.
//!
//! A session packs its weights, finds that another has packed the same, and frees its own. The GNU allocator then
//! raises the size from which blocks are given back to the system, and keeps the next ones: tens of megabytes a
//! replica.

/// Blocks of this size and above are given back when they are freed. glibc starts out with 128 KiB and raises that
/// up to 32 MiB by itself unless it is set.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const THRESHOLD: libc::c_int = 1 << 20;

/// Fixes the threshold for the whole process.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code, reason = "mallopt is a foreign function")]
pub fn give_large_blocks_back() {
    // SAFETY: mallopt takes two integers, touches no memory of ours, and locks the allocator it changes.
    let set = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, THRESHOLD) };
    if set == 0 {
        tracing::debug!("the allocator keeps its own threshold for large blocks");
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub const fn give_large_blocks_back() {}

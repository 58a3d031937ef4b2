//! What one measurement gives.

use serde::{Deserialize, Serialize};

/// Times are in microseconds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Figures {
    /// Requests, or runs of the bare loop, a second.
    pub rate: f64,
    pub p50: f64,
    pub p99: f64,
    /// User and system time of the measured process for each request.
    pub cpu: f64,
    /// User and system time of the load generator for each request, its start included.
    pub generator_cpu: Option<f64>,
}

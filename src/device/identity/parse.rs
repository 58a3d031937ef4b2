//! A device from its name, or what is wrong with it.

use std::str::FromStr;

use thiserror::Error;

use super::{Device, IpuRange};

/// Why a text is not the name of a device. Each sentence says what was read
/// and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DeviceParseError {
    /// Nothing like a device.
    #[error("{read:?} is not a device: write cpu, cuda:N or ipu:N (ipu:N-M for several)")]
    Unknown {
        /// The text as it was read.
        read: String,
    },
    /// `cuda` or `ipu` alone. Guessing the first one would hide a mistake on
    /// a machine with several.
    #[error("{read:?} does not say which one: write {read}:0 for the first")]
    NoNumber {
        /// The text as it was read.
        read: String,
    },
    /// A range of GPUs: a replica owns one GPU, so the reading is unclear.
    #[error("{read:?} is a range, and only IPUs come in ranges: name the GPUs one by one (cuda:0,cuda:1)")]
    GpuRange {
        /// The text as it was read.
        read: String,
    },
    /// The first IPU is after the last.
    #[error("{read:?} runs backwards: write ipu:{last}-{first}")]
    Backwards {
        /// The text as it was read.
        read: String,
        /// The number before the dash.
        first: u32,
        /// The number after the dash.
        last: u32,
    },
    /// More IPUs than any system has.
    #[error("{read:?} is too wide: a range holds at most {max} IPUs", max = IpuRange::MAX_COUNT)]
    TooWide {
        /// The text as it was read.
        read: String,
    },
}

impl FromStr for Device {
    type Err = DeviceParseError;

    fn from_str(read: &str) -> Result<Self, Self::Err> {
        let text = || read.to_owned();
        let unknown = || DeviceParseError::Unknown { read: text() };
        match read.split_once(':') {
            None if read == "cpu" => Ok(Self::Cpu),
            None if matches!(read, "cuda" | "ipu") => Err(DeviceParseError::NoNumber { read: text() }),
            Some(("cuda", ordinal)) => match (number(ordinal), bounds(ordinal)) {
                (Some(ordinal), _) => Ok(Self::Cuda(ordinal)),
                (None, Some(_)) => Err(DeviceParseError::GpuRange { read: text() }),
                (None, None) => Err(unknown()),
            },
            Some(("ipu", range)) => {
                if let Some(ipu) = number(range) {
                    return Ok(Self::Ipu(IpuRange::single(ipu)));
                }
                let (first, last) = bounds(range).ok_or_else(unknown)?;
                if last < first {
                    let read = text();
                    return Err(DeviceParseError::Backwards { read, first, last });
                }
                IpuRange::new(first, last)
                    .map(Self::Ipu)
                    .ok_or_else(|| DeviceParseError::TooWide { read: text() })
            }
            _ => Err(unknown()),
        }
    }
}

/// Digits only: `u32::from_str` would also take `+1`.
fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

fn bounds(text: &str) -> Option<(u32, u32)> {
    let (first, last) = text.split_once('-')?;
    Some((number(first)?, number(last)?))
}

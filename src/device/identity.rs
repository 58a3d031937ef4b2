//! The name of a device: `cpu`, `cuda:0`, `ipu:0-1`.
//! Names only: whether a device exists is discovery's business, who owns it
//! is placement's.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// A device that a replica can own.
///
/// The order is CPU, then GPUs, then IPUs, each by number. Written as a
/// string everywhere: in settings, in JSON, in logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Device {
    /// The host's processor, shared by every replica placed on it.
    Cpu,
    /// A CUDA GPU by the ordinal that the driver gives it in this process,
    /// that is after `CUDA_VISIBLE_DEVICES` and `CUDA_DEVICE_ORDER`.
    Cuda(u32),
    /// One or more neighbouring Graphcore IPUs.
    Ipu(IpuRange),
}

impl Device {
    /// Which sort of device this is.
    #[must_use]
    pub const fn kind(self) -> DeviceKind {
        match self {
            Self::Cpu => DeviceKind::Cpu,
            Self::Cuda(_) => DeviceKind::Cuda,
            Self::Ipu(_) => DeviceKind::Ipu,
        }
    }
}

/// The sort of a device, as a model says what it can run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeviceKind {
    /// Any processor.
    Cpu,
    /// NVIDIA GPUs.
    Cuda,
    /// Graphcore IPUs.
    Ipu,
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::Ipu => "ipu",
        })
    }
}

/// Neighbouring IPUs, both ends included; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IpuRange {
    first: u32,
    last: u32,
}

impl IpuRange {
    /// The widest range accepted. The largest system sold holds 1,024 IPUs (Bow Pod1024);
    /// the bound keeps a slip of the keyboard from becoming millions of devices.
    pub const MAX_COUNT: u32 = 4096;

    /// IPUs `first` to `last`, both included; `None` when the range runs
    /// backwards or is wider than [`Self::MAX_COUNT`].
    #[must_use]
    pub const fn new(first: u32, last: u32) -> Option<Self> {
        if last < first || last - first >= Self::MAX_COUNT {
            return None;
        }
        Some(Self { first, last })
    }

    /// One IPU.
    #[must_use]
    pub const fn single(ipu: u32) -> Self {
        Self { first: ipu, last: ipu }
    }

    /// The lowest IPU.
    #[must_use]
    pub const fn first(self) -> u32 {
        self.first
    }

    /// The highest IPU, itself included.
    #[must_use]
    pub const fn last(self) -> u32 {
        self.last
    }

    /// How many IPUs: at least 1.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.last - self.first + 1
    }

    /// Every IPU of the range, ascending.
    pub fn ipus(self) -> impl Iterator<Item = u32> {
        self.first..=self.last
    }

    /// The IPUs that both ranges hold.
    #[must_use]
    pub fn overlap(self, other: Self) -> Option<Self> {
        Self::new(self.first.max(other.first), self.last.min(other.last))
    }
}

impl fmt::Display for IpuRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(ordinal) => write!(f, "cuda:{ordinal}"),
            Self::Ipu(range) => write!(f, "ipu:{range}"),
        }
    }
}

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

impl Serialize for Device {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Device {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn range(first: u32, last: u32) -> IpuRange {
        IpuRange::new(first, last).unwrap()
    }

    fn fault(read: &str) -> String {
        read.parse::<Device>().unwrap_err().to_string()
    }

    #[test]
    fn reads_every_sort_of_device() {
        assert_eq!("cpu".parse(), Ok(Device::Cpu));
        assert_eq!("cuda:0".parse(), Ok(Device::Cuda(0)));
        assert_eq!("cuda:12".parse(), Ok(Device::Cuda(12)));
        assert_eq!("ipu:3".parse(), Ok(Device::Ipu(IpuRange::single(3))));
        assert_eq!("ipu:0-3".parse(), Ok(Device::Ipu(range(0, 3))));
    }

    #[test]
    fn a_range_of_one_is_written_as_one() {
        assert_eq!("ipu:2-2".parse::<Device>().unwrap().to_string(), "ipu:2");
    }

    #[test]
    fn what_is_no_device_is_named_with_what_is_expected() {
        assert_eq!(
            fault("gpu0"),
            r#""gpu0" is not a device: write cpu, cuda:N or ipu:N (ipu:N-M for several)"#
        );
        for read in [
            "",
            " ",
            "CPU",
            "cpu:0",
            "cuda:",
            "cuda:x",
            "cuda:-1",
            "cuda:+1",
            "cuda: 0",
            " cuda:0",
            "cuda:0 ",
            "ipu:",
            "ipu:-",
            "ipu:0-",
            "ipu:-3",
            "ipu:0-1-2",
            "ipu:a-b",
            "tpu:0",
            ":0",
            "cuda:4294967296",
            "auto",
            "cuda:٣",
        ] {
            assert_eq!(
                read.parse::<Device>(),
                Err(DeviceParseError::Unknown { read: read.into() })
            );
        }
    }

    #[test]
    fn a_bare_kind_is_refused_with_the_remedy() {
        assert_eq!(
            fault("cuda"),
            r#""cuda" does not say which one: write cuda:0 for the first"#
        );
        assert_eq!(
            fault("ipu"),
            r#""ipu" does not say which one: write ipu:0 for the first"#
        );
    }

    #[test]
    fn odd_ranges_have_their_own_sentences() {
        assert_eq!(
            fault("cuda:0-1"),
            r#""cuda:0-1" is a range, and only IPUs come in ranges: name the GPUs one by one (cuda:0,cuda:1)"#
        );
        assert_eq!(fault("ipu:3-0"), r#""ipu:3-0" runs backwards: write ipu:0-3"#);
        assert_eq!(
            fault("ipu:0-4294967295"),
            r#""ipu:0-4294967295" is too wide: a range holds at most 4096 IPUs"#
        );
        assert!("ipu:0-4095".parse::<Device>().is_ok());
        assert!("ipu:0-4096".parse::<Device>().is_err());
    }

    #[test]
    fn the_highest_ipu_does_not_overflow() {
        let edge = IpuRange::single(u32::MAX);
        assert_eq!(edge.count(), 1);
        assert_eq!(edge.ipus().collect::<Vec<_>>(), [u32::MAX]);
        assert_eq!(format!("ipu:{}", u32::MAX).parse(), Ok(Device::Ipu(edge)));
    }

    #[test]
    fn ranges_count_and_overlap() {
        assert_eq!(range(2, 5).count(), 4);
        assert_eq!(range(0, 3).overlap(range(2, 5)), Some(range(2, 3)));
        assert_eq!(range(0, 1).overlap(range(2, 5)), None);
        assert_eq!(IpuRange::new(1, 0), None);
    }

    #[test]
    fn devices_sort_by_kind_then_number() {
        let mut devices = ["ipu:0", "cuda:10", "cuda:2", "cpu"].map(|d| d.parse::<Device>().unwrap());
        devices.sort();
        assert_eq!(devices.map(|d| d.to_string()), ["cpu", "cuda:2", "cuda:10", "ipu:0"]);
    }

    #[test]
    fn json_is_the_plain_string() {
        let devices = vec![Device::Cpu, Device::Cuda(1), Device::Ipu(range(0, 1))];
        let json = serde_json::to_string(&devices).unwrap();
        assert_eq!(json, r#"["cpu","cuda:1","ipu:0-1"]"#);
        assert_eq!(serde_json::from_str::<Vec<Device>>(&json).unwrap(), devices);
        let fault = serde_json::from_str::<Device>(r#""gpu0""#).unwrap_err();
        assert!(fault.to_string().starts_with(r#""gpu0" is not a device"#));
    }

    fn any_device() -> impl Strategy<Value = Device> {
        prop_oneof![
            Just(Device::Cpu),
            any::<u32>().prop_map(Device::Cuda),
            (any::<u32>(), 0..IpuRange::MAX_COUNT)
                .prop_map(|(first, more)| { Device::Ipu(range(first, first.saturating_add(more))) }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(device in any_device()) {
            prop_assert_eq!(device.to_string().parse(), Ok(device));
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = text.parse::<Device>();
        }

        #[test]
        fn nearly_devices_never_panic(text in "(cpu|cuda|ipu)?:?[0-9+-]{0,12}") {
            if let Ok(device) = text.parse::<Device>() {
                prop_assert_eq!(device.to_string().parse(), Ok(device));
            }
        }
    }
}

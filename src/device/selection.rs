//! The operator's choice of devices: the value of `SERVER_DEVICES`.
//! Syntax only: it does not know what the machine has.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::identity::{Device, DeviceParseError};

/// Which devices the server may use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    /// Everything the machine shows.
    #[default]
    Auto,
    /// These and no others, in the order given. A range of IPUs means each of
    /// them is available, not that one replica takes them all.
    List(Vec<Device>),
}

/// Why a text is not a choice of devices.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SelectionError {
    /// Nothing but spaces.
    #[error("no device is named: write auto, cpu, or a list such as cuda:0,cuda:1 or ipu:0-3")]
    Empty,
    /// Two commas in a row, or one at an end.
    #[error("{read:?} has a comma with no device beside it: write a list such as cuda:0,cuda:1")]
    Gap {
        /// The text as it was read.
        read: String,
    },
    /// `auto` beside something else.
    #[error("{read:?} names auto beside other devices: write auto alone, or the devices without it")]
    AutoInList {
        /// The text as it was read.
        read: String,
    },
    /// A device more than once; for IPUs, the part that is.
    #[error("{read:?} names {device} twice: name each device once")]
    Twice {
        /// The text as it was read.
        read: String,
        /// The device, or the IPUs that two ranges share.
        device: Device,
    },
    /// A part that is no device.
    #[error(transparent)]
    Device(#[from] DeviceParseError),
}

impl FromStr for Selection {
    type Err = SelectionError;

    fn from_str(read: &str) -> Result<Self, Self::Err> {
        let read = read.trim();
        match read {
            "" => return Err(SelectionError::Empty),
            "auto" => return Ok(Self::Auto),
            _ => {}
        }
        let mut devices: Vec<Device> = Vec::new();
        for part in read.split(',').map(str::trim) {
            let text = || read.to_owned();
            match part {
                "" => return Err(SelectionError::Gap { read: text() }),
                "auto" => return Err(SelectionError::AutoInList { read: text() }),
                _ => {}
            }
            let device: Device = part.parse()?;
            if let Some(device) = devices.iter().find_map(|&earlier| shared(earlier, device)) {
                let read = text();
                return Err(SelectionError::Twice { read, device });
            }
            devices.push(device);
        }
        Ok(Self::List(devices))
    }
}

fn shared(a: Device, b: Device) -> Option<Device> {
    match (a, b) {
        (Device::Ipu(a), Device::Ipu(b)) => a.overlap(b).map(Device::Ipu),
        _ => (a == b).then_some(a),
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::List(devices) => {
                for (place, device) in devices.iter().enumerate() {
                    let comma = if place == 0 { "" } else { "," };
                    write!(f, "{comma}{device}")?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::identity::IpuRange;
    use super::*;

    fn list(read: &str) -> Vec<Device> {
        match read.parse() {
            Ok(Selection::List(devices)) => devices,
            other => panic!("{read:?} was read as {other:?}"),
        }
    }

    fn fault(read: &str) -> String {
        read.parse::<Selection>().unwrap_err().to_string()
    }

    #[test]
    fn auto_is_read_and_is_the_default() {
        assert_eq!("auto".parse(), Ok(Selection::Auto));
        assert_eq!(" auto\n".parse(), Ok(Selection::Auto));
        assert_eq!(Selection::default(), Selection::Auto);
    }

    #[test]
    fn lists_keep_their_order_and_tolerate_spaces() {
        assert_eq!(list("cpu"), [Device::Cpu]);
        assert_eq!(
            list(" cuda:1 ,cuda:0, cpu "),
            [Device::Cuda(1), Device::Cuda(0), Device::Cpu]
        );
        assert_eq!(list("ipu:0-3"), [Device::Ipu(IpuRange::new(0, 3).unwrap())]);
    }

    #[test]
    fn nothing_is_refused() {
        for read in ["", "  ", "\t"] {
            assert_eq!(read.parse::<Selection>(), Err(SelectionError::Empty));
        }
        for read in [",", "cuda:0,", ",cuda:0", "cuda:0,,cuda:1"] {
            assert!(matches!(read.parse::<Selection>(), Err(SelectionError::Gap { .. })));
        }
    }

    #[test]
    fn a_device_is_named_once() {
        assert_eq!(
            fault("cuda:0,cpu,cuda:0"),
            r#""cuda:0,cpu,cuda:0" names cuda:0 twice: name each device once"#
        );
        assert_eq!(
            fault("ipu:0-3,ipu:2-7"),
            r#""ipu:0-3,ipu:2-7" names ipu:2-3 twice: name each device once"#
        );
        assert_eq!(list("ipu:0-1,ipu:2-3").len(), 2);
    }

    #[test]
    fn auto_stands_alone() {
        for read in ["auto,cuda:0", "cpu, auto"] {
            assert!(matches!(
                read.parse::<Selection>(),
                Err(SelectionError::AutoInList { .. })
            ));
        }
    }

    #[test]
    fn a_bad_part_is_named_by_itself() {
        assert_eq!(
            fault("cuda:0,gpu1"),
            r#""gpu1" is not a device: write cpu, cuda:N or ipu:N (ipu:N-M for several)"#
        );
        assert!(fault("cuda").contains("cuda:0"));
    }

    #[test]
    fn what_is_written_is_read_back() {
        for read in ["auto", "cpu", "cuda:0,cuda:1", "ipu:0-3,cpu"] {
            assert_eq!(read.parse::<Selection>().unwrap().to_string(), read);
        }
    }
}

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

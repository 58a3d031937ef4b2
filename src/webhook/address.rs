//! What kind of address an IP address is. Pure.
//!
//! Of IPv4 the special-purpose ranges are known, as IANA registers them (RFC 6890 and its followers). Of IPv6 everything
//! outside of global unicast is refused, so a range that is not listed here is not forgotten either.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

const METADATA: &str = "a metadata address";
const LOOPBACK: &str = "a loopback address";
const LINK_LOCAL: &str = "a link-local address";
const PRIVATE: &str = "a private address";
const UNSPECIFIED: &str = "an unspecified address";
const MULTICAST: &str = "a multicast address";
const DOCUMENTATION: &str = "an address for documentation";
const BENCHMARKING: &str = "an address for benchmarks";
const RESERVED: &str = "a reserved address";

/// Where clouds tell machines their credentials, ahead of the ranges that most of them lie in. The first is Azure's,
/// which lies among public addresses.
const METADATA_V4: [[u8; 4]; 4] = [
    [168, 63, 129, 16],
    [169, 254, 169, 254],
    [100, 100, 100, 200],
    [192, 0, 0, 192],
];

const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

static SPECIAL_V4: [(Ipv4Net, &str); 16] = [
    (v4([0, 0, 0, 0], 32), UNSPECIFIED),
    (v4([0, 0, 0, 0], 8), RESERVED),
    (v4([10, 0, 0, 0], 8), PRIVATE),
    (v4([100, 64, 0, 0], 10), "an address behind a provider's NAT"),
    (v4([127, 0, 0, 0], 8), LOOPBACK),
    (v4([169, 254, 0, 0], 16), LINK_LOCAL),
    (v4([172, 16, 0, 0], 12), PRIVATE),
    (v4([192, 0, 0, 0], 24), RESERVED),
    (v4([192, 0, 2, 0], 24), DOCUMENTATION),
    (v4([192, 88, 99, 0], 24), RESERVED),
    (v4([192, 168, 0, 0], 16), PRIVATE),
    (v4([198, 18, 0, 0], 15), BENCHMARKING),
    (v4([198, 51, 100, 0], 24), DOCUMENTATION),
    (v4([203, 0, 113, 0], 24), DOCUMENTATION),
    (v4([224, 0, 0, 0], 4), MULTICAST),
    // Broadcast among them.
    (v4([240, 0, 0, 0], 4), RESERVED),
];

static SPECIAL_V6: [(Ipv6Net, &str); 11] = [
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 128), UNSPECIFIED),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), LOOPBACK),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), LINK_LOCAL),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), PRIVATE),
    // Site-local, which RFC 3879 took back; some networks have it still.
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), PRIVATE),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), MULTICAST),
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), DOCUMENTATION),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), DOCUMENTATION),
    (v6([0x2001, 2, 0, 0, 0, 0, 0, 0], 48), BENCHMARKING),
    // Tunnels (Teredo, with an IPv4 address inside) and other things of protocols.
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), RESERVED),
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), PRIVATE),
];

const GLOBAL_UNICAST: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);
const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96);
const SIX_TO_FOUR: Ipv6Net = v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16);

const fn v4(address: [u8; 4], length: u8) -> Ipv4Net {
    let [first, second, third, fourth] = address;
    Ipv4Net::new_assert(Ipv4Addr::new(first, second, third, fourth), length)
}

const fn v6(segments: [u16; 8], length: u8) -> Ipv6Net {
    let mut bits = 0;
    let mut at = 0;
    while at < segments.len() {
        bits = (bits << 16) | segments[at] as u128;
        at += 1;
    }
    Ipv6Net::new_assert(Ipv6Addr::from_bits(bits), length)
}

/// What an address is that is not simply a public one; `None` for a public one.
pub(super) fn special(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => special_v4(address),
        IpAddr::V6(address) => match embedded(address) {
            // A router or a relay turns it into that one.
            Some(inner) => special_v4(inner),
            None => special_v6(address),
        },
    }
}

/// The IPv4 address that packets to an IPv6 address end at, where it is written into it: mapped (RFC 4291, section
/// 2.5.5.2), NAT64 (RFC 6052, section 2.1) and 6to4 (RFC 3056, section 2).
pub(super) fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let octets = address.octets();
    let at = |start: usize| {
        let mut inner = [0; 4];
        inner.copy_from_slice(&octets[start..start + 4]);
        Ipv4Addr::from(inner)
    };
    if NAT64.contains(&address) {
        Some(at(12))
    } else if SIX_TO_FOUR.contains(&address) {
        Some(at(2))
    } else {
        address.to_ipv4_mapped()
    }
}

fn special_v4(address: Ipv4Addr) -> Option<&'static str> {
    if METADATA_V4.contains(&address.octets()) {
        return Some(METADATA);
    }
    let range = SPECIAL_V4.iter().find(|(range, _)| range.contains(&address));
    range.map(|(_, what)| *what)
}

fn special_v6(address: Ipv6Addr) -> Option<&'static str> {
    if METADATA_V6.contains(&address) {
        return Some(METADATA);
    }
    let range = SPECIAL_V6.iter().find(|(range, _)| range.contains(&address));
    match range {
        Some((_, what)) => Some(*what),
        None => (!GLOBAL_UNICAST.contains(&address)).then_some(RESERVED),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn what(address: &str) -> Option<&'static str> {
        special(address.parse().unwrap())
    }

    #[test]
    fn public_addresses_are_nothing_special() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2a00:1450:4001:81b::200e",
            "2001:4860:4860::8888",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::1",
        ] {
            assert_eq!(what(address), None, "{address}");
        }
    }

    #[test]
    fn special_addresses_are_told_apart() {
        for (address, kind) in [
            ("127.0.0.1", LOOPBACK),
            ("127.255.255.254", LOOPBACK),
            ("::1", LOOPBACK),
            ("0.0.0.0", UNSPECIFIED),
            ("::", UNSPECIFIED),
            ("0.1.2.3", RESERVED),
            ("10.0.0.1", PRIVATE),
            ("172.16.0.1", PRIVATE),
            ("172.31.255.255", PRIVATE),
            ("192.168.1.1", PRIVATE),
            ("fd12:3456::1", PRIVATE),
            ("fc00::1", PRIVATE),
            ("fec0::1", PRIVATE),
            ("100.64.0.1", "an address behind a provider's NAT"),
            ("100.127.255.255", "an address behind a provider's NAT"),
            ("169.254.0.1", LINK_LOCAL),
            ("fe80::1", LINK_LOCAL),
            ("febf::1", LINK_LOCAL),
            ("169.254.169.254", METADATA),
            ("168.63.129.16", METADATA),
            ("100.100.100.200", METADATA),
            ("fd00:ec2::254", METADATA),
            ("fd20:ce::254", METADATA),
            ("224.0.0.1", MULTICAST),
            ("239.255.255.255", MULTICAST),
            ("ff02::1", MULTICAST),
            ("255.255.255.255", RESERVED),
            ("240.0.0.1", RESERVED),
            ("192.0.0.8", RESERVED),
            ("192.88.99.1", RESERVED),
            ("192.0.2.1", DOCUMENTATION),
            ("198.51.100.1", DOCUMENTATION),
            ("203.0.113.1", DOCUMENTATION),
            ("2001:db8::1", DOCUMENTATION),
            ("3fff::1", DOCUMENTATION),
            ("198.18.0.1", BENCHMARKING),
            ("198.19.255.255", BENCHMARKING),
            ("2001:2::1", BENCHMARKING),
            ("100::1", RESERVED),
            ("5f00::1", RESERVED),
            ("4000::1", RESERVED),
        ] {
            assert_eq!(what(address), Some(kind), "{address}");
        }
    }

    #[test]
    fn what_stands_inside_an_address_counts() {
        for address in [
            "::ffff:127.0.0.1",
            "::ffff:10.1.2.3",
            "::ffff:169.254.169.254",
            // Compatible with IPv4, as RFC 4291 had it once.
            "::127.0.0.1",
            "::8.8.8.8",
            "64:ff9b::7f00:1",
            "64:ff9b::10.0.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::808:808",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "2002:c0a8:101:1::1",
            // Teredo: 10.0.0.1 stands there with every bit turned over.
            "2001:0:808:808:0:0:f5ff:fffe",
        ] {
            assert!(what(address).is_some(), "{address}");
        }
    }

    proptest! {
        #[test]
        fn an_address_is_judged_alike_however_it_is_wrapped(bits in any::<u32>()) {
            let inner = Ipv4Addr::from(bits);
            let [a, b, c, d] = inner.octets();
            let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            let plain = special(inner.into());
            for wrapped in [
                inner.to_ipv6_mapped(),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, 7, 0, 0, 0, 1),
            ] {
                prop_assert_eq!(special(wrapped.into()), plain);
            }
        }

        #[test]
        fn no_address_outside_of_global_unicast_is_open(bits in any::<u128>()) {
            let address = Ipv6Addr::from(bits);
            let unicast = bits >> 125 == 1 || embedded(address).is_some();
            prop_assert!(unicast || special(address.into()).is_some());
        }
    }
}

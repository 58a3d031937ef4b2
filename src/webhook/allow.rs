//! The addresses that may be reached though they are not public: the setting `SERVER_WEBHOOK_ALLOW`.

use std::net::IpAddr;

use ipnet::IpNet;
use url::Host;

use super::address;

/// Networks and hosts that an operator vouches for. Everything public is open without them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList {
    networks: Vec<IpNet>,
    hosts: Vec<HostRule>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum HostRule {
    Exactly(String),
    /// Every name that ends in this, which begins with a dot.
    Below(String),
}

impl AllowList {
    /// Reads entries separated by commas or blanks: networks (`10.1.0.0/16`), addresses (`127.0.0.1`), host names
    /// (`hooks.internal`) and all names below one (`*.example.com`). A name opens whatever addresses it has.
    ///
    /// # Errors
    /// A sentence about the first entry that is none of these.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut list = Self::default();
        let entries = text.split(|c: char| c == ',' || c.is_whitespace());
        for entry in entries.filter(|entry| !entry.is_empty()) {
            list.add(entry)?;
        }
        Ok(list)
    }

    fn add(&mut self, entry: &str) -> Result<(), String> {
        let bare = entry
            .strip_prefix('[')
            .and_then(|e| e.strip_suffix(']'))
            .unwrap_or(entry);
        if let Ok(network) = bare.parse::<IpNet>() {
            self.networks.push(network.trunc());
        } else if let Ok(address) = bare.parse::<IpAddr>() {
            self.networks.push(IpNet::from(address));
        } else {
            self.hosts.push(host_rule(entry).ok_or_else(|| refusal(entry))?);
        }
        Ok(())
    }

    /// Whether a host name is vouched for, whatever addresses it has.
    pub(super) fn names(&self, host: &str) -> bool {
        let host = plain(host);
        self.hosts.iter().any(|rule| match rule {
            HostRule::Exactly(name) => *name == host,
            HostRule::Below(end) => host.ends_with(end) && host.len() > end.len(),
        })
    }

    /// Whether an address may be reached.
    ///
    /// # Errors
    /// What kind of address it is, where it is neither public nor listed.
    pub(super) fn check(&self, address: IpAddr) -> Result<(), &'static str> {
        let Some(what) = address::special(address) else {
            return Ok(());
        };
        // `10.0.0.0/8` opens `::ffff:10.0.0.1` too: both are one machine.
        let inner = match address {
            IpAddr::V4(_) => None,
            IpAddr::V6(address) => address::embedded(address).map(IpAddr::V4),
        };
        let is_listed = |address: &IpAddr| self.networks.iter().any(|network| network.contains(address));
        if is_listed(&address) || inner.is_some_and(|inner| is_listed(&inner)) {
            return Ok(());
        }
        Err(what)
    }
}

fn host_rule(entry: &str) -> Option<HostRule> {
    let (below, name) = match entry.strip_prefix("*.") {
        Some(name) => (true, name),
        None => (false, entry),
    };
    // Its parser knows what a URL may have as a host, and writes it as a URL has it.
    let Ok(Host::Domain(name)) = Host::parse(name) else {
        return None;
    };
    let name = plain(&name);
    // A star anywhere else would match nothing.
    if name.is_empty() || name.contains('*') {
        return None;
    }
    Some(if below {
        HostRule::Below(format!(".{name}"))
    } else {
        HostRule::Exactly(name)
    })
}

/// A host name in lower case and without the dot that ends a name of the root.
pub(super) fn plain(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

fn refusal(entry: &str) -> String {
    let shown: String = entry.chars().take(60).collect();
    format!(
        "\"{shown}\" is neither a network such as 10.1.0.0/16, an address, nor a host such as hooks.internal or \
         *.example.com, without scheme, port and path"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> AllowList {
        AllowList::parse(text).unwrap()
    }

    fn opens(text: &str, address: &str) -> bool {
        list(text).check(address.parse().unwrap()).is_ok()
    }

    #[test]
    fn nothing_listed_opens_public_addresses_only() {
        assert!(opens("", "8.8.8.8"));
        assert!(opens("", "2606:4700:4700::1111"));
        for address in ["127.0.0.1", "10.0.0.1", "::1", "169.254.169.254", "fd00:ec2::254"] {
            assert!(!opens("", address), "{address}");
        }
        assert_eq!(list("").check("127.0.0.1".parse().unwrap()), Err("a loopback address"));
    }

    #[test]
    fn networks_and_addresses_open_what_they_hold() {
        assert!(opens("10.1.0.0/16", "10.1.255.1"));
        assert!(!opens("10.1.0.0/16", "10.2.0.1"));
        assert!(opens("10.1.2.3/16", "10.1.0.1"));
        assert!(opens("127.0.0.1", "127.0.0.1"));
        assert!(!opens("127.0.0.1", "127.0.0.2"));
        assert!(opens("fd00::/8", "fd12::1"));
        assert!(opens("::1", "::1"));
        assert!(opens("[::1]", "::1"));
        assert!(opens("10.0.0.0/8, 192.168.0.0/16 ::1", "192.168.3.4"));
        assert!(opens("0.0.0.0/0", "127.0.0.1"));
        assert!(!opens("0.0.0.0/0", "::1"));
    }

    #[test]
    fn an_address_opens_its_other_spellings() {
        assert!(opens("10.0.0.0/8", "::ffff:10.0.0.1"));
        assert!(opens("10.0.0.0/8", "64:ff9b::10.0.0.1"));
        assert!(opens("::ffff:10.0.0.0/104", "::ffff:10.0.0.1"));
        assert!(!opens("127.0.0.1", "::1"));
    }

    #[test]
    fn names_open_themselves_or_what_is_below_them() {
        let list = list("hooks.internal,*.Example.com, localhost");
        for host in [
            "hooks.internal",
            "hooks.internal.",
            "localhost",
            "a.example.com",
            "a.b.example.com",
        ] {
            assert!(list.names(host), "{host}");
        }
        for host in [
            "internal",
            "a.hooks.internal",
            "example.com",
            "badexample.com",
            "localhost.example.org",
        ] {
            assert!(!list.names(host), "{host}");
        }
    }

    #[test]
    fn names_are_compared_as_urls_write_them() {
        let list = list("bücher.example");
        assert!(list.names(url::Url::parse("http://BÜCHER.example/").unwrap().host_str().unwrap()));
    }

    #[test]
    fn what_is_neither_is_refused_by_name() {
        for entry in [
            "http://hooks.internal",
            "hooks.internal:80",
            "10.0.0.0/33",
            "10.0.0",
            "0x7f.1",
            "*",
            "*.",
            "a.*.b",
            "?!",
            "a/b",
        ] {
            let told = AllowList::parse(entry).unwrap_err();
            assert!(told.starts_with(&format!("\"{entry}\" is neither")), "{told}");
        }
    }
}

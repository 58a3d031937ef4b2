//! Where the client may connect to: looked at when an address is given, at every redirect, and at every name that is
//! resolved.
//!
//! The connector asks the resolver for names only and connects to a literal address as it is, so literals are looked at
//! in the URL. A name is looked at where it is resolved, and what was looked at is what is connected to: a name that
//! has another address a moment later finds no gap.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use reqwest::StatusCode;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use url::{Host, Url};

use super::AllowList;
use super::allow::plain;

/// The setting that opens addresses, as it is named to users.
const SETTING: &str = "SERVER_WEBHOOK_ALLOW";
/// The most redirects that are followed.
const MOST_REDIRECTS: usize = 3;
/// The longest address, in bytes: what common servers and proxies take.
const LONGEST_URL: usize = 2048;

/// An address that is not posted to, and why. The sentence begins in the middle: its subject is the address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// Reads an address and looks at all of it that can be looked at without a resolver.
pub(super) fn read(allow: &AllowList, text: &str) -> Result<Url, Refused> {
    if text.len() > LONGEST_URL {
        return Err(Refused(format!("is longer than {LONGEST_URL} bytes")));
    }
    let url = Url::parse(text).map_err(|error| Refused(format!("is no URL: {error}")))?;
    check(allow, &url)?;
    Ok(url)
}

/// Looks at scheme, user and literal host.
pub(super) fn check(allow: &AllowList, url: &Url) -> Result<(), Refused> {
    if !matches!(url.scheme(), "http" | "https") {
        let told = format!("has the scheme {}, expected http or https", url.scheme());
        return Err(Refused(told));
    }
    if !url.username().is_empty() || url.password().is_some() {
        let told = "holds a user or a password; send what authenticates you in the path or the query".to_owned();
        return Err(Refused(told));
    }
    match url.host() {
        Some(Host::Ipv4(address)) => literal(allow, IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => literal(allow, IpAddr::V6(address)),
        // RFC 6761, section 6.3: these names are the machine itself, whoever is asked.
        Some(Host::Domain(name)) if is_localhost(name) && !allow.names(name) => {
            let loopback = [IpAddr::from([127, 0, 0, 1]), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])];
            if loopback.iter().any(|address| allow.check(*address).is_ok()) {
                return Ok(());
            }
            Err(closed(name, "the machine itself"))
        }
        Some(Host::Domain(_)) => Ok(()),
        None => Err(Refused("names no host".to_owned())),
    }
}

fn literal(allow: &AllowList, address: IpAddr) -> Result<(), Refused> {
    allow.check(address).map_err(|what| closed(&address.to_string(), what))
}

fn is_localhost(name: &str) -> bool {
    let name = plain(name);
    name == "localhost" || name.ends_with(".localhost")
}

fn closed(host: &str, what: &str) -> Refused {
    Refused(format!("leads to {host}, {what}, which {SETTING} does not list"))
}

/// Of the addresses of a name those that may be reached.
///
/// # Errors
/// When there are addresses and none of them may, without the addresses.
pub(super) fn open(allow: &AllowList, host: &str, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Refused> {
    if allow.names(host) {
        return Ok(found);
    }
    let mut open = Vec::with_capacity(found.len());
    let mut first = None;
    for address in found {
        match allow.check(address.ip()) {
            Ok(()) => open.push(address),
            Err(what) => {
                first.get_or_insert((address.ip(), what));
            }
        }
    }
    match first {
        Some((address, what)) if open.is_empty() => {
            // Clients read why a webhook failed; what a name means inside of this network is not theirs to know.
            tracing::debug!("{host} has the address {address}, which no webhook may be posted to");
            Err(closed(host, what))
        }
        _ => Ok(open),
    }
}

/// Asks the system, and passes on what may be reached.
pub(super) struct Resolver(pub Arc<AllowList>);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allow = Arc::clone(&self.0);
        Box::pin(async move {
            let host = name.as_str();
            // The port is the connector's to say.
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host, 0)).await?.collect();
            let addresses: Addrs = Box::new(open(&allow, host, found)?.into_iter());
            Ok(addresses)
        })
    }
}

/// Follows redirects that keep the body, and looks at each.
pub(super) fn redirects(allow: Arc<AllowList>) -> Policy {
    Policy::custom(
        move |attempt| match hop(&allow, attempt.status(), attempt.url(), attempt.previous()) {
            Ok(()) => attempt.follow(),
            Err(refused) => attempt.error(refused),
        },
    )
}

pub(super) fn hop(allow: &AllowList, status: StatusCode, next: &Url, before: &[Url]) -> Result<(), Refused> {
    // Of the others a client makes a GET without a body, and whatever that is answered would pass for a delivery.
    if !matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT) {
        let told = format!(
            "redirects with {}, which drops the body; only 307 and 308 are followed",
            status.as_u16()
        );
        return Err(Refused(told));
    }
    // The first of them is where the request began.
    if before.len() > MOST_REDIRECTS {
        return Err(Refused(format!("redirects more than {MOST_REDIRECTS} times")));
    }
    if next.scheme() == "http" && before.last().is_some_and(|url| url.scheme() == "https") {
        return Err(Refused("redirects from https to http".to_owned()));
    }
    check(allow, next).map_err(|Refused(told)| Refused(format!("redirects to an address that {told}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_with(allow: &str, url: &str) -> Result<Url, Refused> {
        read(&AllowList::parse(allow).unwrap(), url)
    }

    fn refused(url: &str) -> String {
        read_with("", url).unwrap_err().0
    }

    #[test]
    fn public_addresses_and_names_pass() {
        for url in [
            "https://example.com/hook?key=1",
            "http://example.com:8080/",
            "https://8.8.8.8/",
            "http://[2606:4700:4700::1111]:80/",
            "HTTPS://EXAMPLE.COM",
            "https://localhost.example.com/",
        ] {
            read_with("", url).unwrap();
        }
    }

    #[test]
    fn literal_addresses_are_seen_in_any_spelling() {
        for url in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0x7f.1/",
            "http://017700000001/",
            "http://127.0.0.1./",
            "http://%31%32%37.0.0.1/",
            "http://１２７.0.0.1/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:7f00:1]/",
            "http://[::1]/",
            "http://[0:0:0:0:0:0:0:1]/",
            "http://10.0.0.1:9000/x",
            "http://169.254.169.254/latest/meta-data/",
            "http://[fd00:ec2::254]/",
            "http://[64:ff9b::a9fe:a9fe]/",
            "http://0/",
            "http://localhost/",
            "http://LOCALHOST.:8100/",
            "http://a.localhost/",
        ] {
            let told = refused(url);
            assert!(told.starts_with("leads to ") && told.contains(SETTING), "{url}: {told}");
        }
        assert_eq!(
            refused("http://0x7f.1/"),
            "leads to 127.0.0.1, a loopback address, which SERVER_WEBHOOK_ALLOW does not list"
        );
    }

    #[test]
    fn other_schemes_users_and_nonsense_are_refused() {
        for (url, told) in [
            ("ftp://example.com/", "has the scheme ftp, expected http or https"),
            ("file:///etc/passwd", "has the scheme file, expected http or https"),
            ("mailto:a@example.com", "has the scheme mailto, expected http or https"),
            (
                "https://user:pw@example.com/",
                "holds a user or a password; send what authenticates you in the path or the query",
            ),
            (
                "https://user@example.com/",
                "holds a user or a password; send what authenticates you in the path or the query",
            ),
            ("/hook", "is no URL: relative URL without a base"),
            ("http://", "is no URL: empty host"),
        ] {
            assert_eq!(refused(url), told);
        }
        assert!(refused(&format!("https://example.com/{}", "x".repeat(3000))).starts_with("is longer than"));
    }

    #[test]
    fn what_is_listed_passes() {
        for (allow, url) in [
            ("127.0.0.0/8", "http://127.0.0.1:9000/"),
            ("127.0.0.1", "http://localhost:9000/"),
            ("::1", "http://[::1]/"),
            ("localhost", "http://localhost/"),
            ("10.0.0.0/8", "http://10.20.30.40/"),
        ] {
            read_with(allow, url).unwrap();
        }
        // Of a name that is listed its literal addresses are not.
        assert!(read_with("localhost", "http://127.0.0.1/").is_err());
        assert!(read_with("10.0.0.0/8", "http://user@10.0.0.1/").is_err());
    }

    #[test]
    fn a_redirect_keeps_body_scheme_and_rules() {
        let none = AllowList::default();
        let hop = |status: u16, next: &str, before: &[&str]| {
            let before: Vec<_> = before.iter().map(|url| Url::parse(url).unwrap()).collect();
            let status = StatusCode::from_u16(status).unwrap();
            super::hop(&none, status, &Url::parse(next).unwrap(), &before).map_err(|Refused(told)| told)
        };
        let (a, b, plain) = ("https://a.example/", "https://b.example/", "http://b.example/");
        assert_eq!(hop(307, b, &[a]), Ok(()));
        assert_eq!(hop(308, a, &[plain]), Ok(()));
        assert_eq!(hop(307, b, &[a, b, a]), Ok(()));
        assert_eq!(
            hop(307, b, &[a, b, a, b]),
            Err("redirects more than 3 times".to_owned())
        );
        assert_eq!(hop(307, plain, &[a]), Err("redirects from https to http".to_owned()));
        assert!(hop(301, b, &[a]).unwrap_err().contains("only 307 and 308"));
        assert!(
            hop(307, "https://10.0.0.1/", &[a])
                .unwrap_err()
                .contains("a private address")
        );
        assert!(
            hop(307, "https://u:p@b.example/", &[a])
                .unwrap_err()
                .contains("a user or a password")
        );
    }

    #[test]
    fn of_the_addresses_of_a_name_the_open_ones_are_left() {
        let addresses = |list: &[&str]| -> Vec<SocketAddr> {
            list.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 0)).collect()
        };
        let mixed = addresses(&["10.0.0.1", "8.8.8.8", "::1"]);
        let none = AllowList::default();
        assert_eq!(open(&none, "a.org", mixed.clone()).unwrap(), addresses(&["8.8.8.8"]));
        let told = open(&none, "a.org", addresses(&["10.0.0.1", "::1"])).unwrap_err();
        assert_eq!(
            told.0,
            "leads to a.org, a private address, which SERVER_WEBHOOK_ALLOW does not list"
        );
        let named = AllowList::parse("*.org").unwrap();
        assert_eq!(open(&named, "a.org", mixed.clone()).unwrap(), mixed);
        assert!(open(&none, "a.org", Vec::new()).unwrap().is_empty());
    }
}

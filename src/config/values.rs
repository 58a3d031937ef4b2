//! One parser a kind of value: addresses, ports, counts, sizes, durations, choices.
//! Pure functions from text. Each `Err` is the rest of the sentence that began with what was read.

use super::fault::{expected, quoted};
use super::settings::CorsOrigins;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr as _;
use std::time::Duration;

/// The longest time any setting takes: deadlines are sums of a clock and a duration, which must not
/// overflow.
const LONGEST_SECONDS: f64 = 365.0 * 24.0 * 3600.0;

/// More threads than the async runtime can number is a slip of the finger, not a wish.
const MOST_THREADS: usize = 1024;

/// What stands between two of `quote`, blanks around it left away.
pub(super) fn between(text: &str, quote: char) -> Option<&str> {
    let inner = text.strip_prefix(quote)?.strip_suffix(quote)?;
    Some(inner.trim())
}

/// An IP address, with or without brackets, or `localhost`.
pub(super) fn host(text: &str) -> Result<IpAddr, String> {
    if text.eq_ignore_ascii_case("localhost") {
        return Ok(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    IpAddr::from_str(bare)
        .map_err(|_| expected("an IP address such as 0.0.0.0, 127.0.0.1 or ::, or localhost; the port is SERVER_PORT"))
}

/// A port; 0 is any free one.
pub(super) fn port(text: &str) -> Result<u16, String> {
    if text.starts_with("tcp://") || text.starts_with("udp://") {
        return Err(
            ": Kubernetes sets this variable for a Service of that name; set enableServiceLinks: false in the pod, or \
             set the variable in the container"
                .to_owned(),
        );
    }
    digits(text).ok_or_else(|| expected("a port number from 0 to 65535"))
}

/// A whole number from 1.
pub(super) fn count(text: &str) -> Result<usize, String> {
    digits(text)
        .filter(|n| *n >= 1)
        .ok_or_else(|| expected("a whole number from 1"))
}

/// A number of threads, or `cores`, of which there are `cores`, or `half` of them.
pub(super) fn threads(text: &str, cores: usize) -> Result<usize, String> {
    for (name, threads) in [("cores", cores), ("half", cores / 2)] {
        if text.eq_ignore_ascii_case(name) {
            return Ok(threads.clamp(1, MOST_THREADS));
        }
    }
    digits(text)
        .filter(|n| (1..=MOST_THREADS).contains(n))
        .ok_or_else(|| expected(format_args!("a whole number from 1 to {MOST_THREADS}, cores or half")))
}

/// Bytes: a number with `B`, `kB`, `MB`, `GB` (powers of 1000), `KiB`, `MiB`, `GiB` (powers of
/// 1024) or nothing.
pub(super) fn size(text: &str) -> Result<usize, String> {
    let refuse = || expected("a size from 1 byte such as 1048576, 64 MiB or 10 MB");
    let (number, unit) = decimal(text).ok_or_else(refuse)?;
    let unit = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "kib" => 1024.0,
        "mib" => 1024.0 * 1024.0,
        "gib" => 1024.0 * 1024.0 * 1024.0,
        _ => return Err(refuse()),
    };
    let bytes = (number * unit).round();
    // Above 2^53 a double no longer counts single bytes; no body is that large.
    if !(1.0..=9_007_199_254_740_992.0).contains(&bytes) {
        return Err(refuse());
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole and in range by the check above"
    )]
    let bytes = bytes as u64;
    usize::try_from(bytes).map_err(|_| refuse())
}

/// A time of zero or more: seconds, or a number with `ms`, `s`, `m` or `h`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let refuse = || expected("a time such as 30, 1.5, 500ms, 30 s, 2m or 1h, of at most 365 days");
    let (number, unit) = decimal(text).ok_or_else(refuse)?;
    let seconds = match unit.to_ascii_lowercase().as_str() {
        "ms" => number / 1e3,
        "" | "s" => number,
        "m" | "min" => number * 60.0,
        "h" => number * 3600.0,
        _ => return Err(refuse()),
    };
    seconds_of(seconds).ok_or_else(refuse)
}

/// A time above zero.
pub(super) fn positive_duration(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err(expected("a time above zero")),
        time => Ok(time),
    }
}

/// A time above zero, or `none`.
pub(super) fn optional_duration(text: &str) -> Result<Option<Duration>, String> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(None);
    }
    match duration(text) {
        Ok(Duration::ZERO) => Err(expected("a time above zero, or none")),
        Ok(time) => Ok(Some(time)),
        Err(rest) => Err(format!("{rest}, or none")),
    }
}

/// `seconds` as a duration; none for what is negative, not a number, or above [`LONGEST_SECONDS`].
pub(super) fn seconds_of(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|_| seconds <= LONGEST_SECONDS)
}

/// `*`, nothing, or web origins separated by commas.
pub(super) fn cors_origins(text: &str) -> Result<CorsOrigins, String> {
    match text {
        "" => return Ok(CorsOrigins::None),
        "*" => return Ok(CorsOrigins::Any),
        _ => {}
    }
    let origins: Vec<_> = text.split(',').map(str::trim).filter(|o| !o.is_empty()).collect();
    match origins.iter().find(|origin| !is_origin(origin)) {
        Some(wrong) => Err(format!(
            ": {} is no origin; expected *, nothing, or origins such as https://example.org (without a path or a slash \
             at the end) separated by commas",
            quoted(wrong)
        )),
        None if origins.is_empty() => Err(expected("*, nothing, or origins separated by commas")),
        None => Ok(CorsOrigins::List(origins.into_iter().map(str::to_owned).collect())),
    }
}

/// Whether `text` is an origin as browsers send it (RFC 6454, section 6.2): scheme, host and
/// perhaps a port.
fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else {
        return false;
    };
    let scheme_fits = scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c));
    // Browsers send the host in lower case, and origins are compared letter by letter.
    let host_fits = host.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '[')
        && host
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-_:[]".contains(c));
    scheme_fits && host_fits
}

/// One of a few words, letter case aside.
pub(super) fn choice<T: Copy>(text: &str, choices: &[(&str, T)]) -> Result<T, String> {
    let found = choices.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
    found.map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
        expected(words.join(" or "))
    })
}

/// A number of digits only: `FromStr` alone would also take a leading plus.
fn digits<T: std::str::FromStr>(text: &str) -> Option<T> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// A decimal number without sign or exponent, and what follows it, trimmed.
fn decimal(text: &str) -> Option<(f64, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    number.parse().ok().map(|number| (number, unit.trim()))
}

#[cfg(test)]
mod tests;

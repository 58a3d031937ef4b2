//! Addresses that may carry a user and a password: kept whole, printed without them.
//! Knows the shape of an address, not what is behind it.

use super::fault::expected;
use std::fmt;
use std::path::PathBuf;

/// An address whose scheme was checked. `Display` and `Debug` hide user, password, query and
/// fragment.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUrl(String);

impl SecretUrl {
    /// The whole address, secrets included: for the client that connects, never for a log.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The scheme in lower case, without its colon: `file`, `redis`, `s3`.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.0.split(':').next().unwrap_or_default()
    }

    /// The folder of a `file:` address (`file:data` is relative to the working directory,
    /// `file:///data` is not); none for every other scheme.
    #[must_use]
    pub fn file_path(&self) -> Option<PathBuf> {
        let path = self.0.strip_prefix("file:")?;
        Some(PathBuf::from(path.strip_prefix("//").unwrap_or(path)))
    }

    /// Checks `text` against `schemes`, each written as it begins an address: `file:`, `redis://`.
    ///
    /// # Errors
    /// The rest of a sentence for another scheme, an address with nothing behind its scheme, spaces
    /// inside, or a `file:` address with a host.
    pub(super) fn parse(text: &str, schemes: &[&str]) -> Result<Self, String> {
        let refuse = || expected(format_args!("an address that begins with {}", schemes.join(", ")));
        let (scheme, rest) = text.split_once(':').ok_or_else(refuse)?;
        let url = format!("{}:{rest}", scheme.to_ascii_lowercase());
        let known = schemes
            .iter()
            .find(|known| url.starts_with(**known))
            .ok_or_else(refuse)?;
        let after = &url[known.len()..];
        if *known == "file:" {
            if after.strip_prefix("//").is_some_and(|path| !path.starts_with('/')) {
                return Err(expected("file:FOLDER or file:///FOLDER"));
            }
            if after.is_empty() || after == "//" {
                return Err(expected("a folder after file:"));
            }
        } else if after.contains(char::is_whitespace) {
            return Err(expected("an address without spaces"));
        } else if host(after).is_empty() {
            return Err(expected(format_args!("a host or bucket after {known}")));
        }
        Ok(Self(url))
    }
}

/// What stands between the user and the path, query or fragment.
fn host(after: &str) -> &str {
    let authority = after.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default()
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redact(&self.0))
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretUrl({self})")
    }
}

/// `text` without what may be secret in an address, well-formed or not.
///
/// Passwords hold `/`, `?` and `@` when nobody encoded them, so everything up to the last `@` goes;
/// queries hold signatures, so they go too. A host lost by that is a smaller harm than a password
/// shown.
pub(super) fn redact(text: &str) -> String {
    if text.starts_with("file:") && !text.starts_with("file://") {
        return text.to_owned();
    }
    let start = match (text.find("://"), text.find(':')) {
        (Some(at), _) => at + "://".len(),
        (None, Some(at)) => at + 1,
        (None, None) => 0,
    };
    let (scheme, rest) = text.split_at(start);
    let (user, rest) = match rest.rfind('@') {
        Some(at) => ("***", &rest[at..]),
        None => ("", rest),
    };
    match rest.find(['?', '#']) {
        Some(at) => format!("{scheme}{user}{}***", &rest[..=at]),
        None => format!("{scheme}{user}{rest}"),
    }
}

/// No more of an address than its scheme, unless it is a plain folder.
pub(super) fn scheme_only(text: &str) -> String {
    if text.starts_with("file:") {
        return redact(text);
    }
    let plain = |scheme: &str| scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    match text.split_once(':') {
        Some((scheme, rest)) if plain(scheme) && rest.starts_with("//") => {
            format!("{scheme}://***")
        }
        Some((scheme, _)) if plain(scheme) => format!("{scheme}:***"),
        _ => "***".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORE: &[&str] = &["file:", "redis://", "rediss://"];
    const UPLOAD: &[&str] = &["s3://", "gs://", "az://", "file:"];

    fn store(text: &str) -> Result<SecretUrl, String> {
        SecretUrl::parse(text, STORE)
    }

    #[test]
    fn known_schemes_pass_and_are_told_apart() {
        for (text, scheme) in [
            ("file:data/jobs", "file"),
            ("file:///var/jobs", "file"),
            ("redis://localhost:6379/0", "redis"),
            ("rediss://user:pw@host", "rediss"),
            ("REDIS://host", "redis"),
        ] {
            let url = store(text).unwrap();
            assert_eq!(url.scheme(), scheme, "{text}");
        }
        for text in ["s3://bucket/prefix", "gs://bucket", "az://container", "file:out"] {
            assert_eq!(SecretUrl::parse(text, UPLOAD).unwrap().expose(), text);
        }
    }

    #[test]
    fn file_addresses_become_paths() {
        let path = |text| store(text).unwrap().file_path();
        assert_eq!(path("file:data/jobs"), Some(PathBuf::from("data/jobs")));
        assert_eq!(path("file:/data"), Some(PathBuf::from("/data")));
        assert_eq!(path("file:///data"), Some(PathBuf::from("/data")));
        assert_eq!(path("file:with space"), Some(PathBuf::from("with space")));
        assert_eq!(path("redis://host"), None);
    }

    #[test]
    fn other_shapes_are_refused_with_a_remedy() {
        for (text, rest) in [
            (
                "data",
                ", expected an address that begins with file:, redis://, rediss://",
            ),
            (
                "http://h",
                ", expected an address that begins with file:, redis://, rediss://",
            ),
            (
                "redis:host",
                ", expected an address that begins with file:, redis://, rediss://",
            ),
            ("file:", ", expected a folder after file:"),
            ("file://", ", expected file:FOLDER or file:///FOLDER"),
            ("file://data", ", expected file:FOLDER or file:///FOLDER"),
            ("redis://", ", expected a host or bucket after redis://"),
            ("redis://user:pw@", ", expected a host or bucket after redis://"),
            ("redis:///0", ", expected a host or bucket after redis://"),
            ("redis://a b", ", expected an address without spaces"),
        ] {
            assert_eq!(store(text).unwrap_err(), rest, "{text}");
        }
    }

    #[test]
    fn neither_display_nor_debug_shows_a_secret() {
        for text in [
            "redis://user:hunter2@host:6379/0",
            "redis://:hunter2@host",
            "redis://user:hun/ter2@host",
            "redis://user:hunter2@x@host",
            "rediss://host?password=hunter2",
            "rediss://host#hunter2",
        ] {
            let url = store(text).unwrap();
            assert_eq!(url.expose(), text);
            for shown in [url.to_string(), format!("{url:?}"), format!("{:?}", Some(&url))] {
                assert!(!shown.contains("ter2"), "{shown}");
                assert!(shown.contains("host"), "{shown}");
            }
        }
    }

    #[test]
    fn of_what_is_refused_the_scheme_alone_is_shown() {
        for (text, shown) in [
            ("http://user:pw@host", "http://***"),
            ("redis:user:pw@host", "redis:***"),
            ("AccountName=a;AccountKey=pw:x", "***"),
            ("pw", "***"),
            ("", "***"),
            ("file://data", "file://data"),
        ] {
            assert_eq!(scheme_only(text), shown);
        }
    }

    #[test]
    fn redaction_copes_with_what_is_no_address() {
        for (text, shown) in [
            ("redis://user:pw@host/0", "redis://***@host/0"),
            ("redis:user:pw@host", "redis:***@host"),
            ("user@host", "***@host"),
            ("az://container?sig=abc", "az://container?***"),
            ("https://a:b@x,https://c:d@y", "https://***@y"),
            ("s3://bucket/prefix", "s3://bucket/prefix"),
            ("file:data/a@b", "file:data/a@b"),
            ("", ""),
            ("@", "***@"),
        ] {
            assert_eq!(redact(text), shown);
        }
    }
}

//! Which names a model may have and which paths it may be published at.
//! A name becomes a folder, a route and a label, so it is held to what is plain in all three.

use super::fault::expected;

/// First segments of the server's own routes, and names by which probes of other servers ask: no
/// model takes them.
pub const RESERVED: [&str; 10] = [
    "v1",
    "v2",
    "jobs",
    "health",
    "docs",
    "openapi.json",
    "metrics",
    "_k",
    "healthcheck",
    "__status__",
];

/// The most bytes of a model's name: folder names end at 255 on common file systems, and suffixes
/// are added to it.
const LONGEST_NAME: usize = 128;

/// The most bytes of an endpoint.
const LONGEST_ENDPOINT: usize = 512;

/// Whether a model may be called `name`: 1 to 128 of `A-Z a-z 0-9 . _ -`, no leading dot, no `..`,
/// not reserved.
///
/// # Errors
/// The rest of a sentence that begins with the name: `, expected …`.
pub fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        Err(expected("the name of a model folder"))
    } else if name.len() > LONGEST_NAME {
        Err(expected(format_args!("at most {LONGEST_NAME} characters")))
    } else if !name.bytes().all(plain) {
        Err(expected("letters, digits, \".\", \"_\" and \"-\" only"))
    } else if name.starts_with('.') || name.contains("..") {
        Err(expected("a name without a dot at the start and without \"..\""))
    } else if RESERVED.contains(&name) {
        Err(expected(format_args!(
            "another name: {name} is a route of the server's own"
        )))
    } else {
        Ok(())
    }
}

/// Whether a model may be published at `endpoint` too: `/` and segments of `A-Z a-z 0-9 . _ ~ -`,
/// none of them empty or `..`, the first not reserved; at most 512 characters.
///
/// # Errors
/// The rest of a sentence that begins with the endpoint: `, expected …`.
pub fn check_endpoint(endpoint: &str) -> Result<(), String> {
    let Some(path) = endpoint.strip_prefix('/') else {
        return Err(expected("a path that begins with \"/\""));
    };
    let first = path.split('/').next().unwrap_or_default();
    if endpoint.len() > LONGEST_ENDPOINT {
        Err(expected(format_args!("at most {LONGEST_ENDPOINT} characters")))
    } else if path.split('/').any(str::is_empty) {
        Err(expected("a path without empty segments, such as \"/answer\""))
    } else if path.split('/').any(|segment| segment.contains("..") || segment == ".") {
        Err(expected("a path without \"..\" and without \".\" segments"))
    } else if !path.bytes().all(|b| plain(b) || b == b'~' || b == b'/') {
        Err(expected("letters, digits, \".\", \"_\", \"~\", \"-\" and \"/\" only"))
    } else if RESERVED.contains(&first) {
        Err(expected(format_args!(
            "another path: /{first} is a route of the server's own"
        )))
    } else {
        Ok(())
    }
}

fn plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_pass() {
        let longest = "x".repeat(128);
        for name in [
            "digits",
            "question_answering",
            "BERT-base.v1",
            "a",
            "1",
            "_k2",
            "v3",
            "jobs2",
            &longest,
        ] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn other_names_are_refused() {
        let long = "x".repeat(129);
        for (name, rest) in [
            ("", ", expected the name of a model folder"),
            (long.as_str(), ", expected at most 128 characters"),
            ("a/b", ", expected letters, digits, \".\", \"_\" and \"-\" only"),
            ("a b", ", expected letters, digits, \".\", \"_\" and \"-\" only"),
            ("modèle", ", expected letters, digits, \".\", \"_\" and \"-\" only"),
            ("a\\b", ", expected letters, digits, \".\", \"_\" and \"-\" only"),
            ("a\0", ", expected letters, digits, \".\", \"_\" and \"-\" only"),
            ("{a}", ", expected letters, digits, \".\", \"_\" and \"-\" only"),
            (".", ", expected a name without a dot at the start and without \"..\""),
            ("..", ", expected a name without a dot at the start and without \"..\""),
            (
                ".hidden",
                ", expected a name without a dot at the start and without \"..\"",
            ),
            (
                "a..b",
                ", expected a name without a dot at the start and without \"..\"",
            ),
            ("jobs", ", expected another name: jobs is a route of the server's own"),
        ] {
            assert_eq!(check_name(name).unwrap_err(), rest, "{name}");
        }
    }

    #[test]
    fn every_reserved_word_is_refused_as_name_and_as_first_segment() {
        for word in RESERVED {
            assert!(check_name(word).unwrap_err().contains("the server's own"), "{word}");
            for endpoint in [format!("/{word}"), format!("/{word}/x")] {
                assert!(
                    check_endpoint(&endpoint).unwrap_err().contains("the server's own"),
                    "{endpoint}"
                );
            }
            assert_eq!(check_endpoint(&format!("/x/{word}")), Ok(()));
        }
    }

    #[test]
    fn plain_endpoints_pass() {
        for endpoint in ["/answer", "/api/answer", "/a-b_c.d~e/F1", "/v3/x"] {
            assert_eq!(check_endpoint(endpoint), Ok(()), "{endpoint}");
        }
    }

    #[test]
    fn other_endpoints_are_refused() {
        let long = format!("/{}", "x".repeat(512));
        for (endpoint, part) in [
            ("", "begins with"),
            ("answer", "begins with"),
            ("http://host/answer", "begins with"),
            ("/", "empty segments"),
            ("//a", "empty segments"),
            ("/a//b", "empty segments"),
            ("/a/", "empty segments"),
            ("/a/../b", "without \"..\""),
            ("/a..b", "without \"..\""),
            ("/./a", "without \"..\""),
            ("/a b", "only"),
            ("/{id}", "only"),
            ("/a?b", "only"),
            ("/a%2fb", "only"),
            ("/a*", "only"),
            ("/a:predict", "only"),
            (long.as_str(), "at most 512"),
        ] {
            let rest = check_endpoint(endpoint).unwrap_err();
            assert!(
                rest.starts_with(", expected ") && rest.contains(part),
                "{endpoint}: {rest}"
            );
        }
    }
}

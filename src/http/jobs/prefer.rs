//! The header `Prefer` (RFC 7240), as far as jobs are concerned: `respond-async` and nothing else.

use axum::http::{HeaderMap, HeaderName};

pub const PREFER: HeaderName = HeaderName::from_static("prefer");
/// Asks for an answer before the work is done (RFC 7240, section 4.1).
pub const RESPOND_ASYNC: &str = "respond-async";

/// Whether the client would rather have a job. Other preferences are passed over, as the RFC lets a server do.
pub fn prefers_job(headers: &HeaderMap) -> bool {
    let values = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(names)
        .any(|name| name.eq_ignore_ascii_case(RESPOND_ASYNC))
}

/// The names of preferences: what stands between commas outside of quotes, without its value and parameters.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    let is_end = move |c: char| {
        if escaped {
            escaped = false;
        } else if quoted && c == '\\' {
            escaped = true;
        } else if c == '"' {
            quoted = !quoted;
        } else {
            return c == ',' && !quoted;
        }
        false
    };
    text.split(is_end)
        .map(|one| one.split(['=', ';']).next().unwrap_or_default().trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(values: &[&str]) -> bool {
        prefers_job(&values.iter().map(|value| (PREFER, value.parse().unwrap())).collect())
    }

    #[test]
    fn the_preference_is_found_among_others_however_it_is_written() {
        for values in [
            &["respond-async"][..],
            &["Respond-Async"],
            &["respond-async, wait=10"],
            &["handling=lenient , respond-async"],
            &["respond-async; priority=low"],
            &["respond-async=\"\""],
            &["wait=10", "respond-async"],
            &[r#"note="a \" quote", respond-async"#],
        ] {
            assert!(asks(values), "{values:?}");
        }
    }

    #[test]
    fn nothing_else_is_taken_for_it() {
        for values in [
            &["wait=10"][..],
            &[],
            &["return=respond-async"],
            &["respond-asynchronously"],
            &[r#"note="a, respond-async""#],
            &["wait=10; respond-async"],
        ] {
            assert!(!asks(values), "{values:?}");
        }
    }
}

//! A fault of settings as the operator reads it: where, what was read, what was expected. Text from
//! outside is quoted here only, so that it comes out short, on one line and without passwords.

use super::url::{redact, scheme_only};
use std::fmt;

/// The most characters of a value that a message repeats; a terminal's line, so that the remedy
/// stays in sight.
const SHOWN_CHARS: usize = 80;

/// One fault: its place (a variable, an entry of `SERVER_MODELS`, a line of `.env`) and a sentence
/// about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct Fault {
    place: String,
    problem: String,
}

impl Fault {
    /// A fault with a sentence of its own. `problem` is printed as it is: quote foreign text
    /// before.
    pub fn new(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            problem: problem.into(),
        }
    }

    /// `read "TEXT"` and the rest of the sentence, as the parsers of single values return it.
    pub(super) fn read(place: impl Into<String>, text: &str, rest: &str) -> Self {
        Self::new(place, format!("read {}{rest}", quoted(text)))
    }

    /// Like [`Fault::read`] for an address: what is refused may be a secret from end to end, such
    /// as a connection string, so no more than its scheme is shown.
    pub(super) fn read_address(place: impl Into<String>, text: &str, rest: &str) -> Self {
        Self::new(place, format!("read \"{}\"{rest}", shorten(&scheme_only(text))))
    }

    /// The variable, entry or line at fault.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// What is wrong there and what was expected.
    #[must_use]
    pub fn problem(&self) -> &str {
        &self.problem
    }
}

/// Every fault that was found, in the order of the settings table; never empty when it is returned
/// as an error. `Display` writes one fault a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}

/// The rest of a sentence that began with what was read.
pub(super) fn expected(what: impl fmt::Display) -> String {
    format!(", expected {what}")
}

/// `text` between double quotes, without secrets, on one line, cut to [`SHOWN_CHARS`].
pub(super) fn quoted(text: &str) -> String {
    // Redacted before it is cut: a cut could take the `@` away that marks what stands before it as
    // a password.
    if text.contains("://") {
        format!("\"{}\"", shorten(&redact(text)))
    } else {
        format!("\"{}\"", shorten(text))
    }
}

/// `text` on one line, cut to [`SHOWN_CHARS`] with an ellipsis.
pub(super) fn shorten(text: &str) -> String {
    let mut line = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut shown: String = line.by_ref().take(SHOWN_CHARS).collect();
    if line.next().is_some() {
        shown.pop();
        shown.push('…');
    }
    shown
}

/// The most characters of another room's error: [`SHOWN_CHARS`] and a sentence.
const TOLD_CHARS: usize = 240;

/// What an error of another room says, unless it repeats what should not be shown; then
/// `otherwise`.
pub(super) fn told(error: &impl fmt::Display, otherwise: impl FnOnce() -> String) -> String {
    let text = error.to_string();
    if text.contains("://") || text.chars().count() > TOLD_CHARS {
        otherwise()
    } else {
        text
    }
}

/// The candidate that `word` was probably meant to be, letter case aside; none when nothing is
/// close.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let length = lower.chars().count();
    // A third of the letters wrong is another word; more than three is, too, in a long one.
    let tolerance = (length / 3).clamp(1, 3);
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let other = candidate.to_lowercase();
            let distance = strsim::damerau_levenshtein(&lower, &other);
            // `batch_size` means `max_batch_size`, many letters away as it is.
            let part = length >= 4 && other.contains(&lower);
            // A single letter is as far from every other single letter: no ground for a guess.
            (part || (distance <= tolerance && distance < length)).then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_names_place_reading_and_expectation() {
        let fault = Fault::read("SERVER_PORT", "80a", &expected("a port number from 0 to 65535"));
        assert_eq!(
            fault.to_string(),
            r#"SERVER_PORT: read "80a", expected a port number from 0 to 65535"#
        );
        assert_eq!(fault.place(), "SERVER_PORT");
        assert_eq!(fault.problem(), r#"read "80a", expected a port number from 0 to 65535"#);
    }

    #[test]
    fn faults_print_one_a_line() {
        let faults = Faults(vec![Fault::new("A", "first"), Fault::new("B", "second")]);
        assert_eq!(faults.to_string(), "A: first\nB: second");
        assert_eq!(Faults::from(Fault::new("A", "only")).to_string(), "A: only");
    }

    #[test]
    fn long_and_many_lined_texts_become_one_short_line() {
        assert_eq!(quoted("a\nb\tc"), r#""a b c""#);
        assert_eq!(quoted(""), r#""""#);
        assert_eq!(shorten(&"x".repeat(80)), "x".repeat(80));
        let long = shorten(&"é".repeat(81));
        assert_eq!(long.chars().count(), 80);
        assert!(long.ends_with('…'));
    }

    #[test]
    fn a_password_never_survives_quoting_however_long_it_is() {
        let url = format!("redis://user:{}@host", "hunter2".repeat(30));
        assert_eq!(quoted(&url), r#""redis://***@host""#);
    }

    #[test]
    fn the_nearest_name_is_found_when_it_is_near() {
        let keys = ["model", "replicas", "max_batch_size", "queue_size"];
        assert_eq!(nearest("replica", keys), Some("replicas"));
        assert_eq!(nearest("Replicas", keys), Some("replicas"));
        assert_eq!(nearest("modle", keys), Some("model"));
        assert_eq!(nearest("batch_size", keys), Some("max_batch_size"));
        assert_eq!(nearest("queue", keys), Some("queue_size"));
        assert_eq!(nearest("colour", keys), None);
        assert_eq!(nearest("", keys), None);
        assert_eq!(nearest("a", ["b", "c"]), None);
    }

    #[test]
    fn the_nearest_of_several_wins() {
        assert_eq!(nearest("digit", ["digits2", "digits"]), Some("digits"));
    }
}

//! Query parameters: every one that is unknown, given twice or not what was expected is told, all together.

use url::form_urlencoded;

use crate::error::{Error, Fault};

/// Entries of a page where the client does not say.
pub const LIMIT: usize = 100;
/// The most entries of a page.
pub const MOST: usize = 1000;

/// The parameters of one request.
pub struct Query {
    given: Vec<(String, String)>,
    faults: Vec<Fault>,
}

impl Query {
    /// Reads what follows the question mark; `known` are the parameters there are.
    pub fn read(query: Option<&str>, known: &[&str]) -> Self {
        let mut read = Self {
            given: Vec::new(),
            faults: Vec::new(),
        };
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if !known.contains(&&*name) {
                read.fault(
                    &name,
                    format!("is no parameter here; there are {}", known.join(", ")),
                    "unknown",
                );
            } else if read.given.iter().any(|(given, _)| *given == name) {
                read.fault(&name, "is given twice".to_owned(), "value");
            } else {
                read.given.push((name.into_owned(), value.into_owned()));
            }
        }
        read
    }

    /// The value of a parameter; a blank one is as good as none.
    pub fn value<T>(&mut self, name: &str, expected: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let (_, text) = self
            .given
            .iter()
            .find(|(given, text)| given == name && !text.is_empty())?;
        let value = read(text);
        if value.is_none() {
            let told = format!("read {text:?}, expected {expected}");
            self.fault(name, told, "value");
        }
        value
    }

    /// How many entries a page is to have.
    pub fn limit(&mut self) -> usize {
        let expected = format!("a number from 1 to {MOST}");
        let read = |text: &str| text.parse::<usize>().ok().filter(|limit| (1..=MOST).contains(limit));
        self.value("limit", &expected, read).unwrap_or(LIMIT)
    }

    /// # Errors
    /// Invalid input, with every fault that was found.
    pub fn checked(self) -> Result<(), Error> {
        if self.faults.is_empty() {
            return Ok(());
        }
        Err(Error::faults(self.faults))
    }

    fn fault(&mut self, name: &str, msg: String, kind: &'static str) {
        self.faults.push(Fault {
            loc: vec!["query".to_owned(), name.to_owned()],
            msg,
            kind: kind.into(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 3] = ["model", "limit", "before"];

    #[test]
    fn values_are_decoded_and_blank_ones_are_left_out() {
        let mut query = Query::read(Some("model=a%20b+c&limit=5&before="), &KNOWN);
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(query.value("model", "a name", text).as_deref(), Some("a b c"));
        assert_eq!(query.value("before", "an id", text), None);
        assert_eq!(query.limit(), 5);
        assert!(query.checked().is_ok());
        assert_eq!(Query::read(None, &KNOWN).limit(), LIMIT);
    }

    #[test]
    fn every_fault_names_its_parameter() {
        let mut query = Query::read(Some("modle=a&limit=1001&before=x&before=y"), &KNOWN);
        assert_eq!(query.limit(), LIMIT);
        let error = query.checked().unwrap_err();
        let places: Vec<_> = error.detail().iter().map(|fault| fault.loc.join(".")).collect();
        assert_eq!(places, ["query.modle", "query.before", "query.limit"]);
        for wrong in ["limit=0", "limit=-1", "limit=many", "limit=1.5"] {
            let mut query = Query::read(Some(wrong), &KNOWN);
            query.limit();
            assert!(query.checked().is_err(), "{wrong}");
        }
    }
}

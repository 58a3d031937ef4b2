//! The variables as text, one optional field each: envy sorts them, nothing is parsed.
//! Its fields and the table of variables are the same list; a test holds them together.

use super::fault::{Fault, Faults, nearest};
use super::table::{self, PREFIX};
use serde::Deserialize;
use std::collections::BTreeMap;

/// What each `SERVER_*` variable says; none where it is not set.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    pub models: Option<String>,
    pub models_dir: Option<String>,
    pub host: Option<String>,
    pub port: Option<String>,
    pub grpc_port: Option<String>,
    pub devices: Option<String>,
    pub num_workers: Option<String>,
    pub model_cache_dir: Option<String>,
    pub wait_timeout: Option<String>,
    pub queue_size: Option<String>,
    pub request_timeout: Option<String>,
    pub drain_timeout: Option<String>,
    pub max_body: Option<String>,
    pub cors_origins: Option<String>,
    pub model_control: Option<String>,
    pub overload_status: Option<String>,
    pub store_url: Option<String>,
    pub upload_url: Option<String>,
    pub job_ttl: Option<String>,
    pub job_backlog: Option<String>,
    pub job_lease: Option<String>,
    pub webhook_secret: Option<String>,
    pub webhook_allow: Option<String>,
    pub log: Option<String>,
    pub log_format: Option<String>,
}

impl Raw {
    /// Sorts `vars` (of two with one name the later counts) and returns a warning for every
    /// `SERVER_*` name that is no setting. Not a fault: other programs may use the prefix, and
    /// Kubernetes does for a Service named `server`.
    ///
    /// # Errors
    /// None by construction: only known names reach envy, once each.
    pub fn read(vars: impl IntoIterator<Item = (String, String)>) -> Result<(Self, Vec<String>), Faults> {
        let mut known = BTreeMap::new();
        let mut warnings = Vec::new();
        for (name, value) in vars {
            if table::variable(&name).is_some() {
                // envy strips the prefix repeatedly and folds case, so `SERVER_SERVER_PORT` and
                // `SERVER_port` would be duplicates of `SERVER_PORT` to it; exact names only keep
                // that out.
                known.insert(name, value);
            } else if name.to_ascii_uppercase().starts_with(PREFIX) {
                warnings.push(warning(&name));
            }
        }
        warnings.sort();
        warnings.dedup();
        let raw = envy::prefixed(PREFIX)
            .from_iter(known)
            .map_err(|error| Fault::new("environment", error.to_string()))?;
        Ok((raw, warnings))
    }
}

fn warning(name: &str) -> String {
    let shown = super::fault::shorten(name);
    let suffix = name.get(PREFIX.len()..).unwrap_or_default();
    // Compared without the prefix, which would make any two of them look alike.
    let names = table::variables().iter().map(|v| &v.name[PREFIX.len()..]);
    match nearest(suffix, names) {
        Some(near) => {
            format!("{shown} is not a setting and is ignored; did you mean {PREFIX}{near}?")
        }
        None => format!("{shown} is not a setting and is ignored"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(vars: &[(&str, &str)]) -> (Raw, Vec<String>) {
        let vars = vars.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        Raw::read(vars).unwrap()
    }

    #[test]
    fn every_variable_of_the_table_has_a_field_of_its_own() {
        for variable in table::variables() {
            // `deny_unknown_fields` refuses a name without a field.
            let (raw, warnings) = read(&[(variable.name, "set here")]);
            assert_eq!(format!("{raw:?}").matches("set here").count(), 1, "{}", variable.name);
            assert!(warnings.is_empty());
        }
        let fields = format!("{:?}", Raw::default()).matches(": None").count();
        assert_eq!(fields, table::variables().len());
    }

    #[test]
    fn nothing_set_is_nothing_read() {
        let (raw, warnings) = read(&[("PATH", "/bin"), ("HOME", "/")]);
        assert!(!format!("{raw:?}").contains("Some"));
        assert!(warnings.is_empty());
    }

    #[test]
    fn commas_and_blanks_stay_as_they_are() {
        let (raw, _) = read(&[("SERVER_DEVICES", "cuda:0,cuda:1"), ("SERVER_CORS_ORIGINS", "")]);
        assert_eq!(raw.devices.as_deref(), Some("cuda:0,cuda:1"));
        assert_eq!(raw.cors_origins.as_deref(), Some(""));
    }

    #[test]
    fn the_later_of_two_counts() {
        let (raw, _) = read(&[("SERVER_PORT", "1"), ("SERVER_PORT", "2")]);
        assert_eq!(raw.port.as_deref(), Some("2"));
    }

    #[test]
    fn unknown_names_are_warned_about_with_the_nearest_one() {
        let (_, warnings) = read(&[("SERVER_MODLES", "[]"), ("SERVER_SOFTWARE", "x"), ("SERVERS", "y")]);
        assert_eq!(
            warnings,
            [
                "SERVER_MODLES is not a setting and is ignored; did you mean SERVER_MODELS?",
                "SERVER_SOFTWARE is not a setting and is ignored",
            ]
        );
    }

    #[test]
    fn names_that_envy_would_take_for_duplicates_are_unknown_ones() {
        let (raw, warnings) = read(&[
            ("SERVER_PORT", "1"),
            ("SERVER_port", "2"),
            ("server_port", "3"),
            ("SERVER_SERVER_PORT", "4"),
            ("SERVER_", "5"),
        ]);
        assert_eq!(raw.port.as_deref(), Some("1"));
        assert_eq!(warnings.len(), 4);
        assert!(
            warnings.contains(&"server_port is not a setting and is ignored; did you mean SERVER_PORT?".to_owned())
        );
    }
}

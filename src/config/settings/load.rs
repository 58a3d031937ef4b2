//! The settings of this process, held against the folders they name.

use super::Settings;
use super::gather::{not_blank, or_default, unquoted};
use crate::config::fault::Faults;
use crate::config::folders::{check_folders, missing};
use crate::config::{models, source};
use std::path::Path;

impl Settings {
    /// The settings of this process: its environment over `.env` of the working directory.
    ///
    /// # Errors
    /// Every fault of `.env`, of the variables and of the folders they name.
    pub fn load() -> Result<Self, Faults> {
        Self::load_with(Path::new(source::DOTENV))
    }

    pub(super) fn load_with(dotenv: &Path) -> Result<Self, Faults> {
        let collected = source::gather(dotenv);
        let mut faults = collected.faults;
        let read = |name: &str| {
            collected
                .vars
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value.as_str())
        };
        // Where `SERVER_MODELS` is at fault, the folders of the entries that could be read are looked for all the
        // same: whoever mends the one should hear of the other now.
        let (entries, _) = models::read(or_default("SERVER_MODELS", not_blank(read("SERVER_MODELS"))));
        let dir = or_default("SERVER_MODELS_DIR", not_blank(read("SERVER_MODELS_DIR"))).to_owned();
        match Self::from_vars(collected.vars.clone()) {
            // A variable that could not be read stands at its default here: its folders would be
            // false faults.
            Ok(settings) if faults.is_empty() => {
                faults = check_folders(&settings);
                if faults.is_empty() {
                    return Ok(settings);
                }
            }
            Ok(_) => {}
            Err(Faults(more)) => {
                let unread = !faults.is_empty() || more.iter().any(|fault| fault.place() == "SERVER_MODELS_DIR");
                faults.extend(more);
                if !unread {
                    let names: Vec<_> = entries
                        .iter()
                        .map(|(index, entry)| (*index, entry.name.as_str()))
                        .collect();
                    faults.extend(missing(Path::new(unquoted(&dir)), &names, ""));
                }
            }
        }
        Err(Faults(faults))
    }
}

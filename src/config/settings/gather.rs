//! Values parsed one after the other, with every fault kept.

use crate::config::entry::ModelEntry;
use crate::config::fault::{Fault, Faults, expected, quoted, told};
use crate::config::{models, table, values};
use crate::device::{Selection, SelectionError};

/// Parses one value after the other and keeps the faults.
#[derive(Default)]
pub struct Gather {
    pub faults: Vec<Fault>,
}

impl Gather {
    /// The value of `name` by `parse`. A blank value is an unset one: templates leave blanks where
    /// they have nothing to say.
    pub fn take<T>(
        &mut self,
        name: &'static str,
        value: Option<&str>,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.take_blank_too(name, not_blank(value), parse)
    }

    /// Like [`Gather::take`] for a setting to which blank means something.
    pub fn take_blank_too<T>(
        &mut self,
        name: &'static str,
        value: Option<&str>,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.read(name, value, parse, Fault::read)
    }

    /// Like [`Gather::take`] for an address, of which a fault shows the scheme alone.
    pub fn address<T>(
        &mut self,
        name: &'static str,
        value: Option<&str>,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.read(name, not_blank(value), parse, Fault::read_address)
    }

    /// Like [`Gather::take`] for a secret, of which a fault shows nothing.
    pub fn secret<T>(
        &mut self,
        name: &'static str,
        value: Option<&str>,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let hidden = |name, _: &str, rest: &str| Fault::read(name, "***", rest);
        self.read(name, not_blank(value), parse, hidden)
    }

    /// `fault` makes one of the name, the text, and what is wrong with it.
    fn read<T>(
        &mut self,
        name: &'static str,
        value: Option<&str>,
        parse: impl FnOnce(&str) -> Result<T, String>,
        fault: impl FnOnce(&'static str, &str, &str) -> Fault,
    ) -> Option<T> {
        let text = unquoted(or_default(name, value));
        self.keep(parse(text).map_err(|rest| fault(name, text, &rest)))
    }

    /// The text goes to the parser as it is, quotes included, so that positions in it are right.
    pub fn models(&mut self, value: Option<&str>) -> Option<Vec<ModelEntry>> {
        self.keep(models::parse(or_default("SERVER_MODELS", value)).map_err(Faults))
    }

    pub fn devices(&mut self, value: Option<&str>) -> Option<Selection> {
        const NAME: &str = "SERVER_DEVICES";
        let text = unquoted(or_default(NAME, not_blank(value)));
        self.keep(text.parse().map_err(|error: SelectionError| {
            let listed = "auto, cpu, or a list such as cuda:0,cuda:1 or ipu:0-3";
            let otherwise = || format!("read {}{}", quoted(text), expected(listed));
            Fault::new(NAME, told(&error, otherwise))
        }))
    }

    fn keep<T>(&mut self, read: Result<T, impl Into<Faults>>) -> Option<T> {
        read.map_err(|faults| self.faults.extend(faults.into().0)).ok()
    }

    pub fn ports_differ(&mut self, http: Option<u16>, grpc: Option<u16>) {
        if let (Some(http), Some(grpc)) = (http, grpc)
            && http == grpc
            && http != 0
        {
            let problem = format!("is {grpc}, which SERVER_PORT is too, expected another port, or 0 for any free one");
            self.faults.push(Fault::new("SERVER_GRPC_PORT", problem));
        }
    }
}

/// What is set, else what the table says.
pub fn or_default<'a>(name: &str, value: Option<&'a str>) -> &'a str {
    value.unwrap_or_else(|| table::variable(name).map_or("", |variable| variable.default))
}

pub fn not_blank(value: Option<&str>) -> Option<&str> {
    value.filter(|text| !unquoted(text).is_empty())
}

/// `text` without the blanks around it and the quotes that `docker --env-file` keeps.
pub fn unquoted(text: &str) -> &str {
    let text = text.trim();
    values::between(text, '\'')
        .or_else(|| values::between(text, '"'))
        .unwrap_or(text)
}

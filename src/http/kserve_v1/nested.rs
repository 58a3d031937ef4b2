//! `upload_webhook` where nobody would look for it: in an entry of `instances` or `inputs`. As with kserve-helper it
//! stands at the top of the body; in an entry it is refused before anything runs.

use serde_json::value::RawValue;

use super::asked::{INPUTS, INSTANCES, declares, fields, list};
use crate::contract::Contract;
use crate::error::{Error, Fault};
use crate::http::fields::{UPLOAD, may_ask_for_upload};

/// Looks at the entries of a body of `:predict`.
///
/// # Errors
/// Invalid input, with the path of each entry's field.
pub fn refuse_uploads(contract: &Contract, body: &[u8]) -> Result<(), Error> {
    // What is no input of a tensor model is refused by its contract.
    if contract.signature().is_some() || !may_ask_for_upload(body, contract) {
        return Ok(());
    }
    let members = fields(body).unwrap_or_default();
    let mut faults = Vec::new();
    for key in [INSTANCES, INPUTS] {
        // A field that the contract has itself is the model's, not V1's.
        let Some(text) = members.get(key).copied().filter(|_| !declares(&contract.input, key)) else {
            continue;
        };
        match list(text) {
            Some(entries) => {
                let asking = entries.iter().enumerate().filter(|(_, entry)| asks(entry));
                faults.extend(asking.map(|(i, _)| fault(&[key, &i.to_string(), UPLOAD])));
            }
            None if asks(text) => faults.push(fault(&[key, UPLOAD])),
            None => {}
        }
    }
    if faults.is_empty() {
        return Ok(());
    }
    Err(Error::faults(faults))
}

/// Whether it is an object with such a field; null is none.
fn asks(entry: &RawValue) -> bool {
    let members = fields(entry.get().as_bytes());
    members.is_some_and(|members| members.get(UPLOAD).is_some_and(|value| value.get() != "null"))
}

fn fault(path: &[&str]) -> Fault {
    let message = "is taken at the top of the body alone, for the files of all entries";
    Fault::at(path, message, "unknown")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::contract::Schema;

    fn refused(contract: &Contract, body: &Value) -> Vec<String> {
        let looked = refuse_uploads(contract, body.to_string().as_bytes());
        let faults = looked.err().map(|error| error.detail().to_vec()).unwrap_or_default();
        faults.iter().map(|fault| fault.loc.join(".")).collect()
    }

    #[test]
    fn every_entry_that_asks_is_named() {
        let open = Contract::json(Schema::any(), Schema::any());
        let asking = json!({"upload_webhook": "u"});
        let body = json!({"instances": [asking, 1, {"a": asking}, {"a": 1, "upload_webhook": 3}]});
        let places = ["body.instances.0.upload_webhook", "body.instances.3.upload_webhook"];
        assert_eq!(refused(&open, &body), places);
        assert_eq!(
            refused(&open, &json!({"inputs": asking})),
            ["body.inputs.upload_webhook"]
        );
        for fine in [
            json!({"instances": [{"upload_webhook": null}]}),
            json!({"instances": ["upload_webhook"]}),
            json!({"upload_webhook": "u", "n": [asking]}),
            json!([asking]),
        ] {
            assert!(refused(&open, &fine).is_empty(), "{fine}");
        }
    }

    #[test]
    fn what_the_contract_declares_is_the_models() {
        let of = |name: &str| {
            let mut root = json!({"type": "object", "properties": {}});
            root["properties"][name] = json!({});
            Contract::json(Schema::new(root, Vec::new()), Schema::any())
        };
        let body = json!({"instances": [{"upload_webhook": "u"}]});
        assert!(refused(&of("upload_webhook"), &body).is_empty() && refused(&of("instances"), &body).is_empty());
        assert_eq!(refused(&of("inputs"), &body).len(), 1);
    }
}

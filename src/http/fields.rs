//! Fields of a request that are the server's and not the model's: `webhook`, `webhook_events`, `upload_webhook`.
//!
//! They stand at the top of the request object, and are taken out of its text before a model sees it; a field that the
//! model's contract declares itself is the model's. The rest of the text stays as it was sent.

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use bytes::Bytes;
use memchr::memmem::Finder;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::kserve_v1::declares;
use crate::contract::Contract;
use crate::error::{Error, Fault};
use crate::jobs::job::WebhookEvent;

const WEBHOOK: &str = "webhook";
const EVENTS: &str = "webhook_events";
/// Where files of the answer are posted.
pub const UPLOAD: &str = "upload_webhook";
/// All names have the first in them, unless they have one of the others: its letters as JSON may escape them. A body
/// without any of these has none of the fields.
static IN_ALL: LazyLock<[Finder<'static>; 3]> =
    LazyLock::new(|| [b"webhook".as_slice(), br"\u006", br"\u007"].map(Finder::new));

/// What a request says in these fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// Who is told of a job.
    pub webhook: Option<String>,
    /// Of what; `None` where the request does not say.
    pub webhook_events: Option<Vec<WebhookEvent>>,
    /// Where files of the answer are posted.
    pub upload_webhook: Option<String>,
}

/// Takes all the fields out of the body of a job. A body without them, or that is no JSON object, is given back as it
/// came.
///
/// # Errors
/// Invalid input, with the path of each field that is not what it should be.
pub fn take(body: Bytes, contract: &Contract) -> Result<(Bytes, Fields), Error> {
    take_some(body, contract, &[WEBHOOK, EVENTS, UPLOAD])
}

/// Takes `upload_webhook` out of the body of a request whose client waits: there is nobody to be told of it later.
///
/// # Errors
/// As [`take`].
pub fn take_upload(body: Bytes, contract: &Contract) -> Result<(Bytes, Option<String>), Error> {
    let (body, fields) = take_some(body, contract, &[UPLOAD])?;
    Ok((body, fields.upload_webhook))
}

/// Whether `upload_webhook` may stand somewhere in a body, and is no field of the model's own.
pub fn may_ask_for_upload(body: &[u8], contract: &Contract) -> bool {
    may_have_any(body) && !declares(&contract.input, UPLOAD)
}

fn may_have_any(body: &[u8]) -> bool {
    IN_ALL.iter().any(|part| part.find(body).is_some())
}

fn take_some(body: Bytes, contract: &Contract, names: &[&str]) -> Result<(Bytes, Fields), Error> {
    if !may_have_any(&body) {
        return Ok((body, Fields::default()));
    }
    let text = body.clone();
    // What is no object is the decoder's to explain.
    let Ok(Members(members)) = serde_json::from_slice(&text) else {
        return Ok((body, Fields::default()));
    };
    let taken = |name: &str| names.contains(&name) && !declares(&contract.input, name);
    if !members.iter().any(|(key, _)| taken(&name_of(key))) {
        return Ok((body, Fields::default()));
    }
    let (mut fields, mut faults) = (Fields::default(), Vec::new());
    let mut rest = Vec::with_capacity(body.len());
    rest.push(b'{');
    for (key, value) in members {
        let name = name_of(key);
        if !taken(&name) {
            if rest.len() > 1 {
                rest.push(b',');
            }
            rest.extend_from_slice(key.get().as_bytes());
            rest.push(b':');
            rest.extend_from_slice(value.get().as_bytes());
            continue;
        }
        match &*name {
            EVENTS => {
                fields.webhook_events = read(&name, value, "a list of start, progress and completed", &mut faults);
            }
            WEBHOOK => fields.webhook = read(&name, value, "an address as text", &mut faults),
            _ => fields.upload_webhook = read(&name, value, "an address as text", &mut faults),
        }
    }
    rest.push(b'}');
    if faults.is_empty() {
        Ok((rest.into(), fields))
    } else {
        Err(Error::faults(faults))
    }
}

/// The name that stands in a member's text. One that is no text, half a surrogate for one, is none of ours.
fn name_of(key: &RawValue) -> Cow<'_, str> {
    let text = key.get();
    if text.contains('\\') {
        return Cow::Owned(serde_json::from_str(text).unwrap_or_default());
    }
    Cow::Borrowed(text.trim_matches('"'))
}

/// A field's value; null is none.
fn read<T: DeserializeOwned>(name: &str, value: &RawValue, expected: &str, faults: &mut Vec<Fault>) -> Option<T> {
    match serde_json::from_str::<Option<T>>(value.get()) {
        Ok(read) => read,
        Err(_) => {
            faults.push(Fault::at(&[name], format!("has to be {expected}"), "type"));
            None
        }
    }
}

/// The members of an object in their order, names and values as their texts.
struct Members<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OfObject)
    }
}

struct OfObject;

impl<'de> Visitor<'de> for OfObject {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry::<&'de RawValue, &'de RawValue>()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::contract::Schema;

    fn open() -> Contract {
        Contract::json(Schema::any(), Schema::any())
    }

    fn taken(body: &str) -> (String, Fields) {
        let (rest, fields) = take(Bytes::copy_from_slice(body.as_bytes()), &open()).unwrap();
        (String::from_utf8(rest.to_vec()).unwrap(), fields)
    }

    #[test]
    fn the_fields_are_taken_and_the_rest_keeps_its_text() {
        let body = r#"{ "n": 1.0e+400, "webhook": "https://h/x", "a" : [1,  2], "webhook_events":["start","completed"],
            "upload_webhook":"https:\/\/h/upload", "ü\n":{"webhook": 1}, "n": 123456789012345678901234567890 }"#;
        let (rest, fields) = taken(body);
        assert_eq!(
            rest,
            r#"{"n":1.0e+400,"a":[1,  2],"ü\n":{"webhook": 1},"n":123456789012345678901234567890}"#
        );
        assert_eq!(fields.webhook.as_deref(), Some("https://h/x"));
        assert_eq!(fields.upload_webhook.as_deref(), Some("https://h/upload"));
        let events = [WebhookEvent::Start, WebhookEvent::Completed];
        assert_eq!(fields.webhook_events.as_deref(), Some(&events[..]));
        assert_eq!(taken(r#"{"webhook":null}"#), ("{}".to_owned(), Fields::default()));
    }

    #[test]
    fn a_name_is_known_however_it_is_written() {
        for body in [
            r#"{"\u0077ebhook":"u","a":1}"#,
            r#"{"a":1,"\u0077\u0065\u0062\u0068\u006F\u006f\u006b" : "u"}"#,
            r#"{"webhook":"u","a":1}"#,
        ] {
            let (rest, fields) = taken(body);
            assert_eq!(
                (rest.as_str(), fields.webhook.as_deref()),
                (r#"{"a":1}"#, Some("u")),
                "{body}"
            );
        }
        let (rest, fields) = taken(r#"{"\ud800":1,"\"webhook\"":2,"webhook":"u"}"#);
        assert_eq!(rest, r#"{"\ud800":1,"\"webhook\"":2}"#);
        assert_eq!(fields.webhook.as_deref(), Some("u"));
    }

    #[test]
    fn what_has_none_of_them_is_the_same_body() {
        for body in [
            "",
            "{",
            "[\"webhook\"]",
            r#"{"a": {"webhook": "x"}}"#,
            r#"{"a": "webhook" }"#,
            r#"{"webhook": "x""#,
            r#"{"webhook": "x"} {}"#,
            r#"{"webhooks": "x"}"#,
            "\u{1}webhook",
            r#"{"\u0077ebhooks": "x"}"#,
        ] {
            let sent = Bytes::copy_from_slice(body.as_bytes());
            let (rest, fields) = take(sent.clone(), &open()).unwrap();
            assert_eq!((rest.as_ptr(), &rest), (sent.as_ptr(), &sent), "{body}");
            assert_eq!(fields, Fields::default(), "{body}");
        }
    }

    #[test]
    fn a_field_of_the_contract_is_the_models() {
        let schema = json!({"type": "object", "properties": {"webhook": {"type": "integer"}}});
        let contract = Contract::json(Schema::new(schema, Vec::new()), Schema::any());
        let body = Bytes::from_static(br#"{"webhook":3,"upload_webhook":"u"}"#);
        let (rest, fields) = take(body.clone(), &contract).unwrap();
        assert_eq!(rest, r#"{"webhook":3}"#);
        assert_eq!((fields.webhook, fields.upload_webhook.as_deref()), (None, Some("u")));
        let (rest, upload) = take_upload(body, &open()).unwrap();
        assert_eq!((&rest[..], upload.as_deref()), (&br#"{"webhook":3}"#[..], Some("u")));
    }

    #[test]
    fn every_field_that_is_something_else_is_named() {
        let body = Bytes::from_static(br#"{"webhook":3,"webhook_events":["soon"],"upload_webhook":["u"]}"#);
        let error = take(body, &open()).unwrap_err();
        let places: Vec<&str> = error.detail().iter().map(|fault| fault.loc[1].as_str()).collect();
        assert_eq!(places, ["webhook", "webhook_events", "upload_webhook"]);
    }

    proptest! {
        #[test]
        fn other_members_mean_the_same_without_the_fields(
            members in prop::collection::vec((".{0,6}", prop_oneof![
                any_number(), ".{0,6}".prop_map(Value::String), Just(json!({"webhook": [null]})),
            ]), 0..6),
            at in 0..6_usize,
        ) {
            let text = |(name, value): &(String, Value)| format!("{}: {value}", Value::from(name.as_str()));
            let mut all: Vec<String> = members.iter().map(text).collect();
            let expected: Value = serde_json::from_str(&format!("{{{}}}", all.join(","))).unwrap();
            all.insert(at.min(all.len()), r#""upload_webhook": "u""#.to_owned());
            let (rest, fields) = taken(&format!("{{{}}}", all.join(",")));
            prop_assert_eq!(serde_json::from_str::<Value>(&rest).unwrap(), expected);
            prop_assert_eq!(fields.upload_webhook.as_deref(), Some("u"));
        }
    }

    fn any_number() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<i64>().prop_map(Value::from),
            any::<u32>().prop_map(|n| Value::from(f64::from(n) / 8.0)),
        ]
    }
}

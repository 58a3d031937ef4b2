//! A body that goes on as it came, and what its request says beside it.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// A body as the client sent it, checked against its contract as far as that goes.
#[derive(Clone, Debug, Default)]
pub struct Raw {
    pub body: Bytes,
    /// What the request says beside it, where whoever reads the body reads that, too.
    pub about: Option<Box<About>>,
}

/// What a request says beside its body. Stores keep it as JSON: its names stay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// What follows the question mark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// Media types the client takes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accept: Vec<String>,
    /// Of a job: what the client grants a run, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Of a job: the id of the request that brought it.
    #[serde(default)]
    pub request_id: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_jobs_have_kept_can_still_be_read() {
        let kept = r#"{"content_type":"text/csv","query":"a=1","headers":[["x-a","b"]],"accept":["*/*"],"timeout_ms":5,"request_id":"r"}"#;
        let about: About = serde_json::from_str(kept).unwrap();
        let said = (about.content_type.as_deref(), about.query.as_deref());
        assert_eq!(said, (Some("text/csv"), Some("a=1")));
        assert_eq!(
            (&about.headers[0].1, &about.accept[0]),
            (&"b".to_owned(), &"*/*".to_owned())
        );
        assert_eq!((about.timeout_ms, about.request_id.as_str()), (Some(5), "r"));
        assert_eq!(serde_json::to_string(&about).unwrap(), kept);
        let little = serde_json::from_str::<About>(r#"{"request_id":""}"#).unwrap();
        assert_eq!(little, About::default());
        assert_eq!(serde_json::to_string(&little).unwrap(), r#"{"request_id":""}"#);
    }
}

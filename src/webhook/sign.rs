//! The headers of Standard Webhooks (version 1.0.0 of the specification).

use jiff::Timestamp;

use super::Secret;

/// The headers of one post. Without a secret there is no signature, and id and timestamp all the same.
///
/// `id` stays over every post of one event, so that a receiver knows what it has seen; `at` is the time of this post.
pub fn headers(secret: Option<&Secret>, id: &str, at: Timestamp, body: &[u8]) -> Vec<(&'static str, String)> {
    let seconds = at.as_second().to_string();
    let signature = secret.map(|secret| {
        let signed = secret.sign(&[id.as_bytes(), b".", seconds.as_bytes(), b".", body]);
        let signed: Vec<String> = signed.iter().map(|code| format!("v1,{code}")).collect();
        ("webhook-signature", signed.join(" "))
    });
    let told = [
        ("content-type", "application/json".to_owned()),
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", seconds),
    ];
    told.into_iter().chain(signature).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(secret: &str, id: &str, at: i64, body: &str) -> String {
        let secret = Secret::parse(secret).unwrap();
        let at = Timestamp::from_second(at).unwrap();
        let headers = headers(Some(&secret), id, at, body.as_bytes());
        assert_eq!(headers[1], ("webhook-id", id.to_owned()));
        assert_eq!(headers[2], ("webhook-timestamp", at.as_second().to_string()));
        assert_eq!(headers[3].0, "webhook-signature");
        headers[3].1.clone()
    }

    /// Made with the package `standardwebhooks` 1.1.0 from PyPI; the last from the documents of the scheme's authors.
    #[test]
    fn signatures_are_those_of_the_reference() {
        let body =
            r#"{"type":"job.completed","timestamp":"2026-01-02T03:04:05Z","data":{"id":"0","output":"Grüße, 世界"}}"#;
        let key = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        assert_eq!(
            signature(key, "0190_completed", 1_674_087_231, body),
            "v1,GWpje4+S/bmFj+HqI7PmFuLAAnl2vnhfuWx1iUhr4qA="
        );
        assert_eq!(
            signature("a passphrase, not Base64", "0190.completed", 1_674_087_231, body),
            "v1,ecFZ8a9iZYoDye1l3neXC/+OeCwg7WgAlCWLZOAUcAs="
        );
        assert_eq!(
            signature(
                "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                1_614_265_330,
                r#"{"test": 2432232314}"#
            ),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn of_two_keys_both_signatures_are_there() {
        let (old, new) = (
            "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        );
        let by = |secret: &str| signature(secret, "id", 1, "{}");
        assert_eq!(by(&format!("{new} {old}")), format!("{} {}", by(new), by(old)));
    }

    #[test]
    fn without_a_secret_nothing_is_signed() {
        let headers = headers(None, "id", Timestamp::UNIX_EPOCH, b"{}");
        let names: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["content-type", "webhook-id", "webhook-timestamp"]);
    }
}

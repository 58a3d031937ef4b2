//! Signatures of webhooks, held against the package of the scheme's authors.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use super::python::interpreter;
use super::receiver::Post;

/// What servers of tests sign with.
pub const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// How many of the posts the package `standardwebhooks` finds rightly signed. It refuses posts that are older than five
/// minutes.
pub fn rightly_signed(posts: &[Post]) -> usize {
    let told: Vec<_> = posts
        .iter()
        .map(|post| {
            let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
            let headers: serde_json::Map<_, _> = names
                .iter()
                .map(|name| ((*name).to_owned(), json!(post.header(name))))
                .collect();
            json!({"headers": headers, "body": String::from_utf8_lossy(&post.body)})
        })
        .collect();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/verify_webhooks.py");
    let mut child = Command::new(interpreter())
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let input = json!({"secret": SECRET, "posts": told}).to_string();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

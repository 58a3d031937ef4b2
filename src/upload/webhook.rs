//! Files posted to an address that the request names, in the form of kserve-helper: one post a file with the field
//! `file`, or, to an address whose path ends in `/upload_batch`, all of them in one as `file_0`, `file_1`, ….
//!
//! The receiver answers `{"url": …}` or `{"urls": […]}`: where it has put them.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use reqwest::multipart::{Form, Part};
use reqwest::{Body, Method, Response};
use serde::Deserialize;
use url::Url;

use super::key::extension;
use crate::payload::{FileOutput, Files};
use crate::webhook::{Client, PostFault, TimeOuts};

/// As long as kserve-helper waits.
pub const TIMES: TimeOuts = TimeOuts {
    connect: Duration::from_secs(5),
    total: Duration::from_secs(60),
};

/// After the first post of a file there are so many more at the most.
const RETRIES: u32 = 3;
/// Before the first retry, at the most; twice as long before each further one.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// Posts under way at once.
const AT_ONCE: usize = 4;
/// More than any list of addresses.
const LONGEST_ANSWER: usize = 1024 * 1024;
const BATCH: &str = "/upload_batch";
/// How many files a batch has.
const NUM_FILES: &str = "NUM_FILES";

/// What a receiver says.
#[derive(Deserialize)]
struct Told {
    url: Option<String>,
    urls: Option<Vec<String>>,
}

impl Told {
    /// One address for each of so many files. Some receivers tell the first of several by itself, too.
    fn addresses(self, files: usize) -> Result<Vec<String>, &'static str> {
        let told = [self.urls, self.url.map(|url| vec![url])];
        if told.iter().all(Option::is_none) {
            return Err("answered neither url nor urls");
        }
        let fitting = told.into_iter().flatten().find(|urls| urls.len() == files);
        fitting.ok_or("answered another number of addresses than there are files")
    }
}

/// Why a post was none.
struct Fault {
    told: String,
    /// Another post may find what was wrong mended.
    passes: bool,
}

/// Posts files; gives where each of them is.
///
/// # Errors
/// A sentence that begins in the middle: its subject is the receiver.
pub async fn post(client: &Client, url: &Url, files: &[FileOutput]) -> Result<Vec<String>, String> {
    if url.path().trim_end_matches('/').ends_with(BATCH) {
        let numbered: Vec<(String, usize)> = (0..files.len()).map(|i| (format!("file_{i}"), i)).collect();
        return patiently(client, url, files, &numbered).await;
    }
    let posts = (0..files.len()).map(|i| async move {
        let mut urls = patiently(client, url, files, &[("file".to_owned(), i)]).await?;
        Ok::<_, String>(urls.swap_remove(0))
    });
    let posts: Vec<_> = posts.collect();
    stream::iter(posts).buffered(AT_ONCE).try_collect().await
}

/// One post of some files, each under its field, and posts after it for as long as that may help.
async fn patiently(
    client: &Client,
    url: &Url,
    files: &[FileOutput],
    fields: &[(String, usize)],
) -> Result<Vec<String>, String> {
    let mut wait = FIRST_WAIT;
    for _ in 0..RETRIES {
        match once(client, url, files, fields).await {
            Ok(urls) => return Ok(urls),
            Err(fault) if fault.passes => tracing::debug!("an upload is posted again: the receiver {}", fault.told),
            Err(fault) => return Err(fault.told),
        }
        // Receivers that fell over together are not to be run over together.
        tokio::time::sleep(wait.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
        wait *= 2;
    }
    once(client, url, files, fields).await.map_err(|fault| fault.told)
}

async fn once(
    client: &Client,
    url: &Url,
    files: &[FileOutput],
    fields: &[(String, usize)],
) -> Result<Vec<String>, Fault> {
    let mut hops = vec![url.clone()];
    let response = loop {
        let form = fields.iter().fold(Form::new(), |form, (field, number)| {
            form.part(field.clone(), part(&files[*number], *number))
        });
        let at = hops.last().unwrap_or(url).clone();
        let request = client.request(Method::POST, at).multipart(form);
        let response = request.header(NUM_FILES, fields.len()).send().await;
        let response = response.map_err(|error| of_client(&client.fault(&error)))?;
        // The client does not repeat a body that it streams; many a receiver sends `/upload` on to `/upload/`.
        match client.redirected(&response, &hops).map_err(|fault| of_client(&fault))? {
            Some(next) => hops.push(next),
            None => break response,
        }
    };
    let status = response.status();
    if !status.is_success() {
        let passes = matches!(status.as_u16(), 408 | 429) || status.is_server_error();
        let told = format!("answered {}", status.as_u16());
        return Err(Fault { told, passes });
    }
    let answer = read(client, response).await?;
    let strange = |told: &str| Fault {
        told: told.to_owned(),
        passes: false,
    };
    let told = serde_json::from_slice(&answer).unwrap_or(Told { url: None, urls: None });
    told.addresses(fields.len()).map_err(strange)
}

/// A file as a part of a form; its bytes are not copied.
fn part(file: &FileOutput, number: usize) -> Part {
    let make = || {
        let length = u64::try_from(file.bytes.len()).unwrap_or(u64::MAX);
        Part::stream_with_length(Body::from(file.bytes.clone()), length).file_name(name(file, number))
    };
    make().mime_str(&file.content_type).unwrap_or_else(|_| make())
}

/// What the receiver may call a file. An author may take a name from a request, and it stands in a header of the form:
/// what ends a line there, or leads out of a folder, does not get in.
fn name(file: &FileOutput, number: usize) -> String {
    if file.name.is_empty() {
        return format!("file_{number}.{}", extension(file));
    }
    file.name.replace(|c: char| c.is_control() || "/\\\"".contains(c), "_")
}

async fn read(client: &Client, mut response: Response) -> Result<Vec<u8>, Fault> {
    let mut all = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| of_client(&client.fault(&e)))? {
        if all.len() + chunk.len() > LONGEST_ANSWER {
            let told = "answered more than addresses".to_owned();
            return Err(Fault { told, passes: false });
        }
        all.extend_from_slice(&chunk);
    }
    Ok(all)
}

fn of_client(fault: &PostFault) -> Fault {
    match fault {
        PostFault::Refused(told) => Fault {
            told: format!("has an address that {told}"),
            passes: false,
        },
        PostFault::Failed(told) => Fault {
            told: format!("gave no answer: {told}"),
            passes: true,
        },
    }
}

/// The document with addresses in place of its files, as kserve-helper answers: `{"output": […], "running_time": …}`
/// for files and nothing else, and the time as a further field of an object that files stand in.
pub fn answer(files: &Files, urls: &[String], took: Duration) -> Vec<u8> {
    let took = serde_json::Value::from(format!("{}s", took.as_secs_f64())).to_string();
    let quoted: Vec<String> = urls
        .iter()
        .map(|url| serde_json::Value::from(url.as_str()).to_string())
        .collect();
    if files.is_flat() {
        let of = |(_, file): &(usize, usize)| quoted.get(*file).cloned();
        let output: Vec<String> = files.places().iter().filter_map(of).collect();
        return format!("{{\"output\":[{}],\"running_time\":{took}}}", output.join(",")).into_bytes();
    }
    let mut text = files.written(&quoted).to_vec();
    let end = text.trim_ascii_end().len();
    if text.trim_ascii_start().starts_with(b"{") && text[..end].ends_with(b"}") {
        // Files stand in it, so it has a field already.
        text.truncate(end - 1);
        text.extend_from_slice(format!(",\"running_time\":{took}}}").as_bytes());
    }
    text
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn file(name: &str) -> FileOutput {
        FileOutput {
            name: name.to_owned(),
            content_type: "image/png".to_owned(),
            bytes: Bytes::from_static(b"png"),
        }
    }

    fn answered(files: &Files, urls: &[&str]) -> String {
        let urls: Vec<String> = urls.iter().map(|url| (*url).to_owned()).collect();
        String::from_utf8(answer(files, &urls, Duration::from_millis(1500))).unwrap()
    }

    #[test]
    fn answers_are_those_of_kserve_helper() {
        let one = Files::one(file("a"));
        assert_eq!(
            answered(&one, &["http://h/\"a\""]),
            r#"{"output":["http://h/\"a\""],"running_time":"1.5s"}"#
        );
        let two = Files::list(vec![file("a"), file("b")]);
        assert_eq!(
            answered(&two, &["x", "y"]),
            r#"{"output":["x","y"],"running_time":"1.5s"}"#
        );
        let inside = Files::placed("{\"output\":[],\"more\":1}\n", vec![file("a")], vec![(11, 0)]).unwrap();
        assert_eq!(
            answered(&inside, &["x"]),
            r#"{"output":["x"],"more":1,"running_time":"1.5s"}"#
        );
        let nested = Files::placed("[[]]", vec![file("a")], vec![(2, 0)]).unwrap();
        assert_eq!(answered(&nested, &["x"]), r#"[["x"]]"#);
    }

    #[test]
    fn a_receiver_tells_one_address_or_several() {
        let read = |text: &str, files| {
            let told: Option<Told> = serde_json::from_str(text).ok();
            told.and_then(|told| told.addresses(files).ok()).unwrap_or_default()
        };
        assert_eq!(read(r#"{"url":"a","size":3}"#, 1), ["a"]);
        assert_eq!(read(r#"{"urls":["a","b"]}"#, 2), ["a", "b"]);
        assert_eq!(read(r#"{"url":"a","urls":["a","b"]}"#, 2), ["a", "b"]);
        assert_eq!(read(r#"{"url":"a","urls":[]}"#, 1), ["a"]);
        for (text, files) in [
            (r#"{"urls":[1]}"#, 1),
            ("[]", 1),
            ("{}", 1),
            (r#"{"url":"a"}"#, 2),
            (r#"{"urls":["a"]}"#, 2),
        ] {
            assert!(read(text, files).is_empty(), "{text}");
        }
    }

    #[test]
    fn a_name_cannot_leave_its_line_nor_its_folder() {
        assert_eq!(name(&file("a\r\nX: 1\".png"), 0), "a__X: 1_.png");
        assert_eq!(name(&file("../b\\c.png"), 0), ".._b_c.png");
        assert_eq!(name(&file("grüße 1.png"), 0), "grüße 1.png");
    }

    #[test]
    fn a_file_without_a_name_gets_one() {
        assert_eq!(name(&file(""), 3), "file_3.png");
        assert_eq!(name(&file("a b.png"), 3), "a b.png");
    }
}

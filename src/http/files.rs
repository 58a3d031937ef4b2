//! Files of answers on their way out: to a store or to where the request wants them, else to the client, as they are
//! where it takes them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::HeaderMap;

use super::request::accepted;
use crate::error::Error;
use crate::payload::{FileOutput, Output};
use crate::pipeline::{Event, Final};
use crate::service::Route;
use crate::upload::{Uploader, Wish};

const JSON: &str = "application/json";

/// Which files a client takes as they are.
#[derive(Clone, Copy, Debug)]
pub enum Accept<'a> {
    /// Every file: the protocol has no way to say.
    Any,
    /// What these headers say. The first media type that fits, or JSON, decides.
    Said(&'a HeaderMap),
}

impl Accept<'_> {
    /// Whether a file goes out as itself, and not inside of JSON.
    pub fn takes(self, media: &str) -> bool {
        let Self::Said(headers) = self else { return true };
        let mut said = false;
        let found = accepted(headers).find_map(|range| {
            said = true;
            match &*range {
                "*/*" => Some(true),
                JSON => Some(false),
                range => fits(range, media).then_some(true),
            }
        });
        found.unwrap_or(!said)
    }

    /// Whether the client asks for files of this very kind, ahead of anything else.
    fn names(self, media: &str) -> bool {
        let Self::Said(headers) = self else { return false };
        let found = accepted(headers).find_map(|range| match &*range {
            "*/*" | JSON => Some(false),
            range => fits(range, media).then_some(true),
        });
        found.unwrap_or_default()
    }
}

/// Whether a range is a media type, or all of its family.
fn fits(range: &str, media: &str) -> bool {
    let essence = media.split(';').next().unwrap_or_default().trim();
    if range.eq_ignore_ascii_case(essence) {
        return true;
    }
    let family = range.strip_suffix("/*");
    family.is_some_and(|family| {
        essence
            .split('/')
            .next()
            .is_some_and(|own| own.eq_ignore_ascii_case(family))
    })
}

/// Whether an output is one that may be uploaded.
pub const fn has(output: &Output) -> bool {
    matches!(output, Output::Files(_) | Output::Media { .. })
}

/// The file that goes out as itself.
pub fn as_it_is<'a>(output: &'a Output, accept: Accept<'_>) -> Option<&'a FileOutput> {
    match output {
        Output::Files(files) => files.only().filter(|file| accept.takes(&file.content_type)),
        _ => None,
    }
}

/// The bytes of the files that an output has inside of JSON, or as the only thing.
pub fn size(output: &Output) -> usize {
    match output {
        Output::Files(files) => files.files().iter().map(|file| file.bytes.len()).sum(),
        _ => 0,
    }
}

/// Where the files of one answer go.
#[derive(Clone, Debug)]
pub struct Outlet {
    uploader: Uploader,
    wish: Wish,
}

impl Outlet {
    /// `took` is how long the request has been worked on already.
    pub fn new(uploader: &Uploader, route: &Route, upload_webhook: Option<String>, took: Duration) -> Self {
        let now = Instant::now();
        Self {
            uploader: uploader.clone(),
            wish: Wish {
                model: Arc::clone(&route.model.card.name),
                run: None,
                webhook: upload_webhook,
                responses: false,
                started: now.checked_sub(took).unwrap_or(now),
            },
        }
    }

    /// Brings files away where that is wanted. A client that asks for the very file gets it, unless the request says
    /// where else it is to go.
    ///
    /// # Errors
    /// As [`Uploader::deliver`].
    pub async fn deliver(self, output: Output, accept: Accept<'_>) -> Result<Output, Error> {
        let media = match &output {
            Output::Media { content_type, .. } => Some(content_type),
            Output::Files(files) => files.only().map(|file| &file.content_type),
            _ => return Ok(output),
        };
        let asked_for = media.is_some_and(|media| accept.names(media));
        if asked_for && self.wish.webhook.is_none() {
            return Ok(output);
        }
        self.uploader.deliver(output, self.wish).await
    }

    /// The same for the last event of a stream. Files among its chunks stay where they are.
    pub async fn settle(&self, event: Event) -> Event {
        match event {
            Event::Final(Final {
                result: Ok(output),
                timing,
            }) if has(&output) => {
                let result = self.clone().deliver(output, Accept::Any).await;
                Event::Final(Final { result, timing })
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(accept: &str) -> HeaderMap {
        [("accept".parse().unwrap(), accept.parse().unwrap())]
            .into_iter()
            .collect()
    }

    #[test]
    fn the_first_type_that_is_the_file_or_json_decides() {
        let takes = |accept: &str| Accept::Said(&said(accept)).takes("image/png");
        for accept in ["*/*", "image/*", "IMAGE/PNG ; q=1", "text/html, image/webp, */*;q=0.8"] {
            assert!(takes(accept), "{accept}");
        }
        for accept in ["application/json", "application/json, */*", "image/webp", "text/*"] {
            assert!(!takes(accept), "{accept}");
        }
        assert!(Accept::Said(&HeaderMap::new()).takes("image/png"));
        assert!(Accept::Any.takes("image/png"));
    }

    #[test]
    fn only_who_names_the_type_asks_for_the_very_file() {
        let names = |accept: &str| Accept::Said(&said(accept)).names("text/csv; charset=utf-8");
        assert!(names("text/csv") && names("text/*, application/json") && names("image/png, text/csv"));
        assert!(!names("*/*") && !names("application/json, text/csv") && !names("image/png"));
        assert!(!Accept::Any.names("text/csv") && !Accept::Said(&HeaderMap::new()).names("text/csv"));
    }
}

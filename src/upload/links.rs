//! Addresses that uploaded files can be fetched at: signed ones where the service signs, plain ones otherwise.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::Method;
use object_store::path::Path;
use object_store::signer::Signer;
use url::Url;

/// How long a signed link is good. The most that S3 and Google allow; with credentials that end earlier, it ends with
/// them.
const GOOD_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Some credentials sign through the service, which may not answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// For so long nothing is signed after a failure: what may not be signed now may not be in a second either.
const REST: Duration = Duration::from_secs(60);

/// Makes links.
pub struct Links {
    base: Url,
    signer: Option<Arc<dyn Signer>>,
    failed: Mutex<Option<Instant>>,
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links")
            .field("base", &self.base.as_str())
            .finish_non_exhaustive()
    }
}

impl Links {
    /// `base` is the address that keys stand below of.
    pub fn new(base: &str, signer: Option<Arc<dyn Signer>>) -> Result<Self, String> {
        let read = Url::parse(base).ok().filter(|base| !base.cannot_be_a_base());
        let mut base = read.ok_or_else(|| format!("{base} is no address that files could be fetched at"))?;
        // Who fetches a file is not who puts it there. No address with a host refuses this.
        let _ = (base.set_username(""), base.set_password(None));
        Ok(Self {
            base,
            signer,
            failed: Mutex::new(None),
        })
    }

    pub async fn of(&self, key: &Path) -> String {
        if let Some(signer) = self.signer.as_ref().filter(|_| !self.rests()) {
            let signed = signer.signed_url(Method::GET, key, GOOD_FOR);
            match tokio::time::timeout(PATIENCE, signed).await {
                Ok(Ok(url)) => return url.into(),
                Ok(Err(error)) => self.fell_over(&error.to_string()),
                Err(_) => self.fell_over("no answer came in time"),
            }
        }
        self.plain(key)
    }

    fn plain(&self, key: &Path) -> String {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(key.as_ref().split('/'));
        }
        url.into()
    }

    fn rests(&self) -> bool {
        let failed = *self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.is_some_and(|at| at.elapsed() < REST)
    }

    fn fell_over(&self, why: &str) {
        tracing::debug!("links to uploads are not signed for a while: {why}");
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_plain_link_is_the_key_below_the_base() {
        let key = Path::parse("a b/m/2026/x-0.png").unwrap();
        for (base, link) in [
            ("https://h/bucket", "https://h/bucket/a%20b/m/2026/x-0.png"),
            ("file:///data/out/", "file:///data/out/a%20b/m/2026/x-0.png"),
            ("http://user:word@h:9000/b", "http://h:9000/b/a%20b/m/2026/x-0.png"),
        ] {
            let links = Links::new(base, None).unwrap();
            assert_eq!(links.of(&key).await, link);
        }
        assert!(Links::new("mailto:x", None).is_err());
    }
}

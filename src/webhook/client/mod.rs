//! The one HTTP client of webhooks and uploads: it connects only to where the guard lets it.

mod fault;
mod reply;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::LOCATION;
use reqwest::{ClientBuilder, Method, RequestBuilder, Response};
use url::Url;

pub use fault::PostFault;
pub use reply::Reply;

use super::AllowList;
use super::guard::{self, Refused};
use fault::root_cause;

/// Connections kept to one host.
const IDLE_PER_HOST: usize = 8;

/// How long a post may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeOuts {
    /// Until there is a connection, name resolution and TLS included.
    pub connect: Duration,
    /// For all of it, redirects and the answer included.
    pub total: Duration,
}

impl Default for TimeOuts {
    /// Standard Webhooks asks senders for 15 to 30 seconds.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            total: Duration::from_secs(15),
        }
    }
}

/// Cheap to clone; all clones share their connections.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    allow: Arc<AllowList>,
    times: TimeOuts,
}

/// Makes TLS ready for every client of this process; may be called more than once.
pub fn prepare_tls() {
    // Somebody else's choice, made earlier, will do as well.
    drop(rustls::crypto::ring::default_provider().install_default());
}

impl Client {
    /// # Errors
    /// A sentence, when the machine gives no client.
    pub fn new(allow: AllowList) -> Result<Self, String> {
        Self::with_times(allow, TimeOuts::default())
    }

    /// As [`Client::new`], with time-outs of one's own.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn with_times(allow: AllowList, times: TimeOuts) -> Result<Self, String> {
        prepare_tls();
        let allow = Arc::new(allow);
        let built = builder(&allow, times).build().or_else(|error| {
            // A machine without certificates of authorities can still post to plain addresses.
            tracing::warn!(
                "no certificates of authorities were found ({}): webhooks to https addresses will fail; install \
                 ca-certificates",
                root_cause(&error)
            );
            builder(&allow, times).tls_certs_only([]).build()
        });
        let http = built.map_err(|error| format!("no HTTP client for webhooks: {}", root_cause(&error)))?;
        Ok(Self { http, allow, times })
    }

    /// Reads an address, and refuses what is plainly not to be reached: another scheme than http and https, a user or
    /// password, a literal host that is not public and not listed. Names are looked at when they are resolved.
    ///
    /// # Errors
    /// What is wrong with the address, without naming it.
    pub fn check(&self, url: &str) -> Result<Url, Refused> {
        guard::read(&self.allow, url)
    }

    /// Posts a body.
    ///
    /// # Errors
    /// When there is no answer. Any answer is one, whatever its status.
    pub async fn post(&self, url: &str, headers: &[(&str, String)], body: Bytes) -> Result<Reply, PostFault> {
        let url = self.check(url)?;
        let request = self.request(Method::POST, url).body(body);
        let request = headers.iter().fold(request, |r, (name, value)| r.header(*name, value));
        let response = request.send().await.map_err(|error| self.fault(&error))?;
        Ok(Reply::of(response).await)
    }

    /// A request to an address that [`Client::check`] gave; redirects and names are looked at when it is sent.
    pub fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.http.request(method, url)
    }

    /// Where an answer sends a request whose body the client cannot repeat by itself; `hops` are the addresses that it
    /// was sent to, in their order. `None` for any other answer.
    ///
    /// # Errors
    /// When it may not be sent there.
    pub fn redirected(&self, response: &Response, hops: &[Url]) -> Result<Option<Url>, PostFault> {
        let status = response.status();
        let place = response.headers().get(LOCATION).filter(|_| status.is_redirection());
        let (Some(place), Some(here)) = (place, hops.last()) else {
            return Ok(None);
        };
        let next = place.to_str().ok().and_then(|place| here.join(place).ok());
        let next = next.ok_or_else(|| PostFault::Refused("redirects to what is no URL".to_owned()))?;
        guard::hop(&self.allow, status, &next, hops)?;
        Ok(Some(next))
    }

    /// Why a request that was sent has no answer.
    pub fn fault(&self, error: &reqwest::Error) -> PostFault {
        PostFault::of(error, self.times)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("allow", &self.allow)
            .field("times", &self.times)
            .finish_non_exhaustive()
    }
}

fn builder(allow: &Arc<AllowList>, times: TimeOuts) -> ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("Hostler/", env!("CARGO_PKG_VERSION")))
        .dns_resolver(guard::Resolver(Arc::clone(allow)))
        .redirect(guard::redirects(Arc::clone(allow)))
        // A proxy would connect wherever it is told, past every check.
        .no_proxy()
        .referer(false)
        .connect_timeout(times.connect)
        .timeout(times.total)
        .pool_max_idle_per_host(IDLE_PER_HOST)
}

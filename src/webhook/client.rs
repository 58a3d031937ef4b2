//! The one HTTP client of webhooks and uploads: it connects only to where the guard lets it.

use std::error::Error as _;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{HeaderMap, LOCATION, RETRY_AFTER};
use reqwest::{ClientBuilder, Method, RequestBuilder, Response};
use url::Url;

use super::AllowList;
use super::guard::{self, Refused};

/// What of an answer is read, so that its connection can be used again; more is not worth the wait.
const MOST_OF_ANSWER: usize = 16 * 1024;
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

/// What a receiver answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    /// How long it asks to be left alone.
    pub retry_after: Option<Duration>,
}

/// Why there is no answer. Told without the address, which may hold a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PostFault {
    /// It may not be posted there; another try changes nothing.
    #[error("the address {0}")]
    Refused(String),
    /// The connection or the receiver failed.
    #[error("{0}")]
    Failed(String),
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
        let url = self.check(url).map_err(|Refused(told)| PostFault::Refused(told))?;
        let request = self.request(Method::POST, url).body(body);
        let request = headers.iter().fold(request, |r, (name, value)| r.header(*name, value));
        let response = request.send().await.map_err(|error| self.fault(&error))?;
        let reply = Reply {
            status: response.status().as_u16(),
            retry_after: retry_after(response.headers(), Timestamp::now()),
        };
        drain(response).await;
        Ok(reply)
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
        guard::hop(&self.allow, status, &next, hops).map_err(|Refused(told)| PostFault::Refused(told))?;
        Ok(Some(next))
    }

    /// Why a request that was sent has no answer.
    pub fn fault(&self, error: &reqwest::Error) -> PostFault {
        if let Some(refused) = refusal(error) {
            return PostFault::Refused(refused.0.clone());
        }
        if error.is_builder() {
            return PostFault::Refused(format!("cannot be asked: {}", root_cause(error)));
        }
        let told = if error.is_timeout() && error.is_connect() {
            format!("no connection within {:?}", self.times.connect)
        } else if error.is_timeout() {
            format!("no answer within {:?}", self.times.total)
        } else if error.is_connect() {
            format!("no connection: {}", root_cause(error))
        } else {
            format!("the connection broke: {}", root_cause(error))
        };
        PostFault::Failed(told)
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

/// What the guard said, where it was the guard: it stands somewhere in the chain of causes.
fn refusal(error: &reqwest::Error) -> Option<&Refused> {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(refused) = cause.downcast_ref::<Refused>() {
            return Some(refused);
        }
        source = cause.source();
    }
    None
}

/// The innermost cause. The outer ones repeat the address.
fn root_cause(error: &reqwest::Error) -> String {
    let Some(mut cause) = error.source() else {
        return "no reason was given".to_owned();
    };
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// `Retry-After` (RFC 9110, section 10.2.3): seconds, or a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Duration::try_from(at.duration_since(now)).ok()
}

async fn drain(mut response: Response) {
    let mut read = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        read += chunk.len();
        if read > MOST_OF_ANSWER {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;
    use crate::webhook::testing::{Answer, Listener};

    fn client(allow: &str) -> Client {
        Client::new(AllowList::parse(allow).unwrap()).unwrap()
    }

    async fn post(client: &Client, url: &str) -> Result<Reply, PostFault> {
        client
            .post(url, &[("webhook-id", "1".to_owned())], Bytes::from_static(b"{}"))
            .await
    }

    fn refused(result: Result<Reply, PostFault>) -> String {
        match result {
            Err(PostFault::Refused(told)) => told,
            other => panic!("{other:?}"),
        }
    }

    fn failed(result: Result<Reply, PostFault>) -> String {
        match result {
            Err(PostFault::Failed(told)) => told,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_post_arrives_with_headers_and_body() {
        let listener = Listener::start(Answer::status(204)).await;
        let reply = post(&client("127.0.0.1"), &listener.url("/hook")).await.unwrap();
        assert_eq!((reply.status, reply.retry_after), (204, None));
        let seen = listener.seen();
        assert_eq!(seen.len(), 1);
        assert!(seen[0].starts_with("POST /hook HTTP/1.1\r\n"), "{}", seen[0]);
        assert!(seen[0].contains("\r\nwebhook-id: 1\r\n"), "{}", seen[0]);
        assert!(seen[0].ends_with("\r\n\r\n{}"), "{}", seen[0]);
    }

    #[tokio::test]
    async fn nothing_private_is_connected_to() {
        let listener = Listener::start(Answer::status(200)).await;
        let told = refused(post(&client(""), &listener.url("/")).await);
        assert!(told.starts_with("leads to 127.0.0.1, a loopback address"), "{told}");
        let by_name = listener.url("/").replace("127.0.0.1", "localhost");
        let told = refused(post(&client(""), &by_name).await);
        assert!(told.starts_with("leads to localhost, the machine itself"), "{told}");
        assert!(listener.seen().is_empty());
    }

    #[tokio::test]
    async fn what_a_name_leads_to_is_looked_at_when_it_is_resolved() {
        let listener = Listener::start(Answer::status(200)).await;
        let by_name = listener.url("/").replace("127.0.0.1", "localhost");
        let client = client("");
        // Past the first check, as any name is whose addresses nobody knows yet.
        let request = client.request(Method::POST, Url::parse(&by_name).unwrap());
        let error = request.send().await.unwrap_err();
        match client.fault(&error) {
            PostFault::Refused(told) => assert!(told.starts_with("leads to localhost, a loopback address"), "{told}"),
            PostFault::Failed(told) => panic!("{told}"),
        }
        assert!(listener.seen().is_empty());
    }

    #[tokio::test]
    async fn a_listed_name_is_connected_to() {
        let listener = Listener::start(Answer::status(200)).await;
        let by_name = listener.url("/").replace("127.0.0.1", "localhost");
        for allow in ["localhost", "127.0.0.0/8,::1"] {
            assert_eq!(post(&client(allow), &by_name).await.unwrap().status, 200);
        }
    }

    #[tokio::test]
    async fn redirects_are_looked_at_and_keep_the_body() {
        let end = Listener::start(Answer::status(200)).await;
        let allow = client("127.0.0.1");
        let via = Listener::start(Answer::redirect(307, &end.url("/end"))).await;
        assert_eq!(post(&allow, &via.url("/")).await.unwrap().status, 200);
        assert!(end.seen()[0].starts_with("POST /end ") && end.seen()[0].ends_with("{}"));

        for (status, to, told) in [
            (
                307,
                "http://169.254.169.254/",
                "redirects to an address that leads to 169.254.169.254, a metadata address",
            ),
            (
                308,
                "http://[::ffff:10.0.0.1]/",
                "redirects to an address that leads to ::ffff:10.0.0.1, a private address",
            ),
            (
                307,
                "http://127.0.0.2/",
                "redirects to an address that leads to 127.0.0.2, a loopback address",
            ),
            (
                307,
                "http://u:p@127.0.0.1/",
                "redirects to an address that holds a user",
            ),
            (
                302,
                end.url("/end").as_str(),
                "redirects with 302, which drops the body",
            ),
            (
                303,
                end.url("/end").as_str(),
                "redirects with 303, which drops the body",
            ),
        ] {
            let via = Listener::start(Answer::redirect(status, to)).await;
            let found = refused(post(&allow, &via.url("/")).await);
            assert!(found.starts_with(told), "{to}: {found}");
        }
        assert_eq!(end.seen().len(), 1);
    }

    #[tokio::test]
    async fn a_circle_of_redirects_ends() {
        let circle = Listener::start(Answer::redirect(307, "/again")).await;
        let told = refused(post(&client("127.0.0.1"), &circle.url("/")).await);
        assert_eq!(told, "redirects more than 3 times");
        assert_eq!(circle.seen().len(), 4);
    }

    #[tokio::test]
    async fn silence_ends_with_the_time_and_a_closed_port_at_once() {
        let silent = Listener::start(Answer::Silence).await;
        let times = TimeOuts {
            total: Duration::from_millis(200),
            ..TimeOuts::default()
        };
        let hasty = Client::with_times(AllowList::parse("127.0.0.1").unwrap(), times).unwrap();
        let told = failed(post(&hasty, &silent.url("/")).await);
        assert_eq!(told, "no answer within 200ms");
        // A port that was free a moment ago.
        let free = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let told = failed(post(&client("127.0.0.1"), &format!("http://{free}/?token=hunter2")).await);
        assert!(
            told.starts_with("no connection: ") && !told.contains("hunter2"),
            "{told}"
        );
        let broken = Listener::start(Answer::Close).await;
        let told = failed(post(&client("127.0.0.1"), &broken.url("/")).await);
        assert!(told.starts_with("the connection broke: "), "{told}");
    }

    #[tokio::test]
    async fn an_endless_answer_is_left() {
        let endless = Listener::start(Answer::Endless).await;
        assert_eq!(post(&client("127.0.0.1"), &endless.url("/")).await.unwrap().status, 200);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = "1994-11-06T08:49:07Z".parse().unwrap();
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_str(text).unwrap());
            retry_after(&headers, now).map(|wait| wait.as_secs())
        };
        assert_eq!(read("120"), Some(120));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:37 GMT"), Some(30));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:00 GMT"), None);
        assert_eq!(read("-1"), None);
        assert_eq!(read("soon"), None);
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}

//! Background jobs over HTTP: what becomes one, and all that is asked of them at `/jobs`.

mod answers;
mod events;
mod prefer;
mod query;
mod submit;

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, Response, StatusCode, header};
use axum::response::IntoResponse;
use serde_json::json;
use uuid::Uuid;

pub use query::{LIMIT, MOST};
pub use submit::{is_preferred, submit};

use super::exchange::{Exchange, Protocol, decoding};
use super::native;
use super::router::Front;
use crate::contract::OCTET_STREAM;
use crate::error::{Error, Kind};
use crate::jobs::job::{Job, JobId, Outcome, Status};
use crate::jobs::store::Filter;
use crate::jobs::{Detail, JobView, Jobs};
use answers::{DeadLetter, DeadLetters, Page, Whole, page};
use query::Query;

/// What is asked for below `/jobs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place<'a> {
    List,
    DeadLetters,
    Resend(&'a str),
    Job(&'a str),
    Output(&'a str),
    Cancel(&'a str),
    Events(&'a str),
}

impl<'a> Place<'a> {
    /// A trailing slash is no other path.
    fn at(path: &'a str) -> Option<Self> {
        let segments: Vec<&str> = path.trim_end_matches('/').split('/').skip(2).collect();
        Some(match segments[..] {
            [] => Self::List,
            ["webhooks", "dead"] => Self::DeadLetters,
            ["webhooks", id, "resend"] => Self::Resend(id),
            [id] => Self::Job(id),
            [id, "output"] => Self::Output(id),
            [id, "cancel"] => Self::Cancel(id),
            [id, "events"] => Self::Events(id),
            _ => return None,
        })
    }

    fn takes(self, method: &Method) -> bool {
        let verb = self.verb();
        method.as_str() == verb || (verb == "GET" && method == Method::HEAD)
    }

    const fn verb(self) -> &'static str {
        match self {
            Self::Cancel(_) | Self::Resend(_) => "POST",
            Self::List | Self::DeadLetters | Self::Job(_) | Self::Output(_) | Self::Events(_) => "GET",
        }
    }
}

/// `/jobs`, and every path below it. What is not asked there of the server may be mounted by an author.
pub async fn handle(State(front): State<Arc<Front>>, request: Request) -> Response<Body> {
    let path = request.uri().path();
    let own = Place::at(path).is_some_and(|place| place.takes(request.method()));
    let routes = front.service.routes();
    if !own && (routes.find(path).is_some() || routes.find_background(path).is_some()) {
        return native::handle(State(front), request).await;
    }
    let mut exchange = Exchange::begin(&front, &request, Protocol::Native);
    // Nothing here has a body that is read.
    let (parts, _) = request.into_parts();
    let result = dispatch(&front, &parts, &mut exchange).await;
    exchange.end(result)
}

async fn dispatch(front: &Front, parts: &Parts, exchange: &mut Exchange<'_>) -> Result<Response<Body>, Error> {
    let path = parts.uri.path();
    let place = Place::at(path).ok_or_else(|| {
        let message = format!("nothing is served at {path}; /docs lists what is");
        Error::new(Kind::NotFound, message)
    })?;
    if !place.takes(&parts.method) {
        let verb = place.verb();
        exchange.allow = verb.into();
        let message = format!("{} is not for {path}; send {verb}", parts.method);
        return Err(Error::new(Kind::MethodNotAllowed, message));
    }
    let jobs = keeper(front)?;
    match place {
        Place::List => list(jobs, parts.uri.query()).await,
        Place::DeadLetters => dead_letters(jobs, parts.uri.query()).await,
        Place::Resend(id) => resend(jobs, id).await,
        Place::Job(id) => whole(jobs, &find(jobs, id).await?).await,
        Place::Output(id) => output(find(jobs, id).await?),
        Place::Cancel(id) => {
            let job = jobs.cancel(read_id(id)?).await?.ok_or_else(|| unknown(id))?;
            whole(jobs, &job).await
        }
        Place::Events(id) => {
            let job = find(jobs, id).await?;
            let (jobs, service) = (Arc::clone(jobs), Arc::clone(&front.service));
            Ok(events::respond(jobs, service, job, &parts.headers))
        }
    }
}

/// # Errors
/// Unsupported where this server keeps no jobs.
fn keeper(front: &Front) -> Result<&Arc<Jobs>, Error> {
    front.jobs.as_ref().ok_or_else(|| {
        let message = "this server keeps no jobs; send the request without Prefer: respond-async to its model's path";
        Error::new(Kind::Unsupported, message)
    })
}

/// An id that cannot be one is that of no job.
fn read_id(id: &str) -> Result<JobId, Error> {
    Uuid::try_parse(id).map_err(|_| unknown(id))
}

async fn find(jobs: &Jobs, id: &str) -> Result<Job, Error> {
    jobs.get(read_id(id)?).await?.ok_or_else(|| unknown(id))
}

fn unknown(id: &str) -> Error {
    let message = format!("there is no job {id}; a job that ended is forgotten after SERVER_JOB_TTL");
    Error::new(Kind::NotFound, message)
}

/// `GET /jobs`: a page, newest first.
async fn list(jobs: &Jobs, query: Option<&str>) -> Result<Response<Body>, Error> {
    let mut asked = Query::read(query, &["model", "status", "limit", "before"]);
    let limit = asked.limit();
    let statuses = Status::ALL.map(Status::name).join(", ");
    let filter = Filter {
        model: asked.value("model", "the name of a model", |text| Some(text.to_owned())),
        status: asked.value("status", &format!("one of {statuses}"), Status::by_name),
        before: asked.value("before", "the id of a job", |text| Uuid::try_parse(text).ok()),
        // One more than is shown tells whether there is another page.
        limit: limit + 1,
    };
    asked.checked()?;
    let (found, next) = page(jobs.list(&filter).await?, limit, |job| job.id.to_string());
    let jobs = found.iter().map(|job| JobView::of(job, Detail::Summary)).collect();
    Ok(Json(Page { jobs, next }).into_response())
}

/// `GET /jobs/webhooks/dead`: deliveries that were given up, newest first.
async fn dead_letters(jobs: &Jobs, query: Option<&str>) -> Result<Response<Body>, Error> {
    let mut asked = Query::read(query, &["limit", "before"]);
    let limit = asked.limit();
    let before = asked.value("before", "the id of a webhook", |text| Some(text.to_owned()));
    asked.checked()?;
    let found = jobs.dead_letters(before.as_deref(), limit + 1).await?;
    let (found, next) = page(found, limit, |letter| letter.id.clone());
    let webhooks = found.iter().map(DeadLetter::of).collect();
    Ok(Json(DeadLetters { webhooks, next }).into_response())
}

/// `POST /jobs/webhooks/ID/resend`: it is posted soon, not yet.
async fn resend(jobs: &Jobs, id: &str) -> Result<Response<Body>, Error> {
    if !jobs.resend(id).await? {
        let message = format!("no webhook {id} was given up; GET /jobs/webhooks/dead lists those that were");
        return Err(Error::new(Kind::NotFound, message));
    }
    Ok((StatusCode::ACCEPTED, Json(json!({"success": true, "id": id}))).into_response())
}

/// All there is to know of a job.
async fn whole(jobs: &Jobs, job: &Job) -> Result<Response<Body>, Error> {
    let deliveries = match job.webhook {
        Some(_) => jobs.deliveries(job.id).await?,
        None => Vec::new(),
    };
    // Bodies that are no JSON are written as Base64.
    let told = || Json(Whole::of(job, &deliveries)).into_response();
    Ok(decoding(job.size(), told))
}

/// `GET /jobs/ID/output`: the answer as the model gave it.
fn output(job: Job) -> Result<Response<Body>, Error> {
    let none = |message: String| Err(Error::new(Kind::NotFound, message));
    let answer = match job.outcome {
        Some(Outcome::Succeeded(answer)) => answer,
        Some(Outcome::Failed(failure)) => {
            return none(format!("job {} failed and has no output: {}", job.id, failure.message));
        }
        Some(Outcome::Cancelled) => return none(format!("job {} was cancelled and has no output", job.id)),
        None => {
            let status = job.status.name();
            return none(format!("job {} is {status}; its output comes when it succeeds", job.id));
        }
    };
    let media = HeaderValue::from_str(&answer.content_type)
        .ok()
        .filter(|value| !value.is_empty());
    let mut response = Response::new(Body::from(answer.body));
    let media = media.unwrap_or(HeaderValue::from_static(OCTET_STREAM));
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_below_jobs_are_told_apart_and_a_trailing_slash_is_none() {
        for (path, place) in [
            ("/jobs", Some(Place::List)),
            ("/jobs/", Some(Place::List)),
            ("/jobs/7", Some(Place::Job("7"))),
            ("/jobs/7/", Some(Place::Job("7"))),
            ("/jobs/7/output", Some(Place::Output("7"))),
            ("/jobs/7/cancel/", Some(Place::Cancel("7"))),
            ("/jobs/7/events", Some(Place::Events("7"))),
            ("/jobs/webhooks", Some(Place::Job("webhooks"))),
            ("/jobs/webhooks/dead", Some(Place::DeadLetters)),
            ("/jobs/webhooks/7_completed/resend", Some(Place::Resend("7_completed"))),
            ("/jobs/7/else", None),
            ("/jobs/7/output/more", None),
            ("/jobs//7", None),
        ] {
            assert_eq!(Place::at(path), place, "{path}");
        }
    }

    #[test]
    fn what_changes_something_is_posted() {
        for path in ["/jobs/7/cancel", "/jobs/webhooks/7_completed/resend"] {
            assert_eq!(Place::at(path).unwrap().verb(), "POST", "{path}");
        }
        for path in [
            "/jobs",
            "/jobs/7",
            "/jobs/7/output",
            "/jobs/7/events",
            "/jobs/webhooks/dead",
        ] {
            assert_eq!(Place::at(path).unwrap().verb(), "GET", "{path}");
        }
    }
}

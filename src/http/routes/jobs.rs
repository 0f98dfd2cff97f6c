//! `/api/jobs`: what is being made, and what is to be.

use std::{path::Path, sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse, ResponseError as _,
    http::{
        Method, StatusCode,
        header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, LOCATION},
    },
    web::{Data, Payload, Query},
};
use serde::{Deserialize, Serialize};

use crate::{
    http::{
        Error, Site,
        authorization::{self, Permit},
        content,
        events::{Jobs, is_shown},
    },
    jobs::text::JobText,
    library::MediaPath,
    queue::{Class, Filter, Job, JobId, Queue, QueueError, State},
    titles::job_request::JobRequest,
    transcode::JobSpec,
};

/// Jobs on a page when nothing else is asked, and at most.
const LIMIT_DEFAULT: u32 = 100;
const LIMIT_MAX: u32 = 500;

/// The most and the least that a job may be preferred by.
const PRIORITY_MAX: i64 = 1000;

const MAY_READ_OR_POST: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, OPTIONS");

const MAY_READ_OR_PATCH: HeaderValue = HeaderValue::from_static("GET, HEAD, PATCH, OPTIONS");

const MAY_POST: HeaderValue = HeaderValue::from_static("POST, OPTIONS");

/// What a list is asked for by.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ListQuery {
    state: Option<String>,
    title: Option<String>,
    limit: Option<u32>,
    before: Option<String>,
}

/// One page of the list, the newest first.
#[derive(Debug, Serialize)]
struct List {
    jobs: Vec<JobText>,
    /// Where the next page is, if there is one.
    next: Option<String>,
    /// The number of the last change that this page knows of: what `/api/events` goes on from.
    changed: i64,
}

/// A job, and those that it was split into.
#[derive(Debug, Serialize)]
struct Family {
    #[serde(flatten)]
    job: JobText,
    children: Vec<JobText>,
}

/// What can be changed of a job.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    priority: i64,
}

/// `GET /api/jobs?state=&title=&limit=&before=`, and `POST` of a wish.
pub async fn all(request: HttpRequest, content: Payload, site: Data<Site>) -> HttpResponse {
    let answer = match *request.method() {
        Method::GET | Method::HEAD => list(&request, &site).await,
        Method::POST => wish(&request, content, &site).await,
        _ => other(&request, MAY_READ_OR_POST),
    };
    answer.unwrap_or_else(|error| error.error_response())
}

/// `GET /api/jobs/<id>`, and `PATCH` of its priority.
pub async fn one(request: HttpRequest, content: Payload, site: Data<Site>) -> HttpResponse {
    let answer = match *request.method() {
        Method::GET | Method::HEAD => show(&request, &site).await,
        Method::PATCH => change(&request, content, &site).await,
        _ => other(&request, MAY_READ_OR_PATCH),
    };
    answer.unwrap_or_else(|error| error.error_response())
}

/// `POST /api/jobs/<id>/cancel`
pub async fn cancel(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    let answer = match *request.method() {
        Method::POST => end(&request, &site).await,
        _ => other(&request, MAY_POST),
    };
    answer.unwrap_or_else(|error| error.error_response())
}

/// `POST /api/jobs/<id>/retry`
pub async fn retry(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    let answer = match *request.method() {
        Method::POST => begin_again(&request, &site).await,
        _ => other(&request, MAY_POST),
    };
    answer.unwrap_or_else(|error| error.error_response())
}

async fn list(request: &HttpRequest, site: &Site) -> Result<HttpResponse, Error> {
    let asked = Query::<ListQuery>::from_query(request.query_string())
        .map_err(|error| Error::BadRequest(error.to_string()))?
        .into_inner();
    let limit = asked.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Error::BadRequest(format!("limit must be from 1 to {LIMIT_MAX}")));
    }
    let (filter, before) = (asked.filter()?, asked.before()?);
    let listed = ask(site, async move |queue| {
        // Before the jobs: what changes in between is told again, and not lost.
        let changed = queue.last_change().await?;
        Ok((queue.jobs(&filter, limit, before).await?, changed))
    });
    let (jobs, changed) = listed.await?;
    let is_full = jobs.len() == limit as usize;
    let next = jobs.last().filter(|_| is_full).map(|last| asked.next_page(last.id, limit));
    let jobs = jobs.iter().map(JobText::from).collect();
    json(StatusCode::OK, &List { jobs, next, changed })
}

async fn show(request: &HttpRequest, site: &Site) -> Result<HttpResponse, Error> {
    let id = id_in(request)?;
    let found = ask(site, async move |queue| Ok((queue.job(id).await?, queue.children(id).await?)));
    let (job, children) = found.await?;
    let job = JobText::from(&job.filter(is_shown).ok_or(Error::NotFound)?);
    json(StatusCode::OK, &Family { job, children: children.iter().map(JobText::from).collect() })
}

async fn wish(request: &HttpRequest, content: Payload, site: &Site) -> Result<HttpResponse, Error> {
    let permit = authorization::permit(request, site)?;
    let wish: JobRequest = read(content, site).await?;
    if let Some(lacks) =
        site.titles.artifacts.load().as_ref().and_then(|artifacts| artifacts.unavailable)
    {
        return Err(Error::NotReady(lacks));
    }
    let (spec, company) = tasks(&wish, site).await?;
    let enqueue = async move |queue: Queue| {
        let enqueued = queue.enqueue(spec.submission()).await?;
        for spec in company {
            if queue.artifact(spec.key().as_str()).await?.is_none() {
                queue.enqueue(spec.submission()).await?;
            }
        }
        Ok(enqueued)
    };
    let (job, is_new) = alter(permit, site, enqueue).await?;
    let status = if is_new { StatusCode::ACCEPTED } else { StatusCode::OK };
    let mut response = json(status, &JobText::from(&job))?;
    let location = HeaderValue::from_str(&format!("/api/jobs/{}", job.id));
    response.headers_mut().insert(LOCATION, location.expect("digits and hyphens"));
    Ok(response)
}

/// The task that a wish becomes, and those that go with it.
async fn tasks(wish: &JobRequest, site: &Site) -> Result<(JobSpec, Vec<JobSpec>), Error> {
    let title = MediaPath::from_path(Path::new(wish.title()))?;
    if let JobRequest::Remux { .. } = wish
        && let Some(spec) = site.titles.remux_job(&title).await?
    {
        return Ok((spec, Vec::new()));
    }
    let opened = site.titles.open_playable(&title).await?;
    let spec = wish.spec(&title, opened.source, &opened.movie)?;
    Ok((spec, wish.company(&title, opened.source, &opened.movie)))
}

async fn change(
    request: &HttpRequest,
    content: Payload,
    site: &Site,
) -> Result<HttpResponse, Error> {
    let permit = authorization::permit(request, site)?;
    let id = shown(request, site).await?;
    let Change { priority } = read(content, site).await?;
    if !(-PRIORITY_MAX..=PRIORITY_MAX).contains(&priority) {
        let allowed = format!("priority must be from -{PRIORITY_MAX} to {PRIORITY_MAX}");
        return Err(Error::BadRequest(allowed));
    }
    let changed =
        alter(permit, site, async move |queue| queue.set_priority(id, priority).await).await?;
    one_job(changed)
}

async fn end(request: &HttpRequest, site: &Site) -> Result<HttpResponse, Error> {
    let permit = authorization::permit(request, site)?;
    let id = shown(request, site).await?;
    let job = alter(permit, site, async move |queue| queue.cancel(id).await).await?;
    match job {
        Some(Job { state: State::Done | State::Failed, .. }) => {
            Err(Error::Conflict("it has ended already"))
        }
        job => one_job(job),
    }
}

async fn begin_again(request: &HttpRequest, site: &Site) -> Result<HttpResponse, Error> {
    let permit = authorization::permit(request, site)?;
    let id = shown(request, site).await?;
    let job = alter(permit, site, async move |queue| queue.retry(id).await).await?;
    match job {
        Some(job) if job.state.is_end() => {
            Err(Error::Conflict("it is done, or another job does the same by now"))
        }
        job => one_job(job),
    }
}

impl ListQuery {
    fn filter(&self) -> Result<Filter, Error> {
        let state = self.state.as_deref().map(|name| {
            let known = || State::ALL.iter().map(|state| state.as_str()).collect::<Vec<_>>();
            let refused =
                |_| Error::BadRequest(format!("state must be one of {}", known().join(", ")));
            name.parse().map_err(refused)
        });
        let (state, title) = (state.transpose()?, self.title.clone());
        let not_class = Some(Class::Webhook);
        Ok(Filter { state, title, not_class, only_parents: true, ..Filter::default() })
    }

    fn before(&self) -> Result<Option<JobId>, Error> {
        let refused = |_| Error::BadRequest("before must be the id of a job".into());
        self.before.as_deref().map(str::parse).transpose().map_err(refused)
    }

    fn next_page(&self, before: JobId, limit: u32) -> String {
        let encode =
            |text| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC);
        let mut next = format!("/api/jobs?limit={limit}&before={before}");
        for (key, value) in [("state", &self.state), ("title", &self.title)] {
            if let Some(value) = value {
                next += &format!("&{key}={}", encode(value));
            }
        }
        next
    }
}

/// The queue and its listeners, if there are any.
pub(super) fn queue_of(site: &Site) -> Result<Arc<Jobs>, Error> {
    site.jobs.load_full().ok_or(Error::NotReady(
        "there are no jobs here, because there is no database; the log says why",
    ))
}

/// Asks the queue something, beside the I/O workers.
async fn ask<T: Send + 'static, F>(site: &Site, ask: impl FnOnce(Queue) -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, QueueError>> + Send + 'static,
{
    let queue = queue_of(site)?.queue.clone();
    site.spawn_limited(ask(queue)).await?.map_err(Error::from)
}

/// Has the queue change something, which takes a permit.
async fn alter<T: Send + 'static, F>(
    _permit: Permit,
    site: &Site,
    alter: impl FnOnce(Queue) -> F,
) -> Result<T, Error>
where
    F: Future<Output = Result<T, QueueError>> + Send + 'static,
{
    ask(site, alter).await
}

async fn read<T: serde::de::DeserializeOwned>(content: Payload, site: &Site) -> Result<T, Error> {
    let patience = Duration::from_secs(site.settings.load().head_timeout_s.get());
    content::from_json(&content::read(content, patience).await?)
}

fn id_in(request: &HttpRequest) -> Result<JobId, Error> {
    request.match_info().query("id").parse().map_err(|_| Error::NotFound)
}

/// The job that a target names, which is one that people are shown.
async fn shown(request: &HttpRequest, site: &Site) -> Result<JobId, Error> {
    let id = id_in(request)?;
    let job = ask(site, async move |queue| queue.job(id).await).await?;
    job.filter(is_shown).map(|job| job.id).ok_or(Error::NotFound)
}

fn one_job(job: Option<Job>) -> Result<HttpResponse, Error> {
    json(StatusCode::OK, &JobText::from(&job.ok_or(Error::NotFound)?))
}

/// Of a moment, and for nobody to keep.
fn json(status: StatusCode, value: &impl Serialize) -> Result<HttpResponse, Error> {
    let json = serde_json::to_vec(value).map_err(|error| Error::Internal(Box::new(error)))?;
    Ok(HttpResponse::build(status)
        .insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json")))
        .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store")))
        .body([json, vec![b'\n']].concat()))
}

/// Answers OPTIONS, without a word of CORS, and refuses what else is not among these methods.
fn other(request: &HttpRequest, methods: HeaderValue) -> Result<HttpResponse, Error> {
    match *request.method() {
        Method::OPTIONS => Ok(HttpResponse::NoContent().insert_header((ALLOW, methods)).finish()),
        _ => Err(Error::MethodNotAmong(methods)),
    }
}

//! The stream: the same objects as server-sent events or as JSON lines.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::Stream;
use tokio::time::{Instant, Sleep, sleep};

use super::V1;
use super::access::Caller;
use super::observer::Observer;
use super::query::{Parameters, mistake};
use super::streams::StreamPermit;
use super::watch::NewReader;
use crate::observe::{
    EncodedMessage, PacketFilter, STREAM_PACKETS_PER_SECOND, STREAM_PACKETS_PER_SECOND_MAX, Scope,
    StreamMessage, StreamQueue, Subscription, Topics, parse_hex,
};
use crate::web::{Connection, ProblemDetails};

/// How often something is written, so that both sides notice a connection that is gone.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Bytes that are given to the connection at once, unless one object is larger.
const CHUNK_BYTES: usize = 16 * 1024;
const LAST_EVENT_ID: &str = "last-event-id";
/// nginx passes on an answer with this header as it comes.
const UNBUFFERED: &str = "x-accel-buffering";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    EventStream,
    JsonLines,
}

/// The body of a stream's answer.
struct StreamBody {
    format: Format,
    queue: Arc<StreamQueue>,
    observer: Arc<Observer>,
    heartbeat: Pin<Box<Sleep>>,
    _permit: StreamPermit,
}

/// Everything as it happens. It has no end.
#[utoipa::path(get, path = "/api/v1/stream", params(
        ("topics" = Option<String>, Query, description = "Of state, rates, events and packets, separated by commas; default: all"),
        ("filter" = Option<String>, Query, description = "Of packets: terms that must all match"),
        ("packets" = Option<u32>, Query, description = "Packets a second, at most; default 1000", minimum = 1, maximum = 10000),
        ("after" = Option<String>, Query, description = "The last id that the client has"),
        ("Last-Event-ID" = Option<String>, Header, description = "The same"),
        ("seed" = Option<String>, Query, description = "Which packets are sampled: 16 hexadecimal digits; not for tokens of peers"),
    ), responses((status = OK, description = "One object a line, or as server-sent events; without an end", content(
        (StreamMessage = "application/x-ndjson"), (StreamMessage = "text/event-stream"),
    ))))]
pub(super) async fn get_stream(
    State(v1): State<Arc<V1>>,
    RawQuery(query): RawQuery,
    Extension(connection): Extension<Arc<Connection>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Result<Response, ProblemDetails> {
    let known = ["topics", "filter", "packets", "after", "seed"];
    let parameters = Parameters::parse(query.as_deref(), &known)?;
    let subscription = subscription(&parameters, &caller)?;
    let resumes_at = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok());
    let after = match parameters.get("after").or(resumes_at) {
        None => None,
        Some(id) => {
            let number = v1.observer.ids.number(id);
            Some(number.ok_or_else(|| mistake(format!("after: {id:?} is not an id of this API")))?)
        }
    };
    let Some(permit) = v1.streams.permit() else {
        let detail = format!(
            "{} streams are open here, which is the limit; close one, or try again later",
            v1.streams.max()
        );
        let problem = ProblemDetails::new(StatusCode::SERVICE_UNAVAILABLE, detail);
        return Err(problem.with_header(RETRY_AFTER, "5"));
    };
    connection.become_stream();
    let reader = NewReader { caller, features: v1.features(), subscription, after };
    let queue = v1.observer.watch.lock().add(&v1.observer, reader);
    let accepts = |wanted: &str| {
        let accept = headers.get_all(ACCEPT).iter().filter_map(|accept| accept.to_str().ok());
        accept.into_iter().any(|accept| accept.contains(wanted))
    };
    let (format, content_type) = match accepts("text/event-stream") {
        true => (Format::EventStream, "text/event-stream"),
        false => (Format::JsonLines, "application/x-ndjson"),
    };
    let body = StreamBody {
        format,
        queue,
        observer: Arc::clone(&v1.observer),
        heartbeat: Box::pin(sleep(HEARTBEAT)),
        _permit: permit,
    };
    // The connection has left the limits of others, so it serves nothing else.
    let headers =
        [(CONTENT_TYPE, content_type), (CACHE_CONTROL, "no-store"), (CONNECTION, "close")];
    let headers = (headers, [(UNBUFFERED, "no")]);
    Ok((headers, Body::from_stream(body)).into_response())
}

fn subscription(parameters: &Parameters, caller: &Caller) -> Result<Subscription, ProblemDetails> {
    let packets = caller.has(Scope::Packets);
    let mut topics = Topics { state: true, rates: true, events: true, packets };
    if let Some(list) = parameters.get("topics") {
        topics = Topics { state: false, rates: false, events: false, packets: false };
        for topic in list.split(',') {
            *match topic {
                "state" => &mut topics.state,
                "rates" => &mut topics.rates,
                "events" => &mut topics.events,
                "packets" => &mut topics.packets,
                _ => {
                    let detail = format!(
                        "topics: there is no topic {topic:?}; there are state, rates, events and packets"
                    );
                    return Err(mistake(detail));
                }
            } = true;
        }
        if topics.packets {
            caller.require(Scope::Packets)?;
        }
    }
    let filter = PacketFilter::parse(parameters.get("filter").unwrap_or_default());
    let filter = filter.map_err(|error| mistake(format!("filter: {error}")))?;
    let packets_per_second = parameters.number(
        "packets",
        1..=STREAM_PACKETS_PER_SECOND_MAX,
        STREAM_PACKETS_PER_SECOND,
    )?;
    let seed = parameters.get("seed").map(|seed| read_seed(seed, caller)).transpose()?;
    Ok(Subscription { topics, filter, packets_per_second, seed })
}

/// With the seed, one can choose packets that are in no sample, so no peer may choose it.
fn read_seed(text: &str, caller: &Caller) -> Result<u64, ProblemDetails> {
    caller.require(Scope::Packets)?;
    if caller.peer.is_some() {
        let detail = "seed: a token that is bound to a peer cannot choose it";
        return Err(ProblemDetails::new(StatusCode::FORBIDDEN, detail));
    }
    parse_hex(text).ok_or_else(|| mistake(format!("seed: {text:?} has not 16 hexadecimal digits")))
}

impl Format {
    fn put(self, message: &EncodedMessage, out: &mut String) {
        match self {
            Self::JsonLines => {
                out.push_str(&message.json);
                out.push('\n');
            }
            Self::EventStream => {
                if let Some(id) = &message.id {
                    out.push_str("id: ");
                    out.push_str(id);
                    out.push('\n');
                }
                out.push_str("event: ");
                out.push_str(message.kind);
                out.push_str("\ndata: ");
                out.push_str(&message.json);
                out.push_str("\n\n");
            }
        }
    }

    fn heartbeat(self) -> &'static str {
        match self {
            Self::JsonLines => "\n",
            Self::EventStream => ":\n\n",
        }
    }
}

impl Stream for StreamBody {
    type Item = Result<Bytes, std::convert::Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let mut out = String::new();
        let has_ended = loop {
            match this.queue.poll_next(cx) {
                Poll::Ready(Some(message)) => this.format.put(&message, &mut out),
                Poll::Ready(None) => break true,
                Poll::Pending => break false,
            }
            if out.len() >= CHUNK_BYTES {
                break false;
            }
        };
        if out.is_empty() {
            if has_ended {
                return Poll::Ready(None);
            }
            if this.heartbeat.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            out.push_str(this.format.heartbeat());
        }
        this.heartbeat.as_mut().reset(Instant::now() + HEARTBEAT);
        Poll::Ready(Some(Ok(out.into())))
    }
}

impl Drop for StreamBody {
    fn drop(&mut self) {
        self.observer.unsubscribe(&self.queue);
    }
}

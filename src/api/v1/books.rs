//! The past of a node, from its store: what it earned in a period, and the events that are kept there.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, RawQuery, State};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::V1;
use super::lists::{ListAnswer, ok};
use super::query::{Parameters, mistake};
use super::verbs::unavailable;
use crate::api::books_orders::{EventsOrder, IncomeOrder};
use crate::books::{EventKind, EventQuery, NumberedEvent, Period, date};
use crate::observe::{
    IncomeBody, NodeIncomeBody, SavedEventBody, SavedEventsBody, income_body, parse_time,
};
use crate::web::ProblemDetails;
use crate::wire::Timestamp;

/// The longest period of one request.
const PERIOD_DAYS_MAX: u64 = 366;
const DAY_MS: u64 = 86_400_000;
/// Flows of an answer without `limit`.
const FLOWS: u32 = 1_000;
const FLOWS_MAX: u32 = 10_000;
/// Events of a page without `limit`.
const EVENTS: u32 = 100;
const EVENTS_MAX: u32 = 1_000;
/// For the node to read its store.
const ORDER_TIMEOUT: Duration = Duration::from_secs(9);

/// What a node earned in a period, and with which flows.
#[utoipa::path(get, path = "/api/v1/nodes/{node}/income", params(("node" = String, Path, description = "The id of a node"),
        ("from" = Option<String>, Query, description = "The begin of the period, in UTC: a day such as 2026-11-01, or a time such as 2026-11-01T12:00:00.000Z; default: that of the month"),
        ("to" = Option<String>, Query, description = "Its end, which is not part of it; default: it goes on"),
        ("limit" = Option<u32>, Query, description = "Flows, at most; default 1000", minimum = 1, maximum = 10000),
    ), responses((status = OK, body = NodeIncomeBody)))]
pub(super) async fn income(
    State(v1): State<Arc<V1>>,
    Path(node): Path<String>,
    RawQuery(query): RawQuery,
) -> ListAnswer {
    let parameters = Parameters::parse(query.as_deref(), &["from", "to", "limit"])?;
    let limit = parameters.number("limit", 1..=FLOWS_MAX, FLOWS)?;
    let node = v1.find_node(&node)?;
    let now = node.context().clock.now().wall;
    let (from, to) = read_period(&parameters, now)?;
    let period = Period::new(Some(from), to).map_err(|error| mistake(format!("to: {error}")))?;
    let mut body = NodeIncomeBody {
        node: node.context().connector.node_id().to_string(),
        from: from.to_string(),
        to: to.map(|to| to.to_string()),
        ..NodeIncomeBody::default()
    };
    if let Some(orders) = node.income_orders.get() {
        let report = order(orders, |reply| IncomeOrder { period, reply }).await?;
        body.as_of = Some(report.as_of.to_string());
        body.income = income_body(&report.income);
        body.flows_left_out = leave_out(&mut body.income, usize::try_from(limit).unwrap_or(0));
    }
    ok(&body)
}

/// A page of the events that the store of a node keeps, the newest first.
#[utoipa::path(get, path = "/api/v1/nodes/{node}/saved-events", params(("node" = String, Path, description = "The id of a node"),
        ("before" = Option<String>, Query, description = "The `next` of the page before; default: the newest events"),
        ("kind" = Option<String>, Query, description = "Only events of this kind, such as peer.down"),
        ("peer" = Option<String>, Query, description = "Only events about this peer"),
        ("limit" = Option<u32>, Query, description = "Events, at most; default 100", minimum = 1, maximum = 1000),
    ), responses((status = OK, body = SavedEventsBody)))]
pub(super) async fn saved_events(
    State(v1): State<Arc<V1>>,
    Path(node): Path<String>,
    RawQuery(query): RawQuery,
) -> ListAnswer {
    let parameters = Parameters::parse(query.as_deref(), &["before", "kind", "peer", "limit"])?;
    let max = parameters.number("limit", 1..=EVENTS_MAX, EVENTS)?;
    let before = match parameters.get("before") {
        None => None,
        Some(text) => Some(
            text.parse()
                .ok()
                .filter(|number| *number > 0)
                .ok_or_else(|| mistake(format!("before {text:?} is not the `next` of a page")))?,
        ),
    };
    let kind = parameters.get("kind").map(find_kind).transpose()?;
    let peer = parameters.get("peer").map(str::to_owned);
    let node = v1.find_node(&node)?;
    // A node without a store keeps none.
    let Some(orders) = node.events_orders.get() else { return ok(&SavedEventsBody::default()) };
    let query = EventQuery { before, kind, peer, max };
    let found = order(orders, |reply| EventsOrder { query, reply }).await?;
    let is_full = found.len() >= usize::try_from(max).unwrap_or(usize::MAX);
    let next = found.last().filter(|_| is_full).map(|last| last.number.to_string());
    let id = node.context().connector.node_id().to_string();
    let events = found.into_iter().map(|found| event_body(&id, found)).collect();
    ok(&SavedEventsBody { events, next })
}

fn read_period(
    parameters: &Parameters,
    now: Timestamp,
) -> Result<(Timestamp, Option<Timestamp>), ProblemDetails> {
    let read = |name: &str| {
        let text = parameters.get(name).filter(|text| !text.is_empty());
        let wrong = |text| {
            mistake(format!(
                "{name} {text:?} is neither a day such as 2026-11-01 nor a time in UTC"
            ))
        };
        text.map(|text| parse_moment(text).ok_or_else(|| wrong(text))).transpose()
    };
    let to = read("to")?;
    let from = match read("from")? {
        Some(from) => from,
        // That of the last moment of the period.
        None => begin_of_month(to.map_or(now, |to| Timestamp::from_millis(to.as_millis() - 1))),
    };
    let length = to.unwrap_or(now).millis_since(from);
    if length > PERIOD_DAYS_MAX * DAY_MS {
        return Err(mistake(format!(
            "the period has more than {PERIOD_DAYS_MAX} days; ask for parts of it, or see `ilp-connector ledger income`"
        )));
    }
    Ok((from, to))
}

fn parse_moment(text: &str) -> Option<Timestamp> {
    let is_day = text.len() == "2026-11-01".len();
    let text = if is_day { format!("{text}T00:00:00.000Z") } else { text.to_owned() };
    // Only these two forms, although the reader takes any text with enough digits.
    parse_time(&text).filter(|time| time.as_millis() > 0 && time.to_string() == text)
}

fn begin_of_month(at: Timestamp) -> Timestamp {
    let day = date(at);
    let month = day.get(..7).unwrap_or_default();
    parse_moment(&format!("{month}-01")).unwrap_or(at)
}

/// Leaves out the flows with the fewest packets beyond `limit`, and returns their number.
fn leave_out(income: &mut IncomeBody, limit: usize) -> usize {
    let left_out = income.flows.len().saturating_sub(limit);
    if left_out > 0 {
        income.flows.sort_by_key(|flow| Reverse(flow.packets.parse::<u64>().unwrap_or(0)));
        income.flows.truncate(limit);
        income.flows.sort_by(|a, b| {
            (&a.from.account, &a.to.account).cmp(&(&b.from.account, &b.to.account))
        });
    }
    left_out
}

fn find_kind(text: &str) -> Result<String, ProblemDetails> {
    let saved = EventKind::ALL.iter().filter(|kind| kind.is_saved());
    let known: Vec<&str> = saved.map(|kind| kind.as_str()).collect();
    match known.contains(&text) {
        true => Ok(text.to_owned()),
        false => Err(mistake(format!(
            "kind {text:?} is not that of an event which stores keep: {}",
            known.join(", ")
        ))),
    }
}

fn event_body(node: &str, NumberedEvent { event, .. }: NumberedEvent) -> SavedEventBody {
    SavedEventBody {
        id: event.id.as_str().to_owned(),
        at: event.at.to_string(),
        node: node.to_owned(),
        level: event.level,
        kind: event.kind.to_string(),
        text: event.text,
        peer: event.peer,
        fields: event.fields,
    }
}

async fn order<O, T>(
    orders: &mpsc::Sender<O>,
    new: impl FnOnce(oneshot::Sender<Result<T, String>>) -> O,
) -> Result<T, ProblemDetails> {
    let (reply, done) = oneshot::channel();
    let busy = "too many requests wait for the store, or the node stops; try later";
    orders.try_send(new(reply)).map_err(|_| unavailable(busy))?;
    match timeout(ORDER_TIMEOUT, done).await {
        Ok(Ok(Ok(found))) => Ok(found),
        Ok(Ok(Err(why))) => Err(unavailable(format!("the store cannot be read: {why}"))),
        Ok(Err(_)) => Err(unavailable("the node stops")),
        Err(_) => Err(unavailable("the store is too slow; try later")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-28T12:00:00Z.
    const NOW: Timestamp = Timestamp::from_millis(1_795_867_200_000);

    fn period(query: &str) -> Result<String, String> {
        let parameters = Parameters::parse(Some(query), &["from", "to"]).unwrap();
        let read = read_period(&parameters, NOW);
        let read = read.map_err(|problem| problem.detail().to_owned());
        read.map(|(from, to)| format!("{from} {}", to.map_or("-".to_owned(), |to| to.to_string())))
    }

    #[test]
    fn a_period_is_the_month_or_as_asked_and_bounded() {
        let check = |query: &str, expected: &str| {
            assert_eq!(period(query).as_deref(), Ok(expected), "{query}");
        };
        check("", "2026-11-01T00:00:00.000Z -");
        check("from=2026-11-27", "2026-11-27T00:00:00.000Z -");
        check("to=2026-11-01", "2026-10-01T00:00:00.000Z 2026-11-01T00:00:00.000Z");
        check(
            "from=2026-11-27T13:00:00.000Z&to=2026-11-28",
            "2026-11-27T13:00:00.000Z 2026-11-28T00:00:00.000Z",
        );
        check("from=2026-01-01&to=2027-01-01", "2026-01-01T00:00:00.000Z 2027-01-01T00:00:00.000Z");
        for (query, expected) in [
            ("from=2026-13-01", "from \"2026-13-01\" is neither a day"),
            ("from=1-2-3-4-5-6-7-8-9-0-1-2-3-4-5-6-7", "is neither a day"),
            ("to=1970-01-01", "to \"1970-01-01\" is neither a day"),
            ("from=2025-11-01", "more than 366 days"),
            ("from=2020-01-01&to=2022-01-01", "more than 366 days"),
        ] {
            let error = period(query).unwrap_err();
            assert!(error.contains(expected), "{query}: {error}");
        }
    }

    #[test]
    fn the_flows_with_the_fewest_packets_are_left_out() {
        let mut income = IncomeBody { flows: vec![Default::default(); 3], ..IncomeBody::default() };
        for (flow, (account, packets)) in
            income.flows.iter_mut().zip([("a", "3"), ("b", "1"), ("c", "20")])
        {
            (flow.from.account, flow.packets) = (account.to_owned(), packets.to_owned());
        }
        assert_eq!(leave_out(&mut income, 3), 0);
        assert_eq!(leave_out(&mut income, 2), 1);
        let names: Vec<_> = income.flows.iter().map(|flow| flow.from.account.as_str()).collect();
        assert_eq!(names, ["a", "c"]);
    }
}

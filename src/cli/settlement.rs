//! `settlement`: lists settlements, records those made by other means, and stops or hurries the others. The running
//! node does it; what was made by other means is recorded in the store of a stopped node, too.

mod stopped_node;

use std::io::Write;

use serde_json::json;

use self::stopped_node::{NodeStore, RecordRequest};
use super::args::{
    SettlementArguments, SettlementCommand, SettlementListArguments, SettlementRecordArguments,
};
use super::observed::page_client;
use super::verbs::{
    NotDone, TIMEOUT, describe, find_changed_node, named_pages, post, print_answer, run as order,
    show_page,
};
use crate::account::Asset;
use crate::books::{SettlementDirection, SettlementKey};
use crate::config::Environment;
use crate::console::{Cell, Failure, Table, block_on, group_digits, sanitize};
use crate::observe::{
    NodeBody, OverrideBody, RecordedSettlementBody, SettlementBody, SettlementWay, SettlementsBody,
};
use crate::remote::{AskedNode, PageClient, url_encode};

pub(super) fn run(
    arguments: &SettlementArguments,
    environment: &Environment,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), Failure> {
    let path = |peer: &str, verb: &str| format!("peers/{}/settlements/{verb}", url_encode(peer));
    match &arguments.command {
        SettlementCommand::List(arguments) => list(arguments, environment, out),
        SettlementCommand::Record(arguments) => record(arguments, environment, out, err),
        SettlementCommand::Pause(arguments) => {
            let body = json!({ "ttlSeconds": arguments.time.as_secs() });
            let path = path(&arguments.peer, "pause");
            order::<OverrideBody>(&arguments.node, environment, &path, body, out, describe)
        }
        SettlementCommand::Resume(arguments) => {
            let path = path(&arguments.peer, "resume");
            order::<OverrideBody>(&arguments.node, environment, &path, json!({}), out, describe)
        }
        SettlementCommand::Retry(arguments) => {
            let path = path(&arguments.peer, "retry");
            order::<SettlementBody>(&arguments.node, environment, &path, json!({}), out, |one| {
                format!("{}: the engine of {} is asked again for {}", one.node, one.peer, one.key)
            })
        }
    }
}

fn list(
    arguments: &SettlementListArguments,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let mut path = format!("settlements?limit={}", arguments.limit);
    if let Some(peer) = &arguments.peer {
        path.push_str(&format!("&peer={}", url_encode(peer)));
    }
    show_page::<SettlementsBody>(&arguments.node, environment, &path, out, lines)
}

/// The table, and what is in the way of those that are not over.
fn lines(page: &SettlementsBody) -> Vec<String> {
    let SettlementsBody { settlements, under_way, paused, .. } = page;
    let mut lines = Vec::new();
    if settlements.is_empty() {
        lines.push("there are no settlements".to_owned());
    } else {
        let headings = ["AT", "PEER", "WAY", "UNITS", "ASSET", "STATE", "BY", "REFERENCE", "KEY"];
        let mut table = Table::new(&headings).ending_with_text();
        for one in settlements {
            table.add_row([
                Cell::left(&one.created_at),
                Cell::left(&one.peer),
                Cell::left(one.direction.as_str()),
                Cell::right(group_digits(&one.units)),
                Cell::left(&one.asset),
                Cell::left(&one.state),
                Cell::left(&one.by),
                Cell::left(&one.reference),
                Cell::left(&one.key),
            ]);
        }
        lines.extend(table.lines(usize::MAX));
    }
    for waiting in under_way {
        let (peer, key) = (&waiting.peer, &waiting.settlement.key);
        let why = match (&waiting.held_up, waiting.last_error.as_deref()) {
            (Some(held_up), None) => held_up.clone(),
            (Some(held_up), Some(error)) => format!("{error}; it is not asked now: {held_up}"),
            (None, error) => {
                let error = error.map(|error| format!("{error}; ")).unwrap_or_default();
                let next = waiting.next_attempt_at.as_deref();
                let next = next.map(|at| format!("it is asked again at {at}"));
                format!("{error}{}", next.as_deref().unwrap_or("it is being asked"))
            }
        };
        lines.push(format!("the engine of {peer} has not accepted {key}: {why}"));
    }
    let until = |peer: &String| page.paused_until.get(peer).map(|at| format!(" until {at}"));
    lines.extend(paused.iter().map(|peer| {
        format!("settlements with {peer} are paused{}", until(peer).unwrap_or_default())
    }));
    lines
}

fn record(
    arguments: &SettlementRecordArguments,
    environment: &Environment,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), Failure> {
    let (direction, money) = match (&arguments.sent, &arguments.received) {
        (Some(sent), _) => (SettlementDirection::Outgoing, sent),
        (None, Some(received)) => (SettlementDirection::Incoming, received),
        (None, None) => return Err(Failure::Usage("--sent or --received is needed".to_owned())),
    };
    if arguments.reference.trim().is_empty() {
        return Err(Failure::Usage(
            "--reference is empty; say by what you find the payment again, such as the number of a transfer"
                .to_owned(),
        ));
    }
    let id = arguments.id.clone().unwrap_or_else(|| SettlementKey::from_random(rand::random()));
    let store = match arguments.node.via {
        None => NodeStore::open(&arguments.node.source, environment)?,
        Some(_) => NodeStore::InUse,
    };
    if let NodeStore::Stopped(node) = store {
        let request = RecordRequest {
            peer: &arguments.peer,
            direction,
            amount: money,
            reference: &arguments.reference,
            key: &id,
        };
        let recorded = json!(node.record(&request, err)?);
        return print_answer::<RecordedSettlementBody>(
            &recorded,
            arguments.node.json,
            out,
            |one| {
                let done = describe_recorded(one, &arguments.reference);
                format!("{done}\nthe node does not run: this is in its store")
            },
        );
    }
    let nodes = named_pages(&arguments.node, environment)?;
    let client = page_client(TIMEOUT)?;
    let answer = block_on(async {
        let wanted = arguments.node.source.node.as_deref();
        let found = find_changed_node(&client, nodes, wanted).await;
        let (asked, node) = found.map_err(|failure| with_store_error(failure, &store))?;
        let asset = asset_of(&client, &asked, &node, &arguments.peer).await?;
        let units = money.to_units(Ok(&asset)).map_err(Failure::Usage)?;
        let body = json!({
            "direction": SettlementWay::from(direction),
            "units": units.0.to_string(),
            "reference": arguments.reference,
            "id": id.as_str(),
        });
        let path = format!("peers/{}/settlements", url_encode(&arguments.peer));
        let posted = post(&client, &asked, &node, &path, &body).await;
        posted.map_err(|not_done| repeatable(not_done, &id))
    });
    print_answer::<RecordedSettlementBody>(&answer?, arguments.node.json, out, |one| {
        describe_recorded(one, &arguments.reference)
    })
}

/// The failure to find the running node, and why its store does not replace it.
fn with_store_error(failure: Failure, store: &NodeStore) -> Failure {
    match (failure, store) {
        (Failure::Failed(text), NodeStore::Unreadable(why)) => Failure::Failed(format!(
            "{text}; nor can it be recorded in the store of a stopped node: {why}"
        )),
        (failure, _) => failure,
    }
}

/// `a: b was paid by us 5 units of USD/9 (transfer-77)`
fn describe_recorded(one: &RecordedSettlementBody, reference: &str) -> String {
    let RecordedSettlementBody { settlement, already_recorded } = one;
    let SettlementBody { key, node, peer, asset, direction, units, .. } = settlement;
    let what = match direction {
        SettlementWay::Sent => "was paid by us",
        SettlementWay::Received => "has paid us",
    };
    let booked = format!("{peer} {what} {units} units of {asset} ({key})");
    if !already_recorded {
        return format!("{node}: {booked}");
    }
    let first = &settlement.reference;
    let other = match sanitize(reference) == *first {
        true => String::new(),
        false => format!("\nits reference stays {first:?}; {reference:?} is not kept"),
    };
    format!("{node}: already recorded, and not again: {booked}{other}")
}

/// After an unclear end, the settlement may have been booked.
fn repeatable(NotDone { text, is_unclear }: NotDone, id: &SettlementKey) -> Failure {
    Failure::Failed(match is_unclear {
        true => format!("{text}\nto repeat this safely, add --id {id}"),
        false => text,
    })
}

async fn asset_of(
    client: &PageClient,
    asked: &AskedNode,
    node: &str,
    peer: &str,
) -> Result<Asset, Failure> {
    let path = format!("api/v1/nodes/{}", url_encode(node));
    let page = client.page::<NodeBody>(asked, &path).await;
    let body = page.map_err(|error| Failure::Failed(asked.describe(&error)))?;
    let found = body.peers.iter().find(|known| known.id == peer);
    let found = found.ok_or_else(|| {
        Failure::Failed(format!("node {} has no peer {}", sanitize(node), sanitize(peer)))
    })?;
    Asset::checked(&found.asset_code, found.asset_scale)
        .map_err(|error| Failure::Failed(format!("the asset of {}: {error}", sanitize(peer))))
}

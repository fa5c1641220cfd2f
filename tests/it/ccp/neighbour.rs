//! A scripted peer that speaks CCP: it answers what it is asked and told, and remembers it.

use std::time::Instant;

use ilp_connector::wire::btp::FrameKind;
use ilp_connector::wire::ccp::{
    Epochs, RouteControl, RouteControlMode, RouteRequest, RouteUpdate, TableId, UpdateWriter,
    put_hop,
};
use ilp_connector::wire::ilp::Prepare;
use ilp_connector::wire::{AddressRef, Condition, Fulfillment};

use crate::peer::{Ask, Daemon, Got, PATIENCE, Peer, ask, describe, fulfill, now};

/// What the node sent by itself.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Heard {
    /// Mode, table known, epoch known.
    Control(RouteControlMode, [u8; 16], u32),
    Update(Told),
}

/// An update of the node.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Told {
    pub(super) table: [u8; 16],
    /// Current, from, to.
    pub(super) epochs: (u32, u32, u32),
    pub(super) speaker: String,
    /// Prefix, path, auth.
    pub(super) routes: Vec<(String, Vec<String>, [u8; 32])>,
    pub(super) withdrawn: Vec<String>,
    /// The whole payload, in hexadecimal.
    pub(super) payload: String,
}

/// A peer with its own log of changes.
pub(super) struct Neighbour {
    pub(super) peer: Peer,
    pub(super) heard: Vec<Heard>,
    address: String,
    table: u8,
    epoch: u32,
    next_id: u32,
}

/// A Prepare to one of the two addresses of CCP.
pub(super) fn ccp(destination: &str, payload: &[u8]) -> Ask {
    ask(destination).amount(0).condition(Condition::PEER_PROTOCOL).data(payload)
}

/// A payload of the vectors.
pub(super) fn vector(name: &str) -> Vec<u8> {
    let file = crate::peer::vectors("ccp");
    let entry = file["packets"].as_array().unwrap().iter().find(|entry| entry["name"] == name);
    let entry = entry.unwrap_or_else(|| panic!("no vector {name}"));
    hex::decode(entry["data_hex"].as_str().unwrap()).unwrap()
}

pub(super) fn update(
    table: u8,
    (current, from, to): (u32, u32, u32),
    speaker: &str,
    routes: &[(&str, &[&str])],
    withdrawn: &[&str],
) -> Vec<u8> {
    let mut writer = UpdateWriter::default();
    for (prefix, path) in routes {
        let mut encoded = Vec::new();
        path.iter().for_each(|hop| put_hop(AddressRef::new(hop).unwrap(), &mut encoded));
        let no_props = std::iter::empty();
        writer.announce(prefix.as_bytes(), path.len(), [&*encoded], &[7; 32], no_props);
    }
    withdrawn.iter().for_each(|prefix| writer.withdraw(prefix.as_bytes()));
    let epochs = Epochs { current, from, to };
    // Longer than any test takes.
    writer.finish(TableId([table; 16]), epochs, 600_000, AddressRef::new(speaker).unwrap())
}

impl Neighbour {
    /// Logs in as a peer of `ccp::node`; its address is `test.<id>`.
    pub(super) fn of(node: &Daemon, id: &str) -> Self {
        let address = format!("test.{id}");
        Neighbour {
            peer: node.peer(id),
            heard: Vec::new(),
            address,
            table: 1,
            epoch: 0,
            next_id: 0,
        }
    }

    /// Reads on: what is no business of CCP, if it comes in time.
    fn next(&mut self, deadline: Instant) -> Option<Got> {
        let left = deadline.saturating_duration_since(Instant::now());
        let got = self.peer.frame_within(left)?;
        let Some(packet) = got.ilp.as_ref().filter(|_| got.kind == FrameKind::Message) else {
            return Some(got);
        };
        let prepare = Prepare::parse(packet).unwrap();
        if !RouteRequest::is_at(prepare.destination) {
            return Some(got);
        }
        assert!(prepare.expires_at.millis_since(now()) > 25_000, "{}", prepare.expires_at);
        self.heard.push(match RouteRequest::read(&prepare, now()).unwrap() {
            RouteRequest::Control(control) => {
                Heard::Control(control.mode, control.last_known_table.0, control.last_known_epoch)
            }
            RouteRequest::Update(update) => Heard::Update(read(&update, prepare.data)),
        });
        self.peer.answer(got.id, &fulfill(&Fulfillment::ZERO));
        Some(got)
    }

    /// Asks, and reads on to the answer.
    pub(super) fn asks(&mut self, ask: &Ask) -> Got {
        self.next_id += 1;
        let id = self.next_id;
        self.peer.ask(id, ask);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let got =
                self.next(deadline).unwrap_or_else(|| panic!("no answer within {PATIENCE:?}"));
            if got.kind != FrameKind::Message && got.id == id {
                return got;
            }
        }
    }

    /// The same; the answer in short, such as `Fulfill` or `Reject F00`.
    pub(super) fn asked(&mut self, ask: &Ask) -> String {
        let said = describe(&self.asks(ask));
        said.splitn(3, ' ').nth(2).unwrap_or_default().to_owned()
    }

    /// Tells of routes, which the node must acknowledge.
    pub(super) fn tells(&mut self, routes: &[(&str, &[&str])], withdrawn: &[&str]) {
        let from = self.epoch;
        self.epoch += 1;
        let epochs = (self.epoch, from, self.epoch);
        let payload = update(self.table, epochs, &self.address, routes, withdrawn);
        assert_eq!(self.asked(&ccp("peer.route.update", &payload)), "Fulfill");
    }

    /// Asks for all routes.
    pub(super) fn wants_all(&mut self) {
        let payload = vector("control-first-contact");
        assert_eq!(self.asked(&ccp("peer.route.control", &payload)), "Fulfill");
    }

    /// Reads on until the node has said something that fits, and gives that.
    pub(super) fn hears<T>(&mut self, what: &str, fits: impl Fn(&Heard) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut looked_at = 0;
        loop {
            if let Some(found) = self.heard.iter().skip(looked_at).find_map(&fits) {
                return found;
            }
            looked_at = self.heard.len();
            if self.next(deadline).is_none() {
                panic!("{what}: not within {PATIENCE:?}, but {:?}", self.heard);
            }
        }
    }

    pub(super) fn hears_update(&mut self, what: &str, fits: impl Fn(&Told) -> bool) -> Told {
        self.hears(what, |heard| match heard {
            Heard::Update(told) if fits(told) => Some(told.clone()),
            _ => None,
        })
    }

    pub(super) fn hears_control(&mut self, table: [u8; 16], epoch: u32) {
        self.hears(&format!("a control with epoch {epoch}"), |heard| {
            (*heard == Heard::Control(RouteControlMode::Sync, table, epoch)).then_some(())
        });
    }

    /// The next Prepare that is not of CCP.
    pub(super) fn prepare(&mut self) -> (u32, Vec<u8>) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let got =
                self.next(deadline).unwrap_or_else(|| panic!("no Prepare within {PATIENCE:?}"));
            let packet = got.ilp.clone().unwrap_or_default();
            if got.kind == FrameKind::Message
                && !RouteRequest::is_at(Prepare::parse(&packet).unwrap().destination)
            {
                return (got.id, packet);
            }
        }
    }

    /// Everything that it was told of, taken together.
    pub(super) fn prefixes(&self) -> Vec<String> {
        let updates = self.heard.iter().filter_map(|heard| match heard {
            Heard::Update(told) => Some(told),
            Heard::Control(..) => None,
        });
        let mut all: Vec<String> = updates
            .flat_map(|told| told.routes.iter().map(|(prefix, ..)| prefix.clone()))
            .collect();
        all.sort();
        all.dedup();
        all
    }
}

fn read(update: &RouteUpdate<'_>, payload: &[u8]) -> Told {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let Epochs { current, from, to } = update.epochs;
    Told {
        table: update.table.0,
        epochs: (current, from, to),
        speaker: update.speaker.to_string(),
        routes: update
            .new_routes
            .map(|route| (text(route.prefix), route.path.map(text).collect(), *route.auth))
            .collect(),
        withdrawn: update.withdrawn_routes.map(text).collect(),
        payload: hex::encode(payload),
    }
}

/// That of the first control.
pub(super) fn first_control() -> RouteControl<'static> {
    RouteControl::new(RouteControlMode::Sync, TableId::NONE, 0)
}

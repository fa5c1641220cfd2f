//! A scripted peer that speaks CCP: it acknowledges the node's controls and updates, and records them.

use std::time::Instant;

use ilp_connector::wire::btp::FrameKind;
use ilp_connector::wire::ccp::{
    Epochs, RouteControl, RouteControlMode, RouteRequest, RouteUpdate, TableId, UpdateWriter,
    put_hop,
};
use ilp_connector::wire::ilp::Prepare;
use ilp_connector::wire::{AddressRef, Condition, Fulfillment};

use crate::peer::{
    Peer, ReceivedFrame, TIMEOUT, TestNode, TestPrepare, describe_frame, fulfill, now, prepare_to,
};

/// A CCP request of the node.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum CcpMessage {
    /// Mode, last known table, last known epoch.
    Control(RouteControlMode, [u8; 16], u32),
    Update(ReceivedUpdate),
}

/// A route update of the node.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ReceivedUpdate {
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

/// A peer with its own table and epochs.
pub(super) struct Neighbour {
    pub(super) peer: Peer,
    pub(super) received: Vec<CcpMessage>,
    address: String,
    table: u8,
    epoch: u32,
    next_id: u32,
}

/// A Prepare to one of the two addresses of CCP.
pub(super) fn ccp_prepare(destination: &str, payload: &[u8]) -> TestPrepare {
    prepare_to(destination).amount(0).condition(Condition::PEER_PROTOCOL).data(payload)
}

/// The payload of a vector.
pub(super) fn payload_of_vector(name: &str) -> Vec<u8> {
    let file = crate::peer::read_vectors("ccp");
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
        writer.advertise(prefix.as_bytes(), path.len(), [&*encoded], &[7; 32], no_props);
    }
    withdrawn.iter().for_each(|prefix| writer.withdraw(prefix.as_bytes()));
    let epochs = Epochs { current, from, to };
    // Longer than any test takes.
    writer.finish(TableId([table; 16]), epochs, 600_000, AddressRef::new(speaker).unwrap())
}

impl Neighbour {
    /// Logs in as a peer of `ccp::node`; its address is `test.<id>`.
    pub(super) fn connect(node: &TestNode, id: &str) -> Self {
        let address = format!("test.{id}");
        Self {
            peer: node.connect_peer(id),
            received: Vec::new(),
            address,
            table: 1,
            epoch: 0,
            next_id: 0,
        }
    }

    /// The next frame, if one arrives in time. CCP requests are recorded and acknowledged.
    fn receive(&mut self, deadline: Instant) -> Option<ReceivedFrame> {
        let left = deadline.saturating_duration_since(Instant::now());
        let got = self.peer.receive_within(left)?;
        let Some(packet) = got.ilp.as_ref().filter(|_| got.kind == FrameKind::Message) else {
            return Some(got);
        };
        let prepare = Prepare::parse(packet).unwrap();
        if !RouteRequest::is_at(prepare.destination) {
            return Some(got);
        }
        assert!(prepare.expires_at.millis_since(now()) > 25_000, "{}", prepare.expires_at);
        self.received.push(match RouteRequest::read(&prepare, now()).unwrap() {
            RouteRequest::Control(control) => CcpMessage::Control(
                control.mode,
                control.last_known_table.0,
                control.last_known_epoch,
            ),
            RouteRequest::Update(update) => CcpMessage::Update(read_update(&update, prepare.data)),
        });
        self.peer.answer(got.id, &fulfill(&Fulfillment::ZERO));
        Some(got)
    }

    /// Sends a Prepare, and returns its answer.
    pub(super) fn request_frame(&mut self, prepare: &TestPrepare) -> ReceivedFrame {
        self.next_id += 1;
        let id = self.next_id;
        self.peer.send_prepare(id, prepare);
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let got =
                self.receive(deadline).unwrap_or_else(|| panic!("no answer within {TIMEOUT:?}"));
            if got.kind != FrameKind::Message && got.id == id {
                return got;
            }
        }
    }

    /// The same; describes the answer, such as `Fulfill` or `Reject F00`.
    pub(super) fn request(&mut self, prepare: &TestPrepare) -> String {
        let answer = describe_frame(&self.request_frame(prepare));
        answer.splitn(3, ' ').nth(2).unwrap_or_default().to_owned()
    }

    /// Sends an update, which the node must acknowledge.
    pub(super) fn advertise(&mut self, routes: &[(&str, &[&str])], withdrawn: &[&str]) {
        let from = self.epoch;
        self.epoch += 1;
        let epochs = (self.epoch, from, self.epoch);
        let payload = update(self.table, epochs, &self.address, routes, withdrawn);
        assert_eq!(self.request(&ccp_prepare("peer.route.update", &payload)), "Fulfill");
    }

    /// Requests all routes.
    pub(super) fn request_all_routes(&mut self) {
        let payload = payload_of_vector("control-first-contact");
        assert_eq!(self.request(&ccp_prepare("peer.route.control", &payload)), "Fulfill");
    }

    /// Waits for a CCP request of the node that `fits`, and returns what `fits` returned.
    pub(super) fn wait_for<T>(&mut self, what: &str, fits: impl Fn(&CcpMessage) -> Option<T>) -> T {
        let deadline = Instant::now() + TIMEOUT;
        let mut looked_at = 0;
        loop {
            if let Some(found) = self.received.iter().skip(looked_at).find_map(&fits) {
                return found;
            }
            looked_at = self.received.len();
            if self.receive(deadline).is_none() {
                panic!("{what}: not within {TIMEOUT:?}, but {:?}", self.received);
            }
        }
    }

    pub(super) fn wait_for_update(
        &mut self,
        what: &str,
        fits: impl Fn(&ReceivedUpdate) -> bool,
    ) -> ReceivedUpdate {
        self.wait_for(what, |message| match message {
            CcpMessage::Update(update) if fits(update) => Some(update.clone()),
            _ => None,
        })
    }

    pub(super) fn wait_for_control(&mut self, table: [u8; 16], epoch: u32) {
        self.wait_for(&format!("a control with epoch {epoch}"), |message| {
            (*message == CcpMessage::Control(RouteControlMode::Sync, table, epoch)).then_some(())
        });
    }

    /// The next Prepare that is not of CCP.
    pub(super) fn receive_prepare(&mut self) -> (u32, Vec<u8>) {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let got =
                self.receive(deadline).unwrap_or_else(|| panic!("no Prepare within {TIMEOUT:?}"));
            let packet = got.ilp.clone().unwrap_or_default();
            if got.kind == FrameKind::Message
                && !RouteRequest::is_at(Prepare::parse(&packet).unwrap().destination)
            {
                return (got.id, packet);
            }
        }
    }

    /// All prefixes that the node has advertised so far.
    pub(super) fn advertised_prefixes(&self) -> Vec<String> {
        let updates = self.received.iter().filter_map(|message| match message {
            CcpMessage::Update(update) => Some(update),
            CcpMessage::Control(..) => None,
        });
        let mut all: Vec<String> = updates
            .flat_map(|update| update.routes.iter().map(|(prefix, ..)| prefix.clone()))
            .collect();
        all.sort();
        all.dedup();
        all
    }
}

fn read_update(update: &RouteUpdate<'_>, payload: &[u8]) -> ReceivedUpdate {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let Epochs { current, from, to } = update.epochs;
    ReceivedUpdate {
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

/// The first control of a node that knows no table.
pub(super) fn first_control() -> RouteControl<'static> {
    RouteControl::new(RouteControlMode::Sync, TableId::NONE, 0)
}

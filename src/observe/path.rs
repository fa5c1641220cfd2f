//! The way of one packet over several nodes, put together from the records that are kept.
//!
//! Neighbours are joined by their link, the direction and the request id: the id under which one node sent a packet on
//! is the id under which the next one got it. The condition must be the same too. So packets with one condition, such
//! as pings, are not mixed up, and no clock matters. Over HTTP both ends count their own ids: there the condition alone
//! decides, or the sample key where many packets have the condition.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::model::{LinkBody, PacketBody, PacketPhase};
use super::packet::hex;
use crate::wire::Condition;

const BTP: &str = "btp";
const HTTP: &str = "http";

/// The way of one packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PathBody {
    /// The id of the record that was asked for.
    pub id: String,
    /// The same at every hop.
    pub condition: String,
    /// The destination, if a record has it.
    pub destination: Option<String>,
    /// In the order in which the Prepare passed them.
    pub hops: Vec<HopBody>,
}

/// One node on the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HopBody {
    /// The node.
    pub node: String,
    /// The record of the Prepare. `None`: it was not sent on, or there is no record.
    pub forwarded: Option<PacketBody>,
    /// The record of the answer. Both `None`: the packet passed the node, and no record of it is kept.
    pub answer: Option<PacketBody>,
}

/// The way of the packet that the record `id` is about; `None`: no such record. `links`: all links in view.
pub fn packet_path<'r>(
    records: impl Iterator<Item = &'r PacketBody> + Clone,
    links: &[LinkBody],
    id: &str,
) -> Option<PathBody> {
    let wanted = records.clone().find(|record| record.id == id)?;
    let visits = visits(records.filter(|record| record.condition == wanted.condition));
    let selected = visits.iter().position(|visit| visit.has(id))?;
    let ends = LinkEnds::new(links);
    let chain = Chain::new(&visits, &ends);
    let hops = chain.hops_around(selected);
    let destination = |hop: &HopBody| {
        let records = [&hop.forwarded, &hop.answer];
        records.into_iter().flatten().find_map(|record| record.destination.clone())
    };
    Some(PathBody {
        id: id.to_owned(),
        condition: wanted.condition.clone(),
        destination: hops.iter().find_map(destination),
        hops,
    })
}

/// The ways of all packets that these records are about, the earliest first, each as its hops. The records have one
/// condition. The two ends of a link have each other's names, as far as is known.
pub fn packet_paths<'r>(records: impl Iterator<Item = &'r PacketBody>) -> Vec<Vec<HopBody>> {
    let visits = visits(records);
    let chain = Chain::new(&visits, &LinkEnds::ByName);
    let has_no_previous = |number: &usize| chain.previous.get(*number).copied().flatten().is_none();
    (0..visits.len()).filter(has_no_previous).map(|first| chain.hops_around(first)).collect()
}

/// Whether many packets have this condition.
fn is_shared(condition: &str) -> bool {
    Condition::SHARED.iter().any(|shared| hex(shared) == condition)
}

/// One packet at one node.
#[derive(Debug, Default)]
struct Visit<'r> {
    forwarded: Option<&'r PacketBody>,
    answer: Option<&'r PacketBody>,
}

impl<'r> Visit<'r> {
    fn has(&self, id: &str) -> bool {
        [self.forwarded, self.answer].into_iter().flatten().any(|record| record.id == id)
    }

    /// Both records have the same values except for the phase and its figures.
    fn record(&self) -> &'r PacketBody {
        self.forwarded.or(self.answer).expect("a visit is made with a record")
    }

    /// What tells packets with one condition apart, if a record has it.
    fn sample_key(&self) -> Option<&'r str> {
        let records = [self.forwarded, self.answer].into_iter().flatten();
        records.flat_map(|record| record.sample_key.as_deref()).next()
    }

    /// The account and the request id that it came with.
    fn incoming(&self) -> Option<Request<'r>> {
        let record = self.record();
        let (account, id) = (record.from.as_deref()?, record.request_id?);
        Some(Request { node: &record.node, account, id })
    }

    /// The account and the request id that it was sent on with.
    fn outgoing(&self) -> Option<Request<'r>> {
        let record = self.record();
        let (account, id) = (record.to.as_deref()?, record.outgoing_request_id?);
        Some(Request { node: &record.node, account, id })
    }

    fn hop(&self) -> HopBody {
        HopBody {
            node: self.record().node.clone(),
            forwarded: self.forwarded.cloned(),
            answer: self.answer.cloned(),
        }
    }
}

/// A request at one end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Request<'r> {
    node: &'r str,
    account: &'r str,
    id: u32,
}

/// The visits that these records are about, the earliest first. A record that comes twice counts once.
fn visits<'r>(records: impl Iterator<Item = &'r PacketBody>) -> Vec<Visit<'r>> {
    let mut groups: BTreeMap<_, Vec<&PacketBody>> = BTreeMap::new();
    for record in records {
        let incoming = (&record.from, record.request_id);
        let outgoing = (&record.to, record.outgoing_request_id);
        groups.entry((&record.node, incoming, outgoing)).or_default().push(record);
    }
    let mut visits: Vec<Visit<'_>> = Vec::new();
    for mut group in groups.into_values() {
        group.sort_by_key(|record| (&record.at, sequence(&record.id), &record.id));
        group.dedup_by_key(|record| &record.id);
        // Ids are used again, so a group may have several packets, one after the other.
        let mut open: Option<Visit<'_>> = None;
        for record in group {
            if record.phase == PacketPhase::Forwarded {
                visits.extend(open.replace(Visit { forwarded: Some(record), answer: None }));
            } else {
                let forwarded = open.take().unwrap_or_default().forwarded;
                visits.push(Visit { forwarded, answer: Some(record) });
            }
        }
        visits.extend(open);
    }
    visits.sort_by_key(|visit| &visit.record().at);
    visits
}

/// The number in an id, which rises by the order of records.
fn sequence(id: &str) -> u64 {
    id.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// Which accounts are the two ends of a link between nodes in view.
enum LinkEnds<'l> {
    /// These links.
    Known(HashMap<(&'l str, &'l str), FarEnd<'l>>),
    /// Any account may be a link to the node with its name, whose account has this node's name.
    ByName,
}

#[derive(Clone, Copy)]
struct FarEnd<'l> {
    node: &'l str,
    account: &'l str,
    /// `None`: unknown, for example because the link is down.
    transport: Option<&'l str>,
}

impl<'l> LinkEnds<'l> {
    fn new(links: &'l [LinkBody]) -> Self {
        let ends = links.iter().filter_map(|link| {
            let transport = link.transport.as_deref();
            let (a, b) = ((&*link.a, &*link.a_peer), (&*link.b, link.b_peer.as_deref()?));
            let far = |(node, account)| FarEnd { node, account, transport };
            Some([(a, far(b)), (b, far(a))])
        });
        Self::Known(ends.flatten().collect())
    }

    fn far_end(&self, request: Request<'l>) -> Option<FarEnd<'l>> {
        match self {
            Self::Known(ends) => ends.get(&(request.node, request.account)).copied(),
            Self::ByName => {
                let Request { node: account, account: node, .. } = request;
                Some(FarEnd { node, account, transport: None })
            }
        }
    }
}

/// The visits, each joined with the one before and the one after.
struct Chain<'c, 'r> {
    visits: &'c [Visit<'r>],
    ends: &'c LinkEnds<'c>,
    /// Many packets have the condition of these.
    has_shared_condition: bool,
    next: Vec<Option<Step<'c>>>,
    previous: Vec<Option<usize>>,
}

/// The way to the next visit.
#[derive(Clone, Copy)]
struct Step<'c> {
    to: usize,
    /// A node between, which has no record.
    over: Option<&'c str>,
}

impl<'c, 'r> Chain<'c, 'r> {
    fn new(visits: &'c [Visit<'r>], ends: &'c LinkEnds<'c>) -> Self {
        let (next, previous) = (vec![None; visits.len()], vec![None; visits.len()]);
        let condition = visits.first().map(|visit| visit.record().condition.as_str());
        let has_shared_condition = condition.is_some_and(is_shared);
        let mut chain = Self { visits, ends, has_shared_condition, next, previous };
        chain.join_by_request_id();
        chain.join_over_http();
        chain.join_over_a_node_without_records();
        chain
    }

    fn sample_key(&self, number: usize) -> Option<&'r str> {
        self.visits.get(number).and_then(Visit::sample_key)
    }

    /// Whether two visits are of one packet, without a look at their links.
    fn is_one_packet(&self, one: usize, other: usize) -> bool {
        let (one, other) = (self.sample_key(one), self.sample_key(other));
        !self.has_shared_condition || (one.is_some() && one == other)
    }

    /// Whether nothing says that two visits are of different packets.
    fn can_be_one_packet(&self, one: usize, other: usize) -> bool {
        let keys = self.sample_key(one).zip(self.sample_key(other));
        keys.is_none_or(|(one, other)| one == other)
    }

    fn join(&mut self, from: usize, step: Step<'c>) {
        if let (Some(next), Some(previous)) =
            (self.next.get_mut(from), self.previous.get_mut(step.to))
        {
            (*next, *previous) = (Some(step), Some(from));
        }
    }

    /// The visits without a next one, and where they were sent.
    fn open_ends(&self) -> Vec<(usize, Request<'r>, FarEnd<'c>)> {
        let open = self.visits.iter().zip(&self.next).enumerate();
        let open = open.filter(|(_, (_, next))| next.is_none());
        open.filter_map(|(number, (visit, _))| {
            let outgoing = visit.outgoing()?;
            Some((number, outgoing, self.ends.far_end(outgoing)?))
        })
        .collect()
    }

    /// The visits without a previous one, and where they came from.
    fn open_beginnings(&self) -> impl Iterator<Item = (usize, Request<'r>)> {
        let open = self.visits.iter().zip(&self.previous).enumerate();
        let open = open.filter(|(_, (_, previous))| previous.is_none());
        open.filter_map(|(number, (visit, _))| Some((number, visit.incoming()?)))
    }

    fn join_by_request_id(&mut self) {
        let mut arrived: HashMap<Request<'_>, Vec<usize>> = HashMap::new();
        for (number, incoming) in self.open_beginnings() {
            arrived.entry(incoming).or_default().push(number);
        }
        for (from, outgoing, far) in self.open_ends() {
            if far.transport == Some(HTTP) {
                continue;
            }
            let request = Request { node: far.node, account: far.account, id: outgoing.id };
            // Several only if the id was used again: the first one that came later, as far as the clocks agree.
            let Some(candidates) = arrived.get_mut(&request) else { continue };
            let is_later = |number: &usize| {
                let at = |number: usize| self.visits.get(number).map(|visit| &visit.record().at);
                at(*number) >= at(from)
            };
            let can_be = |number: &usize| self.can_be_one_packet(from, *number);
            let index = candidates.iter().position(|number| can_be(number) && is_later(number));
            if let Some(index) = index.or_else(|| candidates.iter().position(can_be)) {
                let to = candidates.remove(index);
                self.join(from, Step { to, over: None });
            }
        }
    }

    fn join_over_http(&mut self) {
        for (from, _, far) in self.open_ends() {
            if far.transport == Some(BTP) {
                continue;
            }
            let arrived = self.open_beginnings();
            let mut arrived = arrived.filter(|(number, incoming)| {
                (incoming.node, incoming.account) == (far.node, far.account)
                    && self.is_one_packet(from, *number)
            });
            let (first, second) = (arrived.next(), arrived.next());
            if let (Some((to, _)), None) = (first, second) {
                drop(arrived);
                self.join(from, Step { to, over: None });
            }
        }
    }

    fn join_over_a_node_without_records(&mut self) {
        for (from, _, between) in self.open_ends() {
            let is_between = |visit: &Visit<'_>| visit.record().node == between.node;
            let mut visits = self.visits.iter().enumerate();
            if visits.any(|(number, visit)| is_between(visit) && self.is_one_packet(from, number)) {
                continue;
            }
            let mut arrived = self.open_beginnings().filter(|(number, incoming)| {
                self.ends.far_end(*incoming).is_some_and(|far| far.node == between.node)
                    && self.is_one_packet(from, *number)
            });
            let (first, second) = (arrived.next(), arrived.next());
            if let (Some((to, _)), None) = (first, second) {
                drop(arrived);
                self.join(from, Step { to, over: Some(between.node) });
            }
        }
    }

    fn hops_around(&self, selected: usize) -> Vec<HopBody> {
        // No visit has two previous ones, so a way back that is longer is a circle.
        let mut first = selected;
        for _ in 0..self.visits.len() {
            first = self.previous.get(first).copied().flatten().unwrap_or(first);
        }
        let mut hops = Vec::new();
        let mut current = Some(first);
        for _ in 0..self.visits.len() {
            let Some((number, visit)) = current.and_then(|at| Some((at, self.visits.get(at)?)))
            else {
                return hops;
            };
            hops.push(visit.hop());
            let step = self.next.get(number).copied().flatten();
            hops.extend(step.and_then(|step| step.over).map(hop_without_records));
            current = step.map(|step| step.to);
        }
        hops
    }
}

fn hop_without_records(node: &str) -> HopBody {
    HopBody { node: node.to_owned(), forwarded: None, answer: None }
}

#[cfg(test)]
mod tests;

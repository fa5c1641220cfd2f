//! Cuts that are taken while four threads move packets: both halves of each packet are in the same cut.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::receivers::{sender, wallet};
use super::*;
use crate::books::{AccountRow, Cut, SavedBooks};

const NAMES: [&str; 4] = ["alice", "bob", "carl", "dora"];
const ROUNDS: u32 = 300;
/// Prepares of one thread in each round, in one batch.
const BATCH: u32 = 4;

/// A node with a store and these peers. Carl and dora count in euros.
fn saved_node() -> TestNode {
    let mut accounts: Vec<_> = NAMES.iter().map(|name| peer(name)).collect();
    for account in &mut accounts[2..] {
        account.asset = Asset::new("EUR", 9);
    }
    accounts.push(wallet());
    let routes: Vec<_> = NAMES.iter().map(|name| route(&format!("test.{name}"), name, 0)).collect();
    let rates = vec![pair_rate("USD", "EUR", "2"), pair_rate("EUR", "USD", "0.5")];
    let settings = ConnectorSettings { routes, rates, ..settings(accounts, &[]) };
    let books = SavedBooks::default();
    let connector = Connector::with_books(settings, HashSeed::Fixed(1), books).unwrap();
    connector.set_strict(true);
    TestNode { connector, now: node(connector_settings("node", &[])).now }
}

/// The newest row of each account and asset.
#[derive(Default)]
struct Rows {
    newest: HashMap<(Arc<str>, Asset), AccountRow>,
    /// The first cut whose balances do not add up to zero. The threads go on, because they wait for cuts.
    unbalanced: Option<String>,
}

impl Rows {
    fn add(&mut self, cut: Cut) {
        for row in cut.accounts {
            self.newest.insert((row.name.clone(), row.asset.clone()), row);
        }
        let mut sums = HashMap::<Asset, i128>::new();
        for ((_, asset), row) in &self.newest {
            *sums.entry(asset.clone()).or_default() += row.totals.balance();
        }
        if sums.values().any(|sum| *sum != 0) {
            self.unbalanced.get_or_insert_with(|| format!("cut {}: {sums:?}", cut.number.0));
        }
    }

    fn fulfilled(&self, name: &str) -> i128 {
        let rows = self.newest.iter().filter(|((of, _), _)| **of == *name);
        rows.map(|(_, row)| row.totals.fulfilled_in).sum()
    }
}

/// A peer on a thread of its own: pays the others, the receiver and the node, and fulfills what arrives.
struct Worker<'w> {
    node: &'w TestNode,
    who: usize,
    peer: Peer,
    to_wallet: Vec<u8>,
    next_id: u32,
    /// Answers that the peer still waits for.
    waiting: u32,
    /// The sum of its Prepares whose fulfillment it has.
    proofs: i128,
    amounts: HashMap<u32, u64>,
}

impl Worker<'_> {
    fn send_batch(&mut self) {
        let batch = self.node.connector.start_batch(self.node.now);
        for n in 0..BATCH {
            self.next_id += 1;
            let amount = u64::from(self.next_id % 7) * 2;
            let other = NAMES[(self.who + 1 + n as usize % 3) % NAMES.len()];
            let (amount, packet) = match self.next_id % 5 {
                0 => (10, self.to_wallet.clone()),
                1 => (amount, ping(amount)),
                _ => (amount, payment(&format!("test.{other}.x"), amount)),
            };
            self.amounts.insert(self.next_id, amount);
            self.waiting += 1;
            let id = RequestId(self.next_id);
            batch.handle_prepare(&self.peer.account, self.peer.session, id, &packet);
        }
    }

    fn read(&mut self) {
        let received = self.node.read(&self.peer);
        let batch = self.node.connector.start_batch(self.node.now);
        for packet in received {
            match packet {
                Received::Prepare { id, .. } => {
                    let packet = fulfill(PREIMAGE, b"");
                    let answer = PeerAnswer::Packet(&packet);
                    assert!(batch.handle_answer(&self.peer.account, id, answer).was_pending());
                }
                Received::Fulfill { id, .. } => {
                    self.waiting -= 1;
                    self.proofs += i128::from(self.amounts.remove(&id.0).expect("one answer"));
                }
                Received::Reject { id, .. } => {
                    self.waiting -= 1;
                    self.amounts.remove(&id.0).expect("one answer");
                }
            }
        }
    }

    /// Builds a new snapshot of the same settings, as a reload does.
    fn reload(&self) {
        let settings = self.node.connector.configuration.lock().settings.clone();
        self.node.apply(settings);
    }
}

#[test]
fn cuts_between_four_threads_have_both_halves_of_each_packet() {
    let node = saved_node();
    let sender = sender(&node);
    let done = AtomicUsize::new(0);
    let stop_reading = AtomicBool::new(false);
    let mut rows = Rows::default();
    let mut cuts = 0;
    let proofs: Vec<i128> = thread::scope(|scope| {
        let threads: Vec<_> = (0..NAMES.len())
            .map(|who| {
                let peer = node.connect(NAMES[who]);
                let to_wallet = sender.payment_until(10, 0, true, 10_000);
                let (amounts, node) = (HashMap::new(), &node);
                let mut worker = Worker {
                    node,
                    who,
                    peer,
                    to_wallet,
                    next_id: 0,
                    waiting: 0,
                    proofs: 0,
                    amounts,
                };
                let (done, stop_reading) = (&done, &stop_reading);
                scope.spawn(move || {
                    for round in 0..ROUNDS {
                        worker.send_batch();
                        worker.read();
                        if round % 100 == 99 {
                            worker.reload();
                        }
                    }
                    while worker.waiting > 0 && !stop_reading.load(Ordering::Acquire) {
                        worker.read();
                        thread::yield_now();
                    }
                    done.fetch_add(1, Ordering::AcqRel);
                    // Others still pay this peer.
                    while !stop_reading.load(Ordering::Acquire) {
                        worker.read();
                        thread::yield_now();
                    }
                    assert_eq!(worker.waiting, 0, "Prepares without an answer");
                    worker.proofs
                })
            })
            .collect();
        // If a thread fails, the others wait for it in vain.
        let failed = || threads.iter().any(thread::ScopedJoinHandle::is_finished);
        while done.load(Ordering::Acquire) < NAMES.len() && !failed() {
            let cut = node.connector.take_cut(node.now.wall).unwrap();
            let number = cut.number;
            rows.add(cut);
            node.connector.publish_durable(number);
            cuts += 1;
        }
        stop_reading.store(true, Ordering::Release);
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    rows.add(node.connector.take_cut(node.now.wall).unwrap());
    assert_eq!(rows.unbalanced, None);
    node.assert_balanced();
    for (name, proofs) in NAMES.iter().zip(proofs) {
        assert_eq!(proofs, rows.fulfilled(name), "{name}");
        assert_eq!(rows.newest.values().map(|row| row.held_out).sum::<i128>(), 0);
    }
    assert!(cuts > 1, "{cuts} cuts");
}

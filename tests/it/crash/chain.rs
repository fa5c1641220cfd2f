//! The chain: alice, the nodes a, b and c, and bob. Each node is a process with books of its own.

use std::path::PathBuf;
use std::process::Command;

use ilp_connector::internals::books::{AccountRow, BooksVerdict, ReconcileState, SavedBooks};
use ilp_connector::internals::net::StorePlace;
use ilp_connector::internals::store::{Store, StoreIdentity};
use tempfile::TempDir;

use super::end::End;
use super::record::{PARTIES, Record, Records};
use crate::peer::TIMEOUT;
use crate::postgres::TestDatabase;
use crate::process::{Process, free_port, path_text, temp_folder, write_file};
use crate::support::{PROGRAM, eventually, run_successfully};

/// A node of the chain.
pub(super) struct ChainNode {
    pub(super) id: &'static str,
    pub(super) port: u16,
    file: PathBuf,
    store: StorePlace,
    process: Option<Process>,
}

/// The nodes and both ends.
pub(super) struct Chain {
    pub(super) nodes: Vec<ChainNode>,
    pub(super) alice: End,
    pub(super) bob: End,
    /// Of all nodes. Without one, each has a file.
    database: Option<TestDatabase>,
    _folder: TempDir,
}

impl ChainNode {
    /// Starts the process. It may be killed before it has opened its books.
    pub(super) fn spawn(&mut self) {
        let arguments = ["run", "--config", path_text(&self.file)];
        self.process = Some(Process::start(&arguments, []));
    }

    pub(super) fn wait_listening(&self) {
        self.process.as_ref().unwrap().wait_for_log("BTP server listening", "port");
    }

    /// `kill -9`.
    pub(super) fn kill(&mut self) {
        self.process = None;
    }

    pub(super) fn books(&self) -> SavedBooks {
        let identity = StoreIdentity { node: Some(self.id.parse().unwrap()) };
        Store::read(&self.store, &identity).unwrap_or_else(|error| panic!("{}: {error}", self.id))
    }

    /// What a set of books says about an account; all zero before its first packet.
    pub(super) fn record(books: &SavedBooks, account: &str) -> Record {
        let rows = books.accounts.iter().map(|account| &account.row);
        rows.into_iter().find(|row| &*row.name == account).map(Record::of_row).unwrap_or_default()
    }

    fn stop(&mut self) {
        let process = self.process.take().unwrap();
        process.signal("TERM");
        let (status, log) = process.wait_exit();
        assert!(status.success(), "{}", log.join("\n"));
    }

    /// Concedes an amount of what is uncertain at a peer, and releases the rest.
    fn resolve(&self, peer: &str, amount: i128) {
        let mut ledger = Command::new(PROGRAM);
        let (amount, reason) = (amount.to_string(), "both compared their books");
        ledger.args(["ledger", "resolve", peer, "--concede", &amount, "--reason", reason]);
        run_successfully(ledger.args(["--config", path_text(&self.file)]));
    }
}

impl Chain {
    /// Starts the nodes and connects both ends.
    pub(super) fn start(durability: &str, database: Option<TestDatabase>) -> Self {
        // What differs stays until the test concedes it.
        Self::start_with(durability, database, 600_000, "onCrash: wait")
    }

    /// The same, with the longest time of a packet in a node, and keys of the peers among the nodes.
    pub(super) fn start_with(
        durability: &str,
        database: Option<TestDatabase>,
        hold_ms: u32,
        keys: &str,
    ) -> Self {
        let folder = temp_folder();
        let ports = [free_port(), free_port(), free_port()];
        let nodes = ports.iter().enumerate().map(|(index, &port)| {
            let [left, id, right] = [PARTIES[index], PARTIES[index + 1], PARTIES[index + 2]];
            let store = match &database {
                Some(database) => database.url(),
                None => path_text(&folder.path().join(format!("{id}.db"))).to_owned(),
            };
            // Each dials the other, so that the one that was killed connects as soon as it runs again.
            let peer = |name: &str, port: Option<&u16>| match port {
                Some(port) => {
                    let both = if name < id { format!("{name}{id}") } else { format!("{id}{name}") };
                    format!("{{ id: {name}, authToken: {both}-token, url: 'ws://127.0.0.1:{port}', {keys} }}")
                }
                None => format!("{{ id: {name}, authToken: {name}-token }}"),
            };
            let left_peer = peer(left, index.checked_sub(1).and_then(|left| ports.get(left)));
            let right_peer = peer(right, ports.get(index + 1));
            let yaml = format!(
                "nodeId: {id}\nilpAddress: test.{id}\nbtpServerHost: 127.0.0.1\nbtpServerPort: {port}\n\
                 healthCheckHost: 127.0.0.1\nhealthCheckPort: 0\nstore: {store}\ndurability: {durability}\n\
                 maxHoldTimeMs: {hold_ms}\nminMessageWindowMs: 100\nshutdownGraceMs: 0\npeers: [{left_peer}, {right_peer}]\n\
                 routes: [{{ prefix: test.alice, nextHop: {left} }}, {{ prefix: test.bob, nextHop: {right} }}]\n"
            );
            let file = write_file(&folder, &format!("{id}.yaml"), &yaml);
            ChainNode { id, port, file, store: store.parse().unwrap(), process: None }
        });
        let nodes = nodes.collect();
        let (alice, bob) = (End::new("alice", "test.bob.x"), End::new("bob", "test.alice.x"));
        let mut chain = Self { nodes, alice, bob, database, _folder: folder };
        chain.restart(&[0, 1, 2]);
        chain
    }

    /// Kills some nodes, one after the other, and waits until both ends have read what arrived.
    pub(super) fn kill(&mut self, victims: &[usize]) {
        for &victim in victims {
            self.nodes[victim].kill();
        }
        self.wait_written();
        for &victim in victims {
            match victim {
                0 => self.alice.wait_closed(),
                2 => self.bob.wait_closed(),
                _ => {}
            }
        }
    }

    /// Waits until a server has done what killed nodes have sent to it.
    pub(super) fn wait_written(&self) {
        let Some(database) = &self.database else { return };
        let running = self.nodes.iter().filter(|node| node.process.is_some()).count();
        let sessions = "SELECT count(*) FROM pg_stat_activity \
            WHERE datname = current_database() AND application_name = 'ilp-connector'";
        eventually("the sessions of killed nodes end", TIMEOUT, || {
            let open: usize = database.query(sessions).parse().unwrap();
            if open <= running { Ok(()) } else { Err(format!("{open}, not {running}")) }
        });
    }

    /// Starts them again, and the ends go on.
    pub(super) fn restart(&mut self, victims: &[usize]) {
        if let Some(database) = &self.database {
            // Instead of waiting until the leases of killed nodes end.
            let ids: Vec<_> = victims.iter().map(|&victim| self.nodes[victim].id).collect();
            let ids = ids.join("', '");
            database.query(&format!(
                "DO $$ BEGIN UPDATE ilp_connector.books SET lease_until = now() - interval '1 ms' \
                 WHERE node IN ('{ids}'); EXCEPTION WHEN undefined_table OR invalid_schema_name THEN END $$"
            ));
        }
        victims.iter().for_each(|&victim| self.nodes[victim].spawn());
        victims.iter().for_each(|&victim| self.nodes[victim].wait_listening());
        self.alice.renew_window();
        self.bob.renew_window();
        if victims.contains(&0) {
            self.alice.connect(self.nodes[0].port);
        }
        if victims.contains(&2) {
            self.bob.connect(self.nodes[2].port);
        }
    }

    /// Waits until each end has a new proof, which has passed all nodes.
    pub(super) fn wait_for_payments(&self) {
        let paid = [&self.alice, &self.bob].map(|end| end.record().paid);
        self.alice.wait_paid_more_than(paid[0]);
        self.bob.wait_paid_more_than(paid[1]);
    }

    /// What all parties have on record now. In each set of books, the balances add up to zero.
    pub(super) fn records(&self) -> Records {
        let books: Vec<_> = self.nodes.iter().map(ChainNode::books).collect();
        for (node, books) in self.nodes.iter().zip(&books) {
            let sum: i128 = books.accounts.iter().map(|one| one.row.totals.balance()).sum();
            assert_eq!(sum, 0, "the books of {} have half a packet: {books:?}", node.id);
        }
        let node = |index: usize, account| ChainNode::record(&books[index], account);
        [
            [self.alice.record(), node(0, "alice")],
            [node(0, "b"), node(1, "a")],
            [node(1, "c"), node(2, "b")],
            [node(2, "bob"), self.bob.record()],
        ]
    }

    /// Waits until the nodes have begun to compare their books.
    pub(super) fn wait_compared(&self) {
        eventually("all books are compared", TIMEOUT, || {
            let begun = |node: &ChainNode| {
                let rows = node.books().reconciliations;
                rows.iter().filter(|row| row.state.baseline.is_some()).count()
            };
            let begun: Vec<usize> = self.nodes.iter().map(begun).collect();
            if begun == [1, 2, 1] { Ok(()) } else { Err(format!("{begun:?}")) }
        });
    }

    /// Stops the load. Then the nodes compare their books, until both ends of each link are equal.
    pub(super) fn wait_for_equal_books(&mut self) {
        self.alice.stop_paying();
        self.bob.stop_paying();
        let links = [((0, "b"), (1, "a")), ((1, "c"), (2, "b"))];
        eventually("the books of both ends are equal", TIMEOUT, || {
            let books: Vec<_> = self.nodes.iter().map(ChainNode::books).collect();
            let end = |(node, peer): (usize, &str)| {
                let row = books[node].accounts.iter().map(|account| &account.row);
                let row = row.into_iter().find(|row| &*row.name == peer).cloned();
                let known = books[node].reconciliations.iter().find(|row| &*row.account == peer);
                (row, known.map(|row| row.state.clone()))
            };
            for (left, right) in links {
                let ends = [end(left), end(right)];
                let balances =
                    ends.iter().map(|(row, _)| row.as_ref().map(|row| row.totals.balance()));
                let balances: Option<Vec<i128>> = balances.collect();
                let agree = |(row, state): &(Option<AccountRow>, Option<ReconcileState>)| {
                    row.as_ref().is_some_and(|row| row.uncertain == 0)
                        && state.as_ref().is_some_and(|state| state.verdict == BooksVerdict::Agrees)
                };
                let sum = balances.map(|balances| balances.iter().sum::<i128>());
                if sum != Some(0) || !ends.iter().all(agree) {
                    return Err(format!("{sum:?}: {ends:#?}"));
                }
            }
            Ok(())
        });
    }

    /// Stops everything in order, concedes exactly what differs, and compares the books to the unit.
    pub(super) fn settle_differences(mut self) {
        self.alice.stop_paying();
        self.bob.stop_paying();
        self.nodes.iter_mut().for_each(ChainNode::stop);
        self.alice.wait_closed();
        self.bob.wait_closed();
        let records = self.records();
        for (link, names) in PARTIES.windows(2).enumerate() {
            for (payer, payee) in [(0, 1), (1, 0)] {
                let (paid, received) = (records[link][payer].paid, records[link][payee].received);
                let node = self.nodes.iter().find(|node| node.id == names[payer]);
                // Alice and bob keep no books that could be changed.
                if let Some(node) = node {
                    node.resolve(names[payee], received - paid);
                }
            }
        }
        let row = |node: usize, name: &str| -> AccountRow {
            let found = self.nodes[node].books().accounts.into_iter().map(|account| account.row);
            found.into_iter().find(|row| &*row.name == name).unwrap()
        };
        for (payer, payee) in [((0, "b"), (1, "a")), ((1, "c"), (2, "b"))] {
            let (ours, theirs) = (row(payer.0, payer.1), row(payee.0, payee.1));
            assert_eq!(ours.totals.balance(), -theirs.totals.balance(), "{ours:?} {theirs:?}");
            assert_eq!((ours.uncertain, theirs.uncertain), (0, 0));
        }
        for (node, end, record) in
            [(0, "alice", self.alice.record()), (2, "bob", self.bob.record())]
        {
            let totals = row(node, end).totals;
            assert_eq!(totals.fulfilled_out - totals.adjusted, record.received, "{end} {totals:?}");
        }
    }
}

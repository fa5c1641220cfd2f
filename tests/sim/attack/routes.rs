//! What an attacker says about routes (CCP).

use ilp_connector::wire::AddressRef;
use ilp_connector::wire::ccp::{
    Epochs, RouteControl, RouteControlMode, RouteUpdate, TableId, UpdateWriter, put_hop,
};
use rand::RngExt;
use rand::rngs::StdRng;

use super::plan::{ROUTES_MAX, RouteGame};

/// How long its routes hold.
const HOLD_DOWN_MS: u32 = 3_600_000;
/// How often it asks for routes in a row.
const QUESTIONS: usize = 20;

/// A request of CCP.
#[derive(Debug)]
pub(super) enum RouteRequest {
    Control(Vec<u8>),
    /// `announces`: it may have a route to the attacker's own address.
    Update {
        payload: Vec<u8>,
        announces: bool,
    },
    /// The route to its own address is withdrawn. `replay`: what is sent once that is confirmed.
    Withdrawal {
        payload: Vec<u8>,
        replay: Option<Vec<u8>>,
    },
}

/// The attacker's table of routes at one node.
#[derive(Debug)]
pub(super) struct Speaker {
    /// Its own address.
    own: String,
    /// That of the node.
    node: String,
    table: u8,
    epoch: u32,
    /// The first update of this table.
    first: Vec<u8>,
}

impl Speaker {
    pub(super) fn new(own: String, node: usize) -> Self {
        Self { own, node: format!("test.n{node}"), table: 0, epoch: 0, first: Vec::new() }
    }

    /// A new table with the route to its own address.
    pub(super) fn begin_table(&mut self) -> RouteRequest {
        self.table = self.table.wrapping_add(1);
        self.epoch = 0;
        let own = self.own.clone();
        let request = self.announce(&[(own, Vec::new())]);
        if let RouteRequest::Update { payload, .. } = &request {
            self.first.clone_from(payload);
        }
        request
    }

    pub(super) fn is_of_present_table(&self, update: &[u8]) -> bool {
        RouteUpdate::parse(update).is_ok_and(|update| update.table == TableId([self.table; 16]))
    }

    /// The requests of a game. `nodes`: how many honest nodes there are.
    pub(super) fn play(
        &mut self,
        game: RouteGame,
        nodes: usize,
        rng: &mut StdRng,
    ) -> Vec<RouteRequest> {
        let own_path = || vec![self.own.clone()];
        let honest = |below: &str| -> Vec<(String, Vec<String>)> {
            (0..nodes).map(|node| (format!("test.n{node}{below}"), own_path())).collect()
        };
        match game {
            RouteGame::Honest => vec![self.announce(&honest(""))],
            RouteGame::BelowHonest => vec![self.announce(&honest(".program"))],
            RouteGame::Own => vec![self.begin_table()],
            RouteGame::Withdraws => vec![self.withdraw(nodes, None)],
            RouteGame::WithdrawsAndReplays => {
                let first = self.first.clone();
                vec![self.withdraw(nodes, Some(first))]
            }
            RouteGame::Replays => {
                vec![RouteRequest::Update { payload: self.first.clone(), announces: true }]
            }
            RouteGame::SkipsEpochs => {
                self.epoch += rng.random_range(1..1_000_000);
                vec![self.announce(&honest(""))]
            }
            RouteGame::Huge => {
                let below = |number| (format!("{}.r{number}", self.own), own_path());
                let routes: Vec<_> = (0..ROUTES_MAX * 4).map(below).collect();
                vec![self.announce(&routes)]
            }
            RouteGame::Loops => {
                let own = self.own.clone();
                let around = vec![own.clone(), self.node.clone(), own.clone()];
                let long = vec![own.clone(); 200];
                vec![self.announce(&[(own.clone(), around), (format!("{own}.x"), long)])]
            }
            RouteGame::Forbidden => {
                let prefixes =
                    [&*self.node, &format!("{}.program", self.node), "test", "", "..", "g.bank"];
                let routes: Vec<_> =
                    prefixes.iter().map(|prefix| ((*prefix).to_owned(), own_path())).collect();
                vec![self.announce(&routes)]
            }
            RouteGame::Garbage => {
                let mut payload = self.first.clone();
                payload.truncate(rng.random_range(0..=payload.len()));
                // Of another table, so that what it says of epochs has nothing to do with this one.
                payload.extend([0xff; 20]);
                payload[0] = 0xff;
                vec![RouteRequest::Update { payload, announces: true }]
            }
            RouteGame::Asks => {
                let mut payload = Vec::new();
                RouteControl::new(RouteControlMode::Sync, TableId::NONE, 0).encode(&mut payload);
                (0..QUESTIONS).map(|_| RouteRequest::Control(payload.clone())).collect()
            }
        }
    }

    fn announce(&mut self, routes: &[(String, Vec<String>)]) -> RouteRequest {
        RouteRequest::Update { payload: self.update(routes, &[]), announces: true }
    }

    fn withdraw(&mut self, nodes: usize, replay: Option<Vec<u8>>) -> RouteRequest {
        let mut prefixes = vec![self.own.clone()];
        for node in 0..nodes {
            prefixes.extend([format!("test.n{node}"), format!("test.n{node}.program")]);
        }
        RouteRequest::Withdrawal { payload: self.update(&[], &prefixes), replay }
    }

    /// The next update of its table.
    fn update(&mut self, routes: &[(String, Vec<String>)], withdrawn: &[String]) -> Vec<u8> {
        let mut writer = UpdateWriter::default();
        for (prefix, path) in routes {
            let mut hops = Vec::new();
            for hop in path {
                put_hop(AddressRef::new(hop).unwrap(), &mut hops);
            }
            let no_props = std::iter::empty();
            writer.advertise(prefix.as_bytes(), path.len(), [&*hops], &[1; 32], no_props);
        }
        withdrawn.iter().for_each(|prefix| writer.withdraw(prefix.as_bytes()));
        let (from, to) = (self.epoch, self.epoch.saturating_add(1));
        self.epoch = to;
        let table = TableId([self.table; 16]);
        let speaker = AddressRef::new(&self.own).unwrap();
        writer.finish(table, Epochs { current: to, from, to }, HOLD_DOWN_MS, speaker)
    }
}

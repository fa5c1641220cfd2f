//! A node of the world: its machine, its configuration, and its process while it runs.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ilp_connector::internals::api::{ConfigValues, Observer};
use ilp_connector::internals::books::{BalanceChange, ChangeId, ChangeRequest};
use ilp_connector::internals::config::{FileContent, NodeConfig, Source};
use ilp_connector::internals::connector::{AccountReport, ConnectorReport};
use ilp_connector::internals::machine;
use ilp_connector::internals::machine::simulated::{Machine, on_machine, run_on};
use ilp_connector::internals::net::Descriptors;
use ilp_connector::internals::node::{ListeningNode, NodeCommand, NodeHandle};
use ilp_connector::internals::telemetry::Logs;
use ilp_connector::internals::topology::load_content;
use ilp_connector::wire::Timestamp;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use super::disk_view::{DiskView, SavedAccount};
use super::engine::{ENGINE_PORT, ip_of_engine};
use super::machine::{Host, Process};
use super::network::Ending;
use super::program::{PROGRAM, TOKEN};
use super::witness::Witness;
use crate::assets::rates;
use crate::attack::{yaml_of_attacker, yaml_of_limits};
use crate::plan::{Change, Limits, Plan};
use crate::story::Story;

/// The port of the BTP server of each node.
const PORT: u16 = 3000;
/// When a pause of settlements would end by itself.
const NEVER: Timestamp = Timestamp::from_millis(4_000_000_000_000);
/// The largest packet of a program.
pub const PACKET_MAX: u64 = 900;
/// The port of its HTTP server.
pub const HTTP_PORT: u16 = 7770;
/// The port that settlement engines call.
pub const SETTLEMENT_PORT: u16 = 7100;
/// How long a service manager waits before it starts a node again.
const RESTART_PAUSE: Duration = Duration::from_secs(1);
/// A node stops within this time, whatever else happens to it: as long as it may be suspended, and then some.
const STOP_MAX: Duration = Duration::from_secs(120);
/// How often that is looked at.
const STOP_LOOK: Duration = Duration::from_millis(100);

/// A node that is there for the whole run, with its processes.
pub struct WorldNode {
    pub number: usize,
    pub host: Arc<Host>,
    yaml: Mutex<String>,
    running: Mutex<Option<Running>>,
    /// At least what has become uncertain so far, by account.
    uncertain: Mutex<BTreeMap<String, i128>>,
    pub witness: Witness,
    disk_view: DiskView,
    /// Its last process began to stop in order.
    has_stopped: AtomicBool,
    has_left: AtomicBool,
    logs: Logs,
    story: Story,
}

struct Running {
    process: Arc<Process>,
    /// Once it has started, until it ends.
    handle: Option<NodeHandle>,
    is_ending: bool,
}

pub fn name_of(node: usize) -> String {
    format!("n{node}")
}

/// The node of this name. None if it is no node.
pub fn number_of(name: &str) -> Option<usize> {
    name.strip_prefix('n')?.parse().ok()
}

/// The address of the machine of a node.
pub fn ip_of(node: usize) -> IpAddr {
    IpAddr::from([10, 0, 0, u8::try_from(node).unwrap()])
}

/// The address of the machine of a program.
pub fn ip_of_program(node: usize) -> IpAddr {
    IpAddr::from([10, 0, 1, u8::try_from(node).unwrap()])
}

pub fn address_of(node: usize) -> SocketAddr {
    SocketAddr::new(ip_of(node), PORT)
}

/// The configuration of a node.
pub fn yaml_of(plan: &Plan, node: usize, host: &Host, change: Option<Change>) -> String {
    let mut yaml = String::new();
    let settings = &plan.nodes[node];
    let (mut interval, mut routes_ms, mut reconcile_ms) =
        (settings.store_interval_ms, 2_000, 5_000);
    if let Some(Change::Intervals { store_ms, routes_ms: routes, reconcile_ms: reconcile }) = change
    {
        (interval, routes_ms, reconcile_ms) = (store_ms, routes, reconcile);
    }
    let packet_max = match change {
        Some(Change::SmallPackets(max)) => max,
        _ => PACKET_MAX,
    };
    let durability = if settings.is_strict { "strict" } else { "batched" };
    let (name, store) = (name_of(node), host.folder.join("books.db"));
    let store = store.display();
    let _ = write!(
        yaml,
        "nodeId: {name}\nilpAddress: test.{name}\nbtpServerPort: {PORT}\nhealthCheckPort: 8080\nhttpServerPort: {HTTP_PORT}\n\
         settlementPort: {SETTLEMENT_PORT}\n\
         store: {store}\ndurability: {durability}\nstoreIntervalMs: {interval}\n\
         routing: dynamic\nrouteBroadcastIntervalMs: {routes_ms}\nrouteHoldDownMs: 6000\n\
         reconcileIntervalMs: {reconcile_ms}\n\
         {}",
        prices_of(plan, node, change)
    );
    let _ = writeln!(
        yaml,
        "peers:\n  - {{id: {PROGRAM}, relation: child, authToken: {TOKEN}, maxPacketAmount: {packet_max}, {}{}}}",
        settings.asset.keys().join(", "),
        limits_of(settings.limits)
    );
    for (number, link) in plan.links.iter().enumerate() {
        let (peer, dials) = match (link.from == node, link.to == node) {
            (true, _) => (link.to, true),
            (_, true) => (link.from, false),
            _ => continue,
        };
        let url = match (link.is_http, dials) {
            (true, _) => {
                format!(", url: \"http://{}:{HTTP_PORT}/accounts/{name}/ilp\"", ip_of(peer))
            }
            (false, true) => format!(", url: \"ws://{}\"", address_of(peer)),
            (false, false) => String::new(),
        };
        if !plan.is_linked(link) || change == Some(Change::WithoutLink(number)) {
            continue;
        }
        let settlement = match link.is_settled {
            true if change == Some(Change::ManualSettlement(number)) => {
                ", settlement: manual".to_owned()
            }
            true => format!(
                ", settlement: {{engine: \"http://{}:{ENGINE_PORT}\"}}, settleThreshold: -3000",
                ip_of_engine(node, peer)
            ),
            false => String::new(),
        };
        let enabled = change != Some(Change::SuspendedLink(number));
        let attacked = yaml_of_limits(plan, node, peer);
        let peer = name_of(peer);
        let asset = link.asset.keys().join(", ");
        let limits = limits_of(link.limits[usize::from(!dials)]);
        let hold = link.uncertain_hold_ms.map(|hold_ms| format!(", uncertainHoldMs: {hold_ms}"));
        let hold = hold.unwrap_or_default();
        let _ = writeln!(
            yaml,
            "  - {{id: {peer}, authToken: secret-of-link-{number}{url}, enabled: {enabled}{settlement}, {asset}{limits}{hold}, \
             writeOffMax: 1000000000{attacked}}}"
        );
    }
    yaml.push_str(&yaml_of_attacker(plan, node));
    yaml
}

/// The keys about assets and prices.
pub fn prices_of(plan: &Plan, node: usize, change: Option<Change>) -> String {
    let settings = &plan.nodes[node];
    let kept = if let Some(Change::KeptPercent(kept)) = change { kept } else { 0 };
    let rates = if plan.has_assets() { rates(kept) } else { String::new() };
    let (asset, spread) = (settings.asset.keys().join("\n"), settings.spread_thousandths);
    format!("{asset}\nspread: 0.{spread:03}\n{rates}")
}

pub fn limits_of(limits: Option<Limits>) -> String {
    let keys = limits.map(|Limits { max_balance, min_balance }| {
        format!(", maxBalance: {max_balance}, minBalance: {min_balance}")
    });
    keys.unwrap_or_default()
}

/// After a start, what was in flight to peers in the newest durable cut is uncertain, and nothing is forgotten.
fn check_recovery(report: &ConnectorReport, saved: &[SavedAccount]) {
    for saved in saved {
        let is_this = |one: &&AccountReport| one.settings.id.as_str() == saved.name;
        // Those of peers that are not configured now are in the store alone.
        let Some(found) = report.accounts.iter().find(is_this) else { continue };
        let uncertain = saved.held_out + saved.uncertain;
        assert_eq!(found.uncertain, uncertain, "{}: {}", report.node_id, saved.name);
        assert_eq!(found.totals, saved.totals, "{}: {}", report.node_id, saved.name);
    }
}

impl WorldNode {
    pub fn new(number: usize, host: Arc<Host>, yaml: String, logs: &Logs, story: &Story) -> Self {
        let (running, logs, story) = (Mutex::default(), logs.clone(), story.clone());
        let (yaml, uncertain) = (Mutex::new(yaml), Mutex::default());
        let (has_stopped, has_left) = (AtomicBool::new(false), AtomicBool::new(false));
        let (witness, disk_view) = Default::default();
        Self {
            number,
            host,
            yaml,
            running,
            uncertain,
            witness,
            disk_view,
            has_stopped,
            has_left,
            logs,
            story,
        }
    }

    fn config(&self) -> NodeConfig {
        let yaml = self.yaml.lock().clone();
        let content = FileContent { path: "node.yaml".into(), bytes: yaml.into() };
        match load_content(&Source::default(), Some(&content)) {
            Ok(loaded) => loaded.config,
            Err(problems) => panic!("{problems}"),
        }
    }

    /// Starts it, and starts it again if that fails, as a service manager does.
    pub fn start(self: &Arc<Self>) {
        if self.has_left() {
            return;
        }
        let process = Process::start(&self.host);
        let running = Running { process: Arc::clone(&process), handle: None, is_ending: false };
        let saved = self.saved_accounts();
        self.witness.restart(&saved);
        let before = self.running.lock().replace(running);
        assert!(before.is_none(), "{} runs twice", name_of(self.number));
        let (node, done) = (Arc::clone(self), Arc::clone(&process));
        let machine: Arc<dyn Machine> = Arc::clone(&process) as _;
        let starting = async move {
            let yaml = node.yaml.lock().clone();
            let config = node.config();
            let observer = Observer::new();
            let logs = node.logs.clone();
            match ListeningNode::start(config, logs, Descriptors::default(), observer).await {
                Ok(listening) => {
                    check_recovery(&listening.handle().context.connector.report(), &saved);
                    node.note_uncertain(saved);
                    let started = listening.run();
                    let context = Arc::clone(&started.handle().context);
                    if let Some(running) = &mut *node.running.lock() {
                        assert!(!running.is_ending, "a process that ends has started");
                        running.handle = Some(started.handle().clone());
                    }
                    node.story.tell(|| format!("node {} runs", node.number));
                    let newest = node.yaml.lock().clone();
                    if newest != yaml {
                        // Its operator has changed it meanwhile.
                        node.reload(newest).await;
                    }
                    started.stopped().await;
                    node.witness.look(&context.connector.report(), false);
                    done.note_done();
                }
                Err(error) => {
                    node.story.tell(|| format!("node {} cannot start: {error}", node.number));
                    sleep(RESTART_PAUSE).await;
                    let again = Arc::clone(&node);
                    // Outside of this process, which is aborted meanwhile.
                    drop(tokio::spawn(async move {
                        if again.crash(Ending::Killed).await {
                            again.start();
                        }
                    }));
                    std::future::pending::<()>().await;
                }
            }
        };
        let task = tokio::spawn(on_machine(machine, starting));
        process.keep_task(task.abort_handle());
    }

    /// Notes what is uncertain since the last process ended: what was in flight when it crashed. One that stops says
    /// itself what has become uncertain, together with what was so before.
    fn note_uncertain(&self, saved: Vec<SavedAccount>) {
        let has_stopped = self.has_stopped.swap(false, Ordering::Relaxed);
        let mut all = self.uncertain.lock();
        for one in saved {
            let uncertain = if has_stopped { one.uncertain } else { 0 };
            *all.entry(one.name).or_default() += one.held_out + uncertain;
        }
    }

    /// Ends it where it is. The next process finds its files as they are when this returns. False if it did not run, or
    /// something else has ended it, which starts it again.
    pub async fn crash(&self, ending: Ending) -> bool {
        self.look();
        let (process, is_ending) = {
            let mut running = self.running.lock();
            let Some(running) = &mut *running else { return false };
            running.handle = None;
            (Arc::clone(&running.process), std::mem::replace(&mut running.is_ending, true))
        };
        if is_ending {
            // At the same moment.
            while self.has_process(&process) {
                tokio::task::yield_now().await;
            }
            return false;
        }
        let left = process.end(ending).await;
        self.disk_view.close();
        *self.running.lock() = None;
        if let Some(left) = left {
            self.story.tell(|| format!("node {}: {left}", self.number));
        }
        true
    }

    /// Stops it in order.
    pub async fn stop(&self) {
        let running = self.running.lock().as_ref().map(|one| Arc::clone(&one.process));
        let Some(process) = running else { return };
        if let Some(handle) = self.handle() {
            self.has_stopped.store(true, Ordering::Relaxed);
            self.disk_view.close();
            handle.send(NodeCommand::Stop).await;
            let began = Instant::now();
            while !process.has_ended() {
                assert!(began.elapsed() < STOP_MAX, "node {} does not stop", self.number);
                sleep(STOP_LOOK).await;
            }
        }
        // Something else may have ended it, and started the next one.
        if self.has_process(&process) {
            self.crash(Ending::Killed).await;
        }
    }

    fn has_process(&self, process: &Arc<Process>) -> bool {
        self.running.lock().as_ref().is_some_and(|now| Arc::ptr_eq(&now.process, process))
    }

    /// The operator says that the peer fulfilled so much of what is uncertain.
    pub fn resolve(&self, peer: usize, conceded_percent: u32) {
        let (peer, process) = (name_of(peer), self.process());
        let (Some(handle), Some(report)) = (self.handle(), self.report()) else { return };
        let account = report.accounts.iter().find(|one| one.settings.id.as_str() == peer);
        let uncertain = account.map_or(0, |account| account.uncertain);
        if uncertain == 0 {
            return;
        }
        let conceded = uncertain * i128::from(conceded_percent) / 100;
        self.story.tell(|| {
            format!(
                "the operator of node {} concedes {conceded} of {uncertain} to {peer}",
                self.number
            )
        });
        run_on(process, || {
            let request = ChangeRequest {
                id: ChangeId::from_random(machine::random()),
                account: peer,
                asset: None,
                change: BalanceChange::Resolve { conceded },
                reason: "the operator knows".to_owned(),
                by: "operator".to_owned(),
            };
            let context = &handle.context;
            // A reload may have removed the account.
            let _ = context.connector.change_balance(&request, context.clock.now().wall);
        });
    }

    /// From now on, it is not started again.
    pub fn leave(&self) {
        self.has_left.store(true, Ordering::Relaxed);
    }

    pub fn has_left(&self) -> bool {
        self.has_left.load(Ordering::Relaxed)
    }

    /// Applies another configuration, now and at the next start.
    pub async fn reload(&self, yaml: String) {
        *self.yaml.lock() = yaml;
        if let Some(handle) = self.handle() {
            let config = Box::new(self.config());
            handle.send(NodeCommand::Reload(config, ConfigValues::default())).await;
        }
    }

    /// Lets no settlement with a peer begin or go on, or ends that. A start forgets it.
    pub fn pause_settlements(&self, peer: usize, is_paused: bool) {
        let Some(handle) = self.handle() else { return };
        let context = &handle.context;
        let mut paused = context.paused_settlements.borrow().clone();
        let peer = name_of(peer).parse().unwrap();
        match is_paused {
            true => drop(paused.insert(peer, NEVER)),
            false => drop(paused.remove(&peer)),
        }
        context.set_paused_settlements(paused);
    }

    /// Where it runs.
    fn process(&self) -> Option<Arc<dyn Machine>> {
        let running = self.running.lock();
        running.as_ref().map(|running| Arc::clone(&running.process) as Arc<dyn Machine>)
    }

    pub fn is_running(&self) -> bool {
        self.running.lock().is_some()
    }

    pub fn handle(&self) -> Option<NodeHandle> {
        self.running.lock().as_ref().and_then(|running| running.handle.clone())
    }

    /// What its program has paid with proof, as it would be found after a crash at this moment.
    pub fn proofs_on_disk(&self) -> i128 {
        self.saved_account(PROGRAM).map_or(0, |one| one.totals.fulfilled_in)
    }

    /// Its accounts as they would be found after a crash at this moment.
    pub fn saved_accounts(&self) -> Vec<SavedAccount> {
        let is_running = self.handle().is_some() && !self.has_stopped.load(Ordering::Relaxed);
        self.disk_view.saved_accounts(&self.host.folder.join("books.db"), is_running)
    }

    /// An account as it would be found after a crash at this moment.
    pub fn saved_account(&self, name: &str) -> Option<SavedAccount> {
        self.saved_accounts().into_iter().find(|one| one.name == name)
    }

    /// At least what has become uncertain with an account so far.
    pub fn uncertain_so_far(&self, name: &str) -> i128 {
        self.uncertain.lock().get(name).copied().unwrap_or_default()
    }

    /// Why its books cannot be saved.
    pub fn store_failure(&self) -> Option<String> {
        self.handle()?.status.watch_store_failure().borrow().clone()
    }

    /// The state of its accounts in memory.
    pub fn report(&self) -> Option<ConnectorReport> {
        let (process, handle) = (self.process(), self.handle()?);
        run_on(process, || Some(handle.context.connector.report()))
    }

    /// Lets its witness look at its books. Returns what they are, while it runs.
    pub fn look(&self) -> Option<ConnectorReport> {
        let report = self.report()?;
        let is_working = self.host.has_good_disk() && !self.host.is_suspended();
        let is_saving = is_working && self.store_failure().is_none();
        self.witness.look(&report, is_saving);
        Some(report)
    }

    /// The prefixes that it has routes to.
    pub fn prefixes(&self) -> Vec<String> {
        self.handle().map(|handle| handle.context.connector.prefixes()).unwrap_or_default()
    }
}

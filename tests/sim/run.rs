//! Runs a plan: starts the world, lets things go wrong, and checks what must hold once nothing does any more.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ilp_connector::internals::telemetry::Logs;
use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::sync::broadcast;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::attack::{self, AttackTallies, start_attackers};
use crate::checks;
use crate::plan::{Fault, FaultPlan, LinkPlan, Plan};
use crate::story::Story;
use crate::world::engine::{Engine, EngineMode, Ledger, ip_of_engine};
use crate::world::machine::{Disk, Host, Process};
use crate::world::network::{Ending, Network};
use crate::world::node::{WorldNode, address_of, ip_of, ip_of_program, name_of, yaml_of};
use crate::world::program::Program;
use crate::world::tally::Tallies;

/// Within this time after the last fault, everything is as it should be (docs/RELIABILITY.md).
pub const PEACE_MAX: Duration = Duration::from_secs(180);
/// Then each program pays each other one within this time.
const PROBES_MAX: Duration = Duration::from_secs(5);
/// How often that is looked at.
pub const LOOK_INTERVAL: Duration = Duration::from_millis(937);

/// What a run was like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    pub virtual_ms: u128,
    pub bytes: u64,
    pub fulfilled: usize,
    pub rejected: usize,
    pub other: usize,
    /// Of all outcomes and all books.
    pub digest: u64,
}

/// The parts of a world that a plan acts on.
pub struct World {
    pub plan: Plan,
    pub network: Network,
    pub nodes: Vec<Arc<WorldNode>>,
    pub tallies: Arc<Tallies>,
    pub engines: Vec<Arc<Engine>>,
    pub ledger: Arc<Ledger>,
    pub attack: Arc<AttackTallies>,
    pub story: Story,
    pub began: Instant,
    peace: broadcast::Sender<()>,
}

/// Runs a plan, within a paused runtime of one thread.
pub async fn run(plan: Plan, story: Story, logs: &Logs) -> Result<Summary, String> {
    let folder = folder_of(plan.seed);
    let network = Network::new(plan.seed, story.details());
    let began = Instant::now();
    let tallies = Arc::new(Tallies::new(plan.payments.len()));
    let mut nodes = Vec::new();
    for number in plan.kept.nodes.iter().copied() {
        let path = folder.path().join(name_of(number));
        fs::create_dir(&path).unwrap();
        let seed = plan.seed.wrapping_mul(31).wrapping_add(number as u64);
        let host = Host::new(ip_of(number), &network, &path, seed);
        let yaml = yaml_of(&plan, number, &host, None);
        let node = Arc::new(WorldNode::new(number, host, yaml, logs, &story));
        node.start();
        nodes.push(node);
    }
    let (engines, ledger) = start_engines(&plan, &nodes, folder.path(), &network, &story);
    let payments = Arc::new(plan.payments.clone());
    let paid: Arc<Vec<bool>> = Arc::new((0..payments.len()).map(|one| plan.is_paid(one)).collect());
    let (peace, in_peace) = broadcast::channel(1);
    for node in &nodes {
        let number = node.number;
        let seed = plan.seed.wrapping_mul(37).wrapping_add(number as u64);
        let host = Host::new(ip_of_program(number), &network, folder.path(), seed);
        let program = Program {
            number,
            process: Process::start(&host),
            node: address_of(number),
            payments: Arc::clone(&payments),
            paid: Arc::clone(&paid),
            tallies: Arc::clone(&tallies),
            story: story.clone(),
            began,
            peace: in_peace.resubscribe(),
            strict_node: plan.nodes[number].is_strict.then(|| Arc::clone(node)),
        };
        drop(tokio::spawn(program.run()));
    }
    let attack = start_attackers(&plan, &network, folder.path(), (&story, began));
    let world = Arc::new(World {
        plan,
        network,
        nodes,
        tallies,
        engines,
        ledger,
        attack,
        story,
        began,
        peace,
    });
    let mut checked = world.make_trouble().await;
    if checked.is_ok() {
        world.make_peace().await;
        checked = world.wait_for_peace().await;
    }
    let summary = checks::summary(&world);
    for node in &world.nodes {
        node.crash(Ending::Killed).await;
    }
    checked.map(|()| summary)
}

/// Starts an engine at each end of each settled link.
fn start_engines(
    plan: &Plan,
    nodes: &[Arc<WorldNode>],
    folder: &Path,
    network: &Network,
    story: &Story,
) -> (Vec<Arc<Engine>>, Arc<Ledger>) {
    let ledger = Arc::new(Ledger::default());
    let links = plan.links.iter().filter(|link| link.is_settled && plan.is_linked(link));
    let places = links.flat_map(|link| {
        let scale = link.asset.scale();
        [((link.from, link.to), scale), ((link.to, link.from), scale)]
    });
    let places: BTreeMap<(usize, usize), u8> = places.collect();
    let engines = places.into_iter().map(|((number, peer), scale)| {
        let seed = plan.seed.wrapping_mul(41).wrapping_add((number * 100 + peer) as u64);
        let host = Host::new(ip_of_engine(number, peer), network, folder, seed);
        let node = nodes.iter().find(|node| node.number == number).unwrap();
        let engine = Arc::new(Engine {
            node: Arc::clone(node),
            peer,
            scale,
            process: Process::start(&host),
            ledger: Arc::clone(&ledger),
            mode: Mutex::default(),
            story: story.clone(),
        });
        drop(tokio::spawn(Arc::clone(&engine).serve()));
        drop(tokio::spawn(Arc::clone(&engine).report()));
        engine
    });
    (engines.collect(), ledger)
}

/// A folder for the files of a run, always the same one for a seed on this thread.
fn folder_of(seed: u64) -> TempDir {
    let (process, thread) = (std::process::id(), std::thread::current().id());
    let thread: String = format!("{thread:?}").chars().filter(char::is_ascii_digit).collect();
    let name = format!("ilp-connector-sim-{process}-{thread}-{seed}");
    // Another process with this number was killed.
    let _ = fs::remove_dir_all(temp_root().join(&name));
    tempfile::Builder::new().prefix(&name).rand_bytes(0).tempdir_in(temp_root()).unwrap()
}

/// A file system in memory, where there is one: each cut is synchronized.
fn temp_root() -> std::path::PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}

impl World {
    async fn make_trouble(self: &Arc<Self>) -> Result<(), String> {
        let mut faults = JoinSet::new();
        for fault in self.plan.faults_kept() {
            self.check_until(self.began + Duration::from_millis(fault.at_ms)).await?;
            self.story.tell(|| format!("{:?} for {} ms", fault.fault, fault.for_ms));
            let world = Arc::clone(self);
            faults.spawn(async move { world.apply(fault).await });
        }
        self.check_until(self.began + Duration::from_millis(self.plan.trouble_ms)).await?;
        // Stops take longer than their time.
        faults.join_all().await;
        Ok(())
    }

    /// Checks what always holds, until this moment.
    async fn check_until(&self, end: Instant) -> Result<(), String> {
        while Instant::now() < end {
            sleep_until(end.min(Instant::now() + LOOK_INTERVAL)).await;
            checks::check_always(self)?;
        }
        Ok(())
    }

    async fn apply(&self, FaultPlan { fault, for_ms, .. }: FaultPlan) {
        let time = Duration::from_millis(for_ms);
        match fault {
            Fault::Kill { node } => self.restart_after(node, Ending::Killed, time).await,
            Fault::PowerLoss { node } => {
                self.restart_after(node, Ending::PowerLoss, time).await;
            }
            Fault::CrashesAtStart { node, ending, times, after_us } => {
                let after = Duration::from_micros(after_us);
                self.crash_at_starts(node, ending, times, (after, time)).await;
            }
            Fault::Stop { node } => {
                let node = self.node(node);
                if node.is_running() {
                    node.stop().await;
                    sleep(time).await;
                    self.start_again(node);
                }
            }
            Fault::Leave { node, is_clean } => {
                let node = self.node(node);
                node.leave();
                match is_clean {
                    true => node.stop().await,
                    false => drop(node.crash(Ending::Killed).await),
                }
            }
            Fault::Suspend { node } => {
                let node = self.node(node);
                node.host.set_suspended(true);
                sleep(time).await;
                node.host.set_suspended(false);
                node.witness.expect_delay();
            }
            Fault::Cut { link } => {
                let (a, b) = self.ends(link);
                self.network.set_cut(a, b, true);
                sleep(time).await;
                self.network.set_cut(a, b, false);
            }
            Fault::Slow { link, ms } => {
                let (a, b) = self.ends(link);
                let longest = Duration::from_millis(ms);
                self.network.set_latency(a, b, (longest / 2, longest));
                sleep(time).await;
                self.network.set_latency(
                    a,
                    b,
                    (Duration::from_millis(1), Duration::from_millis(5)),
                );
            }
            Fault::Break { link } => {
                let (a, b) = self.ends(link);
                self.network.break_links(a, b);
            }
            Fault::Silence { link } => {
                let (a, b) = self.ends(link);
                self.network.silence_links(a, b);
            }
            Fault::BreakProgram { node } => {
                self.network.break_links(ip_of(node), ip_of_program(node));
            }
            Fault::Jump { node, seconds } => {
                self.node(node).host.jump(seconds.into());
                sleep(time).await;
                self.node(node).host.set_right_time();
            }
            Fault::Drift { node, millionths } => {
                self.node(node).host.set_drift(millionths);
                sleep(time).await;
                self.node(node).host.set_right_time();
            }
            Fault::DiskSlow { node, ms } => {
                let longest = Duration::from_millis(ms);
                let disk = Disk { latency: (longest / 4, longest / 2), ..Disk::default() };
                self.break_disk(node, disk, time).await;
            }
            Fault::DiskFails { node, of_thousand } => {
                let disk = Disk { failing: of_thousand, ..Disk::default() };
                self.break_disk(node, disk, time).await;
            }
            Fault::Engines { link, mode } => {
                let LinkPlan { from, to, .. } = self.plan.links[link];
                let set = |mode| {
                    for engine in &self.engines {
                        let ends = (engine.node.number, engine.peer);
                        if ends == (from, to) || ends == (to, from) {
                            *engine.mode.lock() = mode;
                        }
                    }
                };
                set(mode);
                sleep(time).await;
                set(EngineMode::Works);
            }
            Fault::PauseSettlements { link } => {
                let LinkPlan { from, to, .. } = self.plan.links[link];
                let set = |is_paused| {
                    self.node(from).pause_settlements(to, is_paused);
                    self.node(to).pause_settlements(from, is_paused);
                };
                set(true);
                sleep(time).await;
                set(false);
            }
            Fault::Resolve { node, link, conceded_percent } => {
                let LinkPlan { from, to, .. } = self.plan.links[link];
                self.node(node).resolve(from + to - node, conceded_percent);
            }
            Fault::Reload { node, change } => {
                let node = self.node(node);
                let yaml = |change| yaml_of(&self.plan, node.number, &node.host, change);
                node.reload(yaml(Some(change))).await;
                sleep(time).await;
                node.reload(yaml(None)).await;
            }
            Fault::DiskFailsAfterwards { node, of_thousand } => {
                let disk = Disk { failing_afterwards: of_thousand, ..Disk::default() };
                self.break_disk(node, disk, time).await;
            }
        }
    }

    pub fn node(&self, number: usize) -> &Arc<WorldNode> {
        let node = self.nodes.iter().find(|node| node.number == number);
        node.expect("faults happen to nodes that take part")
    }

    fn ends(&self, link: usize) -> (std::net::IpAddr, std::net::IpAddr) {
        let link = self.plan.links[link];
        (ip_of(link.from), ip_of(link.to))
    }

    async fn break_disk(&self, node: usize, disk: Disk, time: Duration) {
        let node = self.node(node);
        *node.host.disk.lock() = disk;
        node.witness.expect_delay();
        sleep(time).await;
        *node.host.disk.lock() = Disk::default();
        node.witness.expect_delay();
    }

    /// Ends all faults.
    async fn make_peace(self: &Arc<Self>) {
        self.story.tell(|| "all faults have ended".to_owned());
        self.network.heal();
        self.engines.iter().for_each(|engine| *engine.mode.lock() = EngineMode::Works);
        for node in &self.nodes {
            node.host.set_suspended(false);
            node.host.set_right_time();
            *node.host.disk.lock() = Disk::default();
            node.reload(yaml_of(&self.plan, node.number, &node.host, None)).await;
            self.start_again(node);
        }
    }

    /// Waits until everything is as it should be.
    async fn wait_for_peace(&self) -> Result<(), String> {
        let began = Instant::now();
        // The last moment of a fault has consequences, which show now.
        sleep(LOOK_INTERVAL).await;
        self.look_for_peace(PEACE_MAX - LOOK_INTERVAL).await?;
        attack::check_fairness(self)?;
        self.story.tell(|| format!("there is peace, {:?} after the last fault", began.elapsed()));
        self.peace.send(()).unwrap();
        sleep(PROBES_MAX).await;
        checks::check_probes(self)?;
        // Nodes compare their books all the time, and that is a packet in flight.
        self.look_for_peace(PROBES_MAX).await?;
        checks::check_faultless(self)
    }

    async fn look_for_peace(&self, time: Duration) -> Result<(), String> {
        let (began, mut before) = (Instant::now(), String::new());
        loop {
            checks::check_always(self)?;
            let Err(missing) = checks::check_peace(self) else { return Ok(()) };
            if missing != before {
                self.story.tell(|| format!("no peace yet: {missing}"));
                before.clone_from(&missing);
            }
            if began.elapsed() >= time {
                return Err(format!("there is no peace within {time:?}: {missing}"));
            }
            sleep(LOOK_INTERVAL).await;
        }
    }
}

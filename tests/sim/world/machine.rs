//! A machine of the world: its clocks, its disk, and the process of a node that runs on it.

use std::cell::Cell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use ilp_connector::internals::machine::simulated::{
    DiskAnswer, Machine, MachineFuture, MachineListener, MachineStream,
};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use super::disk_work::DiskWork;
use super::network::{Ending, Network, Place};

/// 2026-01-01, when the world begins.
const BEGINNING_S: u64 = 1_767_225_600;
/// Ended tasks are forgotten when so many are kept.
const TASKS_KEPT: usize = 256;

/// Turns of the runtime in which aborted tasks end.
const TURNS_TO_END_MAX: u32 = 100_000;
/// Polls of tasks and readings of clocks at one moment of the world. A task that never waits lets the time stand still.
const STEPS_MAX: u32 = 500_000;

thread_local! {
    static STEPS: Cell<u32> = const { Cell::new(0) };
    static LAST_MOMENT: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Finds that the time stands still: it has to go on within so many steps.
fn count_step() {
    let steps = STEPS.get() + 1;
    STEPS.set(steps % STEPS_MAX);
    if steps == STEPS_MAX {
        let now = Some(Instant::now());
        assert!(LAST_MOMENT.replace(now) != now, "the time stands still: some task never waits");
    }
}

/// What a disk does with requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    /// The shortest and the longest time of each half of a request.
    pub latency: (Duration, Duration),
    /// Of 1000 requests, those that fail.
    pub failing: u32,
    /// Of 1000 requests, those that are done, and seem to fail.
    pub failing_afterwards: u32,
}

impl Default for Disk {
    fn default() -> Self {
        let latency = (Duration::from_micros(100), Duration::from_micros(900));
        Self { latency, failing: 0, failing_afterwards: 0 }
    }
}

/// The time of day of a machine, as a function of the world's time.
#[derive(Clone, Copy, Debug)]
struct WallClock {
    since: Instant,
    at: SystemTime,
    /// Millionths that it is too fast.
    drift: i32,
}

impl WallClock {
    fn now(&self) -> SystemTime {
        let real = self.since.elapsed();
        let share = real / 1_000_000 * self.drift.unsigned_abs();
        let elapsed = if self.drift < 0 { real.saturating_sub(share) } else { real + share };
        self.at + elapsed
    }

    fn go_on(&mut self, at: SystemTime, drift: i32) {
        *self = Self { since: Instant::now(), at, drift };
    }
}

/// A machine, over all its processes.
#[derive(Debug)]
pub struct Host {
    pub ip: IpAddr,
    pub network: Network,
    pub disk: Mutex<Disk>,
    /// When the last request has its answer that a slow or failing disk has taken.
    disk_bad_until: Mutex<Instant>,
    pub disk_work: DiskWork,
    /// The directory of its files.
    pub folder: PathBuf,
    began: Instant,
    clock: Mutex<WallClock>,
    is_suspended: AtomicBool,
    processes: AtomicU64,
    /// Processes that wait for the end of a suspension.
    wakers: Mutex<Vec<Waker>>,
    seed: u64,
}

impl Host {
    pub fn new(ip: IpAddr, network: &Network, folder: &Path, seed: u64) -> Arc<Self> {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(BEGINNING_S);
        let clock = WallClock { since: Instant::now(), at, drift: 0 };
        Arc::new(Self {
            ip,
            network: network.clone(),
            disk: Mutex::default(),
            disk_bad_until: Mutex::new(Instant::now()),
            disk_work: DiskWork::new(folder, seed),
            folder: folder.to_owned(),
            began: Instant::now(),
            clock: Mutex::new(clock),
            is_suspended: AtomicBool::new(false),
            processes: AtomicU64::new(0),
            wakers: Mutex::default(),
            seed,
        })
    }

    /// Changes the time of day.
    pub fn jump(&self, seconds: f64) {
        let mut clock = self.clock.lock();
        let (now, drift, by) = (clock.now(), clock.drift, Duration::from_secs_f64(seconds.abs()));
        clock.go_on(if seconds < 0.0 { now - by } else { now + by }, drift);
    }

    /// Lets the clock run too fast, by so many millionths, or too slowly.
    pub fn set_drift(&self, drift: i32) {
        let mut clock = self.clock.lock();
        let now = clock.now();
        clock.go_on(now, drift);
    }

    /// Sets the right time.
    pub fn set_right_time(&self) {
        let right =
            SystemTime::UNIX_EPOCH + Duration::from_secs(BEGINNING_S) + self.began.elapsed();
        self.clock.lock().go_on(right, 0);
    }

    /// Whether its disk does what it should, in the usual time, and has answered what it took when it did not.
    pub fn has_good_disk(&self) -> bool {
        *self.disk.lock() == Disk::default() && *self.disk_bad_until.lock() <= Instant::now()
    }

    pub fn is_suspended(&self) -> bool {
        self.is_suspended.load(Ordering::Relaxed)
    }

    /// Stops all its tasks, or lets them go on.
    pub fn set_suspended(&self, is_suspended: bool) {
        self.is_suspended.store(is_suspended, Ordering::Relaxed);
        if !is_suspended {
            self.wakers.lock().drain(..).for_each(Waker::wake);
        }
    }
}

/// A process on a machine.
#[derive(Debug)]
pub struct Process {
    pub host: Arc<Host>,
    pub place: Place,
    is_alive: AtomicBool,
    rng: Mutex<StdRng>,
    tasks: Mutex<Vec<AbortHandle>>,
    is_done: AtomicBool,
}

impl Process {
    /// What runs here has ended by itself.
    pub fn note_done(&self) {
        self.is_done.store(true, Ordering::Relaxed);
    }

    /// Whether what runs here has ended, by itself or not.
    pub fn has_ended(&self) -> bool {
        self.is_done.load(Ordering::Relaxed) || !self.is_alive.load(Ordering::Relaxed)
    }

    /// The next process of a machine.
    pub fn start(host: &Arc<Host>) -> Arc<Self> {
        let number = host.processes.fetch_add(1, Ordering::Relaxed);
        let seed = host.seed.wrapping_mul(1_000_003).wrapping_add(number);
        Arc::new(Self {
            host: Arc::clone(host),
            place: Place { ip: host.ip, process: number },
            is_alive: AtomicBool::new(true),
            rng: Mutex::new(StdRng::seed_from_u64(seed)),
            tasks: Mutex::default(),
            is_done: AtomicBool::new(false),
        })
    }

    /// Ends the process where it is: nothing that it does from now on has an effect. Returns what becomes of files that
    /// it was writing.
    pub async fn end(&self, ending: Ending) -> Option<String> {
        self.is_alive.store(false, Ordering::Relaxed);
        let files = self.host.disk_work.stop();
        self.host.network.end_process(self.place, ending);
        let tasks = std::mem::take(&mut *self.tasks.lock());
        tasks.iter().for_each(AbortHandle::abort);
        for turn in 0.. {
            if tasks.iter().all(AbortHandle::is_finished) {
                break;
            }
            assert!(turn < TURNS_TO_END_MAX, "a task does not end with its process");
            tokio::task::yield_now().await;
        }
        self.host.disk_work.leave(files, ending)
    }

    /// Half of a request to the disk.
    fn delay(&self) -> MachineFuture<()> {
        let disk = *self.host.disk.lock();
        let (min, max) = disk.latency;
        let micros = self.rng.lock().random_range(min.as_micros()..=max.as_micros());
        let time = Duration::from_micros(u64::try_from(micros).unwrap());
        if disk != Disk::default() {
            *self.host.disk_bad_until.lock() = Instant::now() + time;
        }
        Box::pin(sleep(time))
    }
}

impl Machine for Process {
    fn time_of_day(&self) -> SystemTime {
        self.host.clock.lock().now()
    }

    fn since_boot(&self) -> u64 {
        count_step();
        u64::try_from(self.host.began.elapsed().as_nanos()).unwrap()
    }

    fn generator(&self) -> StdRng {
        StdRng::seed_from_u64(self.rng.lock().random())
    }

    fn resolve(&self, host: &str) -> io::Result<IpAddr> {
        host.parse().map_err(|_| io::ErrorKind::NotFound.into())
    }

    fn connect(&self, to: SocketAddr) -> MachineFuture<io::Result<Box<dyn MachineStream>>> {
        self.host.network.connect(self.place, to)
    }

    fn listen(&self, at: SocketAddr) -> io::Result<(Box<dyn MachineListener>, SocketAddr)> {
        self.host.network.listen(self.place, at.port())
    }

    fn begin_disk_work(&self) -> MachineFuture<DiskAnswer> {
        let disk = *self.host.disk.lock();
        let roll = self.rng.lock().random_range(0..1000);
        let answer = match roll {
            roll if roll < disk.failing => DiskAnswer::Fails,
            roll if roll < disk.failing + disk.failing_afterwards => DiskAnswer::FailsAfterwards,
            _ => DiskAnswer::Works,
        };
        let delay = self.delay();
        self.host.disk_work.begin();
        Box::pin(async move {
            delay.await;
            answer
        })
    }

    fn end_disk_work(&self) -> MachineFuture<()> {
        let (delay, host) = (self.delay(), Arc::clone(&self.host));
        host.disk_work.note_written();
        Box::pin(async move {
            delay.await;
            host.disk_work.end();
        })
    }

    fn poll_running(&self, cx: &mut Context<'_>) -> Poll<()> {
        count_step();
        if !self.is_alive.load(Ordering::Relaxed) {
            // It is aborted.
            return Poll::Pending;
        }
        if self.host.is_suspended.load(Ordering::Relaxed) {
            self.host.wakers.lock().push(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    fn keep_task(&self, task: AbortHandle) {
        let mut tasks = self.tasks.lock();
        if tasks.len() >= TASKS_KEPT && tasks.len().is_power_of_two() {
            tasks.retain(|task| !task.is_finished());
        }
        tasks.push(task);
    }
}

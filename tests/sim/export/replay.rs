//! Replays an exported run with real processes, and checks the files of others.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

use super::{NETWORK, SCENARIO, export};
use crate::plan::{
    Change, Fault, FaultPlan, LinkPlan, NodePlan, PaymentPlan, Plan, QUIET_START_MS,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_ilp-connector");
/// A debug build starts within seconds, on a busy machine too.
const PAGE_TIMEOUT: Duration = Duration::from_secs(120);
/// Seeds whose files are checked.
const SEEDS: u64 = 5;

/// A short run, which has most of what a lab can do.
fn short_plan() -> Plan {
    let link = |from, to, is_http| LinkPlan { from, to, is_http, ..LinkPlan::default() };
    let payments = (0..20).map(|number| PaymentPlan {
        at_ms: QUIET_START_MS + 100 * number,
        from: 0,
        to: 2,
        amount: 10 + number,
        expires_in_ms: 5_000,
        ..PaymentPlan::default()
    });
    let fault =
        |after_ms, fault| FaultPlan { at_ms: QUIET_START_MS + after_ms, for_ms: 1_000, fault };
    let faults = vec![
        fault(100, Fault::Slow { link: 0, ms: 20 }),
        fault(200, Fault::DiskSlow { node: 0, ms: 100 }),
        fault(300, Fault::Cut { link: 1 }),
        fault(600, Fault::PowerLoss { node: 2 }),
        fault(700, Fault::Reload { node: 0, change: Change::SuspendedLink(0) }),
    ];
    let node = |is_strict| NodePlan { is_strict, store_interval_ms: 20, ..NodePlan::default() };
    let nodes = [true, false, true].map(node);
    // Without the first one, each still reaches each other one.
    let links = vec![link(0, 1, false), link(2, 1, true), link(0, 2, false)];
    Plan::whole(0, nodes.to_vec(), links, payments.collect(), faults)
}

/// Exports some runs, has the program check their files, and replays a short one. Returns how often that failed.
pub fn replay() -> usize {
    let folder = tempfile::tempdir().unwrap();
    let mut failures = 0;
    let plans = (1..=SEEDS).map(|seed| (format!("seed {seed}"), Plan::new(seed)));
    for (name, plan) in plans.chain([("a short run".to_owned(), short_plan())]) {
        let folder = folder.path().join(&name);
        export(&plan, &name, &folder).unwrap();
        if let Err(error) = check(&folder.join(NETWORK)) {
            println!("{name}, exported: {error}");
            failures += 1;
        }
    }
    let replayed = run_scenario(&folder.path().join("a short run"));
    if let Err(error) = &replayed {
        println!("the replay of a short run: {error}");
        failures += 1;
    }
    println!("{SEEDS} seeds and a short run exported, and that one replayed: {failures} failed");
    failures
}

/// Has the program check a topology file.
fn check(file: &Path) -> Result<(), String> {
    let checked = Command::new(PROGRAM).arg("check").arg(file).env_clear().output().unwrap();
    let printed = String::from_utf8_lossy(&checked.stderr);
    if checked.status.success() { Ok(()) } else { Err(format!("{}: {printed}", file.display())) }
}

/// `up --lab`, which ends with this value.
struct Up(Child);

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run_scenario(folder: &Path) -> Result<(), String> {
    // What its operators apply.
    ["network-1.yaml", "network-2.yaml"].iter().try_for_each(|file| check(&folder.join(file)))?;
    let mut up = Command::new(PROGRAM);
    up.args(["up", "--lab", "--plain", "--ui-port", "0"]).arg(folder.join(NETWORK)).env_clear();
    let mut up = Up(up.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let output = BufReader::new(up.0.stdout.take().unwrap());
    let (found, urls) = mpsc::channel();
    // Reads to the end, because a full pipe would stop it.
    let reader = std::thread::spawn(move || {
        let lines = output.lines().map_while(Result::ok);
        lines.filter_map(|line| url_of_page(&line)).for_each(|url| drop(found.send(url)));
    });
    let url = urls.recv_timeout(PAGE_TIMEOUT);
    let url = url.map_err(|_| format!("up serves no page within {PAGE_TIMEOUT:?}"))?;
    let scenario = Command::new("sh").arg(folder.join(SCENARIO)).arg(url).output();
    let scenario = scenario.map_err(|error| format!("sh does not run: {error}"))?;
    let printed = String::from_utf8_lossy(&scenario.stdout);
    let is_running = matches!(up.0.try_wait(), Ok(None));
    drop(up);
    reader.join().unwrap();
    // The stopped node sends nothing.
    if !scenario.status.success() || printed.contains("refused") || !is_running {
        let errors = String::from_utf8_lossy(&scenario.stderr);
        return Err(format!("{printed}{errors}the network runs: {is_running}"));
    }
    Ok(())
}

/// The URL of the page, if this line of the log has it.
fn url_of_page(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    let is_it = line["message"] == "the page of the network is served";
    is_it.then(|| line["url"].as_str().unwrap_or_default().to_owned())
}

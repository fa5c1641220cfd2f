//! Writes a run as a network of real nodes and a scenario for the lab of `up --lab`, as far as the lab can do the same.
//! What it cannot do is listed.

mod network;
pub mod replay;

use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Value, json};

use self::network::{Reloads, network_of, node_name};
use crate::plan::{Change, Fault, FaultPlan, PaymentPlan, Plan, QUIET_START_MS, Reaction};

/// The network of the file that `up` reads, and the scenario.
pub const NETWORK: &str = "network.yaml";
pub const SCENARIO: &str = "scenario.sh";
/// What the scenario does.
const HEAD: &str = include_str!("scenario_head.sh");
const END: &str = include_str!("scenario_end.sh");
/// Their functions that send a request to the lab: any, and one for a packet that must be fulfilled.
const LAB: &str = "lab";
const PROBE: &str = "probe";
/// The lab breaks things for whole seconds, and so long at most.
const TTL_SECONDS_MAX: u64 = 3600;
/// The longest delay of the lab.
const DELAY_MS_MAX: u64 = 10_000;
/// A silent connection stays so until its ends find out.
const SILENCE_SECONDS: u64 = 60;

/// A line of the scenario: when, what, and the commands for it.
struct Step {
    at_ms: u64,
    text: String,
    command: String,
}

/// What is not in the scenario, or not as it was.
type Notes = Vec<String>;

/// Writes the files of a run. Returns what the scenario lacks.
pub fn export(plan: &Plan, again: &str, folder: &Path) -> io::Result<Notes> {
    fs::create_dir_all(folder)?;
    let mut notes = notes_of_the_world(plan);
    let mut steps = Vec::new();
    let mut reloads = Reloads::default();
    for FaultPlan { at_ms, for_ms, fault } in plan.faults_kept() {
        let at = |ms: u64| ms.saturating_sub(QUIET_START_MS);
        let mut note = |why: &str| {
            let (seconds, ms) = (at(at_ms) / 1000, at(at_ms) % 1000);
            notes.push(format!("{seconds}.{ms:03} s: {fault:?} for {for_ms} ms: {why}"));
        };
        if let Fault::Reload { node, change } = fault {
            match change {
                Change::SmallPackets(_) => note("the packets of the lab are the nodes' own"),
                Change::ManualSettlement(_) => note("all settlements are manual here"),
                Change::WithoutLink(_) => {
                    note("the link is taken away at both ends");
                    reloads.add(at(at_ms), at(at_ms + for_ms), node, change);
                }
                Change::SuspendedLink(_) | Change::KeptPercent(_) | Change::Intervals { .. } => {
                    reloads.add(at(at_ms), at(at_ms + for_ms), node, change);
                }
            }
            continue;
        }
        let lasts_ms = match fault {
            Fault::Leave { .. } => plan.trouble_ms.saturating_sub(at_ms),
            _ => for_ms,
        };
        let (request, why) = request_of(plan, fault, lasts_ms);
        if let Some(why) = why {
            note(why);
        }
        if let Some(request) = request {
            let text = format!("{fault:?}");
            steps.push(Step { at_ms: at(at_ms), text, command: format!("{LAB} '{request}'") });
        }
    }
    fs::write(folder.join(NETWORK), network_of(plan, again, &[]))?;
    for (number, (at_ms, changes)) in reloads.steps().into_iter().enumerate() {
        let file = format!("network-{}.yaml", number + 1);
        fs::write(folder.join(&file), network_of(plan, again, &changes))?;
        let text = format!("applies {file}: {changes:?}");
        let command = format!("cp {file} next.yaml && mv next.yaml {NETWORK}");
        steps.push(Step { at_ms, text, command });
    }
    for payment in (0..plan.probes_from).filter(|payment| plan.is_paid(*payment)) {
        let at_ms = plan.payments[payment].at_ms.saturating_sub(QUIET_START_MS);
        steps.push(pay(plan, payment, at_ms, LAB));
    }
    steps.sort_by_key(|step| step.at_ms);
    let last = steps.last().map_or(0, |step| step.at_ms);
    let probes = (plan.probes_from..plan.payments.len()).filter(|probe| plan.is_paid(*probe));
    let probes = probes.map(|probe| {
        let PaymentPlan { from, to, .. } = plan.payments[probe];
        // A limit may be reached by then.
        let must_arrive = plan.island_of(from).contains(&to) && !plan.has_limits();
        pay(plan, probe, last, if must_arrive { PROBE } else { LAB })
    });
    let probes: Vec<Step> = probes.collect();
    fs::write(folder.join(SCENARIO), script_of(again, &notes, &steps, &probes))?;
    Ok(notes)
}

/// What is different in all of the run.
fn notes_of_the_world(plan: &Plan) -> Notes {
    let mut notes = vec![
        "the programs at the nodes: the lab sends bursts of packets from node to node, which nodes fulfill".to_owned(),
        "the delays of the network and of the disks, which the seed draws".to_owned(),
    ];
    if plan.links.iter().any(|link| link.is_settled && plan.is_linked(link)) {
        notes.push(
            "settlement engines: links that have them settle by hand (`settlement: manual`)"
                .to_owned(),
        );
    }
    if plan.nodes.iter().any(|node| node.limits.is_some()) {
        notes.push("the limits of the programs' balances".to_owned());
    }
    if plan.attack.is_some() {
        notes.push(
            "the attacker, its accounts, and the limits of the next hop that it jams".to_owned(),
        );
    }
    let paid = (0..plan.probes_from).filter(|payment| plan.is_paid(*payment));
    let odd = paid.filter(|payment| reaction_of(plan, *payment).is_some()).count();
    if odd > 0 {
        notes.push(format!("what the receivers of {odd} payments do, which is beside them"));
    }
    notes
}

/// The request to the lab that does the same as a fault, and how it differs.
fn request_of(plan: &Plan, fault: Fault, for_ms: u64) -> (Option<Value>, Option<&'static str>) {
    let ttl = for_ms.div_ceil(1000).clamp(1, TTL_SECONDS_MAX);
    let link_id = |link: usize| {
        let link = plan.links[link];
        let (a, b) = (link.from.min(link.to), link.from.max(link.to));
        format!("{}~{}", node_name(plan, a), node_name(plan, b))
    };
    let stop = |node| json!({"kind": "stopNode", "node": node_name(plan, node), "ttlSeconds": ttl});
    let cut = |link, ttl| json!({"kind": "cut", "link": link_id(link), "ttlSeconds": ttl});
    match fault {
        Fault::Stop { node } => (Some(stop(node)), None),
        Fault::Leave { node, .. } => {
            (Some(stop(node)), Some("the lab starts a node again, here when all else is over"))
        }
        Fault::Kill { node } => {
            (Some(stop(node)), Some("the lab stops a node in order, and kills none"))
        }
        Fault::PowerLoss { node } => {
            (Some(stop(node)), Some("the lab stops a node in order: no file is torn"))
        }
        Fault::CrashesAtStart { node, .. } => (
            Some(stop(node)),
            Some("the lab stops a node once and in order, and not while it starts"),
        ),
        Fault::Cut { link } => (Some(cut(link, ttl)), None),
        Fault::Break { link } => (Some(cut(link, 1)), Some("the link is cut for a second")),
        Fault::Slow { link, ms } => {
            let delay = ms.clamp(1, DELAY_MS_MAX);
            let request = json!({"kind": "delay", "link": link_id(link), "delayMs": delay, "ttlSeconds": ttl});
            (Some(request), None)
        }
        Fault::Silence { link } if plan.links[link].is_http => {
            (None, Some("the lab loses no packets of links over HTTP"))
        }
        Fault::Silence { link } => {
            let request = json!({
                "kind": "drop", "link": link_id(link), "dropPercent": 100, "ttlSeconds": SILENCE_SECONDS,
            });
            (Some(request), Some("the lab loses each packet and each answer for a minute"))
        }
        Fault::Suspend { .. } => (None, Some("all nodes of the lab are one process")),
        Fault::BreakProgram { .. } => (None, Some("there are no programs")),
        Fault::Jump { .. } | Fault::Drift { .. } => {
            (None, Some("the lab has the clock of this machine"))
        }
        Fault::DiskSlow { .. } | Fault::DiskFails { .. } | Fault::DiskFailsAfterwards { .. } => {
            (None, Some("the lab has the disk of this machine"))
        }
        Fault::Resolve { .. } => (None, Some("the lab decides nothing about uncertain packets")),
        Fault::Engines { .. } => (None, Some("there are no engines")),
        Fault::PauseSettlements { .. } => (None, Some("nothing settles by itself")),
        Fault::Reload { .. } => unreachable!("it is another file"),
    }
}

/// What the receiver of a payment does, unless it fulfills at once.
fn reaction_of(plan: &Plan, payment: usize) -> Option<String> {
    let PaymentPlan { reaction, reacts_after_ms, .. } = plan.payments[payment];
    let is_usual = reaction == Reaction::Fulfills && reacts_after_ms == 0;
    (!is_usual).then(|| format!("; its receiver: {reaction:?} after {reacts_after_ms} ms"))
}

/// One packet. What the lab refuses, such as one of a stopped node, is not sent in the run either.
fn pay(plan: &Plan, payment: usize, at_ms: u64, command: &str) -> Step {
    let one = plan.payments[payment];
    let [from, to] = [one.from, one.to].map(|node| node_name(plan, node));
    let request = json!({
        "kind": "burst", "from": from, "to": to, "count": 1, "amount": one.amount.to_string(),
    });
    let reaction = reaction_of(plan, payment).unwrap_or_default();
    let text = format!("{from} pays {} to {to} (payment {payment}{reaction})", one.amount);
    Step { at_ms, text, command: format!("{command} '{request}'") }
}

fn script_of(again: &str, notes: &[String], steps: &[Step], probes: &[Step]) -> String {
    let mut script =
        format!("#!/bin/sh\n# The run of `{again}`, as far as `up --lab` can do the same.\n");
    script += HEAD;
    script += "\n# Not in this scenario, or not in the same way:\n";
    notes.iter().for_each(|note| script += &format!("# - {note}\n"));
    script.push('\n');
    let line = |step: &Step| format!("at {} '{}'; {}\n", step.at_ms, step.text, step.command);
    steps.iter().for_each(|step| script += &line(step));
    script += "\nwait_for_peace\n";
    probes.iter().for_each(|step| script += &line(step));
    script += END;
    script
}

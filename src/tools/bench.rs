//! `bench`: a first measurement of a node's speed on this machine. The node is another process; a sender and a receiver
//! in this one log in at it over loopback. benches/ compares it with a bare relay.

mod node_process;
mod usage;

use std::io::Write;
use std::time::Duration;

use serde_json::json;

use self::node_process::NodeProcess;
use self::usage::ProcessUsage;
use super::args::BenchArguments;
use super::interrupt::Interrupt;
use super::send::load::{Load, StopCondition};
use super::send::tally::{ResultKind, Tally};
use super::session::{run_session, send_options};
use crate::client::{Options, Receive};
use crate::console::{
    Failure, build_runtime, exit_result, format_duration, format_millis, group_digits, per_second,
    sanitize,
};
use crate::wire::{Address, Amount, Condition};

/// The time before the measurement, in which allocators, caches and sockets adapt.
const WARM_UP: Duration = Duration::from_millis(500);
/// The lifetime of each packet.
const EXPIRY: Duration = Duration::from_secs(30);
/// About as much as real packets carry.
const DATA_BYTES: usize = 64;

struct BenchResult {
    tally: Tally,
    took: Duration,
    usage: Option<ProcessUsage>,
}

/// Measures, and prints the results.
pub fn run(
    arguments: &BenchArguments,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), Failure> {
    let node = NodeProcess::start(arguments.routes)?;
    if !arguments.json {
        writeln!(err, "measuring for {} ...", format_duration(arguments.seconds))?;
    }
    let measured = build_runtime(1)?.block_on(measure(arguments, &node))?;
    match arguments.json {
        true => writeln!(out, "{}", result_json(arguments, &measured))?,
        false => write_table(arguments, &measured, out)?,
    }
    out.flush()?;
    let is_complete = measured.tally.fulfilled() == measured.tally.sent();
    exit_result(is_complete)
}

async fn measure(arguments: &BenchArguments, node: &NodeProcess) -> Result<BenchResult, Failure> {
    let window = usize::try_from(arguments.window).unwrap_or(usize::MAX);
    let destination: Address = node_process::RECEIVER_ADDRESS
        .parse()
        .map_err(|error| Failure::Failed(format!("{}: {error}", node_process::RECEIVER_ADDRESS)))?;
    let load = Load {
        destination: destination.clone(),
        amount: Amount(1),
        condition: Condition::PING,
        data: vec![0; DATA_BYTES],
        expiry: EXPIRY,
        window,
        per_second: None,
    };
    let receiver = Options { receive: Receive::Pings(destination), ..send_options(window) };
    let stop = |after| StopCondition { after_packets: None, after };
    run_session(&node.receiver()?, receiver, async |_| {
        run_session(&node.sender()?, send_options(window), async |client| {
            let mut interrupt = Interrupt::listen(client)?;
            load.send(client, stop(WARM_UP), interrupt.wait(), |_, _| {}).await;
            let before = ProcessUsage::read(node.id());
            let (tally, took) =
                load.send(client, stop(arguments.seconds), interrupt.wait(), |_, _| {}).await;
            let after = ProcessUsage::read(node.id());
            let usage = after.zip(before).map(|(after, before)| after.since(before));
            Ok(BenchResult { tally, took, usage })
        })
        .await
    })
    .await
}

fn write_table(
    arguments: &BenchArguments,
    measured: &BenchResult,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let BenchResult { tally, took, usage } = measured;
    let fulfilled = tally.fulfilled();
    writeln!(
        out,
        "sender - node - receiver over loopback: window {}, {} routes, {}\n",
        arguments.window,
        group_digits(arguments.routes),
        format_duration(*took)
    )?;
    let mut line = |name: &str, value: String| writeln!(out, "{name:<20}{value}");
    line("packets/s", group_digits(per_second(fulfilled, *took)))?;
    for (name, quantile) in [("latency p50", 0.5), ("latency p99", 0.99)] {
        if let Some(latency) = tally.latency(quantile) {
            line(name, format!("{} ms", format_millis(latency)))?;
        }
    }
    if let Some(usage) = usage {
        let share = usage.cpu.as_secs_f64() / took.as_secs_f64();
        if let Some(micros) = usage.micros_per(fulfilled) {
            line(
                "CPU of the node",
                format!("{micros:.2} us per packet ({:.0} % of a core)", share * 100.0),
            )?;
        }
        line("memory of the node", format!("{:.1} MiB", usage.mebibytes()))?;
    }
    line("packets", group_digits(tally.sent()))?;
    line("not fulfilled", group_digits(tally.sent() - fulfilled))?;
    for (kind, results) in tally.results() {
        if let (ResultKind::Rejected(code), Some(failure)) = (kind, &results.example) {
            line(
                &format!("  {code}"),
                format!(
                    "{} ({}: {})",
                    group_digits(results.packets),
                    sanitize(&failure.by),
                    sanitize(&failure.message)
                ),
            )?;
        }
    }
    writeln!(
        out,
        "\nA packet is a Prepare and its Fulfill. The sender and the receiver use CPU time of this machine too."
    )?;
    Ok(())
}

fn result_json(arguments: &BenchArguments, measured: &BenchResult) -> serde_json::Value {
    let BenchResult { tally, took, usage } = measured;
    let fulfilled = tally.fulfilled();
    json!({
        "window": arguments.window,
        "routes": arguments.routes,
        "seconds": took.as_secs_f64(),
        "sent": tally.sent(),
        "fulfilled": fulfilled,
        "packetsPerSecond": per_second(fulfilled, *took),
        "p50Ms": tally.latency(0.5).map(|latency| latency.as_secs_f64() * 1000.0),
        "p99Ms": tally.latency(0.99).map(|latency| latency.as_secs_f64() * 1000.0),
        "nodeCpuMicrosPerPacket": usage.and_then(|usage| usage.micros_per(fulfilled)),
        "nodeMemoryMiB": usage.map(|usage| usage.mebibytes()),
    })
}

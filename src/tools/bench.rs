//! `bench`: how fast a node is on this machine, for a newcomer. The node is a process of its own; a sender and a
//! receiver, in this one, log in at it over loopback. benches/ measures it beside a bare relay.

mod node_process;
mod usage;

use std::io::Write;
use std::time::Duration;

use serde_json::json;

use self::node_process::NodeProcess;
use self::usage::Usage;
use super::args::BenchArguments;
use super::interrupt::Interrupt;
use super::send::load::{Load, Stop};
use super::send::tally::{ResultKind, Tally};
use super::session::{sending, session};
use crate::client::{Options, Receive};
use crate::console::Failure;
use crate::console::{format_duration, grouped, millis, per_second, sanitize};
use crate::wire::{Address, Amount, Condition};

/// Before it is measured: allocators, caches and sockets find their size.
const WARM_UP: Duration = Duration::from_millis(500);
/// Time for each answer.
const EXPIRY: Duration = Duration::from_secs(30);
/// What real packets carry, about.
const DATA_BYTES: usize = 64;

/// What was measured.
struct Measured {
    tally: Tally,
    took: Duration,
    usage: Option<Usage>,
}

/// Measures, and prints.
pub fn run(
    arguments: &BenchArguments,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), Failure> {
    let node = NodeProcess::start(arguments.routes)?;
    if !arguments.json {
        writeln!(err, "measuring for {} ...", format_duration(arguments.seconds))?;
    }
    let measured = crate::console::runtime(1)?.block_on(measure(arguments, &node))?;
    match arguments.json {
        true => writeln!(out, "{}", json(arguments, &measured))?,
        false => table(arguments, &measured, out)?,
    }
    out.flush()?;
    let all = measured.tally.fulfilled() == measured.tally.sent();
    if all { Ok(()) } else { Err(Failure::Told) }
}

async fn measure(arguments: &BenchArguments, node: &NodeProcess) -> Result<Measured, Failure> {
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
    let receiver = Options { receive: Receive::Pings(destination), ..sending(window) };
    let stop = |after| Stop { after_packets: None, after };
    session(&node.receiver()?, receiver, async |_| {
        session(&node.sender()?, sending(window), async |client| {
            let mut interrupt = Interrupt::listen(client)?;
            load.send(client, stop(WARM_UP), interrupt.wait(), |_, _| {}).await;
            let before = Usage::of(node.id());
            let (tally, took) =
                load.send(client, stop(arguments.seconds), interrupt.wait(), |_, _| {}).await;
            let after = Usage::of(node.id());
            let usage = after.zip(before).map(|(after, before)| after.since(before));
            Ok(Measured { tally, took, usage })
        })
        .await
    })
    .await
}

fn table(
    arguments: &BenchArguments,
    measured: &Measured,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let Measured { tally, took, usage } = measured;
    let fulfilled = tally.fulfilled();
    writeln!(
        out,
        "sender - node - receiver over loopback: window {}, {} routes, {}\n",
        arguments.window,
        grouped(arguments.routes),
        format_duration(*took)
    )?;
    let mut line = |name: &str, value: String| writeln!(out, "{name:<20}{value}");
    line("packets/s", grouped(per_second(fulfilled, *took)))?;
    for (name, quantile) in [("latency p50", 0.5), ("latency p99", 0.99)] {
        if let Some(latency) = tally.latency(quantile) {
            line(name, format!("{} ms", millis(latency)))?;
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
    line("packets", grouped(tally.sent()))?;
    line("not fulfilled", grouped(tally.sent() - fulfilled))?;
    for (kind, results) in tally.results() {
        if let (ResultKind::Rejected(code), Some((by, message))) = (kind, &results.example) {
            line(
                &format!("  {code}"),
                format!("{} ({}: {})", grouped(results.packets), sanitize(by), sanitize(message)),
            )?;
        }
    }
    writeln!(
        out,
        "\nA packet is a Prepare and its Fulfill. The node shares this machine with sender and receiver."
    )?;
    Ok(())
}

fn json(arguments: &BenchArguments, measured: &Measured) -> serde_json::Value {
    let Measured { tally, took, usage } = measured;
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

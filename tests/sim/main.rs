//! Whole networks of real nodes in a simulated world, each run determined by a seed. See docs/RELIABILITY.md.

#![allow(missing_docs, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stdout, clippy::print_stderr)]
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::disallowed_methods)]

mod arguments;
mod assets;
mod attack;
mod checks;
mod crashes;
mod export;
mod links;
mod marks;
mod past_failures;
mod plan;
mod run;
mod shrink;
mod story;
mod world;

use std::cell::Cell;
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, PanicHookInfo};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use clap::Parser;
use ilp_connector::internals::planted::{self, Fault as Planted};
use ilp_connector::internals::telemetry::{LogTo, Logs, parse_level};

use self::arguments::{Arguments, Numbers};
use self::past_failures::PastFailure;
use self::plan::{Kept, Plan};
use self::run::Summary;
use self::story::Story;

thread_local! {
    /// The panic of a task of this thread. The runtime catches it.
    static PANIC: Cell<Option<String>> = const { Cell::new(None) };
    /// Whether this thread runs a world now.
    static IS_RUNNING: Cell<bool> = const { Cell::new(false) };
}

/// Whether the story of a failure is told.
static IS_TOLD: AtomicBool = AtomicBool::new(false);

/// Seeds of a run of CI.
const SEEDS_OF_CI: u64 = 500;
/// Of these, seeds that run twice.
const TWICE_OF_CI: u64 = 20;
/// A planted fault is found within so many seeds.
const SEEDS_TO_FIND: u64 = 100;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let off = parse_level("off").unwrap();
    let (logs, _writer) = Logs::start(&LogTo::File("/dev/null".into()), &off).unwrap();
    std::panic::set_hook(Box::new(note_panic));
    let began = Instant::now();
    let failures = if let (Some(seed), Some(folder)) = (arguments.seed, &arguments.export) {
        export_seed(seed, folder, &arguments)
    } else if let Some(seed) = arguments.seed {
        run_seeds(seed, arguments.seeds, &arguments, &logs)
    } else if arguments.past {
        run_past_failures(&arguments, &logs)
    } else if arguments.replay {
        export::replay::replay()
    } else if arguments.planted {
        find_planted(&arguments, &logs)
    } else {
        let all = Arguments { shrink: true, ..arguments.clone() };
        let twice = Arguments { twice: true, ..arguments.clone() };
        run_past_failures(&arguments, &logs)
            + run_seeds(1, SEEDS_OF_CI, &all, &logs)
            + marks::check()
            + run_seeds(1, TWICE_OF_CI, &twice, &logs)
            + find_planted(&arguments, &logs)
            + export::replay::replay()
    };
    println!("{failures} failures, {:?}", began.elapsed());
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Keeps the first panic of a run, which is the cause of the others.
fn note_panic(info: &PanicHookInfo<'_>) {
    if !IS_RUNNING.get() {
        eprintln!("{info}");
    } else if let Some(first) = PANIC.take() {
        PANIC.set(Some(first));
    } else {
        PANIC.set(Some(info.to_string()));
    }
}

/// Runs seeds on some threads. Returns how many failed.
fn run_seeds(first: u64, seeds: u64, arguments: &Arguments, logs: &Logs) -> usize {
    let (began, next, virtual_ms) = (Instant::now(), AtomicU64::new(first), AtomicU64::new(0));
    let (failures, runs) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..arguments.threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + seeds {
                        return;
                    }
                    if arguments.size.is_some_and(|size| Plan::new(seed).nodes.len() != size) {
                        continue;
                    }
                    runs.fetch_add(1, Ordering::Relaxed);
                    let (text, result) = report_seed(seed, arguments, logs);
                    print!("{text}");
                    match result {
                        Ok(ms) => virtual_ms.fetch_add(ms, Ordering::Relaxed),
                        Err(()) => failures.fetch_add(1, Ordering::Relaxed) as u64,
                    };
                }
            });
        }
    });
    let (failures, seconds) = (failures.into_inner(), virtual_ms.into_inner() / 1000);
    let twice = if arguments.twice { ", each twice" } else { "" };
    let took = began.elapsed();
    let runs = runs.into_inner();
    println!("{runs} seeds{twice}: {failures} failed; {seconds} virtual seconds in {took:.1?}");
    failures
}

/// Runs a seed. Returns what is printed, and its virtual milliseconds.
fn report_seed(seed: u64, arguments: &Arguments, logs: &Logs) -> (String, Result<u64, ()>) {
    let (result, story) = run_seed(seed, arguments, logs);
    let mut text = if arguments.story { story.clone() } else { String::new() };
    let summary = match result {
        Ok(summary) => summary,
        Err(error) => {
            let _ = writeln!(text, "seed {seed}: {error}");
            // One story is enough to begin with.
            if arguments.shrink && !IS_TOLD.swap(true, Ordering::Relaxed) {
                text.push_str(&shrunk_story(seed, error, arguments, logs));
            }
            return (text, Err(()));
        }
    };
    if arguments.story {
        let _ = writeln!(text, "seed {seed}: {summary:?}");
    }
    if arguments.twice {
        let (again, second) = run_seed(seed, arguments, logs);
        if again.as_ref() != Ok(&summary) || story != second {
            let _ = writeln!(text, "seed {seed}: the second run differs");
            let lines: Vec<_> = story.lines().zip(second.lines()).collect();
            if let Some(at) = lines.iter().position(|(one, other)| one != other) {
                for (one, _) in &lines[at.saturating_sub(5)..at] {
                    let _ = writeln!(text, "  {one}");
                }
                let _ = writeln!(text, "1 {}\n2 {}", lines[at].0, lines[at].1);
            }
            return (text, Err(()));
        }
    }
    (text, Ok(u64::try_from(summary.virtual_ms).unwrap()))
}

/// Runs what has failed before, and plants the mistakes back to show that it would fail again. Returns how often
/// something is not as it should be.
fn run_past_failures(arguments: &Arguments, logs: &Logs) -> usize {
    let mut failures = 0;
    for &PastFailure { mistake, text, plan } in past_failures::ALL {
        let error_of = |seed, plant| {
            let arguments = Arguments { plant, ..arguments.clone() };
            run_plan(plan(seed), false, &arguments, logs).0.err()
        };
        for seed in 1..=past_failures::SEEDS_TO_FIND {
            if let Some(error) = error_of(seed, None) {
                println!(
                    "{mistake:?} has failed before ({text}), and fails with seed {seed}: {error}"
                );
                failures += 1;
            }
        }
        let found = (1..=past_failures::SEEDS_TO_FIND)
            .find_map(|seed| Some((seed, error_of(seed, Some(mistake))?)));
        match found {
            Some((seed, error)) => println!("{mistake:?}: found again by seed {seed}: {error}"),
            None => {
                println!("{mistake:?}, planted back ({text}): NOT found");
                failures += 1;
            }
        }
    }
    println!("{} past failures: {failures} failed", past_failures::ALL.len());
    failures
}

/// Plants each fault, and looks for the first seed that finds it. Returns how many are not found.
///
/// Not those of past failures, some of which are too rare for this.
fn find_planted(arguments: &Arguments, logs: &Logs) -> usize {
    let has_own_plan = |fault| past_failures::ALL.iter().any(|past| past.mistake == fault);
    let faults = Planted::ALL.iter().copied().filter(|fault| !has_own_plan(*fault));
    let faults: Vec<Planted> = faults.collect();
    let next = AtomicUsize::new(0);
    let missed = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..arguments.threads {
            scope.spawn(|| {
                while let Some(&fault) = faults.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let planted = Arguments { plant: Some(fault), ..arguments.clone() };
                    let found = (1..=SEEDS_TO_FIND).find_map(|seed| {
                        let error = run_seed(seed, &planted, logs).0.err()?;
                        // Not if it fails without the fault, too.
                        let (without, _) = run_seed(seed, arguments, logs);
                        without.is_ok().then_some((seed, error))
                    });
                    match found {
                        Some((seed, error)) => println!("{fault:?}: found by seed {seed}: {error}"),
                        None => {
                            println!("{fault:?}: NOT found by {SEEDS_TO_FIND} seeds");
                            missed.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    missed.into_inner()
}

/// The story of a failure with few nodes, faults and payments, and how to run it again.
fn shrunk_story(seed: u64, error: String, arguments: &Arguments, logs: &Logs) -> String {
    let Ok(plan) = arguments.plan_of(seed) else { return String::new() };
    let run = |plan: &Plan, is_kept| run_plan(plan.clone(), is_kept, arguments, logs);
    let (plan, error) = shrink::shrink(plan, error, |plan| run(plan, false).0.err());
    let (_, story) = run(&plan, true);
    let plant = arguments.plant.map(|fault| format!(" --plant {fault:?}")).unwrap_or_default();
    let again = command_of(&plan);
    format!(
        "the same with {} nodes, {} faults and {} payments:\n{story}{error}\n\
         again: {again}{plant} --story\nwith real processes: {again} --export FOLDER\n",
        plan.kept.nodes.len(),
        plan.kept.faults.len(),
        plan.kept.payments.len(),
    )
}

/// The command that runs a part of a plan again.
fn command_of(plan: &Plan) -> String {
    let Kept { nodes, faults, payments, moves } = plan.kept.clone();
    let (nodes, faults, payments) = (Numbers(nodes), Numbers(faults), Numbers(payments));
    let seed = plan.seed;
    let attack = match plan.attack {
        Some(_) => format!(" --moves {}", Numbers(moves)),
        None => String::new(),
    };
    format!(
        "cargo sim --seed {seed} --nodes {nodes} --faults {faults} --payments {payments}{attack}"
    )
}

/// Writes the run of a seed for real processes. Returns how often that failed.
fn export_seed(seed: u64, folder: &Path, arguments: &Arguments) -> usize {
    let exported = arguments.plan_of(seed).and_then(|plan| {
        let whole = Plan::new(seed).kept == plan.kept;
        let again = if whole { format!("cargo sim --seed {seed}") } else { command_of(&plan) };
        export::export(&plan, &again, folder).map_err(|error| error.to_string())
    });
    let (folder, notes) = match exported {
        Ok(notes) => (folder.display(), notes),
        Err(error) => {
            println!("cannot export seed {seed}: {error}");
            return 1;
        }
    };
    println!("not in the scenario, or not in the same way:");
    notes.iter().for_each(|note| println!("  {note}"));
    println!(
        "{folder}: ilp-connector up --lab {}, and in another terminal sh {}",
        export::NETWORK,
        export::SCENARIO
    );
    0
}

fn run_seed(seed: u64, arguments: &Arguments, logs: &Logs) -> (Result<Summary, String>, String) {
    let is_kept = arguments.story || arguments.twice;
    match arguments.plan_of(seed) {
        Ok(plan) => run_plan(plan, is_kept, arguments, logs),
        Err(error) => (Err(error), String::new()),
    }
}

/// Runs a plan. A panic of it is an error.
fn run_plan(
    plan: Plan,
    is_story_kept: bool,
    arguments: &Arguments,
    logs: &Logs,
) -> (Result<Summary, String>, String) {
    IS_RUNNING.set(true);
    planted::plant(arguments.plant);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let story = runtime.block_on(async { Story::new(is_story_kept, arguments.details) });
    let running = AssertUnwindSafe(|| {
        let result = runtime.block_on(run::run(plan, story.clone(), logs));
        // What still runs ends here, and may panic.
        drop(runtime);
        result
    });
    let running = || std::panic::catch_unwind(running);
    let result = if is_story_kept { story.with_logs(running) } else { running() };
    let result = result.unwrap_or_else(|_| Err("a panic".to_owned()));
    let result = PANIC.take().map_or(result, Err);
    planted::plant(None);
    IS_RUNNING.set(false);
    (result, story.text())
}

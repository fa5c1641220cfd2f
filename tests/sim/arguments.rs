//! The command line.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Parser;
use ilp_connector::internals::planted::Fault;

use crate::plan::Plan;

/// Runs whole networks in a simulated world. Without a seed: what CI runs.
#[derive(Clone, Debug, Parser)]
pub struct Arguments {
    /// The first seed.
    #[arg(long)]
    pub seed: Option<u64>,
    /// How many seeds.
    #[arg(long, default_value_t = 1, requires = "seed", value_parser = clap::value_parser!(u64).range(1..))]
    pub seeds: u64,
    /// Of these, only networks of so many nodes.
    #[arg(long, requires = "seed", conflicts_with = "nodes")]
    pub size: Option<usize>,
    /// Prints the story of each run.
    #[arg(long, requires = "seed")]
    pub story: bool,
    /// With each step of the network.
    #[arg(long, requires = "story")]
    pub details: bool,
    /// Runs each seed twice, and compares the stories.
    #[arg(long, requires = "seed")]
    pub twice: bool,
    /// Plants a fault in the code.
    #[arg(long, requires = "seed", value_parser = parse_fault)]
    pub plant: Option<Fault>,
    /// Runs what has failed before, without the mistakes and with them.
    #[arg(long, conflicts_with_all = ["seed", "planted"])]
    pub past: bool,
    /// Plants each fault, and looks for the first seed that finds it.
    #[arg(long, conflicts_with = "seed")]
    pub planted: bool,
    /// Tells the story of the first seed that fails with fewer nodes, faults and payments.
    #[arg(long, requires = "seed")]
    pub shrink: bool,
    /// Runs nothing, and writes the network and a scenario for `ilp-connector up --lab` into this folder.
    #[arg(long, value_name = "FOLDER", requires = "seed")]
    #[arg(conflicts_with_all = ["seeds", "story", "twice", "plant", "shrink"])]
    pub export: Option<PathBuf>,
    /// Exports some runs, and replays a short one with real processes.
    #[arg(long, conflicts_with_all = ["seed", "planted", "past"])]
    pub replay: bool,
    /// Only these nodes take part.
    #[arg(long, requires = "seed", value_parser = parse_numbers)]
    pub nodes: Option<Numbers>,
    /// Only these faults happen.
    #[arg(long, requires = "seed", value_parser = parse_numbers)]
    pub faults: Option<Numbers>,
    /// Only these payments are made.
    #[arg(long, requires = "seed", value_parser = parse_numbers)]
    pub payments: Option<Numbers>,
    /// The attacker makes only these moves.
    #[arg(long, requires = "seed", value_parser = parse_numbers)]
    pub moves: Option<Numbers>,
    /// Runs so many seeds at a time.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: u16,
}

/// Numbers such as `0,3,4`, or `none`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbers(pub BTreeSet<usize>);

impl std::fmt::Display for Numbers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let numbers: Vec<String> = self.0.iter().map(usize::to_string).collect();
        f.write_str(if numbers.is_empty() { "none" } else { "" })?;
        f.write_str(&numbers.join(","))
    }
}

fn parse_numbers(text: &str) -> Result<Numbers, String> {
    if text == "none" {
        return Ok(Numbers(BTreeSet::new()));
    }
    let numbers: Result<_, _> = text.split(',').map(str::parse).collect();
    numbers.map(Numbers).map_err(|_| "numbers such as 0,3,4, or none".to_owned())
}

fn parse_fault(name: &str) -> Result<Fault, String> {
    let found = Fault::ALL.iter().copied().find(|fault| format!("{fault:?}") == name);
    found.ok_or_else(|| format!("one of {:?}", Fault::ALL))
}

impl Arguments {
    /// The plan of a seed, with the parts that the arguments name.
    pub fn plan_of(&self, seed: u64) -> Result<Plan, String> {
        let mut plan = Plan::new(seed);
        let keep = |all: &mut BTreeSet<usize>, named: &Option<Numbers>| {
            let Some(Numbers(named)) = named else { return Ok(()) };
            if let Some(unknown) = named.difference(all).next() {
                return Err(format!("its plan has no part {unknown} of this kind"));
            }
            all.clone_from(named);
            Ok(())
        };
        keep(&mut plan.kept.nodes, &self.nodes)?;
        keep(&mut plan.kept.faults, &self.faults)?;
        keep(&mut plan.kept.payments, &self.payments)?;
        keep(&mut plan.kept.moves, &self.moves)?;
        if !plan.is_connected() {
            return Err("these nodes are not linked with each other".to_owned());
        }
        Ok(plan)
    }
}

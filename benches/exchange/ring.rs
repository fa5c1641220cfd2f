//! A ring of nodes, a process each: the time from the start until each node has the shortest route to each other one,
//! again after one of them is killed, and after it has restarted.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::time::Duration;

use clap::Args;

use crate::node::{Node, figures, free_port, json, until};

#[derive(Args)]
pub(crate) struct Settings {
    /// Nodes in the ring.
    #[arg(long, default_value_t = 20)]
    pub(crate) nodes: usize,
    /// How often.
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { nodes: 20, rounds: 5 }
    }
}

struct Ring {
    health: Vec<u16>,
    nodes: Vec<Option<Node>>,
}

pub(crate) fn run(settings: &Settings) -> io::Result<()> {
    let mut times: [Vec<Duration>; 4] = Default::default();
    for _ in 0..settings.rounds {
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("ring.yaml");
        let health = write(&file, settings.nodes)?;
        let mut ring = Ring { health, nodes: Vec::new() };
        for number in 0..settings.nodes {
            ring.nodes.push(Some(Node::start(&file, &id(number))?));
        }
        let up = until("all links are up", || ring.all_healthy())?;
        let found = until("all routes are found", || ring.has_converged())?;
        times[0].push(up);
        times[1].push(found);
        let dead = settings.nodes / 3;
        ring.nodes[dead] = None;
        times[2].push(until("the way around", || ring.has_converged())?);
        ring.nodes[dead] = Some(Node::start(&file, &id(dead))?);
        let linked = until("it is back", || ring.all_healthy())?;
        times[3].push(linked + until("the short ways", || ring.has_converged())?);
    }
    let [up, found, around, back] = &mut times;
    println!(
        "ring of {} nodes, {} rounds: median (least-greatest)",
        settings.nodes, settings.rounds
    );
    println!("  all processes started and linked   {}", figures(up));
    println!("  then all routes found after        {}", figures(found));
    println!("  one killed: ways around it after   {}", figures(around));
    println!("  it starts again: all as before     {}, its start included", figures(back));
    Ok(())
}

fn id(number: usize) -> String {
    format!("n{number}")
}

fn write(file: &Path, count: usize) -> io::Result<Vec<u16>> {
    let mut text = "routing: dynamic\nnodes:\n".to_owned();
    let mut health = Vec::new();
    for number in 0..count {
        let (btp, port) = (free_port()?, free_port()?);
        health.push(port);
        let _ = writeln!(
            text,
            "  - {{ id: n{number}, host: 127.0.0.1, btpServerPort: {btp}, healthCheckPort: {port} }}"
        );
    }
    text += "links:\n";
    for number in 0..count {
        let next = (number + 1) % count;
        let _ = writeln!(text, "  - {{ from: n{number}, to: n{next}, secret: s{number} }}");
    }
    std::fs::write(file, text)?;
    Ok(health)
}

impl Ring {
    fn alive(&self) -> impl Iterator<Item = usize> {
        (0..self.nodes.len()).filter(|number| self.nodes[*number].is_some())
    }

    fn all_healthy(&self) -> io::Result<bool> {
        for number in self.alive() {
            if json(self.health[number], "/health")?["status"] != "healthy" {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether each node has the shortest route to each other one, and none to the killed node.
    fn has_converged(&self) -> io::Result<bool> {
        let mut tables: HashMap<usize, HashMap<usize, usize>> = HashMap::new();
        for number in self.alive() {
            let page = json(self.health[number], "/routes")?;
            let routes = page["routes"].as_array().cloned().unwrap_or_default();
            let number_of = |text: &str| text.rsplit('n').next().and_then(|n| n.parse().ok());
            let table = routes.iter().filter_map(|route| {
                let to: usize = number_of(route["prefix"].as_str()?)?;
                Some((to, number_of(route["nextHop"].as_str()?)?))
            });
            tables.insert(number, table.collect());
        }
        let alive: Vec<usize> = self.alive().collect();
        let all = alive.iter().all(|from| {
            tables[from].len() == alive.len() - 1
                && alive
                    .iter()
                    .filter(|to| *to != from)
                    .all(|to| self.hops(&tables, *from, *to) == Some(self.distance(*from, *to)))
        });
        Ok(all)
    }

    fn hops(
        &self,
        tables: &HashMap<usize, HashMap<usize, usize>>,
        from: usize,
        to: usize,
    ) -> Option<usize> {
        let mut at = from;
        for hops in 0..self.nodes.len() {
            if at == to {
                return Some(hops);
            }
            at = *tables.get(&at)?.get(&to)?;
        }
        None
    }

    /// The shorter way around the ring without a killed node.
    fn distance(&self, from: usize, to: usize) -> usize {
        let count = self.nodes.len();
        let way = |step: usize| {
            let mut at = from;
            for hops in 0..count {
                if at == to {
                    return hops;
                }
                at = (at + step) % count;
                if self.nodes[at].is_none() {
                    break;
                }
            }
            usize::MAX
        };
        way(1).min(way(count - 1))
    }
}

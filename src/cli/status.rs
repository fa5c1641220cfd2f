//! `status`: one table over all nodes of a file or of URLs: health with its reasons, peers with state and last error,
//! balances. Reads the pages `/health` and `/peers` of each node.

mod look;
mod report;
mod settlements;

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use self::look::{NodeLook, look_at_all};
use self::report::StatusReport;
use super::args::StatusArguments;
use super::asked_nodes::find_nodes;
use super::observed::page_client;
use super::terminal::{
    Screen, Scroll, TerminalKey, TerminalKeys, can_show_view, interrupted, next_keys,
    terminal_canvas,
};
use crate::config::Environment;
use crate::console::{Failure, apply_colours, block_on, exit_result};
use crate::net::Clock;
use crate::remote::{AskedNode, PageClient};

/// Between two looks of `--watch`.
const PAUSE: Duration = Duration::from_secs(2);

/// Prints the state of the nodes. A failure if one is not healthy.
pub(super) fn run(
    arguments: &StatusArguments,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let nodes = find_nodes(&arguments.named.targets()?, environment)?;
    let client = page_client(arguments.timeout)?;
    let status = Status { arguments, environment, nodes, client, clock: Clock::start() };
    let is_well = block_on(async {
        match (arguments.watch, arguments.json) {
            (false, _) => status.print_once(out).await,
            (true, true) => status.print_lines(out).await,
            (true, false) => status.watch().await,
        }
    });
    exit_result(is_well?)
}

struct Status<'a> {
    arguments: &'a StatusArguments,
    environment: &'a Environment,
    nodes: Vec<AskedNode>,
    client: PageClient,
    clock: Clock,
}

impl Status<'_> {
    fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str)
    }

    async fn look(&self) -> Vec<NodeLook> {
        look_at_all(&self.client, &self.nodes).await
    }

    fn lines(&self, looks: &[NodeLook], columns: usize) -> Vec<String> {
        let now = self.clock.now().wall;
        StatusReport { looks, all: self.arguments.all, now, columns }.lines()
    }

    /// Returns whether all nodes are well.
    async fn print_once(&self, out: &mut dyn Write) -> Result<bool, Failure> {
        let looks = self.look().await;
        if self.arguments.json {
            writeln!(out, "{:#}", to_json(&looks))?;
        } else {
            let canvas = terminal_canvas(self.variable("NO_COLOR"));
            let is_terminal = io::stdout().is_terminal();
            let columns = if is_terminal { canvas.columns } else { usize::MAX };
            for line in self.lines(&looks, columns) {
                writeln!(out, "{}", apply_colours(&line, is_terminal && canvas.colour))?;
            }
        }
        out.flush()?;
        Ok(are_well(&looks))
    }

    /// One line of JSON each time, until a signal.
    async fn print_lines(&self, out: &mut dyn Write) -> Result<bool, Failure> {
        let mut interrupted = std::pin::pin!(interrupted()?);
        let mut is_well = true;
        loop {
            let looks = tokio::select! {
                looks = self.look() => looks,
                () = &mut interrupted => return Ok(is_well),
            };
            is_well = are_well(&looks);
            writeln!(out, "{}", to_json(&looks))?;
            out.flush()?;
            tokio::select! {
                () = sleep(PAUSE) => {}
                () = &mut interrupted => return Ok(is_well),
            }
        }
    }

    /// A live view, until `q` or a signal.
    async fn watch(&self) -> Result<bool, Failure> {
        if !can_show_view(self.variable("TERM")) {
            let help = "with --json, it prints a line each time";
            return Err(Failure::Usage(format!("--watch draws on a terminal; {help}")));
        }
        let mut interrupted = std::pin::pin!(interrupted()?);
        let mut screen = Screen::enter(io::stdout())?;
        let mut keys = TerminalKeys::read();
        let mut scroll = Scroll::default();
        screen.draw(&["asking ...".to_owned()])?;
        let mut looks = Vec::new();
        loop {
            tokio::select! {
                new = self.look() => looks = new,
                () = &mut interrupted => return Ok(are_well(&looks)),
            }
            let mut pause = std::pin::pin!(sleep(PAUSE));
            loop {
                self.draw(&mut screen, &looks, &mut scroll, keys.is_some())?;
                tokio::select! {
                    () = &mut pause => break,
                    () = &mut interrupted => return Ok(are_well(&looks)),
                    pressed = next_keys(&mut keys) => {
                        let page = page_of(terminal_canvas(None).rows);
                        for key in pressed {
                            if key == TerminalKey::Char('q') {
                                return Ok(are_well(&looks));
                            }
                            scroll.press(key, page);
                        }
                    }
                }
            }
        }
    }

    fn draw(
        &self,
        screen: &mut Screen<io::Stdout>,
        looks: &[NodeLook],
        scroll: &mut Scroll,
        has_keys: bool,
    ) -> io::Result<()> {
        let canvas = terminal_canvas(self.variable("NO_COLOR"));
        let lines = self.lines(looks, canvas.columns);
        let (all, page) = (lines.len(), page_of(canvas.rows));
        let mut lines = scroll.window(lines, page);
        lines.resize(page, String::new());
        let scrolls = if all > page { "arrows scroll, " } else { "" };
        lines.push(match has_keys {
            true => format!("{scrolls}q stops; every {} s", PAUSE.as_secs()),
            false => format!("Ctrl-C stops; every {} s", PAUSE.as_secs()),
        });
        let lines: Vec<String> =
            lines.iter().map(|line| apply_colours(line, canvas.colour)).collect();
        screen.draw(&lines)
    }
}

/// The lines above the last one, which has the keys.
fn page_of(rows: usize) -> usize {
    rows.saturating_sub(1).max(1)
}

fn are_well(looks: &[NodeLook]) -> bool {
    looks.iter().all(|look| look.row.is_well())
}

fn to_json(looks: &[NodeLook]) -> serde_json::Value {
    let nodes: Vec<_> = looks.iter().map(NodeLook::to_json).collect();
    json!({ "healthy": are_well(looks), "nodes": nodes })
}

//! Where the commands of a session run: a directory with a reader's files, and a network namespace of its own, in which
//! the ports of the text are free.

use std::cell::RefCell;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::blocks::{Action, Block, Mark};
use crate::process::{TIMEOUT, temp_folder};
use crate::support::{PROGRAM, combined_output, eventually, run, run_successfully};

/// How the text builds the program before it calls it; here it is built already.
const BUILT_BY_READERS: [&str; 2] = ["cargo build --release && ", "cargo run --release -- "];

/// A session's directory and network. Dropping it ends its processes.
pub(super) struct Sandbox {
    folder: TempDir,
    /// The process that owns the network namespace.
    holder: Child,
    background: RefCell<Vec<Child>>,
}

impl Sandbox {
    /// `Err` says why this machine cannot run one.
    pub(super) fn new() -> Result<Self, String> {
        for needed in ["nsenter", "curl"] {
            let there = Command::new(needed).arg("--version").output();
            there.map_err(|error| format!("`{needed}` does not run: {error}"))?;
        }
        let holder = Command::new("unshare")
            .args(["--user", "--map-root-user", "--net", "sh", "-c"])
            .arg("ip link set lo up && echo up && exec sleep 600")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("`unshare` does not run: {error}"))?;
        let mut sandbox = Self { folder: temp_folder(), holder, background: RefCell::default() };
        let mut output = [0; 2];
        let up =
            sandbox.holder.stdout.as_mut().map(|out| std::io::Read::read_exact(out, &mut output));
        if !matches!(up, Some(Ok(()))) {
            return Err("no network namespace can be made here (unshare, ip)".to_owned());
        }
        // Without what tools and earlier walks have left there.
        let copy = "tar --exclude=node_modules --exclude=books -cf - examples docker docker-compose.yml | tar -xf - -C \"$0\"";
        run_successfully(
            Command::new("sh")
                .args(["-c", copy])
                .arg(sandbox.folder.path())
                .current_dir(env!("CARGO_MANIFEST_DIR")),
        );
        Ok(sandbox)
    }

    pub(super) fn link(&self, name: &str, to: &Path) {
        std::os::unix::fs::symlink(to, self.folder.path().join(name)).unwrap();
    }

    /// Does what the mark of a block says.
    pub(super) fn execute(&self, block: &Block) {
        let Some(Mark::Tested { how, .. }) = &block.mark else { return };
        match how {
            Action::Run => block.commands().iter().for_each(|command| {
                self.run(command.line, &command.prints, &block.at);
            }),
            Action::Stays => {
                let commands = block.commands();
                let (last, before) = commands.split_last().unwrap();
                before
                    .iter()
                    .for_each(|command| self.run(command.line, &command.prints, &block.at));
                self.start(last.line, &last.prints, &block.at);
            }
            Action::SaveAs(file) => {
                std::fs::write(self.folder.path().join(file), &block.text).unwrap()
            }
            Action::Under(file, line) => self.edit(file, |text| {
                text.replacen(&format!("\n{line}\n"), &format!("\n{line}\n{}", block.text), 1)
            }),
            Action::Without(file) => self.edit(file, |text| {
                let is_kept = |line: &&str| !block.text.lines().any(|gone| gone == *line);
                text.lines().filter(is_kept).map(|line| format!("{line}\n")).collect()
            }),
        }
    }

    fn edit(&self, file: &str, change: impl FnOnce(&str) -> String) {
        let path = self.folder.path().join(file);
        let before = std::fs::read_to_string(&path).unwrap();
        let after = change(&before);
        assert_ne!(before, after, "the edit of {file} changed nothing");
        std::fs::write(path, after).unwrap();
    }

    /// Repeats a command until it prints what the page shows, because a network takes a moment to follow. A command
    /// without output on the page must succeed. A command that moves money runs once, after a ping has arrived.
    fn run(&self, line: &str, prints: &[&str], at: &str) {
        if let Some(line) = line.strip_suffix(" &") {
            return self.start(line, prints, at);
        }
        let run_once = || {
            let output = run(&mut self.command(line));
            let printed = combined_output(&output);
            let is_expected = match prints {
                [] => output.status.success(),
                lines => contains_lines(&printed, lines),
            };
            if is_expected { Ok(()) } else { Err(printed) }
        };
        if let Some(ping) = ping_before(line) {
            self.run(&ping, &[], at);
        }
        if is_payment(line) {
            run_once().unwrap_or_else(|printed| panic!("{at}: {line}: {printed}"));
        } else {
            eventually(&format!("{at}: {line}"), TIMEOUT, run_once);
        }
    }

    /// Starts a command that keeps running, and waits for its first output.
    fn start(&self, line: &str, prints: &[&str], at: &str) {
        let log = format!("background-{}.log", self.background.borrow().len());
        let log = self.folder.path().join(log);
        let out = File::create(&log).unwrap();
        let child = self.command(&format!("exec {line}")).stdout(out).spawn();
        self.background.borrow_mut().push(child.unwrap_or_else(|error| panic!("{line}: {error}")));
        eventually(&format!("{at}: {line}"), TIMEOUT, || {
            let output = std::fs::read_to_string(&log).unwrap_or_default();
            if contains_lines(&output, prints) { Ok(()) } else { Err(output) }
        });
    }

    fn command(&self, line: &str) -> Command {
        let mut line = line.to_owned();
        for words in BUILT_BY_READERS {
            let instead = if words.ends_with("-- ") { "ilp-connector " } else { "" };
            line = line.replace(words, instead);
        }
        let programs = Path::new(PROGRAM).parent().unwrap().display();
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.holder.id().to_string(), "--user", "--net"])
            .args(["--preserve-credentials", "sh", "-c", &line])
            .current_dir(self.folder.path())
            .env("PATH", format!("{programs}:{path}"))
            .env_remove("CONFIG_FILE")
            .stdin(Stdio::null());
        command
    }
}

/// Also behind variables, such as `ILP_VIA=... ilp-connector pay ...`.
fn is_payment(line: &str) -> bool {
    let mut words = line.split(' ').skip_while(|word| word.contains('='));
    words.next() == Some("ilp-connector") && matches!(words.next(), Some("pay" | "send"))
}

/// For a command that moves money, a ping by the same login to the node that is paid. Before a payment to a URL, whose
/// node no word names, the page has waited for the node already.
fn ping_before(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split(' ').collect();
    let ["ilp-connector", "pay" | "send", destination, ..] = words[..] else { return None };
    if destination.contains("://") {
        return None;
    }
    let node = destination.trim_end_matches(".wallet");
    let login = words.iter().skip_while(|word| **word != "--config").take(4);
    let login: Vec<&str> = login.copied().collect();
    Some(format!("ilp-connector ping {node} {} --count 1", login.join(" ")))
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        for child in self.background.borrow_mut().iter_mut().chain([&mut self.holder]) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Whether a text contains these lines in this order. `...` stands for any text, including whole lines.
fn contains_lines(output: &str, lines: &[&str]) -> bool {
    let output = normalize(output);
    let mut rest = output.as_str();
    for part in lines.iter().flat_map(|line| line.split("...")) {
        let part = normalize(part);
        let Some(at) = rest.find(part.trim()) else { return false };
        rest = rest.get(at + part.trim().len()..).unwrap_or_default();
    }
    true
}

/// Joins runs of blanks, and replaces numbers with a fraction (times, which differ from run to run) by `#`. Whole
/// numbers stay.
fn normalize(text: &str) -> String {
    let is_figure = |c: char| c.is_ascii_digit() || c == '.';
    let mut out = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = rest.find(|c| !is_figure(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(if is_figure(c) { length } else { c.len_utf8() });
        let dots = word.matches('.').count();
        // Not the end of a name and digits of the next one, as in an address.
        let is_fraction = dots == 1 && word.len() > 2 && !word.starts_with('.');
        match word {
            _ if is_fraction => out.push('#'),
            " " if out.ends_with(' ') => {}
            word => out.push_str(word),
        }
        rest = after;
    }
    out
}

#[test]
fn only_fractions_may_differ_from_the_page() {
    assert!(contains_lines("a   1.5 ms\nb 10,000 x\n", &["a 22.25 ms", "b 10,000 x"]));
    assert!(contains_lines("one\ntwo\nthree", &["one", "...", "three"]));
    assert!(contains_lines(r#"{"a":1,"b":{"c":"d"}}"#, &[r#"{"a":1,..."c":"d"..."#]));
    assert!(!contains_lines("one\nthree", &["three", "one"]));
    assert!(!contains_lines("1 sent, 0 fulfilled", &["1 sent, 1 fulfilled"]));
    assert!(!contains_lines("127.0.0.1:3000", &["127.0.0.1:3001"]));
    assert!(contains_lines(
        "test.c.wallet.75jiA\n1 (at least 0.99)",
        &["test.c.wallet....", "1 (at"]
    ));
}

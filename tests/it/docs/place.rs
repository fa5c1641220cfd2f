//! Where the commands of a session run: a directory with the files that a reader has, and a network with nobody else in
//! it, so that the ports of the text are free.

use std::cell::RefCell;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::blocks::{Block, How, Mark};
use crate::running::{PATIENCE, folder};
use crate::support::{PROGRAM, both, eventually, run, run_well};

/// How the text calls the program where it is built first; here it has been.
const BUILT_BY_READERS: [&str; 2] = ["cargo build --release && ", "cargo run --release -- "];

/// A session's directory and network. What still runs ends with it.
pub(super) struct Place {
    folder: TempDir,
    /// Keeps the network.
    holder: Child,
    staying: RefCell<Vec<Child>>,
}

impl Place {
    /// `Err`: why there can be none here.
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
        let mut place = Place { folder: folder(), holder, staying: RefCell::default() };
        let mut said = [0; 2];
        let up = place.holder.stdout.as_mut().map(|out| std::io::Read::read_exact(out, &mut said));
        if !matches!(up, Some(Ok(()))) {
            return Err("no network namespace can be made here (unshare, ip)".to_owned());
        }
        for part in ["examples", "docker", "docker-compose.yml"] {
            let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(part);
            run_well(Command::new("cp").arg("-r").arg(from).arg(place.folder.path()));
        }
        Ok(place)
    }

    pub(super) fn link(&self, name: &str, to: &Path) {
        std::os::unix::fs::symlink(to, self.folder.path().join(name)).unwrap();
    }

    /// Does what a block asks for.
    pub(super) fn follow(&self, block: &Block) {
        let Some(Mark::Tested { how, .. }) = &block.mark else { return };
        match how {
            How::Run => block.commands().iter().for_each(|command| {
                self.run(command.line, &command.prints, &block.at);
            }),
            How::Stays => {
                let commands = block.commands();
                let (last, before) = commands.split_last().unwrap();
                before
                    .iter()
                    .for_each(|command| self.run(command.line, &command.prints, &block.at));
                self.start(last.line, &last.prints, &block.at);
            }
            How::SaveAs(file) => {
                std::fs::write(self.folder.path().join(file), &block.text).unwrap()
            }
            How::Under(file, line) => self.edit(file, |text| {
                text.replacen(&format!("\n{line}\n"), &format!("\n{line}\n{}", block.text), 1)
            }),
            How::Without(file) => self.edit(file, |text| {
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

    /// Runs a command until it prints what it should: a network takes a moment to follow. A command of which the text
    /// shows nothing has to succeed.
    fn run(&self, line: &str, prints: &[&str], at: &str) {
        eventually(&format!("{at}: {line}"), PATIENCE, || {
            let output = run(&mut self.command(line));
            let said = both(&output);
            let well =
                if prints.is_empty() { output.status.success() } else { shows(&said, prints) };
            if well { Ok(()) } else { Err(said) }
        });
    }

    /// Starts a command that stays, and waits for what it should print first.
    fn start(&self, line: &str, prints: &[&str], at: &str) {
        let log = self.folder.path().join("staying.log");
        let out = File::create(&log).unwrap();
        let child = self.command(&format!("exec {line}")).stdout(out).spawn();
        self.staying.borrow_mut().push(child.unwrap_or_else(|error| panic!("{line}: {error}")));
        eventually(&format!("{at}: {line}"), PATIENCE, || {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            if shows(&said, prints) { Ok(()) } else { Err(said) }
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

impl Drop for Place {
    fn drop(&mut self) {
        for child in self.staying.borrow_mut().iter_mut().chain([&mut self.holder]) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Whether a text shows these lines, one below the other. `...` stands for anything,
/// also for lines of its own.
fn shows(said: &str, lines: &[&str]) -> bool {
    let said = alike(said);
    let mut rest = said.as_str();
    for part in lines.iter().flat_map(|line| line.split("...")) {
        let part = alike(part);
        let Some(at) = rest.find(part.trim()) else { return false };
        rest = rest.get(at + part.trim().len()..).unwrap_or_default();
    }
    true
}

/// With runs of blanks as one, and every figure with a fraction (times, which differ from run to run) as `#`. Whole
/// numbers are what they are.
fn alike(text: &str) -> String {
    let is_figure = |c: char| c.is_ascii_digit() || c == '.';
    let mut out = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = rest.find(|c| !is_figure(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(if is_figure(c) { length } else { c.len_utf8() });
        let dots = word.matches('.').count();
        let is_fraction = dots == 1 && word.len() > 2;
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
fn times_may_differ_and_words_may_not() {
    assert!(shows("a   1.5 ms\nb 10,000 x\n", &["a 22.25 ms", "b 10,000 x"]));
    assert!(shows("one\ntwo\nthree", &["one", "...", "three"]));
    assert!(shows(r#"{"a":1,"b":{"c":"d"}}"#, &[r#"{"a":1,..."c":"d"..."#]));
    assert!(!shows("one\nthree", &["three", "one"]));
    assert!(!shows("1 sent, 0 fulfilled", &["1 sent, 1 fulfilled"]));
    assert!(!shows("127.0.0.1:3000", &["127.0.0.1:3001"]));
}

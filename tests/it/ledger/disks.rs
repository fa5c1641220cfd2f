//! Disks that are full or read-only, mounted in a namespace that only the test sees.

use super::store_failures::{Payments, SpawnedNode, node_file, wait_for_reason};
use super::*;
use crate::support::skip;

/// Mounts a small file system in memory, and keeps its namespace until standard input ends.
const MOUNT: &str =
    "mount -t tmpfs -o size=1m tmpfs . && cd \"$PWD\" && mkdir books && echo mounted && cat";

/// A script that may mount file systems, which nothing else has.
pub(super) fn alone(script: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]);
    command
}

/// Whether a script can mount something on this directory. If not, the reason is printed, and the test is skipped.
pub(super) fn can_mount(test: &str, path: &Path) -> bool {
    let reason = match alone("mount -t tmpfs tmpfs .").current_dir(path).output() {
        Ok(output) if output.status.success() => return true,
        Ok(output) => combined_output(&output),
        Err(error) => format!("`unshare` does not run: {error}"),
    };
    skip(test, &format!("cannot mount: {reason}"));
    false
}

/// A small disk in a namespace of its own.
struct Disk {
    holder: Process,
    path: PathBuf,
}

impl Disk {
    /// `None`, after the reason was printed: nothing can be mounted here.
    fn mount(path: &Path) -> Option<Self> {
        std::fs::create_dir(path).unwrap();
        if !can_mount("a small disk", path) {
            return None;
        }
        let holder = Process::spawn(alone(MOUNT).current_dir(path));
        holder.wait_for_line("mounted", |line| (line == "mounted").then_some(()));
        Some(Self { holder, path: path.to_owned() })
    }

    /// A command with this disk.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--user", "--preserve-credentials", "--mount", "--target"]);
        command.args([&self.holder.pid().to_string(), "--", program]);
        command.current_dir("/");
        command
    }

    /// Runs a script in the directory of the disk.
    fn run(&self, script: &str) -> String {
        let script = format!("cd {} && {script}", self.path.display());
        run_successfully(self.command("sh").args(["-c", &script]))
    }

    fn saved(&self, account: &str) -> Saved {
        let store = self.path.join("books/n.db");
        let read = ["ledger", "balances", "--json", "--store", path_text(&store)];
        saved_in(&run_successfully(self.command(PROGRAM).args(read)), account)
    }
}

/// Standard answers to a Prepare that may have waited for long: in time, or too late.
fn note_answer(payments: &mut Payments, answer: &str, id: u32) {
    if answer.ends_with("Fulfill") {
        payments.fulfilled += i128::from(amount_of(id));
    } else {
        assert!(answer.ends_with("Reject R00"), "{answer}");
    }
}

#[test]
fn a_disk_that_is_full_and_then_read_only_loses_nothing() {
    const HELD: u32 = 1_000_000;
    let folder = temp_folder();
    let Some(disk) = Disk::mount(&folder.path().join("disk")) else { return };
    let file = node_file(folder.path(), &disk.path.join("books/n.db"), "strict");
    let checked = run(disk.command(PROGRAM).args(["check", path_text(&file)]));
    let warning = "but in memory (tmpfs)";
    assert!(combined_output(&checked).contains(warning), "{}", combined_output(&checked));
    let start = || SpawnedNode::start(disk.command(PROGRAM).args(["run", "--config"]).arg(&file));
    let node = start();
    let (alice, bob) = (node.connect("alice"), node.connect("bob"));
    let claims = bob.fulfill_all();
    let mut payments = Payments::new(alice);
    payments.pay_until("a packet passes", "Fulfill");

    let fill = "dd if=/dev/zero of=filler bs=4k 2>&1 || true";
    let filled = disk.run(fill);
    assert!(filled.contains("No space left"), "{filled}");
    payments.alice.send_prepare(HELD, &packet(HELD));
    wait_for_reason(node.health_port, "database or disk is full");
    let refused = payments.pay();
    assert!(refused.ends_with("Reject T03"), "{refused}");
    assert_eq!(http_get(node.health_port, "/health").0, 503);

    // There is room now, but the directory of the store has become read-only.
    disk.run("mount --bind books books && mount -o remount,bind,ro books && rm filler");
    wait_for_reason(node.health_port, "readonly database");
    let refused = payments.pay();
    assert!(refused.ends_with("Reject T03"), "{refused}");
    assert_eq!(http_get(node.health_port, "/health").0, 503);

    disk.run("mount -o remount,bind,rw books");
    let answer = payments.alice.receive_described();
    note_answer(&mut payments, &answer, HELD);
    payments.pay_until("packets pass again", "Fulfill");
    assert_eq!(get_json(node.health_port, "/health")["status"], "healthy");
    node.kill();
    let fulfilled = payments.fulfilled;
    assert_eq!(disk.saved("alice"), Saved { balance: fulfilled, uncertain: 0 });
    assert_eq!(disk.saved("bob"), Saved { balance: -fulfilled, uncertain: 0 });
    assert!(claims.join().unwrap() > 0);
    let node = start();
    let peers = get_json_with_token(node.health_port, "/peers");
    assert!(peers.contains(&format!("\"balance\":\"{fulfilled}\"")), "{peers}");
}

fn get_json_with_token(port: u64, page: &str) -> String {
    let request = format!("GET {page} HTTP/1.1\r\nAuthorization: Bearer an-operators-token\r\nX:");
    http_get(port, &request).1
}

//! The Debian package, installed, upgraded and removed where systemd runs, and the node as its service.

use std::path::Path;
use std::process::{Command, Output};

use super::network::RECOVERY_MAX;
use super::{DOCKER, build, docker, repository};
use crate::support::{PROGRAM, combined_output, eventually, run, run_successfully, skip, text};

const IMAGE: &str = "ilp-connector-test-systemd";
const CONTAINER: &str = "ilp-connector-test-systemd";
const CONFIG: &str = "/etc/ilp-connector/node.yaml";

/// A machine with systemd, which is removed with the test.
struct Machine;

impl Machine {
    fn start() -> Self {
        build(IMAGE, &repository().join("tests/docker/systemd"));
        let machine = Self;
        machine.remove();
        // What systemd needs to run in a container.
        let rights = [
            "--cap-add",
            "SYS_ADMIN",
            "--security-opt",
            "seccomp=unconfined",
            "--cgroupns=private",
        ];
        let mounts = [
            "--tmpfs",
            "/run",
            "--tmpfs",
            "/run/lock",
            "--volume",
            "/sys/fs/cgroup:/sys/fs/cgroup:rw",
        ];
        let start =
            [&["run", "--detach", "--name", CONTAINER][..], &rights, &mounts, &[IMAGE]].concat();
        run_successfully(&mut docker(&start));
        eventually("systemd runs", RECOVERY_MAX, || {
            match machine.try_run("systemctl is-system-running") {
                output if text(&output.stdout).trim() == "running" => Ok(()),
                output => Err(combined_output(&output)),
            }
        });
        machine
    }

    fn try_run(&self, command: &str) -> Output {
        run(&mut docker(&["exec", CONTAINER, "sh", "-c", command]))
    }

    fn run(&self, command: &str) -> String {
        let output = self.try_run(command);
        let journal = || {
            combined_output(&self.try_run("journalctl --no-pager -u ilp-connector | tail -n 40"))
        };
        assert!(output.status.success(), "{command}: {}\n{}", combined_output(&output), journal());
        combined_output(&output)
    }

    fn copy(&self, file: &Path, to: &str) {
        run_successfully(docker(&["cp"]).arg(file).arg(format!("{CONTAINER}:{to}")));
    }

    fn remove(&self) {
        let _ = docker(&["rm", "--force", "--volumes", CONTAINER]).output();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.remove();
    }
}

#[test]
fn the_package_is_a_hardened_service_that_keeps_its_books_through_upgrades_and_removal() {
    if let Err(why) = &*DOCKER {
        return skip("the Debian package", why);
    }
    if Command::new("dpkg-shlibdeps").arg("--version").output().is_err() {
        return skip("the Debian package", "dpkg-dev is not installed");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let script = repository().join("packaging/debian/build.sh");
    let package = run_successfully(Command::new(script).arg(PROGRAM).arg(folder.path()));
    let machine = Machine::start();
    machine.copy(Path::new(package.trim()), "/opt/ilp-connector.deb");

    // Nothing runs before its configuration was looked at.
    let installed = machine.run("dpkg --install /opt/ilp-connector.deb");
    assert!(installed.contains("systemctl enable --now ilp-connector"), "{installed}");
    assert!(!machine.try_run("systemctl is-active ilp-connector").status.success());
    machine.run("systemd-analyze verify ilp-connector.service");
    // At most 2.0 of 10.
    machine.run("systemd-analyze security --offline=true --threshold=20 /lib/systemd/system/ilp-connector.service");
    for page in ["ilp-connector", "ilp-connector-up", "ilp-connector-ledger-adjust"] {
        machine.run(&format!("man --pager=cat {page} | grep -q NAME"));
    }
    machine.run("bash -n /usr/share/bash-completion/completions/ilp-connector");

    // A container cannot give a service users of its own.
    machine.run(
        "mkdir -p /etc/systemd/system/ilp-connector.service.d && \
         printf '[Service]\\nPrivateUsers=no\\n' > /etc/systemd/system/ilp-connector.service.d/container.conf && \
         systemctl daemon-reload",
    );
    machine.run("systemctl enable --now ilp-connector");
    machine.run(&format!("ilp-connector healthcheck --config {CONFIG}"));
    machine
        .run(&format!("ilp-connector ping test.my-node --config {CONFIG} --count 1 --amount 700"));
    let status =
        machine.run("cat /proc/$(systemctl show --property MainPID --value ilp-connector)/status");
    let line = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).expect("a line");
        line.split_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(line("Uid:").iter().all(|uid| uid != "0"), "{status}");
    assert_eq!(
        (line("CapEff:"), line("NoNewPrivs:")),
        (vec!["0".repeat(16)], vec!["1".to_owned()])
    );

    let main_pid = || machine.run("systemctl show --property MainPID --value ilp-connector");
    let process = main_pid();
    assert_ne!(process.trim(), "0");
    // A mistake fails the reload with its line, and the node goes on; a change is applied.
    machine.run(&format!("cp {CONFIG} /opt/before && echo 'logLevel: lots' >> {CONFIG}"));
    assert!(!machine.try_run("systemctl reload ilp-connector").status.success());
    // What the command prints, not the node.
    machine.run("journalctl --no-pager -u ilp-connector | grep -q 'env\\[.*lots.* is no level'");
    let hangup = "journalctl --no-pager -u ilp-connector | grep -q 'SIGHUP: reading'";
    assert!(!machine.try_run(hangup).status.success());
    assert_eq!(main_pid(), process);
    machine.run(&format!("cp /opt/before {CONFIG} && echo 'logLevel: debug' >> {CONFIG}"));
    machine.run("systemctl reload ilp-connector");
    machine.run(hangup);
    eventually("the reload", RECOVERY_MAX, || {
        match machine
            .try_run("journalctl --no-pager -u ilp-connector | grep 'configuration reloaded'")
        {
            output if output.status.success() => Ok(()),
            output => Err(combined_output(&output)),
        }
    });

    let books = || {
        let printed =
            machine.run(&format!("ilp-connector ledger balances --json --config {CONFIG}"));
        let books: serde_json::Value = serde_json::from_str(&printed).expect("JSON");
        let cli = books["accounts"]
            .as_array()
            .and_then(|all| all.iter().find(|one| one["account"] == "cli"));
        assert_eq!(cli.map(|cli| &cli["balance"]), Some(&"700".into()), "{books}");
        (books["books"].clone(), books["accounts"].clone())
    };
    let before = books();
    // An upgrade restarts it, with the same books and the edited configuration.
    machine.run("dpkg --install /opt/ilp-connector.deb");
    assert_ne!(main_pid(), process);
    assert_eq!(books(), before);
    machine.run(&format!("grep -q 'logLevel: debug' {CONFIG}"));

    // A file that the program refuses does not stop an upgrade.
    machine.run(&format!("echo 'logLevel: lots' >> {CONFIG}"));
    let upgraded = machine.run("dpkg --install /opt/ilp-connector.deb");
    assert!(upgraded.contains("did not start again"), "{upgraded}");

    machine.run("dpkg --remove ilp-connector");
    assert!(!machine.try_run("systemctl is-active ilp-connector").status.success());
    machine.run(&format!("test ! -e /usr/bin/ilp-connector && test -e {CONFIG}"));
    let purged = machine.run("dpkg --purge ilp-connector");
    assert!(purged.contains("the books stay in /var/lib/private/ilp-connector"), "{purged}");
    machine.run(
        "test -e /var/lib/private/ilp-connector/books.db && test ! -e /etc/ilp-connector/secrets",
    );
}

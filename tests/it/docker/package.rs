//! The Debian package, installed, upgraded and removed where systemd runs, and the node as its service.

use std::path::Path;
use std::process::{Command, Output};

use super::network::RECOVERY_MAX;
use super::{DOCKER, build, docker, repository};
use crate::support::{PROGRAM, combined_output, eventually, run, run_successfully, skip, text};

const IMAGE: &str = "ilp-connector-test-systemd";
const CONTAINER: &str = "ilp-connector-test-systemd";
const CONFIG: &str = "/etc/ilp-connector/node.yaml";
const DOC: &str = "/usr/share/doc/ilp-connector";

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
    machine.run("systemd-analyze verify ilp-connector.service ilp-connector@second.service");
    // At most 2.0 of 10.
    machine.run("systemd-analyze security --offline=true --threshold=20 /lib/systemd/system/ilp-connector.service");
    for page in ["ilp-connector", "ilp-connector-up", "ilp-connector-ledger-adjust"] {
        machine.run(&format!("man --pager=cat {page} | grep -q NAME"));
    }
    machine.run("bash -n /usr/share/bash-completion/completions/ilp-connector");

    machine.run(&format!(
        "cd {DOC} && test -e README.md && test -e docs/RUNBOOKS.md && test -e examples/linear-3.yaml && \
         ilp-connector check examples/linear-3.yaml && grep -q IlpNodeGone docker/monitoring/rules.yml"
    ));

    // A container cannot give a service users of its own. Another attempt would not help, so there is none.
    assert!(!machine.try_run("systemctl enable --now ilp-connector").status.success());
    let shown =
        machine.run("systemctl show --property ActiveState,ExecMainStatus,NRestarts ilp-connector");
    for value in ["ActiveState=failed", "ExecMainStatus=217", "NRestarts=0"] {
        assert!(shown.contains(value), "{shown}");
    }
    for unit in ["ilp-connector", "ilp-connector@"] {
        machine.run(&format!(
            "install -D -t /etc/systemd/system/{unit}.service.d /usr/share/ilp-connector/container.conf"
        ));
    }
    machine.run("systemctl daemon-reload && systemctl enable --now ilp-connector");
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
    machine.run("journalctl --no-pager -u ilp-connector | grep -q 'error: .*lots.* is no level'");
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

    the_service_uses_secrets_as_they_are_now(&machine, &process);
    assert_eq!(main_pid(), process);

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

    // A file that the program refuses neither stops an upgrade nor the node that runs.
    let process = main_pid();
    machine.run(&format!("cp {CONFIG} /opt/before && echo 'logLevel: lots' >> {CONFIG}"));
    let upgraded = machine.run("dpkg --install /opt/ilp-connector.deb");
    assert!(upgraded.contains("ilp-connector.service is NOT restarted"), "{upgraded}");
    assert!(upgraded.contains(&format!("ilp-connector check {CONFIG}")), "{upgraded}");
    assert_eq!(main_pid(), process);
    machine.run(&format!("cp /opt/before {CONFIG}"));

    // What root restores is the node's.
    machine.run(&format!("ilp-connector ledger backup /opt/backup.db --config {CONFIG}"));
    machine.run("systemctl stop ilp-connector");
    machine.run(&format!("ilp-connector ledger restore /opt/backup.db --config {CONFIG}"));
    machine.run("systemctl start ilp-connector");
    assert_eq!(books().1, before.1);
    let rights =
        machine.run("stat --format '%U %a' /opt/backup.db /var/lib/ilp-connector/books.db");
    assert_eq!(rights, "root 600\nilp-connector 600\n");

    a_second_node_runs_beside_the_first(&machine);

    machine.run("dpkg --remove ilp-connector");
    for unit in ["ilp-connector", "ilp-connector@second"] {
        assert!(!machine.try_run(&format!("systemctl is-active {unit}")).status.success());
    }
    machine.run(&format!("test ! -e /usr/bin/ilp-connector && test -e {CONFIG}"));
    // Installed again, it waits for the operator, and says so.
    let again = machine.run("dpkg --install /opt/ilp-connector.deb");
    assert!(again.contains("systemctl enable --now ilp-connector"), "{again}");
    let purged = machine.run("dpkg --purge ilp-connector");
    assert!(purged.contains("the books stay in /var/lib/ilp-connector"), "{purged}");
    machine.run("test -e /var/lib/ilp-connector/books.db && test ! -e /etc/ilp-connector/secrets");
}

/// A secret that the service may not read fails the reload, although root may read it; a changed one needs no restart.
fn the_service_uses_secrets_as_they_are_now(machine: &Machine, process: &str) {
    machine.run(&format!(
        "cd /etc/ilp-connector && cp node.yaml /opt/before && (umask 077 && echo a-new-secret > secrets/first-peer) && \
         sed -i 's/^peers:/peers:\\n  - {{ id: first-peer, authTokenFile: secrets\\/first-peer, maxBalance: 9 }}/' {CONFIG}"
    ));
    assert!(!machine.try_run("systemctl reload ilp-connector").status.success());
    let journal = machine.run("journalctl --no-pager -u ilp-connector");
    let refused = journal.lines().find(|line| line.contains("secrets/first-peer")).expect("a line");
    assert!(refused.contains("chgrp") && refused.contains("permission denied"), "{refused}");
    machine
        .run("chmod 640 /etc/ilp-connector/secrets/first-peer && systemctl reload ilp-connector");
    let ping = format!("ilp-connector ping test.my-node --config {CONFIG} --count 1 --amount 0");
    machine.run(&ping);
    machine.run(
        "printf another-secret-of-cli > /etc/ilp-connector/secrets/cli && systemctl reload ilp-connector",
    );
    // The command has the new secret, which the same process accepts.
    eventually("the new secret", RECOVERY_MAX, || match machine.try_run(&ping) {
        output if output.status.success() => Ok(()),
        output => Err(combined_output(&output)),
    });
    let now = machine.run("systemctl show --property MainPID --value ilp-connector");
    assert_eq!(now, process);
    machine.run(&format!("cp /opt/before {CONFIG} && systemctl reload ilp-connector"));
}

fn a_second_node_runs_beside_the_first(machine: &Machine) {
    machine.run(&format!(
        "cd /etc/ilp-connector && sed -e s/my-node/second/ -e s/3000/3100/ -e s/8080/8180/ -e s/books.db/second.db/ \
         {CONFIG} > second.yaml && systemctl enable --now ilp-connector@second && \
         ilp-connector healthcheck --config second.yaml && ilp-connector healthcheck --config {CONFIG}"
    ));
    // An upgrade restarts both.
    let pids = || {
        machine.run("systemctl show --property MainPID --value ilp-connector ilp-connector@second")
    };
    let before = pids();
    machine.run("dpkg --install /opt/ilp-connector.deb");
    let after = pids();
    let pair = before.split_whitespace().zip(after.split_whitespace());
    assert!(pair.filter(|(before, after)| before != after).count() == 2, "{before} {after}");
    machine.run("systemctl is-active ilp-connector ilp-connector@second");
}

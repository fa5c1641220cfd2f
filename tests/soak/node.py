"""One process of the program in its namespace: start, signals, clock, disk, pages, and what it writes to its log."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import leftovers
import settings
from plan import NODES

LIBFAKETIME = "faketime/libfaketime.so.1"
# A clean stop: the grace of packets in flight is eight seconds, and the last cuts have two.
STOP_S = 20
ANSWER_S = 5
# Each tool ends by itself long before: a payment after eight seconds, an order to a node that does not answer after two
# requests of 15.
TOOL_S = 60
SMALL_DISK = "32m"
# The file that fills it.
FILLER = "filler"
# What the program says if it cannot save its books, and why it may: any disk may be slow, and the small one is filled.
# That the node recovers is checked.
STORE_ERROR = "cannot save the balances; new packets are rejected until it works"
SLOW_DISK, FULL_DISK = "the store has not answered for ", ("disk is full", "disk I/O error")


class Unavailable(Exception):
    """A page that does not answer."""


class ToolFailure(Exception):
    """A tool that hangs, panics, or ends with a code other than 0 or 1."""


def find_libfaketime():
    found = sorted(Path("/usr/lib").glob(f"*/{LIBFAKETIME}"))
    if not found:
        raise SystemExit("libfaketime is not installed (the Debian package faketime)")
    return str(found[0])


class Node:
    def __init__(self, name, network, program, folder):
        self.name, self.network, self.program = name, network, program
        self.traits = NODES[name]
        self.folder = folder / name
        self.config = folder / f"{name}.json"
        self.log = folder / f"{name}.log"
        self.clock = folder / f"{name}.clock"
        self.store = self.folder / "books.db"
        # Faults begin and end in one thread, and others watch.
        self.lock = threading.Lock()
        self.process, self.starts, self.kills = None, 0, []
        self.started_at = self.undisturbed_since = 0
        # While a fault of this node lasts, it owes no answer.
        self.is_down = self.is_frozen = False
        self.log_position, self.errors, self.disk_errors = 0, [], 0

    # Its machine.

    def build(self):
        self.folder.mkdir(parents=True)
        if self.traits.get("has_small_disk"):
            command = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK}", leftovers.DISK, self.folder]
            subprocess.run(command, check=True)
        self.configure()

    def end(self):
        """Ends the process, whatever it does."""
        with self.lock:
            self.is_down = True
            if self.process and self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            if self.process:
                leftovers.forget_clock(self.process.pid)

    def remove_disk(self):
        """Takes away a disk of its own, and keeps the files. Nothing may use them any more."""
        if not os.path.ismount(self.folder):
            return
        kept = self.folder.with_suffix(".kept")
        shutil.copytree(self.folder, kept, ignore=shutil.ignore_patterns(FILLER))
        leftovers.unmount(self.folder)
        self.folder.rmdir()
        kept.rename(self.folder)

    # The process.

    def wanted(self, variant=None):
        return settings.node(self.name, self.network.addresses, self.folder, variant)

    def configure(self, variant=None):
        """Writes a configuration, as an editor does: the file is there at any time."""
        new = self.config.with_suffix(".new")
        new.write_text(json.dumps(self.wanted(variant), indent=2))
        new.rename(self.config)

    def start(self):
        environment = {"PATH": os.environ["PATH"], "RUST_BACKTRACE": "1"}
        if self.traits.get("has_own_clock"):
            # Only the time of day is changed: the time since boot never jumps on a real machine.
            environment |= {
                "LD_PRELOAD": find_libfaketime(),
                "FAKETIME_TIMESTAMP_FILE": str(self.clock),
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "FAKETIME_NO_CACHE": "1",
            }
        words = [f"{name}={value}" for name, value in environment.items()]
        run = ["env", "-i", *words, self.program, "run", "--config", str(self.config)]
        with self.lock, open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.network.command(self.name, run),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C is for the soak, which stops its nodes.
                start_new_session=True,
            )
            self.started_at = self.undisturbed_since = time.monotonic()
            self.is_down = False
            self.starts += 1

    def kill(self):
        """Returns what is wrong if it had ended before, or nothing."""
        with self.lock:
            self.is_down = True
            self.kills.append(time.monotonic())
            self.process.kill()
            code = self.process.wait()
            leftovers.forget_clock(self.process.pid)
            return None if code == -signal.SIGKILL else f"{self.name} ended by itself with {code}"

    def stop(self):
        """A clean stop; returns what is wrong with it, or nothing."""
        with self.lock:
            self.is_down = True
            self.process.terminate()
            try:
                code = self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                return f"{self.name} has not stopped within {STOP_S} s after SIGTERM"
            leftovers.forget_clock(self.process.pid)
            return f"{self.name} ended with {code} after SIGTERM" if code else None

    def freeze(self):
        self.is_frozen = True
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)
        self.undisturbed_since = time.monotonic()
        self.is_frozen = False

    def reload(self, variant):
        self.configure(variant)
        self.process.send_signal(signal.SIGHUP)

    def set_clock(self, by_s):
        new = self.clock.with_suffix(".new")
        new.write_text(f"{by_s:+d}\n")
        new.rename(self.clock)

    def fill_disk(self):
        with open(self.folder / FILLER, "wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(1 << 16))
            except OSError:
                pass

    def empty_disk(self):
        (self.folder / FILLER).unlink()

    # What it shows.

    def ended(self):
        """What a process that ended by itself says, or nothing."""
        with self.lock:
            if self.is_down or self.process is None or self.process.poll() is None:
                return None
            return f"{self.name} ended by itself with {self.process.returncode}"

    def get(self, path, port=settings.HEALTH_PORT, accept="*/*", timeout=ANSWER_S):
        """The status and the JSON of a page."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        try:
            connection.sock = self.network.connect(self.name, port, timeout)
            headers = {"Authorization": f"Bearer {settings.TOKEN}", "Accept": accept}
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Unavailable(f"{self.name}{path}: {error or type(error).__name__}") from error
        finally:
            connection.close()

    def read_log(self):
        """Judges the lines since the last call."""
        if not self.log.exists():
            return
        with open(self.log, "rb") as log:
            log.seek(self.log_position)
            read = log.read()
        complete = read[: read.rfind(b"\n") + 1]
        self.log_position += len(complete)
        for line in complete.decode(errors="replace").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                # A panic before the log, a message of the loader: nothing else writes without JSON.
                self.errors.append(f"{self.name}: {line}")
                continue
            if entry.get("level") != "ERROR":
                continue
            if entry.get("message") == STORE_ERROR and self.is_fault_of_disk(entry["error"]):
                self.disk_errors += 1
            else:
                self.errors.append(f"{self.name}: {line}")

    def is_fault_of_disk(self, error):
        """Does an error of the store follow from what the soak does to the disk?"""
        if self.traits.get("has_small_disk") and any(text in error for text in FULL_DISK):
            return True
        return error.startswith(SLOW_DISK)

    def run_tool(self, *words):
        """Runs the program on this machine: its exit code 0 or 1, what it printed, and its errors."""
        command = self.network.command(self.name, [self.program, *words])
        said = f"`{' '.join(words)}` at {self.name}"
        try:
            # Ctrl-C is for the soak, which ends what runs in the namespaces.
            done = subprocess.run(command, capture_output=True, text=True, timeout=TOOL_S, start_new_session=True)
        except subprocess.TimeoutExpired:
            raise ToolFailure(f"{said} has not ended within {TOOL_S} s") from None
        if done.returncode not in (0, 1) or "panicked" in done.stderr:
            raise ToolFailure(f"{said} ended with {done.returncode}: {done.stderr}")
        return done

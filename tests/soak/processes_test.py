"""What is noticed of processes, tools and logs, with scripts of the shell in the place of the program."""

import json
import os
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import leftovers
import node as node_module
import plan
from load import Load
from node import FULL_DISK, SLOW_DISK, STORE_ERROR, Node, ToolFailure, Unavailable
from operators import Operators
from watch import GRACE_S, Watch
from worker import Worker

ADDRESSES = {name: "127.0.0.1" for name in plan.NODES}


class Processes(unittest.TestCase):
    """A node whose program is a script of the shell, in no namespace."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def node(self, script, name="e"):
        program = self.folder / "program"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        network = SimpleNamespace(addresses=ADDRESSES, command=lambda _, command: command)
        return Node(name, network, str(program), self.folder)

    def started(self, script):
        node = self.node(script)
        node.build()
        node.start()
        self.addCleanup(node.end)
        return node

    def test_a_process_that_runs_is_killed(self):
        node = self.started("exec sleep 60")
        self.assertIsNone(node.ended())
        self.assertIsNone(node.kill())

    def test_a_process_that_ended_before_it_was_killed_is_found(self):
        node = self.started("exit 3")
        node.process.wait()
        self.assertEqual(node.ended(), "e ended by itself with 3")
        self.assertEqual(node.kill(), "e ended by itself with 3")

    def test_a_stop_that_does_not_end_well_is_found(self):
        node = self.started("exit 4")
        node.process.wait()
        self.assertEqual(node.stop(), "e ended with 4 after SIGTERM")

    def test_the_end_of_a_soak_is_no_end_of_a_process(self):
        node = self.started("exec sleep 60")
        node.end()
        self.assertEqual(node.process.returncode, -signal.SIGKILL)
        self.assertIsNone(node.ended())

    def test_the_times_of_kills_are_kept(self):
        before = time.monotonic()
        node = self.started("exec sleep 60")
        node.kill()
        self.assertTrue(before < node.kills[0] < time.monotonic(), node.kills)

    def test_a_tool_that_hangs_or_fails_is_found(self):
        with mock.patch.object(node_module, "TOOL_S", 0.2):
            with self.assertRaisesRegex(ToolFailure, "`pay` at e has not ended within 0.2 s"):
                self.node("exec sleep 60").run_tool("pay")
        for script in ("exit 2", "kill -9 $$", "echo thread main panicked >&2; exit 1"):
            with self.assertRaises(ToolFailure):
                self.node(script).run_tool("pay")
        self.assertEqual(self.node("exit 1").run_tool("pay").returncode, 1)

    def test_operators_whose_tool_hangs_fail(self):
        failures = []
        operators = Operators({"c": self.node("exec sleep 60")}, self.folder, failures.append)
        operators.open = [("c", "d", ["--sent", "1"])]
        with mock.patch.object(node_module, "TOOL_S", 0.2):
            operators.start()
            operators.threads[0].join()
        self.assertTrue(len(failures) == 1 and "has not ended within" in failures[0], failures)

    def test_a_sender_that_says_nothing_fails(self):
        load = Load({"e": self.node("exit 1")}, 1, 3, print)
        with self.assertRaises(ToolFailure):
            load.send("e", "a", 5, 2)
        load.nodes["e"] = self.node("echo the tool cannot log in >&2; exit 1")
        self.assertFalse(load.send("e", "a", 5, 2))
        self.assertEqual(load.payments, [])

    def test_senders_know_what_they_have_no_proof_of(self):
        packets = {"fulfilled": 2, "rejected": {"R00": 1, "T04": 9}, "unanswered": 1}
        said = {"sent": "10", "delivered": "9", "complete": False, "packets": packets}
        said |= {"unresolved": "5", "inFlight": "2"}
        load = Load({"e": self.node(f"echo '{json.dumps(said)}'; exit 1")}, 1, 3, print)
        load.connection = lambda _: ("test.a.wallet", "secret")
        self.assertFalse(load.pay("e", "a", 21, 4))
        results = [{"result": "fulfilled", "packets": 3}, {"result": "R00", "packets": 2}]
        said = {"fulfilled": 3, "unanswered": 1, "results": [*results, {"result": "T04", "packets": 4}]}
        load.nodes["e"] = self.node(f"echo '{json.dumps(said)}'; exit 1")
        self.assertFalse(load.send("e", "a", 5, 10))
        seen = [(one.account, one.paid, one.delivered, one.unseen) for one in load.payments]
        self.assertEqual(seen, [("wallet", 10, 9, 13), ("own:USD/9", 15, 15, 15)])
        self.assertTrue(all(one.began <= one.ended for one in load.payments))

    def errors(self, name, message, error):
        node = self.node("exit 0", name)
        line = {"level": "ERROR", "message": message, "error": error}
        node.log.write_text(json.dumps(line) + "\n")
        node.read_log()
        return node.errors

    def test_errors_are_found_but_for_those_of_a_disk(self):
        for name in plan.NODES:
            self.assertEqual(self.errors(name, STORE_ERROR, f"{SLOW_DISK}2s"), [], name)
            self.assertEqual(len(self.errors(name, STORE_ERROR, "the store is damaged")), 1, name)
            self.assertEqual(len(self.errors(name, "another error", FULL_DISK[0])), 1, name)

    def test_only_the_small_disk_may_be_full(self):
        for name, traits in plan.NODES.items():
            for text in FULL_DISK:
                found = self.errors(name, STORE_ERROR, f"cannot write the store: {text}")
                self.assertEqual(len(found), 0 if traits.get("has_small_disk") else 1, name)


class Watching(unittest.TestCase):
    """What happens while faults come and go."""

    def watch(self, **changes):
        """A watch, and its failures after a look at a node with a health page."""
        def get(_, timeout):
            return 200, {}

        node = {"name": "e", "is_down": False, "is_frozen": False, "undisturbed_since": time.monotonic() - GRACE_S - 1}
        node |= {"ended": lambda: None, "get": get, "read_log": lambda: None, "errors": []} | changes
        failures = []
        watch = Watch({"e": SimpleNamespace(**node)}, failures.append)
        with mock.patch("watch.take_sample", lambda *_: None):
            watch.step()
        return watch, failures

    def no_answer(self, _, timeout):
        raise Unavailable("e/health: timed out")

    def test_a_node_that_is_well_passes(self):
        watch, failures = self.watch()
        self.assertEqual((watch.health_checks, failures), (1, []))

    def test_what_must_not_happen_is_found(self):
        wrong = [
            ({"ended": lambda: "e ended by itself with 3"}, "e ended by itself with 3"),
            ({"errors": ["e: broken"]}, "an error in the log of e: broken"),
            ({"get": self.no_answer}, "no answer of a node without a fault of its own: e/health: timed out"),
        ]
        for change, expected in wrong:
            self.assertEqual(self.watch(**change)[1], [expected])

    def test_a_node_with_a_fault_owes_no_answer(self):
        faults = [{"is_down": True}, {"is_frozen": True}, {"undisturbed_since": time.monotonic()}]
        for change in faults:
            watch, failures = self.watch(get=self.no_answer, **change)
            self.assertEqual((watch.health_checks, failures), (0, []))

    def test_an_exception_in_a_thread_is_a_failure(self):
        failures = []
        worker = Worker("the worker", failures.append)
        worker.start()
        worker.threads[0].join()
        self.assertTrue(len(failures) == 1 and "NotImplementedError" in failures[0], failures)


class Leftovers(unittest.TestCase):
    """Of a run that was killed, and of others that were not."""

    def setUp(self):
        dead = subprocess.Popen(["true"])
        dead.wait()
        script = ["sh", "-c", "echo; read _", "run.py"]
        running = subprocess.Popen(script, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        # It has its arguments now.
        running.stdout.readline()
        self.addCleanup(running.communicate)
        self.dead, self.running = dead.pid, running.pid

    def test_namespaces_of_dead_runs_are_found(self):
        names = [f"soak-{self.dead}-a", f"soak-{self.running}-a", f"soak-{os.getpid()}-a", "soak-x-a", "other"]
        # This process is no run, though it lives.
        self.assertEqual(leftovers.dead_namespaces(names), [names[0], names[2]])

    def test_folders_of_dead_runs_are_found_and_those_of_failed_runs_stay(self):
        with tempfile.TemporaryDirectory() as temporary:
            folders = Path(temporary)
            for name in (f"1-{self.dead}", f"2-{self.running}", "other"):
                (folders / name).mkdir()
                (folders / name / leftovers.PROGRAM).touch()
            (folders / f"3-{self.dead}").mkdir()
            self.assertEqual(leftovers.dead_folders(folders), [folders / f"1-{self.dead}"])

    def test_disks_of_a_run_are_found(self):
        mounts = [r"soak /soaks/7\0408/a tmpfs", "soak /soaks/9/a tmpfs", r"tmpfs /soaks/7\0408/b tmpfs"]
        mounts = "".join(f"{mount} rw 0 0\n" for mount in mounts)
        self.assertEqual(leftovers.disks_below(Path("/soaks/7 8"), mounts), [Path("/soaks/7 8/a")])

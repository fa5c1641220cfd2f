"""Would a soak notice? Its judgements fail for what must not be, and its plans follow from the seed.

    python3 tests/soak/checks_test.py       all tests of the soak, without root; tests/it/house/soak.rs runs this
"""

import os
import subprocess
import time
import unittest
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import applied
import memory
import plan
import settings
from memory import Sample
from run import Soak
from world import World

ADDRESSES = {name: "127.0.0.1" for name in plan.NODES}


class Configurations(unittest.TestCase):
    """A node whose pages are what its file says, and then not."""

    def pages(self, wanted):
        """As the node of REFERENCE.md shows them."""
        values = [{"key": key, "value": value, "from": "c.json:7"} for key, value in applied.values_of(wanted).items()]
        values.append({"key": "logLevel", "value": "info", "from": "default"})
        peers = [
            {
                "id": peer["id"],
                "enabled": peer.get("enabled", True),
                "required": peer.get("required", "url" in peer),
                "limits": {
                    "maxPacketAmount": str(peer["maxPacketAmount"]) if "maxPacketAmount" in peer else None,
                    "maxBalance": str(peer["maxBalance"]) if "maxBalance" in peer else None,
                    "minBalance": str(peer["minBalance"]) if "minBalance" in peer else None,
                    "packetsPerSecond": peer.get("packetsPerSecond"),
                },
                "reconcile": {"comparedAt": "2026-03-01T12:00:00.000Z"},
            }
            for peer in wanted["peers"]
        ]
        return {"values": values}, {"timestamp": "2026-03-01T12:00:04.000Z", "peers": peers}

    def wanted(self, variant=None):
        return settings.node("c", ADDRESSES, Path("/soak"), variant)

    def test_a_node_that_does_what_its_file_says_passes(self):
        for variant in [None, *plan.VARIANTS]:
            wanted = self.wanted(variant)
            self.assertEqual(applied.differences(wanted, "c.json", *self.pages(wanted)), [])
            self.assertEqual(applied.rare_comparisons(wanted, self.pages(wanted)[1]), [])

    def test_a_node_with_another_configuration_is_found(self):
        for variant in plan.VARIANTS:
            for used, file in ((None, variant), (variant, None)):
                found = applied.differences(self.wanted(file), "c.json", *self.pages(self.wanted(used)))
                self.assertTrue(found, (used, file))

    def test_each_value_and_each_limit_counts(self):
        wanted = self.wanted("rate")
        for key in applied.values_of(wanted):
            config, peers = self.pages(wanted)
            config["values"] = [one for one in config["values"] if one["key"] != key]
            found = applied.differences(wanted, "c.json", config, peers)
            self.assertTrue(len(found) == 1 and found[0].startswith(f"{key} is None"), found)
        config, peers = self.pages(wanted)
        config["values"].append({"key": "spread", "value": "0.01", "from": "c.json:3"})
        found = applied.differences(wanted, "c.json", config, peers)
        self.assertEqual(found, ["spread is 0.01, and None in the file"])
        for name in applied.LIMITS:
            config, peers = self.pages(wanted)
            peers["peers"][0]["limits"][name] = 21
            found = applied.differences(wanted, "c.json", config, peers)
            self.assertTrue(len(found) == 1 and f"b: {name} is 21" in found[0], found)
        for name in ("enabled", "required"):
            config, peers = self.pages(wanted)
            peers["peers"][0][name] ^= True
            self.assertEqual(len(applied.differences(wanted, "c.json", config, peers)), 1, name)

    def test_books_that_are_compared_too_rarely_are_found(self):
        wanted = self.wanted()
        _, peers = self.pages(wanted)
        others = [peer for peer in peers["peers"] if peer["id"] in plan.NODES]
        peers["timestamp"] = "2026-03-01T12:00:26.000Z"
        self.assertEqual(len(applied.rare_comparisons(wanted, peers)), len(others))
        for peer in others:
            del peer["reconcile"]
        self.assertEqual(len(applied.rare_comparisons(wanted, peers)), len(others))

    def test_a_reload_that_is_not_applied_fails(self):
        old = self.pages(self.wanted())
        world = World.__new__(World)
        asked = []
        node = SimpleNamespace(
            name="c",
            config=Path("c.json"),
            wanted=self.wanted,
            reload=asked.append,
            get=lambda path: (200, {"/peers": old[1], "/api/v1/nodes/c/config": old[0]}.get(path)),
            ended=lambda: None,
        )
        world.nodes = {"c": node}
        with mock.patch("world.START_S", 0.2):
            problems = world.reload(node, "limits")
        self.assertEqual(asked, ["limits"])
        self.assertIn("c, peers.b.maxBalance is 100000000, and 200000000 in the file", problems)
        self.assertEqual(world.reload(node, None), [])


class Peace(unittest.TestCase):
    """The judgements at the end of a run, without its nodes."""

    def soak(self, cannot_pay=()):
        soak = Soak.__new__(Soak)
        soak.load = SimpleNamespace(move=lambda _, *pair: pair not in cannot_pay)
        soak.operators = SimpleNamespace(record_open=lambda: None, open=[], refusal="")
        soak.world = SimpleNamespace(not_at_rest=lambda: [])
        return soak

    def test_a_node_that_cannot_pay_another_is_found(self):
        later = time.monotonic() + 60
        self.assertEqual(self.soak().not_paid(later), [])
        self.assertEqual(self.soak([("a", "e")]).not_paid(later), ["a cannot pay e"])
        self.assertEqual(len(self.soak().not_paid(time.monotonic() - 1)), 20)

    def test_a_settlement_that_is_not_recorded_is_found(self):
        soak = self.soak()
        self.assertEqual(soak.not_at_rest(), [])
        soak.operators.open, soak.operators.refusal = ["one"], "c: no"
        self.assertEqual(soak.not_at_rest(), ["a settlement is not recorded: c: no"])

    def test_a_node_that_is_not_healthy_is_found(self):
        world = World.__new__(World)
        well = {"status": "healthy", "config": {"successful": True, "error": None}}
        refused = {"status": "healthy", "config": {"successful": False, "error": "line 3"}}
        cases = [(200, well, 0), (503, {"status": "unhealthy"}, 1), (200, refused, 1)]
        for status, page, problems in cases:
            world.nodes = {"e": SimpleNamespace(name="e", get=lambda _: (status, page))}
            self.assertEqual(len(world.not_healthy()), problems, page)

    def test_a_store_that_cannot_be_verified_is_found(self):
        verified = SimpleNamespace(returncode=1, stdout="a row is wrong", stderr="")
        node = SimpleNamespace(store=Path("books.db"), kills=[], run_tool=lambda *_: verified)
        world = World.__new__(World)
        world.nodes = dict.fromkeys(plan.NODES, node)
        with mock.patch("world.read_store", lambda _: ({}, [])):
            found, _ = world.check_stores([])
            self.assertEqual(found, [f"{name}: ledger verify: a row is wrong" for name in plan.NODES])
            verified.returncode = 0
            self.assertEqual(world.check_stores([])[0], [])


class Waits(unittest.TestCase):
    def test_what_is_well_in_time_passes(self):
        world = World.__new__(World)
        world.nodes = {}
        self.assertEqual(world.wait(time.monotonic() + 60, lambda: []), [])

    def test_what_is_wrong_or_late_is_found(self):
        world = World.__new__(World)
        world.nodes = {}
        passed = time.monotonic() - 1
        self.assertEqual(world.wait(passed, lambda: ["wrong"]), ["wrong"])
        self.assertEqual(len(world.wait(passed, lambda: [])), 1)


class Memory(unittest.TestCase):
    def samples(self, restart_every=None, **by_second):
        """A run of ten minutes; what is named changes with each second of the run."""
        for at in range(600):
            values = {"rss_kib": 16000, "files": 20, "threads": 6, "store_bytes": 0, "wal_bytes": 0}
            for name, change in by_second.items():
                values[name] += int(change * at)
            yield Sample("d", at, at % restart_every if restart_every else at, **values)

    def test_what_stays_the_same_passes(self):
        self.assertEqual(memory.growth(list(self.samples()), 600), [])
        self.assertEqual(memory.growth(list(self.samples(restart_every=45)), 600), [])

    def test_growth_is_found_in_old_and_in_restarted_processes(self):
        for restart_every in (None, 45):
            for name, change in (("rss_kib", 15), ("files", 0.2), ("threads", 0.05)):
                found = memory.growth(list(self.samples(restart_every, **{name: change})), 600)
                self.assertTrue(found and all(name in text for text in found), (name, found))

    def test_a_young_process_is_not_compared_with_an_old_one(self):
        samples = list(self.samples(restart_every=200))
        for sample in samples:
            sample.rss_kib += int(sample.age) * 20
        self.assertEqual(memory.growth(samples, 600), [])

    def test_a_steady_node_without_a_comparison_is_found(self):
        few = [sample for sample in self.samples() if sample.at < 350]
        for samples in ([], few):
            self.assertEqual(memory.growth(samples, 600), ["d: too few samples of its memory to compare"])

    def test_a_measurement_that_is_missing_is_an_error(self):
        process = subprocess.Popen(["true"], stdout=subprocess.DEVNULL)
        # Nobody has waited for it yet: its memory is gone, its entry is not.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        node = SimpleNamespace(name="e", started_at=0, is_down=False, process=process, ended=lambda: None)
        with self.assertRaises(KeyError):
            memory.take_sample(node, 9, 9)
        node.is_down = True
        self.assertIsNone(memory.take_sample(node, 9, 9))
        process.wait()
        node.is_down = False
        self.assertIsNone(memory.take_sample(node, 9, 9))

    def test_the_course_of_a_run_has_its_parts_in_order(self):
        course = memory.course(list(self.samples(rss_kib=10)), "d", "rss_kib")
        self.assertEqual([round(value - 16000, -2) for value in course], [500, 1500, 2500, 3500, 4500, 5500])

    def test_a_store_without_bound_is_found(self):
        self.assertEqual(len(memory.growth(list(self.samples(store_bytes=1 << 20)), 600)), 1)
        self.assertEqual(len(memory.growth(list(self.samples(wal_bytes=1 << 20)), 600)), 1)


class Plans(unittest.TestCase):
    def test_a_seed_is_one_plan(self):
        self.assertEqual(plan.make_plan(7, 120), plan.make_plan(7, 120))
        self.assertNotEqual(plan.make_plan(7, 120), plan.make_plan(8, 120))

    def test_two_minutes_have_each_kind_and_no_two_faults_at_one_place(self):
        for seed in range(50):
            faults = plan.make_plan(seed, 120)
            self.assertEqual({fault.kind for fault in faults}, set(plan.KINDS), seed)
            ends = {}
            for fault in faults:
                self.assertLessEqual(ends.get(fault.target, 0), fault.at, (seed, fault))
                ends[fault.target] = fault.at + fault.lasts
                self.assertLessEqual(fault.at + fault.lasts, 120.1, seed)

    def test_the_steady_node_is_never_restarted(self):
        kinds = {fault.kind for fault in plan.make_plan(1, 1800) if fault.target == "d"}
        self.assertEqual(kinds, {"freeze", "reload"})


if __name__ == "__main__":
    found = unittest.defaultTestLoader.discover(Path(__file__).parent, "*_test.py")
    raise SystemExit(not unittest.TextTestRunner().run(found).wasSuccessful())

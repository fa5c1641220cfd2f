#!/usr/bin/env python3
"""A soak: real processes on a network of namespaces, with faults of the network and of the machines, and payments.

    tests/soak/run.py --minutes 2                     with target/debug/ilp-connector
    tests/soak/run.py --minutes 30 --seed 7 --program target/release/ilp-connector
    tests/soak/run.py --minutes 2 --seed 7 --plan     only prints the faults of a seed

Then all faults end, and within a time all sessions must be open, nothing in flight or uncertain, and the books of both
ends of each link equal to the unit. docs/RELIABILITY.md, "A soak of real processes", says what is checked. The seed
determines the faults and the payments, but not what the machine does meanwhile. Needs root, iproute2 and libfaketime.
"""

import argparse
import os
import random
import shutil
import signal
import sys
import threading
import time
import traceback
from collections import Counter
from pathlib import Path

import figures
import leftovers
import memory
from load import Load
from node import find_libfaketime
from operators import Operators
from plan import NODES, make_plan
from watch import Watch
from world import PEACE_S, World

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ROOT / "target/soak"
# In less, the memory of the thirds cannot be compared.
MINUTES_MIN = 1


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=2, help="how long faults come; default: 2")
    parser.add_argument("--seed", type=int, help="default: a random one")
    parser.add_argument("--program", type=Path, default=ROOT / "target/debug/ilp-connector")
    parser.add_argument("--payments-per-second", type=float, default=3, help="default: 3")
    parser.add_argument("--plan", action="store_true", help="print the faults, and do nothing")
    parser.add_argument("--keep", action="store_true", help="keep logs and stores also if all is well")
    given = parser.parse_args()
    if given.minutes < MINUTES_MIN or given.payments_per_second <= 0:
        parser.error(f"--minutes is at least {MINUTES_MIN}, and payments need a rate above zero")
    if given.seed is None:
        given.seed = random.randrange(10**6)
    given.program = given.program.absolute()
    return given


def check_machine(given):
    """What a run needs; it says what is missing before it begins."""
    if os.geteuid() != 0:
        raise SystemExit("a soak makes network namespaces, mounts and devices: please run it as root")
    for tool in ("ip", "nsenter", "mount"):
        if not shutil.which(tool):
            raise SystemExit(f"there is no `{tool}` (Debian packages iproute2, util-linux, mount)")
    if not os.access(given.program, os.X_OK):
        raise SystemExit(f"there is no program {given.program}: build it, or name one with --program")
    find_libfaketime()


class Soak:
    def __init__(self, given, faults):
        self.given, self.faults = given, faults
        self.folder = leftovers.folder_of(FOLDERS, given.seed, os.getpid())
        self.program = self.folder / leftovers.PROGRAM
        self.failures, self.has_failed = [], threading.Event()
        self.lock = threading.Lock()
        self.done = Counter()
        self.stores, self.peace_s = {}, 0
        self.world = World(str(self.program), self.folder, given.seed)
        nodes = self.world.nodes
        self.load = Load(nodes, given.seed, given.payments_per_second, self.fail)
        self.operators = Operators(nodes, self.folder, self.fail)
        self.watch = Watch(nodes, self.fail)
        self.workers = [self.watch, self.load, self.operators]
        self.is_ending = False

    def fail(self, text):
        with self.lock:
            if self.is_ending:
                # What is taken away under a thread is no failure of a node or a tool.
                return
            self.failures.append(text)
        print(f"FAILED: {text}", flush=True)
        self.has_failed.set()

    def run(self):
        self.folder.mkdir(parents=True)
        # A copy, because the next build would replace it between two starts of a node.
        shutil.copy2(self.given.program, self.program)
        self.operators.build()
        self.world.build()
        self.world.start()
        for worker in self.workers:
            worker.start()
        self.trouble()
        if not self.has_failed.is_set():
            self.peace()

    def trouble(self):
        """Begins and ends the faults at their times."""
        began = time.monotonic()
        steps = [(fault.at, True, fault) for fault in self.faults]
        steps += [(fault.at + fault.lasts, False, fault) for fault in self.faults]
        steps.sort(key=lambda step: step[:2])
        for at, begins, fault in steps:
            if self.has_failed.wait(max(0, began + at - time.monotonic())):
                return
            if begins:
                print(fault, flush=True)
                self.load.forget_payment(fault.target)
                wrong = self.world.begin(fault)
                self.done[fault.kind] += 1
                if wrong:
                    self.fail(wrong)
            else:
                self.world.end(fault)
                self.load.await_payment(fault.target, fault.kind)
        self.has_failed.wait(max(0, began + self.given.minutes * 60 - time.monotonic()))

    def peace(self):
        """Nothing goes wrong any more: all must be well within a time."""
        began = time.monotonic()
        deadline = began + PEACE_S
        print(f"{began - self.watch.began:7.1f} s  no more faults", flush=True)
        self.trouble_s = began - self.watch.began
        self.load.stop()
        self.operators.stop()
        problems = self.world.wait(deadline, self.not_at_rest)
        problems = problems or self.world.wait(deadline, lambda: self.not_paid(deadline))
        problems = problems or self.world.wait(deadline, self.not_at_rest)
        self.peace_s = time.monotonic() - began
        for problem in problems:
            self.fail(f"{self.peace_s:.0f} s after the last fault: {problem}")
        if problems:
            return
        self.watch.stop()
        for text in memory.growth(self.watch.samples, self.trouble_s):
            self.fail(text)
        for text in self.world.stop():
            self.fail(text)
        found, self.stores = self.world.check_stores(self.load.payments)
        for text in found:
            self.fail(text)
        # A clean stop writes lines too.
        self.watch.read_logs()

    def not_at_rest(self):
        self.operators.record_open()
        if self.operators.open:
            return [f"a settlement is not recorded: {self.operators.refusal}"]
        return self.world.not_at_rest()

    def not_paid(self, deadline):
        """Each node pays each other one, as far as there is time."""
        pairs = [(one, other) for one in NODES for other in NODES if one != other]
        failed = [pair for pair in pairs if time.monotonic() > deadline or not self.load.move("pay", *pair)]
        return [f"{one} cannot pay {other}" for one, other in failed]

    def end(self):
        """Takes all away, under the steps that are still under way, and waits for their threads. Nothing stops it."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        with self.lock:
            self.is_ending = True
        for worker in self.workers:
            worker.is_over.set()
        self.world.remove()
        for worker in self.workers:
            worker.stop()


def main():
    given = parse_arguments()
    faults = make_plan(given.seed, given.minutes * 60)
    print(f"seed {given.seed}, {given.minutes:g} minutes, {len(faults)} faults", flush=True)
    if given.plan:
        print("\n".join(map(str, faults)))
        return 0
    check_machine(given)
    leftovers.remove(FOLDERS)
    # As Ctrl-C: everything is removed then too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    soak = Soak(given, faults)
    try:
        soak.run()
        if soak.stores:
            print(figures.table(soak))
    except KeyboardInterrupt:
        soak.fail("interrupted")
    except SystemExit as error:
        soak.fail(str(error))
    except Exception:
        soak.fail(traceback.format_exc())
    finally:
        soak.end()
    soak.program.unlink(missing_ok=True)
    if soak.failures or given.keep:
        print(f"logs and stores: {soak.folder.relative_to(ROOT)}")
    else:
        shutil.rmtree(soak.folder)
    if soak.failures:
        again = f"tests/soak/run.py --seed {given.seed} --minutes {given.minutes:g}"
        print(f"{len(soak.failures)} checks failed; the same faults again: {again}")
        return 1
    print(f"all is well: seed {given.seed}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

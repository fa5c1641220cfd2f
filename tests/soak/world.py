"""The nodes with their network: faults begin and end here, and at the end all must be well again."""

import time

import applied
import settings
from books import read_store, unsettled, wrong_books
from network import Network
from node import Node, Unavailable
from plan import LINKS, NETWORK_KINDS, NODES, VARIANTS

START_S = 60
# Once nothing goes wrong any more. A peer that was away for long is dialled every half a minute.
PEACE_S = 150
LOOK_AGAIN_S = 1
# While a fault begins, which takes time from the next one.
LOOK_AGAIN_SOON_S = 0.05


class World:
    def __init__(self, program, folder, seed):
        self.network = Network(NODES, LINKS, seed)
        self.nodes = {name: Node(name, self.network, program, folder) for name in NODES}

    def build(self):
        self.network.build()
        for node in self.nodes.values():
            node.build()

    def remove(self):
        """Ends all processes, then takes away what they used. A build may have failed at any place."""
        for node in self.nodes.values():
            node.end()
        self.network.remove()
        for node in self.nodes.values():
            node.remove_disk()

    def check_settings(self):
        """Each configuration of a run must be valid: a soak is no test of refusals."""
        for variant in [*VARIANTS, None]:
            for node in self.nodes.values():
                node.configure(variant)
            files = [str(node.config) for node in self.nodes.values()]
            done = next(iter(self.nodes.values())).run_tool("check", *files)
            if done.returncode:
                raise SystemExit(f"the configurations ({variant}) are not valid:\n{done.stdout}{done.stderr}")

    def start(self):
        self.check_settings()
        for node in self.nodes.values():
            node.start()
        problems = self.wait(time.monotonic() + START_S, self.not_healthy)
        if problems:
            raise SystemExit("the nodes do not start: " + "; ".join(problems))

    # Faults.

    def begin(self, fault):
        """Begins a fault; returns what is wrong with the program, or nothing."""
        if fault.kind in NETWORK_KINDS:
            self.network.set_trouble(fault.target, **fault.details)
            return None
        node = self.nodes[fault.target]
        match fault.kind:
            case "kill":
                wrong = node.kill()
                if "again_ms" not in fault.details:
                    return wrong
                node.start()
                time.sleep(fault.details["again_ms"] / 1000)
                return wrong or node.kill()
            case "restart":
                return node.stop()
            case "freeze":
                node.freeze()
            case "clock":
                node.set_clock(fault.details["by_s"])
            case "reload":
                return "; ".join(self.reload(node, fault.details["variant"]))
            case "full disk":
                node.fill_disk()
        return None

    def reload(self, node, variant):
        """Returns what the node does not do as the new configuration says."""
        deadline = time.monotonic() + START_S
        # Before it is ready for signals, SIGHUP ends any process.
        problems = self.wait(deadline, lambda: node.get("/health/live") and [], LOOK_AGAIN_SOON_S)
        node.reload(variant)
        return problems or self.wait(deadline, lambda: self.not_applied(node, variant), LOOK_AGAIN_SOON_S)

    def end(self, fault):
        if fault.kind in NETWORK_KINDS:
            self.network.set_trouble(fault.target)
            return
        node = self.nodes[fault.target]
        match fault.kind:
            case "kill" | "restart":
                node.start()
            case "freeze":
                node.thaw()
            case "clock":
                node.set_clock(0)
            case "reload":
                node.reload(None)
            case "full disk":
                node.empty_disk()

    # Peace.

    def wait(self, deadline, problems_now, pause_s=LOOK_AGAIN_S):
        """Waits until there is no problem; returns what is wrong at the deadline, or as soon as a process has ended."""
        began, last = time.monotonic(), None
        while True:
            try:
                problems = problems_now()
            except Unavailable as error:
                problems = [str(error)]
            ended = [text for text in (node.ended() for node in self.nodes.values()) if text]
            is_late = time.monotonic() > deadline
            if is_late and not problems:
                problems = ["all is well now, but was not in time"]
            if not problems or ended or is_late:
                return ended or problems
            waited_s = time.monotonic() - began
            if problems[0] != last and waited_s >= LOOK_AGAIN_S:
                last = problems[0]
                print(f"{waited_s:7.1f} s  waiting: {last}", flush=True)
            time.sleep(pause_s)

    def not_healthy(self):
        found = []
        for node in self.nodes.values():
            status, page = node.get("/health")
            if status != 200:
                found.append(f"{node.name} is {page.get('status')}: {page.get('reasons')}")
            elif not page["config"]["successful"]:
                found.append(f"{node.name} has refused its configuration: {page['config']['error']}")
        return found

    def pages(self):
        return {name: node.get("/peers")[1] for name, node in self.nodes.items()}

    def not_at_rest(self):
        pages = self.pages()
        problems = self.not_healthy() or unsettled(pages)
        for name, node in self.nodes.items():
            problems = problems or self.not_applied(node)
            rare = applied.rare_comparisons(node.wanted(), pages[name])
            problems = problems or [f"{name}, {text}" for text in rare]
        return problems

    def not_applied(self, node, variant=None):
        """Where a node differs from its configuration, as far as its pages show it."""
        _, config = node.get(f"/api/v1/nodes/{node.name}/config")
        _, peers = node.get("/peers")
        found = applied.differences(node.wanted(variant), node.config.name, config, peers)
        return [f"{node.name}, {text}" for text in found]

    def stop(self):
        """A clean stop of all; returns what is wrong."""
        return [text for text in (node.stop() for node in self.nodes.values()) if text]

    def check_stores(self, payments):
        """What is wrong with the stores after a clean stop, and what they have."""
        found, stores = [], {}
        for name, node in self.nodes.items():
            done = node.run_tool("ledger", "verify", "--store", str(node.store))
            if done.returncode:
                found.append(f"{name}: ledger verify: {(done.stdout + done.stderr).strip()}")
            stores[name] = read_store(node.store)
        kills = {name: node.kills for name, node in self.nodes.items()}
        return found + wrong_books(stores, payments, kills), stores

"""Watches the nodes while faults come and go: their ends, their health page, their logs and their memory."""

import time

from memory import take_sample
from node import Unavailable
from worker import Worker

EVERY_S = 1
# A node in whose way nothing is answers its health page within this time, whatever the answer is.
HEALTH_S = 5
# After a start or a freeze, before it must.
GRACE_S = 10


class Watch(Worker):
    def __init__(self, nodes, fail):
        super().__init__("the watch", fail)
        self.nodes = nodes
        self.samples, self.slowest_health_s, self.health_checks = [], 0, 0
        self.began = time.monotonic()

    def step(self):
        for node in self.nodes.values():
            self.look_at(node)
        self.read_logs()
        return EVERY_S

    def look_at(self, node):
        ended = node.ended()
        if ended:
            self.fail(ended)
            return
        if node.is_down or node.is_frozen:
            return
        now = time.monotonic()
        sample = take_sample(node, now - self.began, now)
        if sample:
            self.samples.append(sample)
        self.check_health(node)

    def check_health(self, node):
        """Only if nothing was in the way of the node before and after the request."""
        began, since = time.monotonic(), node.undisturbed_since
        if began - since < GRACE_S:
            return
        try:
            node.get("/health", timeout=HEALTH_S)
            failure = None
        except Unavailable as error:
            failure = str(error)
        if node.is_down or node.is_frozen or node.undisturbed_since != since:
            return
        self.health_checks += 1
        self.slowest_health_s = max(self.slowest_health_s, time.monotonic() - began)
        if failure:
            self.fail(f"no answer of a node without a fault of its own: {failure}")

    def read_logs(self):
        for node in self.nodes.values():
            node.read_log()
            for line in node.errors:
                self.fail(f"an error in the log of {line}")
            node.errors.clear()

"""The operators of one link, who pay each other what is owed and record it at both ends (settlement: manual)."""

import settings
from node import Unavailable
from plan import SETTLED
from worker import Worker

EVERY_S = 5


class Operators(Worker):
    def __init__(self, nodes, folder, fail):
        super().__init__("the operators", fail)
        self.nodes = nodes
        self.token_file = folder / "operator-token"
        self.number, self.units = 0, 0
        # Records that were not accepted yet: node, peer, words. And why the last one was not.
        self.open, self.refusal = [], ""

    def build(self):
        self.token_file.write_text(settings.TOKEN)

    def step(self):
        if not self.open:
            self.settle()
        self.record_open()
        return EVERY_S

    def settle(self):
        """Pays half of what one end owes, if that is much."""
        one, other = SETTLED
        try:
            _, page = self.nodes[one].get("/peers")
        except Unavailable:
            return
        balance = next((int(peer["balance"]) for peer in page["peers"] if peer["id"] == other), 0)
        if abs(balance) <= settings.SETTLE_ABOVE:
            return
        # Above zero, the other end owes.
        debtor, creditor = (other, one) if balance > 0 else (one, other)
        units = abs(balance) // 2
        self.number += 1
        self.units += units
        identity = ["--reference", f"transfer {self.number}", "--id", f"soak-{self.number}"]
        self.open = [
            (debtor, creditor, ["--sent", str(units), *identity]),
            (creditor, debtor, ["--received", str(units), *identity]),
        ]

    def record_open(self):
        """Records in order. Each is recorded twice, as by a person who is not sure: it is one settlement."""
        while self.open:
            node, peer, words = self.open[0]
            if not (self.record(node, peer, words) and self.record(node, peer, words)):
                return
            self.open.pop(0)

    def record(self, node, peer, words):
        page = ["--via", f"http://127.0.0.1:{settings.HEALTH_PORT}", "--token-file", str(self.token_file)]
        done = self.nodes[node].run_tool("settlement", "record", peer, *words, *page)
        self.refusal = f"{node}: {done.stderr.strip()}"
        return done.returncode == 0

"""Payments with the program's own tools between random nodes, and what their senders saw."""

import json
import random
import threading
import time
from collections import Counter, defaultdict

import settings
from node import ToolFailure, Unavailable
from payments import Payment, open_rejects
from plan import NODES
from worker import Worker

WORKERS = 3
AMOUNT_MAX = 30_000
PACKETS_MAX = 6
PAY_S, EXPIRY_S = 8, 6
# Then nothing was sent.
NO_LOGIN = "cannot log in"


class Load(Worker):
    def __init__(self, nodes, seed, per_second, fail):
        super().__init__("the load", fail, WORKERS)
        self.nodes = nodes
        self.pause_s = WORKERS / per_second
        self.random = random.Random(f"load {seed}")
        self.lock = threading.Lock()
        self.payments, self.counts = [], Counter()
        # The last address and secret of each receiver.
        self.connections = {}
        # When the payments of a pair began to fail, the longest time of it, and all times after a fault.
        self.began = time.monotonic()
        self.failing_since, self.longest_outage = {}, (0, "none", 0)
        self.awaited, self.recoveries_s = {}, defaultdict(list)

    def step(self):
        began = time.monotonic()
        with self.lock:
            pair = self.next_pair()
            kind = self.random.choice(["pay", "pay", "pay", "send"])
            pause_s = self.random.uniform(0.2, 1.8) * self.pause_s
        self.note(pair, began, self.move(kind, *pair))
        return max(0.05, pause_s - (time.monotonic() - began))

    def next_pair(self):
        """Two random nodes; if a fault has just ended, often those that it kept from paying."""
        if self.awaited and self.random.random() < 0.5:
            pair, _, _ = self.awaited[self.random.choice(sorted(self.awaited))]
            return pair
        return tuple(self.random.sample(sorted(NODES), 2))

    # What a fault costs.

    def await_payment(self, target, kind):
        """A fault has ended: how long does it take until the nodes concerned can pay again?"""
        with self.lock:
            ends = target.split("-")
            if len(ends) == 1:
                ends.append(self.random.choice(sorted(set(NODES) - set(ends))))
            self.random.shuffle(ends)
            self.awaited[target] = (tuple(ends), time.monotonic(), kind)

    def forget_payment(self, target):
        """Another fault has begun at the same place."""
        with self.lock:
            self.awaited.pop(target, None)

    def note(self, pair, began, is_complete):
        now = time.monotonic()
        with self.lock:
            if not is_complete:
                self.failing_since.setdefault(pair, began)
                return
            since = self.failing_since.pop(pair, None)
            if since is not None:
                outage = now - since, " to ".join(pair), since - self.began
                self.longest_outage = max(self.longest_outage, outage)
            for target, (awaited, ended, kind) in list(self.awaited.items()):
                if awaited == pair and began >= ended:
                    del self.awaited[target]
                    self.recoveries_s[kind].append(now - ended)

    # The tools.

    def move(self, kind, sender, receiver):
        """Pays, and says whether all of it arrived."""
        with self.lock:
            amount, packets = self.random.randint(1, AMOUNT_MAX), self.random.randint(1, PACKETS_MAX)
        if kind == "send":
            return self.send(sender, receiver, amount, packets)
        return self.pay(sender, receiver, amount, packets)

    def pay(self, sender, receiver, amount, packets):
        connection = self.connection(receiver)
        if connection is None:
            return self.count_unsent()
        address, secret = connection
        words = ["pay", address, str(amount), "--secret", secret, "--packets", str(packets)]
        words += ["--timeout", str(PAY_S), "--expiry", str(EXPIRY_S)]
        began = time.monotonic()
        said = self.run(sender, words)
        if said is None:
            return self.count_unsent()
        of_packets, largest = said["packets"], -(-amount // packets)
        rejected, unanswered = of_packets["rejected"], of_packets["unanswered"]
        paid, delivered = int(said["sent"]), int(said["delivered"])
        unseen = open_rejects(rejected) * largest + int(said["unresolved"]) + int(said["inFlight"])
        self.record(Payment(sender, receiver, settings.RECEIVER, began, time.monotonic(), paid, delivered, unseen))
        return self.count(said["complete"], of_packets["fulfilled"], rejected, unanswered)

    def send(self, sender, receiver, amount, packets):
        words = ["send", f"test.{receiver}", "--amount", str(amount), "--count", str(packets)]
        began = time.monotonic()
        said = self.run(sender, [*words, "--expiry", str(EXPIRY_S)])
        if said is None:
            return self.count_unsent()
        fulfilled, unanswered = said["fulfilled"], said["unanswered"]
        rejected = {one["result"]: one["packets"] for one in said["results"] if one["result"] != "fulfilled"}
        paid, unseen = amount * fulfilled, amount * (open_rejects(rejected) + unanswered)
        self.record(Payment(sender, receiver, settings.OWN_ACCOUNT, began, time.monotonic(), paid, paid, unseen))
        return self.count(fulfilled == packets, fulfilled, rejected, unanswered)

    def record(self, payment):
        with self.lock:
            self.payments.append(payment)

    def count_unsent(self):
        return self.count(False, 0, {}, 0)

    def count(self, is_complete, fulfilled, rejected, unanswered):
        """Counts a payment and its packets, those that were rejected by code; returns whether it is complete."""
        with self.lock:
            self.counts.update(
                attempts=1,
                complete=is_complete,
                fulfilled=fulfilled,
                rejected=sum(rejected.values()),
                unanswered=unanswered,
            )
        return is_complete

    def connection(self, receiver):
        """An address and a secret of a receiver; the last ones if it does not answer now."""
        try:
            accept = "application/spsp4+json"
            status, said = self.nodes[receiver].get(f"/spsp/{settings.RECEIVER}", settings.HTTP_PORT, accept, 2)
            if status == 200:
                self.connections[receiver] = said["destination_account"], said["shared_secret"]
        except Unavailable:
            pass
        return self.connections.get(receiver)

    def run(self, node, words):
        """What a tool prints at a node; nothing if it could not log in."""
        account = f"btp+ws://cli:{settings.CLI_TOKEN}@127.0.0.1:{settings.PORT}"
        done = self.nodes[node].run_tool(*words, "--via", account, "--json")
        if done.stdout:
            return json.loads(done.stdout)
        if NO_LOGIN not in done.stderr:
            raise ToolFailure(f"`{' '.join(words)}` at {node} does not say what it did: {done.stderr}")
        return None

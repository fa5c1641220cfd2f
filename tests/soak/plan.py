"""The faults of a run: which, when, for how long and where. They follow from the seed and the time."""

import random
from dataclasses import dataclass, field

# Name: strict books, its clock jumps, its disk is small, it is killed. One node is never killed, so that its memory
# shows what an old process has.
NODES = {
    "a": {"is_strict": True, "has_small_disk": True},
    "b": {"is_strict": False, "has_own_clock": True},
    "c": {"is_strict": True, "has_own_clock": True},
    "d": {"is_strict": True, "is_steady": True},
    "e": {"is_strict": False},
}
# The packets of a and e have three hops on the shortest way. The first node of a link dials the second; those of an
# `http` link post to each other.
LINKS = {
    ("a", "b"): "btp",
    ("b", "c"): "btp",
    ("b", "d"): "http",
    ("c", "d"): "btp",
    ("d", "e"): "btp",
}
# The operators of this link settle what is owed.
SETTLED = ("c", "d")

# The other configurations that a reload applies (`settings.py`).
VARIANTS = ["limits", "intervals", "rate", "suspended peer"]

NETWORK_KINDS = ["delay", "loss", "disorder", "slow", "partition", "one-way"]
NODE_KINDS = ["kill", "restart", "freeze", "clock", "reload", "full disk"]
KINDS = NETWORK_KINDS + NODE_KINDS

# So many faults of the network, and of nodes, may be there at the same time.
LANES = 2
# Without faults at the begin: sessions open, routes are learned, caches fill.
QUIET_S = 12
PAUSE_S = (0.5, 4)
DURATION_S = (2, 9)
# One cut in so many lasts so long that sessions end on both sides.
LONG_CUT_ONE_IN, LONG_CUT_S = 4, 20


@dataclass
class Fault:
    at: float
    lasts: float
    kind: str
    # A link such as `a-b`, or a node.
    target: str
    details: dict = field(default_factory=dict)

    def __str__(self):
        details = ", ".join(f"{name} {value}" for name, value in self.details.items())
        text = f"{self.at:7.1f} s  {self.kind:9}  {self.target:3}  {self.lasts:4.1f} s  {details}"
        return text.rstrip()


def targets(kind):
    """The links or nodes that a fault of this kind may have."""
    if kind in NETWORK_KINDS:
        return ["-".join(link) for link in LINKS]
    return [name for name, node in NODES.items() if is_possible(kind, node)]


def is_possible(kind, node):
    match kind:
        case "kill" | "restart":
            return not node.get("is_steady")
        case "clock":
            return node.get("has_own_clock", False)
        case "full disk":
            return node.get("has_small_disk", False)
    return True


def details(chance, kind):
    match kind:
        case "delay":
            delay_ms = chance.randint(50, 500)
            return {"delay_ms": delay_ms, "jitter_ms": chance.randint(0, delay_ms)}
        case "loss":
            return {"loss": round(chance.uniform(0.03, 0.3), 2)}
        case "disorder":
            share = round(chance.uniform(0.05, 0.4), 2)
            return {"delay_ms": chance.randint(5, 60), "reordered": share, "duplicates": share}
        case "slow":
            return {"bytes_per_s": chance.randint(2000, 20000)}
        case "partition":
            return {"cut": ["there", "back"]}
        case "one-way":
            return {"cut": [chance.choice(["there", "back"])]}
        case "kill":
            # Some are killed again while they start.
            return {"again_ms": chance.randint(0, 60)} if chance.random() < 0.3 else {}
        case "clock":
            seconds = chance.choice([2, 9, 40, 3600, 86400])
            return {"by_s": seconds * chance.choice([1, -1])}
        case "reload":
            return {"variant": chance.choice(VARIANTS)}
    return {}


def make_plan(seed, seconds):
    """The faults of a run, in the order of their times. All are over after these seconds."""
    chance = random.Random(f"plan {seed}")
    lanes = [(QUIET_S + number, kinds) for number in range(LANES) for kinds in (NETWORK_KINDS, NODE_KINDS)]
    decks = {id(kinds): [] for kinds in (NETWORK_KINDS, NODE_KINDS)}
    free_from = {}
    faults = []
    while lanes:
        lanes.sort(key=lambda lane: lane[0])
        at, kinds = lanes.pop(0)
        deck = decks[id(kinds)]
        if not deck:
            # Each kind as often as any other.
            deck += chance.sample(kinds, len(kinds))
        kind = deck.pop()
        lasts = round(chance.uniform(*DURATION_S), 1)
        if kind in ("partition", "one-way") and chance.randrange(LONG_CUT_ONE_IN) == 0:
            lasts = LONG_CUT_S
        if kind in ("kill", "restart"):
            lasts = round(lasts / 3, 1)
        possible = [target for target in targets(kind) if free_from.get(target, 0) <= at]
        if at + lasts > seconds:
            continue
        if possible:
            target = chance.choice(possible)
            faults.append(Fault(round(at, 1), lasts, kind, target, details(chance, kind)))
            free_from[target] = at + lasts + PAUSE_S[0]
        else:
            deck.append(kind)
            chance.shuffle(deck)
            lasts = 0
        lanes.append((at + lasts + chance.uniform(*PAUSE_S), kinds))
    return sorted(faults, key=lambda fault: fault.at)

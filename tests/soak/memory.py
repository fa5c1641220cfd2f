"""What processes have: memory, files, threads, and the sizes of their stores; and whether it stays the same."""

import os
import statistics
from collections import defaultdict
from dataclasses import dataclass

from plan import NODES

# Before this part of a run, caches fill.
WARM_UP_PART = 1 / 6
# By how much the median of the last third may exceed that of the middle third. A link of ILP over HTTP has a
# connection for each request under way, and keeps idle ones for a while: their number depends on the last faults. A
# leak of one for each fault is more in half an hour.
GROWTH_MAX = {"rss_kib": 2048, "files": 24, "threads": 4}
# A younger process may be `nsenter` or `env`, whose place the program takes.
AGE_MIN_S = 2
# For a comparison of two medians, at least.
SAMPLES_MIN = 5
STORE_BYTES_MAX = 16 << 20
LOG_OF_STORE_BYTES_MAX = 16 << 20


@dataclass
class Sample:
    """`at` counts from the begin of the run, `age` from the start of the process."""

    node: str
    at: float
    age: float
    rss_kib: int
    files: int
    threads: int
    store_bytes: int
    wal_bytes: int


def size_of(file):
    try:
        return os.stat(file).st_size
    except FileNotFoundError:
        return 0


def take_sample(node, at, now):
    """A sample of a process that runs; nothing if it has just begun or ended."""
    if now - node.started_at < AGE_MIN_S:
        return None
    process = node.process
    try:
        with open(f"/proc/{process.pid}/status") as status:
            lines = dict(line.split(":", 1) for line in status)
        files = len(os.listdir(f"/proc/{process.pid}/fd"))
    except (FileNotFoundError, ProcessLookupError):
        return None
    if node.is_down or node.process is not process or node.ended():
        # A process that ends has no memory any more, and its files are closed.
        return None
    # Without the pages of the program's own file, which are read as they are used.
    rss_kib, threads = int(lines["RssAnon"].split()[0]), int(lines["Threads"])
    wal = node.store.with_name(node.store.name + "-wal")
    sizes = size_of(node.store), size_of(wal)
    return Sample(node.name, at, now - node.started_at, rss_kib, files, threads, *sizes)


def age_class(sample):
    """Processes are compared with others of about the same age: each class is twice as old as the one before it."""
    return int(sample.age / 10).bit_length()


def growth(samples, ends_at):
    """What has grown, one text for each, and which node has no comparison though it ran all the time.

    A process that is never restarted has one class only: it is compared with itself. Others are compared with younger
    and older processes of the same node at the same age.
    """
    found = []
    steady = {node for node, traits in NODES.items() if traits.get("is_steady")}
    begins_at = ends_at * WARM_UP_PART
    third = (ends_at - begins_at) / 3
    by_node = defaultdict(list)
    for sample in samples:
        by_node[sample.node].append(sample)
    for node, of_node in sorted(by_node.items()):
        is_restarted = any(one.age > other.age for one, other in zip(of_node, of_node[1:]))
        groups = defaultdict(lambda: ([], []))
        for sample in of_node:
            part = int((sample.at - begins_at) // third) if sample.at >= begins_at else -1
            if part in (1, 2):
                key = age_class(sample) if is_restarted else "never restarted"
                groups[key][part - 1].append(sample)
        for key, (middle, last) in groups.items():
            if min(len(middle), len(last)) < SAMPLES_MIN:
                continue
            steady.discard(node)
            for name, most in GROWTH_MAX.items():
                before = statistics.median(getattr(one, name) for one in middle)
                after = statistics.median(getattr(one, name) for one in last)
                if after - before > most:
                    found.append(f"{node} ({key}): {name} grew from {before:g} to {after:g}")
        for name, most in (("store_bytes", STORE_BYTES_MAX), ("wal_bytes", LOG_OF_STORE_BYTES_MAX)):
            largest = max(getattr(one, name) for one in of_node)
            if largest > most:
                found.append(f"{node}: {name} reached {largest}, above {most}")
    found += [f"{node}: too few samples of its memory to compare" for node in sorted(steady)]
    return found


def ranges(samples, node, name):
    """The least, the median and the most of a node."""
    values = [getattr(one, name) for one in samples if one.node == node]
    return (min(values), statistics.median(values), max(values)) if values else (0, 0, 0)


def course(samples, node, name, parts=6):
    """The medians of a node in equal parts of the run, as far as there are samples: does it still rise at the end?"""
    of_node = [one for one in samples if one.node == node]
    ends_at = max((one.at for one in of_node), default=0)
    by_part = defaultdict(list)
    for sample in of_node:
        by_part[min(parts - 1, int(sample.at * parts / ends_at))].append(getattr(sample, name))
    return [statistics.median(values) for _, values in sorted(by_part.items())]

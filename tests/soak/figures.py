"""The table at the end of a run."""

import statistics

import memory
from books import totals
from payments import total_paid, total_unseen
from plan import KINDS, NODES


def of_three(values, unit=1):
    least, median, most = (value / unit for value in values)
    return f"{least:.1f} / {median:.1f} / {most:.1f}" if unit > 1 else f"{least:g} / {median:g} / {most:g}"


def table(soak):
    load, watch, counts = soak.load, soak.watch, soak.load.counts
    sums = totals(soak.stores)
    rows = [
        ("payments", f"{counts['attempts']}, {counts['complete']} complete"),
        (
            "packets of their senders",
            f"{counts['fulfilled']} fulfilled, {counts['rejected']} rejected, {counts['unanswered']} unanswered",
        ),
        ("units with proof at their senders", f"{total_paid(load.payments)}"),
        ("units that may have been paid without", f"{total_unseen(load.payments)}"),
        ("units that receivers got", f"{sums['received']}"),
        ("units that nodes gave up, took over", f"{sums['given up']}, {sums['taken over']}"),
        ("settlements", f"{soak.operators.number}, {soak.operators.units} units"),
        ("books of both ends", f"equal to the unit, {soak.peace_s:.0f} s after the last fault"),
        ("longest time in which one node could not pay another", "{:.1f} s: {} from {:.1f} s on".format(*load.longest_outage)),
        ("health pages", f"{watch.health_checks}, the slowest in {watch.slowest_health_s * 1000:.0f} ms"),
        ("cuts that a disk refused or delayed", f"{sum(node.disk_errors for node in soak.world.nodes.values())}"),
    ]
    for kind in KINDS:
        times = load.recoveries_s[kind]
        paid = f", paid again after {statistics.median(times):.1f} s, at most {max(times):.1f} s" if times else ""
        rows.append((kind, f"{soak.done[kind]} times{paid}"))
    for name in NODES:
        rss = of_three(memory.ranges(watch.samples, name, "rss_kib"), 1024)
        files = of_three(memory.ranges(watch.samples, name, "files"))
        threads = of_three(memory.ranges(watch.samples, name, "threads"))
        store = max(one.store_bytes + one.wal_bytes for one in watch.samples if one.node == name) >> 10
        starts = soak.world.nodes[name].starts
        rows.append((f"node {name}, {starts} starts: MiB (least / median / most)", rss))
        if NODES[name].get("is_steady"):
            course = memory.course(watch.samples, name, "rss_kib")
            rows.append(("  medians of six parts of the run", ", ".join(f"{kib / 1024:.1f}" for kib in course)))
        rows.append(("  files; threads; store", f"{files}; {threads}; {store} KiB"))
    width = max(len(name) for name, _ in rows)
    return "\n".join(["", *(f"{name:{width}}  {value}" for name, value in rows), ""])

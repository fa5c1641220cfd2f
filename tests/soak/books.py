"""What must hold of the books when nothing goes wrong any more. Only functions of pages, rows and tallies."""

import sqlite3
from collections import Counter

from payments import total_paid, total_unseen
from plan import LINKS, NODES, SETTLED
from settings import OWN_ACCOUNT, RECEIVER

# The accounts of a node that payments end at.
RECEIVERS = (RECEIVER, OWN_ACCOUNT)


def find(page, account):
    return next((peer for peer in page["peers"] if peer["id"] == account), None)


def unsettled(pages):
    """What is not at rest yet: sessions, packets in flight, uncertain amounts, differences of two ends."""
    found = []
    for node, page in pages.items():
        for peer in page["peers"]:
            name = f"{node}, account {peer['id']}"
            moving = [peer["held"][way] for way in ("received", "sent")]
            moving += [str(peer["packetsInFlight"][way]) for way in ("received", "sent")]
            if any(value != "0" for value in moving):
                found.append(f"{name}: packets are in flight: {', '.join(moving)}")
            if peer["uncertain"] != "0":
                found.append(f"{name}: {peer['uncertain']} units are uncertain")
    for one, other in LINKS:
        here, there = find(pages[one], other), find(pages[other], one)
        name = f"the link of {one} and {other}"
        if not (here["sessions"] and there["sessions"]):
            found.append(f"{name} has no session")
        if int(here["balance"]) + int(there["balance"]):
            found.append(f"{name}: {one} says {here['balance']}, and {other} {there['balance']}")
        for end, peer in ((one, here), (other, there)):
            verdict = (peer.get("reconcile") or {}).get("verdict")
            if verdict != "agrees":
                found.append(f"{name}: at {end}, the comparison says {verdict}")
        settled = [(peer.get("settlement") or {}).get("settled") for peer in (here, there)]
        if (one, other) == SETTLED and None in settled:
            found.append(f"{name}: an end does not say what was settled")
        settled = [one_end or {"received": "0", "sent": "0"} for one_end in settled]
        if [settled[0][way] for way in ("received", "sent")] != [settled[1][way] for way in ("sent", "received")]:
            found.append(f"{name}: settled {settled[0]} here, and {settled[1]} there")
    return found


def read_store(file):
    """The accounts and the changes of a store, read without the program."""
    store = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    try:
        columns = ["balance", "fulfilled_in", "fulfilled_out", "settled_in", "settled_out", "adjusted"]
        columns += ["held_out", "uncertain"]
        rows = store.execute(f"SELECT name, {', '.join(columns)} FROM account")
        accounts = {row[0]: dict(zip(columns, map(int, row[1:]))) for row in rows}
        changes = [int(amount) for amount, in store.execute("SELECT amount FROM adjustment")]
        return accounts, changes
    finally:
        store.close()


def wrong_books(stores, payments, kills):
    """What is wrong with stores after a clean stop, beside what senders saw; `kills` are the times of each node."""
    found = []
    for node, (accounts, changes) in stores.items():
        near = forgotten(node, payments, kills.get(node, []))
        of_node = wrong_sums(accounts, changes) + wrong_payments(node, accounts, payments, near)
        of_node += too_large_changes(node, changes, payments, near)
        found += [f"{node}: {text}" for text in of_node]
    for one, other in LINKS:
        balances = stores[one][0].get(other), stores[other][0].get(one)
        balances = [row["balance"] if row else 0 for row in balances]
        if sum(balances):
            found.append(f"the link of {one} and {other}: {balances[0]} and {balances[1]}")
        for payer, payee in ((one, other), (other, one)):
            paid = stores[payer][0].get(payee, {}).get("settled_out", 0)
            credited = stores[payee][0].get(payer, {}).get("settled_in", 0)
            if paid != credited:
                found.append(f"{payer} has paid {payee} {paid}, of which {credited} are credited")
    sums = totals(stores)
    # What is between the clients is the links, whose two ends are equal, and what nodes gave up or took over.
    if sums["paid"] - sums["received"] != sums["taken over"] - sums["given up"]:
        found.append(f"all together: {dict(sums)}")
    return found


def wrong_sums(accounts, changes):
    """What does not add up within the books of a node."""
    found = []
    for name, row in accounts.items():
        causes = row["fulfilled_in"] - row["fulfilled_out"] - row["settled_in"] + row["settled_out"]
        if row["balance"] != causes + row["adjusted"]:
            found.append(f"account {name}: the balance is not the sum of its causes: {row}")
        if row["held_out"] or row["uncertain"]:
            found.append(f"account {name}: something is in flight or uncertain: {row}")
    packets = sum(row["fulfilled_in"] - row["fulfilled_out"] for row in accounts.values())
    if packets:
        found.append(f"its fulfilled packets do not add up, by {packets}")
    if sum(changes) != sum(row["adjusted"] for row in accounts.values()):
        found.append("the changes of its balances do not add up")
    return found


def forgotten(node, payments, kills):
    """The payments that a crash may have taken out of the books of a node: none, if they are strict."""
    return [] if NODES[node]["is_strict"] else [one for one in payments if one.was_near(kills)]


def wrong_payments(node, accounts, payments, near):
    """The books of its clients have each proof, but for what a crash may forget, and no more than was sent."""
    found = []

    def check(what, account, field, of_account):
        proven = [one for one in payments if of_account(one)]
        least = total_paid(proven) - total_paid(one for one in near if of_account(one))
        most = total_paid(proven) + total_unseen(proven)
        booked = accounts.get(account, {}).get(field, 0)
        if not least <= booked <= most:
            found.append(f"{what} {least} to {most} units by the proofs of senders, and {booked} by the books")

    check("its senders paid", "cli", "fulfilled_in", lambda one: one.sender == node)
    for name in RECEIVERS:
        receives = lambda one: (one.receiver, one.account) == (node, name)
        check(f"{name} got", name, "fulfilled_out", receives)
    return found


def too_large_changes(node, changes, payments, near):
    """What a node gives up or takes over, a lost answer or a crash of batched books made different at two ends.

    The proof in a lost answer never reaches the sender. Strict books forget nothing, and have nothing to take over.
    """
    unseen, forgotten_most = total_unseen(payments), total_paid(near)
    given_up, taken_over = changed(changes)
    found = []
    if given_up > unseen + forgotten_most:
        found.append(f"it gave up {given_up} units: {unseen} were without proof, and {forgotten_most} near a crash")
    if taken_over > (0 if NODES[node]["is_strict"] else unseen + forgotten_most):
        found.append(f"it took over {taken_over} units: {unseen} were without proof, and {forgotten_most} near a crash")
    return found


def changed(changes):
    """What a node gave up, and what it took over."""
    return -sum(change for change in changes if change < 0), sum(change for change in changes if change > 0)


def totals(stores):
    """Sums of all nodes: what clients paid and got by the books, and what nodes gave up or took over."""
    sums = Counter()
    for accounts, changes in stores.values():
        sums["paid"] += accounts.get("cli", {}).get("fulfilled_in", 0)
        for name in RECEIVERS:
            sums["received"] += accounts.get(name, {}).get("fulfilled_out", 0)
        given_up, taken_over = changed(changes)
        sums["given up"] += given_up
        sums["taken over"] += taken_over
    return sums

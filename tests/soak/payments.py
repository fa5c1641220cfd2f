"""What the senders saw of their payments, and so what the books of the nodes must and may have. Only data."""

from dataclasses import dataclass

# Of so long before a crash, batched books may lack the cuts: an interval (20 ms, 200 ms after a reload, at most a
# second if the disk is slow), and the write that was under way.
CUT_S = 3
# Rejects that do not say that nothing was paid: no answer came in time, or a connection of ILP over HTTP broke after
# the request. A node that is not connected answers with T01 too, without sending anything.
OPEN_CODES = ("R00", "T01")


@dataclass
class Payment:
    """One run of a tool, by the same clock as the crashes. Amounts are units."""

    sender: str
    # The receiver's node, and its account there.
    receiver: str
    account: str
    began: float
    ended: float
    # With proof: the sender has the fulfillments.
    paid: int
    # What the receiver has confirmed of it.
    delivered: int
    # At most so much was fulfilled without a proof that reached the sender.
    unseen: int

    def was_near(self, times):
        """Was it under way at one of these times, or so shortly before that the last cut may lack it?"""
        return any(self.began <= time <= self.ended + CUT_S for time in times)


def open_rejects(rejected):
    """How many rejected packets may have been fulfilled; `rejected` are numbers by code."""
    return sum(rejected.get(code, 0) for code in OPEN_CODES)


def total_paid(payments):
    return sum(one.paid for one in payments)


def total_unseen(payments):
    return sum(one.unseen for one in payments)

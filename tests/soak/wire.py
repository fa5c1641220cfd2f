"""The wires between the nodes: a process that passes IP packets on, late, twice, in another order, or not at all.

Each wire has a TUN device in the network namespace of each of its two nodes. A command is a line of JSON on standard
input: the name of a wire, and all that is wrong with it from now on. When standard input ends, the wires do too, and
what they counted is printed.

This is instead of `tc netem` and a packet filter: not every kernel has them (machines of CI may lack netem), and one
place that decides about each packet is simpler to understand than three. A packet that is lost here is lost between the
machines, without an error for either of them.
"""

import ctypes
import fcntl
import heapq
import json
import os
import random
import selectors
import struct
import sys
import time
from dataclasses import dataclass, field

PACKET_BYTES_MAX = 65536
# Packets on their way on one wire, in one direction; more are lost.
PACKETS_MAX = 2000
# For so long, packets wait before a slow wire; more are lost.
SLOW_QUEUE_S = 2.0

CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TUN_WITHOUT_HEADER = 0x0001 | 0x1000


def enter(namespace_file):
    """Moves this thread to a network namespace."""
    with open(namespace_file) as opened:
        if ctypes.CDLL(None, use_errno=True).setns(opened.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter {namespace_file}")


def open_tun(namespace_file, device):
    """A new TUN device in a namespace. It exists until it is closed."""
    enter(namespace_file)
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", device.encode(), IFF_TUN_WITHOUT_HEADER))
    return tun


@dataclass
class Trouble:
    """What is wrong with a wire. Without arguments: nothing."""

    delay_ms: float = 0
    jitter_ms: float = 0
    loss: float = 0
    duplicates: float = 0
    reordered: float = 0
    bytes_per_s: float = 0
    # Which directions are cut: `there` is from the first end to the second.
    cut: list = field(default_factory=list)


@dataclass
class Direction:
    """One direction of a wire."""

    name: str
    output: int
    last_due: float = 0
    # When all that has been sent on a slow wire has left.
    free_at: float = 0
    queued: int = 0


class Wires:
    def __init__(self, ends, seed):
        self.random = random.Random(seed)
        self.trouble = {name: Trouble() for name in ends}
        self.selector = selectors.DefaultSelector()
        self.queue, self.number = [], 0
        for name, [first, second] in ends.items():
            one, other = open_tun(*first), open_tun(*second)
            self.selector.register(one, selectors.EVENT_READ, (name, Direction("there", other)))
            self.selector.register(other, selectors.EVENT_READ, (name, Direction("back", one)))

    def run(self):
        self.selector.register(sys.stdin.fileno(), selectors.EVENT_READ, None)
        commands = b""
        while True:
            wait = max(0, self.queue[0][0] - time.monotonic()) if self.queue else None
            for key, _ in self.selector.select(wait):
                if key.data:
                    self.read_packets(key.fd, *key.data)
                    continue
                read = os.read(key.fd, PACKET_BYTES_MAX)
                if not read:
                    return
                *lines, commands = (commands + read).split(b"\n")
                for line in lines:
                    name, trouble = json.loads(line)
                    self.trouble[name] = Trouble(**trouble)
            while self.queue and self.queue[0][0] <= time.monotonic():
                _, _, direction, packet = heapq.heappop(self.queue)
                direction.queued -= 1
                self.write(direction, packet)

    def read_packets(self, tun, name, direction):
        while True:
            try:
                packet = os.read(tun, PACKET_BYTES_MAX)
            except BlockingIOError:
                return
            trouble = self.trouble[name]
            if direction.name in trouble.cut or self.random.random() < trouble.loss:
                continue
            self.send(direction, trouble, packet)
            if self.random.random() < trouble.duplicates:
                self.send(direction, trouble, packet)

    def send(self, direction, trouble, packet):
        now = time.monotonic()
        due = now + (trouble.delay_ms + self.random.random() * trouble.jitter_ms) / 1000
        if trouble.bytes_per_s:
            direction.free_at = max(now, direction.free_at) + len(packet) / trouble.bytes_per_s
            due += direction.free_at - now
        if direction.queued >= PACKETS_MAX or due - now > SLOW_QUEUE_S:
            return
        if self.random.random() < trouble.reordered:
            # It overtakes those that wait.
            due = now
        else:
            due = direction.last_due = max(due, direction.last_due)
        if due <= now:
            self.write(direction, packet)
            return
        self.number += 1
        direction.queued += 1
        heapq.heappush(self.queue, (due, self.number, direction, packet))

    def write(self, direction, packet):
        try:
            os.write(direction.output, packet)
        except OSError:
            # The device is full or down: lost as on any network.
            pass


def main():
    given = json.loads(sys.argv[1])
    wires = Wires(given["ends"], given["seed"])
    print("ready", flush=True)
    wires.run()


if __name__ == "__main__":
    main()

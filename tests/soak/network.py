"""A network namespace for each node, and wires between them (`wire.py`). All of it is removed at the end."""

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import leftovers
from wire import enter

HERE = Path(__file__).resolve().parent
WIRES_END_S = 10


def ip(*arguments):
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


class Network:
    def __init__(self, nodes, links, seed):
        self.links, self.seed = links, seed
        self.prefix = leftovers.prefix_of(os.getpid())
        self.own = open("/proc/self/ns/net")
        self.addresses = {node: f"10.77.0.{number}" for number, node in enumerate(nodes, 1)}
        self.wires = None
        # Commands come from several threads.
        self.lock = threading.Lock()

    def build(self):
        """Makes the namespaces, and a wire for each link: a pair of nodes."""
        for node, address in self.addresses.items():
            ip("netns", "add", self.prefix + node)
            ip("-n", self.prefix + node, "link", "set", "lo", "up")
            ip("-n", self.prefix + node, "address", "add", f"{address}/32", "dev", "lo")
        ends = {
            f"{one}-{other}": [[self.file(one), f"to-{other}"], [self.file(other), f"to-{one}"]]
            for one, other in self.links
        }
        given = json.dumps({"ends": ends, "seed": self.seed})
        self.wires = subprocess.Popen(
            [sys.executable, HERE / "wire.py", given],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # Ctrl-C is for this process, which ends the wires last.
            start_new_session=True,
        )
        if self.wires.stdout.readline() != "ready\n":
            raise SystemExit("the wires cannot start; is there a /dev/net/tun?")
        for one, other in [*self.links, *((other, one) for one, other in self.links)]:
            device = ["dev", f"to-{other}"]
            ip("-n", self.prefix + one, "link", "set", *device, "up")
            source = ["src", self.addresses[one]]
            ip("-n", self.prefix + one, "route", "add", self.addresses[other], *device, *source)

    def file(self, node):
        return f"/run/netns/{self.prefix}{node}"

    def command(self, node, command):
        """A command that becomes this one in the namespace of a node, with the same process id."""
        return ["nsenter", f"--net={self.file(node)}", *command]

    def connect(self, node, port, timeout):
        """A connection to a port of a node, from its own machine."""
        try:
            enter(self.file(node))
            return socket.create_connection(("127.0.0.1", port), timeout)
        finally:
            enter(f"/proc/self/fd/{self.own.fileno()}")

    def set_trouble(self, link, **trouble):
        """What is wrong with a wire from now on: fields of `wire.Trouble`."""
        with self.lock:
            self.wires.stdin.write(json.dumps([link, trouble]) + "\n")
            self.wires.stdin.flush()

    def remove(self):
        """Ends all processes in the namespaces, the wires, and the namespaces. May be called again."""
        if self.wires and self.wires.poll() is None:
            try:
                self.wires.communicate(timeout=WIRES_END_S)
            except (subprocess.TimeoutExpired, ValueError):
                self.wires.kill()
        for node in self.addresses:
            leftovers.remove_namespace(self.prefix + node)

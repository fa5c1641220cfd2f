"""Sends one packet by ILP over HTTP, with nothing but Python:

    send.py http://127.0.0.1:7770/accounts/cli/ilp TOKEN test.c 100

The fulfillment of this condition is public, and every node has it: a payment to its own address is a ping that pays.
Payments to people are many packets with secrets (STREAM): see ../javascript/pay.js, or run `ilp-connector pay --json`.
"""

import hashlib
import sys
import urllib.error
import urllib.request
from datetime import datetime, timedelta, timezone

PREPARE, FULFILL, REJECT = 12, 13, 14


def octets(data):
    """Bytes after their number (RFC 30)."""
    size = len(data)
    count = (size.bit_length() + 7) // 8
    return (bytes([size]) if size < 128 else bytes([128 + count]) + size.to_bytes(count, "big")) + data


def take_octets(data):
    """The first bytes with their number, without it, and the rest."""
    size, start = data[0], 1
    if size >= 128:
        start += size - 128
        size = int.from_bytes(data[1:start], "big")
    return data[start : start + size], data[start + size :]


def describe_reject(body):
    """`F08 from test.a: ...`. The data of F08 has the amount that arrived, and the largest one that would pass."""
    code, rest = body[:3].decode(), body[3:]
    by, rest = take_octets(rest)
    message, rest = take_octets(rest)
    data, _ = take_octets(rest)
    text = f"{code} from {by.decode() or 'a node without an address'}: {message.decode(errors='replace')}"
    if code == "F08" and len(data) == 16:
        text += f" ({int.from_bytes(data[:8], 'big')} arrived, at most {int.from_bytes(data[8:], 'big')} would pass)"
    return text


if len(sys.argv) != 5:
    sys.exit(__doc__)
url, token, destination, amount = sys.argv[1:]
expiry = (datetime.now(timezone.utc) + timedelta(seconds=10)).strftime("%Y%m%d%H%M%S%f")[:17]
condition = hashlib.sha256(b"ping" * 8).digest()
prepare = int(amount).to_bytes(8, "big") + expiry.encode() + condition + octets(destination.encode()) + octets(b"")
headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/octet-stream"}
request = urllib.request.Request(url, bytes([PREPARE]) + octets(prepare), headers)
try:
    answer = urllib.request.urlopen(request, timeout=15).read()
except urllib.error.HTTPError as error:
    # 401: the account and the token do not belong together. The body says more.
    sys.exit(f"{url}: {error}: {error.read(2000).decode(errors='replace')}")
except urllib.error.URLError as error:
    # Refused: there is no node, or it has no httpServerPort.
    sys.exit(f"{url}: {error.reason}")
body, _ = take_octets(answer[1:])
if answer[0] == FULFILL and body[:32] == b"ping" * 8:
    print(f"{destination} has got {amount}")
elif answer[0] == REJECT:
    sys.exit(f"rejected: {describe_reject(body)}")
else:
    sys.exit(f"{url} answers something else than ILP: {answer[:64]!r}")

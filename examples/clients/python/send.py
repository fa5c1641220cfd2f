"""Sends one packet by ILP over HTTP, with nothing but Python:

    send.py http://127.0.0.1:7770/accounts/cli/ilp TOKEN test.c 100

The fulfillment of this condition is public, and every node has it: a payment to its own address is a ping that pays.
Payments to people are many packets with secrets: see ../javascript/pay.js.
"""

import hashlib
import sys
import urllib.error
import urllib.request
from datetime import datetime, timedelta, timezone


def octets(data):
    """Bytes after their number (RFC 30)."""
    size = len(data)
    count = (size.bit_length() + 7) // 8
    return (bytes([size]) if size < 128 else bytes([128 + count]) + size.to_bytes(count, "big")) + data


if len(sys.argv) != 5:
    sys.exit(__doc__)
url, token, destination, amount = sys.argv[1:]
expiry = (datetime.now(timezone.utc) + timedelta(seconds=10)).strftime("%Y%m%d%H%M%S%f")[:17]
condition = hashlib.sha256(b"ping" * 8).digest()
prepare = int(amount).to_bytes(8, "big") + expiry.encode() + condition + octets(destination.encode()) + octets(b"")
headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/octet-stream"}
request = urllib.request.Request(url, bytes([12]) + octets(prepare), headers)
try:
    answer = urllib.request.urlopen(request, timeout=15).read()
except urllib.error.URLError as error:
    # 401: a wrong token; 404: no such account; refused: no node, or one without httpServerPort.
    sys.exit(f"{url}: {error}")
start = 2 if answer[1] < 128 else 2 + answer[1] - 128
if answer[0] == 13 and answer[start : start + 32] == b"ping" * 8:
    print(f"{destination} has got {amount}")
else:
    sys.exit(f"rejected: {answer[start : start + 3].decode()} {answer[start + 3 :]}")

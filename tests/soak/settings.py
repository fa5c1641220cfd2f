"""The configuration of each node, as its operator would write it, and other valid ones for reloads."""

from plan import LINKS, NODES, SETTLED

PORT, HTTP_PORT, HEALTH_PORT = 3000, 7770, 8080
TOKEN = "soak-operator-token"
CLI_TOKEN = "soak-cli-token"
# The account that `pay` pays at each node, and the node's own one, which `send` pays.
RECEIVER, OWN_ACCOUNT = "wallet", "own:USD/9"
RECEIVER_SECRET = "soak-receiver-secret-of-32-characters-and-more"

# Of a peer, in units of USD at scale 9.
BALANCE_MAX = 100_000_000
PACKET_MAX = 1_000_000
# The operators of the settled link pay above this debt.
SETTLE_ABOVE = 30_000
# Differences that a node gives up by itself: more than the traffic of a run, so that both ends become equal.
WRITE_OFF_MAX = 10**12
# Long before a run ends, uncertain packets cannot be fulfilled any more.
HOLD_MS = 8000


def peers_of(name):
    for one, other in LINKS:
        if name in (one, other):
            yield (other if name == one else one), (one, other)


def peer(name, other, link, addresses):
    settings = {
        "id": other,
        "authToken": f"soak-secret-of-the-link-{'-'.join(link)}",
        "maxPacketAmount": PACKET_MAX,
        "maxBalance": BALANCE_MAX,
        "minBalance": -BALANCE_MAX,
        "writeOffMax": WRITE_OFF_MAX,
    }
    if LINKS[link] == "http":
        settings["url"] = f"http://{addresses[other]}:{HTTP_PORT}/accounts/{name}/ilp"
    elif link[0] == name:
        settings["url"] = f"ws://{addresses[other]}:{PORT}/"
    else:
        settings["required"] = True
    if link == SETTLED:
        settings |= {"settlement": "manual", "settleThreshold": -SETTLE_ABOVE}
    return settings


def node(name, addresses, folder, variant=None):
    """The configuration of a node. A variant is another valid one, which a reload applies."""
    settings = {
        "nodeId": name,
        "ilpAddress": f"test.{name}",
        "routing": "dynamic",
        "store": str(folder / "books.db"),
        "durability": "strict" if NODES[name]["is_strict"] else "batched",
        "reconcileIntervalMs": 5000,
        "routeBroadcastIntervalMs": 2000,
        "routeHoldDownMs": 6000,
        "keepAliveIntervalMs": 3000,
        "keepAliveTimeoutMs": 3000,
        "maxHoldTimeMs": HOLD_MS,
        "httpServerPort": HTTP_PORT,
        "apiToken": TOKEN,
        "receiverSecret": RECEIVER_SECRET,
        "peers": [peer(name, other, link, addresses) for other, link in peers_of(name)],
        "receivers": [{"id": RECEIVER}],
    }
    match variant:
        case "limits":
            for one in settings["peers"]:
                one |= {"maxBalance": 2 * BALANCE_MAX, "maxPacketAmount": PACKET_MAX // 2}
        case "intervals":
            settings |= {"storeIntervalMs": 200, "reconcileIntervalMs": 2000}
            settings |= {"routeBroadcastIntervalMs": 1000}
        case "rate":
            for one in settings["peers"]:
                one["packetsPerSecond"] = 20
        case "suspended peer":
            # A node that requires a suspended peer could never be healthy.
            settings["peers"][0] |= {"enabled": False, "required": False}
    settings["peers"].append({"id": "cli", "relation": "child", "authToken": CLI_TOKEN})
    return settings

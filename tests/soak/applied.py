"""What of a configuration a node does not use. Only functions of the file's content and of the node's pages."""

from datetime import datetime

from plan import NODES

# Shown as this.
MASKED = "***"
SECRETS = ("apiToken", "authToken", "receiverSecret")
LIMITS = ("maxPacketAmount", "maxBalance", "minBalance", "packetsPerSecond")
# A comparison of books may take several intervals, if its packet is lost.
INTERVALS_MAX = 5


def values_of(wanted, prefix=""):
    """The values of a configuration as the page of the node shows them, by keys such as `peers.b.url`."""
    values = {}
    for key, value in wanted.items():
        if isinstance(value, list):
            for item in value:
                values |= values_of(item, f"{prefix}{key}.{item['id']}.")
        elif key in SECRETS:
            values[prefix + key] = MASKED
        else:
            values[prefix + key] = str(value).lower() if isinstance(value, bool) else str(value)
    return values


def differences(wanted, file, config, peers):
    """Where a node differs from its file, which has this name; `config` and `peers` are its pages."""
    found = []
    of_file, used = values_of(wanted), {}
    for one in config["values"]:
        if one["from"].startswith(f"{file}:"):
            used[one["key"]] = one["value"]
    for key in sorted(of_file | used):
        if of_file.get(key) != used.get(key):
            found.append(f"{key} is {used.get(key)}, and {of_file.get(key)} in the file")
    accounts = {peer["id"]: peer for peer in peers["peers"]}
    for peer in wanted["peers"]:
        found += [f"{peer['id']}: {text}" for text in different_limits(peer, accounts[peer["id"]])]
    return found


def different_limits(wanted, account):
    """The limits of an account, which are those that packets have, and whether it is in use."""
    shown = dict(account["limits"], enabled=account["enabled"], required=account["required"])
    expected = {name: wanted.get(name) for name in LIMITS}
    # A node needs the peers that it dials, unless the file says otherwise.
    expected |= {"enabled": wanted.get("enabled", True), "required": wanted.get("required", "url" in wanted)}
    return [
        f"{name} is {shown[name]}, and {value} in the file"
        for name, value in expected.items()
        if str(shown[name]) != str(value)
    ]


def rare_comparisons(wanted, peers):
    """Accounts of other nodes whose books were not compared for many intervals."""
    found, now = [], datetime.fromisoformat(peers["timestamp"])
    for peer in peers["peers"]:
        if peer["id"] not in NODES:
            continue
        compared_at = (peer.get("reconcile") or {}).get("comparedAt")
        if compared_at is None:
            found.append(f"{peer['id']}: books were never compared")
            continue
        age_ms = (now - datetime.fromisoformat(compared_at)).total_seconds() * 1000
        if age_ms > INTERVALS_MAX * wanted["reconcileIntervalMs"]:
            found.append(f"{peer['id']}: books were compared {age_ms / 1000:.0f} s ago")
    return found

"""Reads dashboards into the types of Grafana's own SDK, and writes them again: what is lost has a wrong name or place."""

import json
import sys

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard


def lost(before, after, path):
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            if key in after:
                yield from lost(value, after[key], f"{path}.{key}")
            elif value not in (None, False, "", [], {}):
                yield f"{path}.{key}"
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after)):
            yield from lost(one, other, f"{path}[{index}]")
    elif before != after:
        yield path


register_default_plugins()
found = []
for file in sys.argv[1:]:
    with open(file, encoding="utf-8") as text:
        before = json.load(text)
    after = json.loads(JSONEncoder(sort_keys=True).encode(Dashboard.from_json(before)))
    found += [f"{file}: {path}" for path in lost(before, after, "")]
print("\n".join(found))
sys.exit(1 if found else 0)

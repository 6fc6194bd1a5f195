"""Reads a dashboard into the types of Grafana's Foundation SDK and writes it again: a field that Grafana does not know is lost."""

import json
import sys

from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard


def missing(written, kept, place=""):
    """The places of what is in `written` and not in `kept`."""
    if isinstance(written, (dict, list)) and type(written) is type(kept):
        for key, value in written.items() if isinstance(written, dict) else enumerate(written):
            there = key in kept if isinstance(written, dict) else key < len(kept)
            yield from missing(value, kept[key], f"{place}/{key}") if there else [f"{place}/{key}"]
    elif written != kept:
        yield place


plugins.register_default_plugins()
with open(sys.argv[1], encoding="utf-8") as file:
    ours = json.load(file)
again = json.loads(JSONEncoder().encode(dashboard.Dashboard.from_json(ours)))
unknown = list(missing(ours, again))
unknown += [f"/panels/{number} has no description" for number, panel in enumerate(ours["panels"]) if not panel.get("description")]
print("\n".join(unknown), end="\n" if unknown else "")
sys.exit(1 if unknown else 0)

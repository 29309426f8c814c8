"""What the object model costs to load, and a device's types to look up.

    python -m bench.bench_model [--rounds N] [--quick]

Every loading figure is taken in a fresh interpreter and judged against orjson.loads of the same
facts as plain JSON in that interpreter: what a model that reads everything at once would pay at
least. Lookups are judged against that too, as they must be nothing beside it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from statistics import median

from bench.report import Finding, Goal, publish

FLEET = (1, 3, 4, 5, 6, 7, 3300, 3303, 3304)

PROBE = """
import dataclasses, enum, functools, json, pathlib, re, sys, time
import orjson
import lwm2m_fast.errors

def timed(act):
    start = time.perf_counter()
    result = act()
    return result, (time.perf_counter() - start) * 1e3

fleet = dict.fromkeys(json.loads(sys.argv[1]))
model, import_ms = timed(lambda: __import__("lwm2m_fast.model").model)
layer, open_ms = timed(model.built_in)
whole = model.Model(layer)
device, first_ms = timed(lambda: whole.types_for(fleet, lwm2m_version="1.1"))
again = min(timed(lambda: whole.types_for(fleet, lwm2m_version="1.1"))[1] for _ in range(1000))
every, all_ms = timed(lambda: list(whole.definitions()))
facts = orjson.dumps([
    {"id": o.id, "version": o.version, "name": o.name, "urn": o.urn, "multiple": o.multiple,
     "mandatory": o.mandatory, "lwm2m_version": o.lwm2m_version, "resources": [
        {"id": r.id, "name": r.name, "operations": r.operations, "type": r.type.value,
         "multiple": r.multiple, "mandatory": r.mandatory, "range": r.range, "units": r.units}
        for r in o.resources.values()]} for o in every])
plain, facts_ms = timed(lambda: orjson.loads(facts))
assert len(plain) == len(every)
print(json.dumps({"import": import_ms, "open": open_ms, "first device": first_ms,
                  "device again": again, "every definition": all_ms, "plain facts": facts_ms}))
"""

GOALS = {
    "open": Goal(0.5, is_limit=True),
    "first device": Goal(0.5, is_limit=True),
    "device again": Goal(0.01, is_limit=True),
    "every definition": Goal(5.0, is_limit=True),
}
"""At most this many times the plain parse of the facts."""

IMPORT_GOAL_MS = Goal(15.0, is_limit=True)


def sample() -> dict[str, float]:
    """Milliseconds of one fresh interpreter."""
    words = [sys.executable, "-c", PROBE, json.dumps(FLEET)]
    taken: dict[str, float] = json.loads(subprocess.check_output(words))
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="two rounds: does it all work?")
    options = parser.parse_args()
    rounds = [sample() for _ in range(2 if options.quick else options.rounds)]
    findings = []
    for name, goal in GOALS.items():
        ratios = [each[name] / each["plain facts"] for each in rounds]
        title = f"{name} / orjson.loads of the facts"
        findings.append(Finding(title, median(ratios), goal, "", min(ratios), max(ratios)))
    imports = [each["import"] for each in rounds]
    findings.append(
        Finding("import", median(imports), IMPORT_GOAL_MS, "ms", min(imports), max(imports))
    )
    middle = {name: median(each[name] for each in rounds) for name in rounds[0]}
    publish("model", findings, milliseconds=middle)
    for name, taken in middle.items():
        print(f"{name:18} {taken:9.4f} ms")


if __name__ == "__main__":
    main()

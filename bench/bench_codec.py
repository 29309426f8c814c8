"""What decoding and encoding cost beside cbor2 and orjson, which only make plain dicts and lists.

    python -m bench.bench_codec [--rounds N] [--quick]

Three payloads: object /3/0 with 16 values, one value, and a Send of 1,000 values with times. Each
is decoded to typed records and encoded from a list of Nodes by the functions in the table of
formats ("by number" is codec.decode() and encode(), which look them up first); cbor2 and orjson
read the same bytes, and write what they have read. TLV, which neither knows, is held against half
of what cbor2 needs for the same values in SenML CBOR. Rounds are interleaved; a ratio is the median
of the rounds' ratios. "every value" is what nobody has to pay: a Python object for each.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from importlib.metadata import version
from statistics import median
from typing import Any

import cbor2
import orjson
from rich.console import Console
from rich.table import Table

from bench.report import Finding, Goal, publish
from lwm2m_fast.codec import FORMATS, Kind, Node, Path, Types, decode, encode

ROUND_S = 0.05
GOALS = {"SenML CBOR": 1.0, "TLV": 0.5, "SenML JSON": 2.0}
NUMBERS = {"SenML CBOR": 112, "TLV": 11542, "SenML JSON": 110}
OTHERS = {"OMA JSON": 11543, "LwM2M CBOR": 11544}
TYPES = Types({(3, 0): "STRING", (3, 1): "STRING", (3, 2): "STRING", (3, 3): "STRING",
               (3, 6): "INTEGER", (3, 7): "INTEGER", (3, 8): "INTEGER", (3, 9): "INTEGER",
               (3, 10): "INTEGER", (3, 11): "INTEGER", (3, 13): "TIME", (3, 14): "STRING",
               (3, 16): "STRING", (3303, 5700): "FLOAT"})  # fmt: skip
NOW_NS = 1_700_000_000_000_000_000

DEVICE = [
    Node("/3/0/0", "Open Mobile Alliance"), Node("/3/0/1", "Lightweight M2M Client"),
    Node("/3/0/2", "345000123"), Node("/3/0/3", "1.0"), Node("/3/0/6/0", 1), Node("/3/0/6/1", 5),
    Node("/3/0/7/0", 3800), Node("/3/0/7/1", 5000), Node("/3/0/8/0", 125), Node("/3/0/8/1", 900),
    Node("/3/0/9", 100), Node("/3/0/10", 15), Node("/3/0/11/0", 0),
    Node("/3/0/13", 1367491215, Kind.TIME), Node("/3/0/14", "+02:00"), Node("/3/0/16", "U"),
]  # fmt: skip
SEND = [
    Node("/3303/0/5700", round(20 + (i % 97) / 7, 2), time_ns=NOW_NS + i * 10_000_000_000)
    for i in range(1000)
]
# TLV has no time, so its thousand values are as many instances of one resource.
MANY = [Node(Path(3303, 0, 5700, i), node.value) for i, node in enumerate(SEND)]
CASES = {
    "/3/0, 16 values": (Path(3, 0), DEVICE, DEVICE),
    "one value": (Path(3303, 0, 5700), [Node("/3303/0/5700", 21.5)], [Node("/3303/0/5700", 21.5)]),
    "1,000 values": (Path(3303, 0), SEND, MANY),
}

Act = Callable[[], Any]


def acts() -> dict[tuple[str, str, str], Act]:
    """(case, format or library, "decode" or "encode") -> what is timed."""
    made: dict[tuple[str, str, str], Act] = {}
    for case, (base, timed, plain) in CASES.items():
        for name, number in {**NUMBERS, **OTHERS}.items():
            nodes = plain if name in ("TLV", "LwM2M CBOR") else timed
            payload = encode(number, nodes, base)
            pack = decode(number, payload, base, TYPES)
            assert sorted(map(str, pack)) == sorted(map(str, nodes))
            row = FORMATS[number]
            made[case, name, "decode"] = lambda f=row.decode, p=payload, b=base: f(p, b, TYPES)
            made[case, name, "encode"] = lambda f=row.encode, x=nodes, b=base: f(x, b)
            made[case, name, "every value"] = pack.nodes
        for name, library, number, nodes in (
            ("cbor2", cbor2, 112, timed), ("orjson", orjson, 110, timed),
            ("cbor2 (for TLV)", cbor2, 112, plain),
        ):  # fmt: skip
            payload = encode(number, nodes, base)
            tree = library.loads(payload)
            made[case, name, "decode"] = lambda f=library.loads, p=payload: f(p)
            made[case, name, "encode"] = lambda f=library.dumps, t=tree: f(t)
        cbor = encode(112, timed, base)
        by_number = "SenML CBOR by number"
        made[case, by_number, "decode"] = lambda p=cbor, b=base: decode(112, p, b, TYPES)
        made[case, by_number, "encode"] = lambda x=timed, b=base: encode(112, x, b)
    return made


def repeats(act: Act) -> int:
    """How often an act fits into a round."""
    start = time.perf_counter()
    count = 0
    while time.perf_counter() - start < ROUND_S / 5:
        act()
        count += 1
    return max(count * 5, 3)


def timed_round(act: Act, count: int) -> float:
    """Nanoseconds of CPU per call."""
    start = time.process_time()
    for _ in range(count):
        act()
    return (time.process_time() - start) / count * 1e9


def finding(rounds: list[dict[Any, float]], case: str, name: str, what: str) -> Finding:
    """The cost of one format over that of the library it is held against."""
    other = {"SenML CBOR": "cbor2", "SenML JSON": "orjson", "TLV": "cbor2 (for TLV)"}[name]
    ratios = [each[case, name, what] / each[case, other, what] for each in rounds]
    goal = Goal(GOALS[name], is_limit=True)
    title = f"{what} {case}: {name} / {other}"
    return Finding(title, median(ratios), goal, "", min(ratios), max(ratios))


def cost_table(middle: dict[Any, float]) -> Table:
    """Nanoseconds per call, and per value where there are more."""
    table = Table(title="ns per payload (per value)", title_justify="left")
    for column in ("", *CASES):
        table.add_column(column, justify="right" if column else "left")
    names = sorted({(name, what) for _, name, what in middle}, key=lambda each: (each[1], each[0]))
    for name, what in names:
        cells = []
        for case, (_, nodes, _) in CASES.items():
            ns = middle[case, name, what]
            cells.append(f"{ns:,.0f}" + (f" ({ns / len(nodes):,.0f})" if len(nodes) > 1 else ""))
        table.add_row(f"{what} {name}", *cells)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="three rounds")
    options = parser.parse_args()
    made = acts()
    counts = {key: repeats(act) for key, act in made.items()}
    rounds = [
        {key: timed_round(act, counts[key]) for key, act in made.items()}
        for _ in range(3 if options.quick else options.rounds)
    ]
    middle = {key: median(each[key] for each in rounds) for key in made}
    found = [
        finding(rounds, case, name, what)
        for what in ("decode", "encode") for name in NUMBERS for case in CASES
    ]  # fmt: skip
    libraries = {name: version(name) for name in ("cbor2", "orjson")}
    costs = {" | ".join(key): round(ns, 1) for key, ns in middle.items()}
    publish("codec", found, ns_per_payload=costs, libraries=libraries)
    Console(width=130).print(cost_table(middle))


if __name__ == "__main__":
    main()

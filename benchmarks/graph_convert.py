"""How long a 300-node UI graph takes to read, convert and check, as multiples of what json.loads takes for its file.

Run: python benchmarks/graph_convert.py [--nodes 300] [--rounds 15] [--growth] [--out FILE]

`--growth` takes a graph of half as many nodes too, and prints how many times as long the whole one takes: 2 is linear.
Times are those of the processor, which a busy machine changes little.
"""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from machine import facts, keep, parser

from portrait_studio.runner.graph import check, parse, prune, to_api

DATA = Path(__file__).parents[1] / "tests" / "data" / "graphs" / "frontend.json.gz"
CHAIN = ("ImageScale", "ImageInvert", "ImageQuantize", "ImageBlur", "Reroute", "KSampler")


def draw(nodes: int, info: dict) -> dict:
    """Return a UI graph of that many nodes: image chains with reroutes, samplers and every widget's value."""
    graph: dict = {"version": 0.4, "nodes": [], "links": [], "extra": {}}
    for index in range(nodes):
        kind = CHAIN[index % len(CHAIN)] if index else "LoadImage"
        declared = info.get(kind, {}).get("input", {}).get("required", {})
        inputs = [{"name": name, "type": "IMAGE" if name == "image" else "*", "link": None} for name in declared]
        inputs = inputs or [{"name": "", "type": "*", "link": None}]
        kind_out = "LATENT" if kind == "KSampler" else "IMAGE"
        node = {"id": index + 1, "type": kind, "mode": 0, "inputs": inputs, "properties": {}}
        node["outputs"] = [{"name": kind_out, "type": kind_out, "links": []}]
        node["widgets_values"] = [spec[1].get("default") for spec in declared.values() if len(spec) > 1]
        graph["nodes"].append(node)
        slot = next((i for i, known in enumerate(inputs) if known["name"] in ("image", "")), None)
        if index and slot is not None:
            # A sampler gives no image, so its successor takes the one before it.
            origin = index if graph["nodes"][index - 1]["type"] != "KSampler" else index - 1
            inputs[slot]["link"] = index
            graph["nodes"][origin - 1]["outputs"][0]["links"].append(index)
            graph["links"].append([index, origin, 0, index + 1, slot, "IMAGE"])
    return graph


def clock(work: Callable[[], object], rounds: int = 15) -> float:
    """Return the median processor time of one call, in milliseconds."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append((time.process_time() - start) * 1000)
    return median(times)


def measured(nodes: int, info: dict, rounds: int) -> tuple[dict[str, float], int]:
    """Return the milliseconds of each step for a graph of that many nodes, and the bytes of its file."""
    text = json.dumps(draw(nodes, info))
    graph = parse(text)
    steps = {
        "json.loads": lambda: json.loads(text),
        "read and validate": lambda: parse(text),
        "convert": lambda: to_api(graph, info),
        "convert and prune": lambda: prune(to_api(graph, info), info),
        "check": lambda: check(graph, info),
        "read, convert, prune": lambda: prune(to_api(parse(text), info), info),
    }
    return {name: clock(step, rounds) for name, step in steps.items()}, len(text)


def main() -> None:
    """Print the table."""
    given = parser(__doc__)
    given.add_argument("--nodes", type=int, default=300)
    given.add_argument("--rounds", type=int, default=15)
    given.add_argument("--growth", action="store_true")
    options = given.parse_args()
    about = facts()
    info = json.loads(gzip.decompress(DATA.read_bytes()))["object_info"]
    steps, size = measured(options.nodes, info, options.rounds)
    half = measured(options.nodes // 2, info, options.rounds)[0] if options.growth else {}
    print(f"{options.nodes} nodes, {size / 1024:.0f} KiB of JSON, median of {options.rounds}")
    for name, taken in steps.items():
        grown = f"  {taken / half[name]:6.2f} x half the nodes" if half else ""
        print(f"{name:>22}  {taken:9.2f} ms  {taken / steps['json.loads']:6.1f} x json.loads{grown}")
    kept = {
        "nodes": options.nodes,
        "kib": round(size / 1024),
        "ms": {name: round(taken, 2) for name, taken in steps.items()},
        "times_json_loads": {name: round(taken / steps["json.loads"], 1) for name, taken in steps.items()},
    }
    if half:
        kept["times_half_the_nodes"] = {name: round(taken / half[name], 2) for name, taken in steps.items()}
    keep(options.out, {**kept, "machine": about})


if __name__ == "__main__":
    main()

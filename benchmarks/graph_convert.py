"""How long a 300-node UI graph takes to read, convert and check, as multiples of what json.loads takes for its file.

Run: python benchmarks/graph_convert.py [--nodes 300] [--out FILE]
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from machine import facts, keep, parser

from portrait_studio.runner.graph import check, parse, prune, to_api

DATA = Path(__file__).parents[1] / "tests" / "data" / "graphs" / "frontend.json"
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
    """Return the median time of one call, in milliseconds."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1000)
    return median(times)


def main() -> None:
    """Print the table."""
    given = parser(__doc__)
    given.add_argument("--nodes", type=int, default=300)
    options = given.parse_args()
    nodes, about = options.nodes, facts()
    info = json.loads(DATA.read_text("utf-8"))["object_info"]
    text = json.dumps(draw(nodes, info))
    graph = parse(text)
    loads = clock(lambda: json.loads(text))
    steps = {
        "json.loads": loads,
        "read and validate": clock(lambda: parse(text)),
        "convert": clock(lambda: to_api(graph, info)),
        "convert and prune": clock(lambda: prune(to_api(graph, info), info)),
        "check": clock(lambda: check(graph, info)),
        "read, convert, prune": clock(lambda: prune(to_api(parse(text), info), info)),
    }
    print(f"{nodes} nodes, {len(graph.root.links)} links, {len(text) / 1024:.0f} KiB of JSON, median of 15")
    for name, milliseconds in steps.items():
        print(f"{name:>22}  {milliseconds:7.2f} ms  {milliseconds / loads:6.1f} x json.loads")
    keep(
        options.out,
        {
            "nodes": nodes,
            "kib": round(len(text) / 1024),
            "ms": {name: round(milliseconds, 2) for name, milliseconds in steps.items()},
            "times_json_loads": {name: round(milliseconds / loads, 1) for name, milliseconds in steps.items()},
            "machine": about,
        },
    )


if __name__ == "__main__":
    main()

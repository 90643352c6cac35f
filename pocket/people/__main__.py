"""Look at synthetic people: `python -m portrait_studio.pocket.people sheet|speed|check|subjects`."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

from ...portrait.errors import PortraitError
from . import dataset


def sheet(arguments: argparse.Namespace) -> None:
    """Write a contact sheet of `count` pictures."""
    from PIL import Image

    framings = None if arguments.framing == "mix" else {arguments.framing: 1.0}
    pictures = []
    for batch in dataset.render_dataset(
        arguments.count, arguments.seed, arguments.device, arguments.size, arguments.batch, framings
    ):
        pictures += list(batch.images.permute(0, 2, 3, 1).cpu().numpy())
        if arguments.words:
            print(*batch.captions, sep="\n")
    columns = min(arguments.columns, len(pictures))
    rows = [np.concatenate(pictures[k : k + columns], 1) for k in range(0, len(pictures) // columns * columns, columns)]
    Image.fromarray(np.concatenate(rows)).save(arguments.out, quality=90)


def speed(arguments: argparse.Namespace) -> None:
    """Print pictures per second, the renderer's preparation apart."""
    begin = time.perf_counter()
    dataset.renderer(str(arguments.device))
    prepared = time.perf_counter() - begin
    for _ in dataset.render_dataset(arguments.batch or 4, 1, arguments.device, arguments.size, arguments.batch):
        pass
    _synchronise(arguments.device)
    begin = time.perf_counter()
    for _ in dataset.render_dataset(arguments.count, arguments.seed, arguments.device, arguments.size, arguments.batch):
        pass
    _synchronise(arguments.device)
    seconds = time.perf_counter() - begin
    result = {
        "size": arguments.size,
        "count": arguments.count,
        "batch": arguments.batch,
        "prepare_s": round(prepared, 2),
        "pictures_per_second": round(arguments.count / seconds, 1),
    }
    if torch.device(arguments.device).type == "cuda":
        result |= {
            "device": torch.cuda.get_device_name(),
            "peak_memory_gb": round(torch.cuda.max_memory_allocated() / 1e9, 2),
        }
    print(json.dumps(result))


def _synchronise(device: str) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()


def check(arguments: argparse.Namespace) -> int:
    """Measure what a face detector and a recogniser make of the pictures; say whether it is good enough."""
    from .check import measure

    result = measure(arguments.count, 5, arguments.seed, arguments.device, arguments.size, arguments.turn)
    print(json.dumps(result, indent=1))
    return 0 if result["good"] else 1


def subjects(arguments: argparse.Namespace) -> None:
    """Write the six ready subjects' folders into `out`."""
    from .subjects import write

    write(arguments.out, arguments.device, arguments.size if arguments.size != 256 else 640)


def main() -> int:
    """Run one command."""
    parser = argparse.ArgumentParser(prog="portrait_studio.pocket.people", description=__doc__)
    parser.add_argument("command", choices=["sheet", "speed", "check", "subjects"])
    parser.add_argument("--count", type=int, default=12, help="pictures, or identities for check")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=None)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--framing", default="mix")
    parser.add_argument("--columns", type=int, default=6)
    parser.add_argument("--turn", type=float, default=45.0, help="degrees, for check")
    parser.add_argument("--words", action="store_true", help="print the captions")
    parser.add_argument("--out", type=Path, default=Path("people.jpg"))
    arguments = parser.parse_args()
    try:
        return COMMANDS[arguments.command](arguments) or 0
    except PortraitError as error:
        print(error, file=sys.stderr)
        return error.exit_code


COMMANDS = {"sheet": sheet, "speed": speed, "check": check, "subjects": subjects}

if __name__ == "__main__":
    sys.exit(main())

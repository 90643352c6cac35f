"""`python -m portrait_studio.pocket assemble --models DIR`: the pocket models as ordinary ComfyUI files."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..portrait.errors import PortraitError
from .assemble import PINS, WEIGHTS, assemble


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code; a PortraitError is printed as its one sentence."""
    parser = argparse.ArgumentParser(prog="python -m portrait_studio.pocket", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("assemble", help="write the checkpoint, the ControlNets and the upscaler")
    make.add_argument("--models", type=Path, required=True, metavar="DIR", help="ComfyUI's models folder")
    make.add_argument("--weights", type=Path, metavar="DIR", help="the shards, if not the ones shipped here")
    options = parser.parse_args(arguments)
    try:
        weights = options.weights or (WEIGHTS if (WEIGHTS / PINS).exists() else None)
        for path in assemble(options.models, weights):
            print(path)
    except PortraitError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""`python -m portrait_studio.pocket assemble --models DIR` makes ordinary ComfyUI files; `report` measures them."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from ..portrait.errors import PortraitError
from .assemble import WEIGHTS, assemble

COMFYUI = Path(__file__).parents[1] / ".studio" / "ComfyUI"
MODELS = Path(__file__).parents[1] / ".studio" / "models"
OUT = Path(__file__).parents[1] / ".studio" / "pocket-report"


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code; a PortraitError is printed as its one sentence."""
    parser = argparse.ArgumentParser(prog="python -m portrait_studio.pocket", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("assemble", help="write the checkpoint, the ControlNets and the upscaler")
    make.add_argument("--models", type=Path, required=True, metavar="DIR", help="ComfyUI's models folder")
    make.add_argument("--weights", type=Path, metavar="DIR", help="the shards, if not the ones shipped here")
    tell = commands.add_parser("report", help="measure the assembled models through a real ComfyUI on the CPU")
    tell.add_argument("--comfyui", type=Path, default=COMFYUI, metavar="DIR", help="the ComfyUI to measure through")
    tell.add_argument("--models", type=Path, default=MODELS, metavar="DIR", help="where `assemble` put the models")
    tell.add_argument("--judge", type=Path, metavar="PYTHON", help="an interpreter with mediapipe, to judge body poses")
    tell.add_argument("--training", type=Path, metavar="FILE", help="faces.safetensors of the phase neighbours")
    tell.add_argument("--out", type=Path, default=OUT, metavar="DIR", help="pictures, sheets and report.json")
    tell.add_argument("--count", type=int, default=64, help="pictures a measurement")
    fix = commands.add_parser("pin", help="write pins.json for new shards, after training")
    fix.add_argument("--weights", type=Path, default=WEIGHTS, metavar="DIR", help="the shards")
    options = parser.parse_args(arguments)
    try:
        if options.command == "report":
            return _report(options)
        if options.command == "pin":
            from .train.export import pin

            print(f"{len(pin(options.weights)['shards'])} shards pinned")
            return 0
        for path in assemble(options.models, options.weights or WEIGHTS):
            print(path)
    except PortraitError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def _report(options: argparse.Namespace) -> int:
    from ..runner.demo import HostInstallation
    from .quality.pictures import HostPictures
    from .quality.report import ModelReport

    installation = HostInstallation(options.comfyui.resolve(), Path(sys.executable), options.models.resolve())
    with (
        tempfile.TemporaryDirectory() as work,
        installation.open(Path(work)) as host,
    ):
        pictures = HostPictures(host.url, host.input, options.out, options.count)
        report = ModelReport(pictures, options.models, options.judge, options.training).measure()
    for name, row in report["rows"].items():
        print(f"{'reached ' if row['reached'] else 'not yet '} {name}: {row['value']} (wanted {row['wanted']})")
    return 0


if __name__ == "__main__":
    sys.exit(main())

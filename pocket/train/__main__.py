"""One command a phase: `python -m portrait_studio.pocket.train --work DIR PHASE[=SECONDS[/UNTIL]] ...`.

Under `torchrun --nproc-per-node N` the N GPUs train as one. A phase that was interrupted goes on where it stopped; one
that has had its seconds does nothing. See pocket/train/device.sh for the run that made the shipped weights.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from pathlib import Path

from ..assemble import WEIGHTS
from . import export
from .autoencoder import vae
from .denoisers import openpose, tile, unet
from .latents import latents
from .machine import meet, rank, say, setup, shared
from .neighbours import search
from .preview import StoredModels, write
from .rendering import render
from .settings import RankSettings
from .upscaling import upscaler
from .warming import warm

COMFYUI = Path(__file__).parents[2] / ".studio" / "ComfyUI"


def main() -> None:
    """Run the phases that the command line names, in its order."""
    parser = argparse.ArgumentParser(prog="python -m portrait_studio.pocket.train", description=__doc__)
    parser.add_argument("phases", nargs="+", metavar="PHASE[=SECONDS[/UNTIL]]")
    parser.add_argument("--work", type=Path, required=True, help="states, renders and shards; kept between calls")
    parser.add_argument("--out", type=Path, help="gets what is worth keeping after every phase")
    parser.add_argument("--tokenizer", type=Path, default=COMFYUI / "comfy" / "sd1_tokenizer")
    parser.add_argument("--seed", type=int, default=1000, help="first seed of the rendered people")
    parser.add_argument("--people", type=int, default=25000, help="renders at 256 px per GPU")
    parser.add_argument("--large", type=int, default=500, help="renders at 1024 px per GPU")
    parser.add_argument("--batch", type=int, default=128, help="samples per GPU and step")
    parser.add_argument("--vae-batch", type=int, default=64)
    parser.add_argument("--vae-rate", type=float, default=1.2e-3, help="learning rate of the autoencoder")
    parser.add_argument("--control-batch", type=int, default=128)
    parser.add_argument("--renderers", type=int, default=3, help="processes that render on one GPU")
    parser.add_argument("--rate", type=float, default=4e-4, help="learning rate of the UNet")
    parser.add_argument("--control-rate", type=float, default=4e-4)
    parser.add_argument("--samples", type=int, default=48, help="pictures in a contact sheet")
    parser.add_argument("--no-compile", action="store_true")
    options = parser.parse_args()
    device = setup()
    options.work.mkdir(parents=True, exist_ok=True)
    sheets = options.work / "sheets"
    sheets.mkdir(exist_ok=True)
    settings = RankSettings(
        options.work, device, options.batch, options.control_batch, options.tokenizer, not options.no_compile
    )
    figures = sheets / "figures.json"
    results = json.loads(figures.read_text("utf-8")) if figures.exists() else {}
    for word in options.phases:
        name, _, text = word.partition("=")
        whole, _, part = text.partition("/")
        seconds, begin = float(whole or 60), time.monotonic()
        result = _phase(name, seconds, float(part or seconds), settings, options, sheets) or {}
        results[name] = {**result, "wall": round(time.monotonic() - begin, 1)}
        say(name, "took", results[name]["wall"], "s")
        if rank() == 0:
            figures.write_text(json.dumps(results, indent=1), "utf-8")
            if options.out:
                options.out.mkdir(parents=True, exist_ok=True)
                export.deliver(options.work, sheets, options.out)


def _phase(
    name: str, seconds: float, until: float, settings: RankSettings, options: argparse.Namespace, out: Path
) -> Mapping[str, object] | None:
    match name:
        case "render":
            return render(settings, options.people, options.large, options.seed, seconds, options.renderers)
        case "warm":
            return warm(settings, options.vae_batch, options.control_batch)
        case "vae" | "decoder":
            return vae(settings, seconds, options.vae_batch, options.vae_rate, encoder=name == "vae")
        case "latents":
            return latents(settings, options.seed)
        case "unet":
            return unet(settings, seconds, until, options.rate)
        case "openpose" | "tile":
            return (openpose if name == "openpose" else tile)(settings, seconds, until, options.control_rate)
        case "upscaler":
            return upscaler(settings, seconds, 64)
        case "preview":
            return (
                None
                if rank()
                else write(settings.work, settings.tokenizer, settings.device, out, options.seed - 2, options.samples)
            )
        case "neighbours":
            people = settings.people("people")
            preview = StoredModels(settings.work, settings.tokenizer, settings.device)
            prompts = settings.people("held").captions[:64] if not rank() else []
            return search(people, preview, shared(prompts), None if rank() else out)
        case "adopt":
            if not rank():
                export.adopt(WEIGHTS, settings.work)
            return meet()
        case _:
            raise SystemExit(f"there is no phase {name!r}; see --help")


if __name__ == "__main__":
    main()

"""The pictures of the looks to choose from: portraits that our own graph makes with the pocket models.

    python -m tests.service.look_pictures            # all that are not of today's presets
    python -m tests.service.look_pictures NAME ...   # these

Every pose is the same person's and of the same seed, so only what is chosen changes. A tone is put on the portrait of
the usual pose by the preset's table, as the graph's Tone Filter does it.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps

from portrait_studio.portrait import tones
from portrait_studio.portrait.decoding import read_rgb
from portrait_studio.runner.client import Client
from portrait_studio.runner.demo import ROOT, HostInstallation, example_photos
from portrait_studio.runner.graph import located
from portrait_studio.runner.jobs import build, run, upload_photos
from portrait_studio.service.work import looks, samples

STUDIO = ROOT / ".studio"
SIZE, QUALITY = (168, 224), 60  # pixels, of the shape of the presets; WebP's
GRAPH, STAGE = Path("portrait-starter"), "face-detail"
SETTINGS = {
    "seed": "11", "prompt": "wearing green sweater, slight smile, grey background, soft light",
    "words": "portrait photo of a woman", "look": "red long wavy hair, fair skin",
}  # fmt: skip


def main() -> None:
    """Make the pictures, and note of which presets they are."""
    now = {f"poses/{name}": looks.fingerprint("pose", name) for name in looks.poses()}
    now |= {f"tones/{name}": looks.fingerprint("tone", name) for name in looks.tones()}
    known = json.loads(samples.MADE_OF.read_text("utf-8")) if samples.MADE_OF.is_file() else {}
    stale = [key for key, of in now.items() if (Path(key).name in sys.argv if sys.argv[1:] else known.get(key) != of)]

    def keep(key: str, picture: Image.Image) -> None:
        file = samples.FOLDER / f"{key}.webp"
        file.parent.mkdir(parents=True, exist_ok=True)
        picture.save(file, "WEBP", quality=QUALITY, method=6)
        known[key] = now[key]
        samples.MADE_OF.write_text(json.dumps({one: known[one] for one in now if one in known}, indent=0) + "\n")
        sys.stdout.write(f"{key}\n")
        sys.stdout.flush()

    if poses := [Path(key).name for key in stale if key.startswith("poses/")]:
        installed = HostInstallation(STUDIO / "ComfyUI", Path(sys.executable), STUDIO / "models")
        with (
            tempfile.TemporaryDirectory() as folder,
            installed.open(Path(folder) / "host") as host,
            Client(host.url, local=host) as client,
        ):
            photos = upload_photos(client, example_photos("nora"))
            for name in poses:
                keep(f"poses/{name}", _posed(client, name, photos, Path(folder) / "out"))
    usual = np.asarray(Image.open(io.BytesIO(samples.pose(looks.USUAL[0]))).convert("RGB"))
    for name in [Path(key).name for key in stale if key.startswith("tones/")]:
        keep(f"tones/{name}", _toned(usual, name))


def _posed(client: Client, name: str, photos: list[str], out: Path) -> Image.Image:
    """Return the portrait in a pose after STAGE; what comes later in the graph is not run."""
    job = build.job(client, located(GRAPH), {**SETTINGS, "pose": name}, lambda: photos)
    (stage,) = [one for one in job.stages if one.name == STAGE]
    result = run(replace(job, prompt=_up_to(job.prompt, stage.image), workflow=None, stages=(stage,)), client, out)
    (picture,) = result.images
    return ImageOps.fit(Image.fromarray(read_rgb(picture.file)), SIZE, Image.Resampling.LANCZOS)


def _toned(pixels: np.ndarray, name: str) -> Image.Image:
    toned = tones.apply(torch.from_numpy(pixels).float().div(255), tones.load(name).protected_lut())
    return Image.fromarray(toned.mul(255).round().byte().numpy())


def _up_to(prompt: Mapping[str, Any], node: str) -> dict[str, Any]:
    """Return the nodes of a prompt that one of them needs, and it."""
    kept, ahead = {}, [node]
    while ahead:
        id = ahead.pop()
        if id not in kept:
            kept[id] = prompt[id]
            ahead += [str(value[0]) for value in prompt[id]["inputs"].values() if isinstance(value, list)]
    return kept


if __name__ == "__main__":
    main()

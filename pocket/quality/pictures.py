"""The pictures of a report: held-out renders and what the models make, each kept, so that a report can go on later."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..graphs import PocketPrompt, run

SEED = 77
FRAMINGS = {"close-up": 0.2, "head and shoulders": 0.5, "half body": 0.3}
PART = 8


class HostPictures:
    """Pictures by kind and number in `folder`; missing ones are made by the host at `url`, which reads `inputs`."""

    def __init__(self, url: str, inputs: Path, folder: Path, count: int):
        self.url, self.inputs, self.folder, self.count = url, inputs, folder, count
        (folder / "pictures").mkdir(parents=True, exist_ok=True)

    def path(self, kind: str, index: int) -> Path:
        """Return where a picture is kept."""
        return self.folder / "pictures" / f"{kind}-{index:02d}.png"

    def open(self, kind: str, index: int) -> np.ndarray:
        """Return a picture, RGB uint8 [H, W, 3]."""
        return np.asarray(Image.open(self.path(kind, index)).convert("RGB"))

    def people(self, kind: str, framings: dict[str, float]) -> list[dict[str, Any]]:
        """Render one picture of each of the first `count` held-out identities, or read what an earlier run rendered."""
        from ..people.dataset import render_shots, shot_for
        from ..people.identity import held_out

        facts = self.folder / f"{kind}.json"
        known = json.loads(facts.read_text("utf-8")) if facts.exists() else []
        seeds = held_out()["measurement"][: self.count]
        for start in range(len(known), len(seeds), 4):
            part = seeds[start : start + 4]
            draws = [np.random.Generator(np.random.Philox(key=[SEED, who])) for who in part]
            shots = [shot_for(who, rng, framings) for who, rng in zip(part, draws, strict=True)]
            batch = render_shots(shots, "cpu", 256, draws[0])
            for i, who in enumerate(part):
                picture = batch.images[i].permute(1, 2, 0).numpy()
                Image.fromarray(picture).save(self.path(kind, start + i))
                entry = {"identity": who, "caption": batch.captions[i], "keypoints": batch.keypoints[i].tolist()}
                known.append(entry | {"attributes": batch.attributes[i]})
            facts.write_text(json.dumps(known), "utf-8")
        return known[: self.count]

    def make(self, kind: str, graphs: dict[int, PocketPrompt]) -> None:
        """Run the graphs (index -> a graph of one picture) whose pictures are not there yet, PART at a time."""
        missing = [index for index in graphs if not self.path(kind, index).exists()]
        for start in range(0, len(missing), PART):
            part = missing[start : start + PART]
            joint: PocketPrompt = {}
            for index in part:
                joint |= _renamed(graphs[index], index)
            for name, picture in run(self.url, joint, timeout=1800).items():
                Image.fromarray(picture).save(self.path(kind, int(name.removeprefix("save"))))

    def sheet(self, name: str, pictures: list[np.ndarray], columns: int) -> None:
        """Save pictures of one size side by side as <name>.jpg."""
        rows = [np.concatenate(pictures[i : i + columns], 1) for i in range(0, len(pictures), columns)]
        whole = np.concatenate([row for row in rows if row.shape == rows[0].shape])
        Image.fromarray(whole).save(self.folder / f"{name}.jpg", quality=85)


def _renamed(graph: PocketPrompt, index: int) -> PocketPrompt:
    """Return a one-picture graph with its per-picture nodes renumbered; shared loaders keep their names."""
    names = {name: name[:-1] + str(index) for name in graph if name.endswith("0")}
    if "pose" in graph:
        names["pose"] = f"pose{index}"

    def moved(value: Any) -> Any:
        return [names.get(value[0], value[0]), value[1]] if isinstance(value, list) else value

    return {
        names.get(name, name): node | {"inputs": {key: moved(value) for key, value in node["inputs"].items()}}
        for name, node in graph.items()
    }

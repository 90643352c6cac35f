"""A graph of portraits that takes no time: the map of the pose in the colours of the tone, a seed for its colour."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.runner.graph.sketch import Sketch

SUBJECTS = Path(__file__).parents[3] / "pocket" / "subjects"


def small_graph(info: dict[str, Any], path: Path) -> Path:
    """Write the graph for a host that declares `info`."""
    sketch = Sketch(info)
    who = sketch.add("PrimitiveString", ["nobody"])
    shown = sketch.add("PreviewAny")
    sketch.link(who, 0, shown, "source")
    plain = sketch.add("EmptyImage", [64, 64, 1, 0])
    pose = sketch.add("PortraitPosePreset", ["head-front", 64, 64, "", True, "auto"])
    both = sketch.add("ImageBlend", [0.5, "normal"])
    sketch.link(plain, 0, both, "image1")
    sketch.link(pose, 0, both, "image2")
    tone = sketch.add("PortraitToneFilter", ["warm-film", 1.0, -1.0, "", ""])
    sketch.link(both, 0, tone, "image")
    save = sketch.add("SaveImage", ["small"])
    sketch.link(tone, 0, save, "images")

    def parameter(node: dict, key: str, kind: str, default: Any, **more: Any) -> dict:
        return {"targets": [{"node": node["id"], "input": key}], "type": kind, "default": default, **more}

    sketch.extra["portrait_studio"] = {
        "name": "small",
        "version": "1.0",
        "parameters": {
            "subject": parameter(who, "value", "STRING", "nobody"),
            "pose": parameter(pose, "preset", "COMBO", "head-front"),
            "tone": parameter(tone, "preset", "COMBO", "warm-film"),
            "seed": parameter(plain, "color", "INT", 0, min=0, max=0xFFFFFF),
        },
        "stages": [{"name": "small", "title": {"en": "Small", "ko": "작게"}, "image": save["id"]}],
    }
    path.write_text(json.dumps(sketch.graph()), "utf-8")
    return path


def photos(name: str, count: int = 6) -> list[Path]:
    """The first photos of a ready subject."""
    return sorted((SUBJECTS / name).glob("*.jpg"))[:count]

"""Nodes run in this process, without a host."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image

PEOPLE = Path(__file__).parents[1] / "data" / "people"


def person(name: str) -> torch.Tensor:
    return torch.from_numpy(np.array(Image.open(PEOPLE / name), np.float32) / 255)[None]


def run(node: type, **inputs: object):
    """Execute with the schema's defaults for what is not given."""
    schema = node.define_schema()
    defaults = {each.id: each.default for each in schema.inputs if getattr(each, "default", None) is not None}
    if schema.is_input_list:
        defaults = {name: [value] for name, value in defaults.items()}
    return node.execute(**defaults | inputs)


def cut(pack: dict, image: torch.Tensor, references: tuple[torch.Tensor, ...] = (), **settings: object):
    """Run Face Crop on one picture or batch; return its whole output, and what it gave for that picture."""
    lists = {name: [value] for name, value in settings.items()}
    output = run(pack["PortraitFaceCrop"], image=[image], references=list(references) or None, **lists)
    return output, [values[0] for values in output.args]


def envelope(output) -> dict:
    (facts,) = output.ui["portrait_studio"]
    assert isinstance(facts["warnings"], list)
    json.dumps(facts)
    return facts

"""A subject on the disk, with what a training leaves beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from portrait_studio.portrait import subjects
from portrait_studio.portrait.likeness import known as likeness_report
from portrait_studio.portrait.likeness import stored
from portrait_studio.portrait.subjects import Subject

CARD = {
    "trained": "2026-01-02T03:04:05+00:00",
    "base": {"checkpoint": "pocket.safetensors", "sha256": "b" * 64, "family": "sd15"},
    "settings": {"steps": 240},
    "chosen": {
        "step": 120,
        "likeness": 0.81,
        "held_out_names": ["secret-photo-1.jpg"],
        "photo": "secret-photo-2.jpg",
        "reference": ["secret-photo-3.jpg"],
        "embedding": [0.123456789],
        "checkpoints": [{"step": 60, "path": "/home/secret-photo-4.jpg"}],
    },
    "photos": {"trained": ["f" * 64], "held_out": ["e" * 64]},
    "consent": "private words",
}


def kept(name: str, root: Path, lora: bool = True) -> Subject:
    """A subject on the disk, with what a training leaves beside it."""
    trained = root.parent / "trained.safetensors"
    root.parent.mkdir(parents=True, exist_ok=True)
    up, down = np.ones((4, 2), np.float32), np.ones((2, 4), np.float32)
    halves = {"lora_unet_x.lora_up.weight": up, "lora_unet_x.lora_down.weight": down}
    save_file(halves, trained, {"ss_steps": "240"})
    references = np.random.default_rng(1).random((2, 128)).astype(np.float32)
    made = subjects.save(Subject(name, "anb3ll", "woman", trained if lora else None, references, "sface", CARD), root)
    training = root / made.name / subjects.TRAINING / "class images"
    training.mkdir(parents=True)
    (training / "0.png").write_bytes(b"picture")
    (training.parent / "state-000120.safetensors").write_bytes(b"state")
    likeness = training.parent / likeness_report.FOLDER
    likeness.mkdir()
    for file in (likeness_report.FACES, stored.REPORT, stored.PICTURE.format(0), stored.PHOTO.format(3)):
        (likeness / file).write_bytes(b"secret-photo")
    return made

"""Restored faces on the canvas."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ..portrait import faces as finder
from ..portrait import identity, kept, presets
from ..portrait.restore.loading import load
from ..portrait.restore.networks import FOLDER, RestoreError
from ..portrait.restore.restoring import doubts, restore
from ..portrait.tensors import to_uint8
from .api import io
from .folders import model_file, model_files
from .notice import nobody_found, notice

NONE = "none"


def _names() -> list[str]:
    return [NONE, *model_files(FOLDER)]


class PortraitRestoreFace(io.ComfyNode):
    """Faces through a restoration network of one's own: GFPGAN, RestoreFormer, CodeFormer."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="PortraitRestoreFace",
            display_name="Restore Face",
            category="Portrait Studio/Faces",
            description="Restores every face with a network from models/facerestore_models (GFPGAN, RestoreFormer, "
            "CodeFormer), cut as the network was trained, and lays it back with a soft border. Says how much of the "
            "likeness was kept.",
            inputs=[
                io.Image.Input("image", tooltip="One picture or a batch."),
                io.Combo.Input(
                    "network",
                    options=_names(),
                    default=NONE,
                    tooltip="A .safetensors file from models/facerestore_models. none passes the picture through "
                    "unchanged.",
                ),
                io.Float.Input(
                    "blend",
                    default=0.7,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="How much of the restored face is seen; 0 returns the picture unchanged.",
                ),
                io.Custom("PORTRAIT_SUBJECT").Input(
                    "subject", optional=True, tooltip="The person, to measure their likeness before and after."
                ),
            ],
            outputs=[
                io.Image.Output(display_name="image", tooltip="The picture with its faces restored."),
                io.Mask.Output(display_name="restored", tooltip="Where the picture was changed, and how much."),
            ],
        )

    @classmethod
    def validate_inputs(cls, network: str | None = None) -> bool | str:
        """Refuse a file that is not there before anything runs."""
        return presets.refusal("network", network, _names()) or True

    @classmethod
    def fingerprint_inputs(cls, network: str | None = None, **_: object) -> tuple[str | None, int]:
        """Run again when the file is another one."""
        file = None if network in (None, NONE) else model_file(FOLDER, network)
        return network, file.stat().st_mtime_ns if file is not None and file.is_file() else 0

    @classmethod
    def execute(cls, image: torch.Tensor, network: str, blend: float, subject: Any = None) -> io.NodeOutput:
        """Restore, and measure the faces before and after."""
        if network == NONE or blend == 0:
            untouched = torch.zeros(image.shape[:3])
            return io.NodeOutput(image, untouched, ui=notice("restore", [], "nothing to do", faces=0, network=network))
        restorer = load(_file(network))
        from ..trainer.host import get_torch_device

        found = finder.detect_all([to_uint8(frame) for frame in image])
        done = restore(image, found, restorer, blend, get_torch_device(), _progress())
        known, embedder = identity.known_faces(subject, []) if subject is not None else (None, identity.embedder())
        report = kept.measured(image, done.images, done.faces, known, embedder)
        warnings = [*nobody_found(found), *doubts(done, restorer.network, report)]
        told = f"{len(done.faces)} faces restored by {restorer.network.name}{report.words}"
        said = notice(
            "restore",
            warnings,
            f"{told}\n{restorer.network.sentence}",
            faces=len(done.faces),
            network=restorer.network.name,
            commercial=restorer.network.commercial,
            kept=identity.rounded(min(report.kept, default=None)),
            before=identity.rounded(report.before),
            after=identity.rounded(report.after),
            backend=embedder.name,
        )
        return io.NodeOutput(done.images, done.mask, ui=said)


def _progress() -> Callable[[int, int], None]:
    from ..trainer.host import ProgressBar, throw_exception_if_processing_interrupted

    bar = None

    def hear(done: int, total: int) -> None:
        nonlocal bar
        throw_exception_if_processing_interrupted()
        bar = bar or ProgressBar(total)
        bar.update_absolute(done, total)

    return hear


def _file(network: str) -> Path:
    file = model_file(FOLDER, network)
    if file is None:
        raise RestoreError(f"{network} is not in models/{FOLDER} any more; put it back, or choose another.")
    return file

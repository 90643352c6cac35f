"""The record beside each image: what made it, out of what, how long it took, and what was noticed on the way.

A record names no folder, no user and no address; photos appear under the hash the runner uploads them by.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

SCHEMA = 1
ENVELOPE = "portrait_studio"  # the key under which the pack's nodes put what they noticed into their UI output

LOSS = 0.1  # cosine; a repeated detection of the same face on a resized picture moves it by a few hundredths
_MODEL_ENDINGS = (".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".bin", ".gguf", ".onnx")


@dataclass(frozen=True)
class Stage:
    """A step of the graph that a person knows by name, and the nodes behind it."""

    name: str
    title: str = ""
    image: str = ""
    likeness: str = ""
    nodes: tuple[str, ...] = ()


@dataclass(frozen=True)
class StageResult:
    """What came of a stage: `seconds` and `likeness` (mean cosine, -1..1) are None when nobody measured them."""

    name: str
    title: str
    seconds: float | None
    faces: int | None
    likeness: float | None
    file: str | None


def findings(outputs: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """Return (node id, finding) for all that the pack's nodes reported in /history `outputs`."""
    return [
        (node, finding)
        for node, output in outputs.items()
        for finding in output.get(ENVELOPE) or ()
        if isinstance(finding, dict)
    ]


def warnings(outputs: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return every warning of the pack's nodes once, in order."""
    return list(dict.fromkeys(str(text) for _, finding in findings(outputs) for text in finding.get("warnings") or ()))


def stage_table(
    stages: tuple[Stage, ...],
    outputs: Mapping[str, Mapping[str, Any]],
    seconds: Mapping[str, float],
    files: Mapping[str, str],
) -> list[StageResult]:
    """Put together what is known of each stage; `seconds` and `files` are keyed by node id."""
    rows = []
    for stage in stages:
        found = [
            finding
            for node, finding in findings(outputs)
            if finding.get("kind") == "likeness"
            and (node == stage.likeness if stage.likeness else finding.get("stage") == stage.name)
        ]
        measured = found[-1] if found else {}
        timed = [seconds[node] for node in {*stage.nodes, stage.image, stage.likeness} if node in seconds]
        rows.append(
            StageResult(
                name=stage.name,
                title=stage.title or stage.name,
                seconds=round(sum(timed), 3) if timed else None,
                faces=measured.get("faces"),
                likeness=measured.get("likeness"),
                file=files.get(stage.image),
            )
        )
    return rows


def losses(rows: Sequence[StageResult]) -> list[str]:
    """Return a sentence for every stage after which the person is less like themselves by LOSS or more."""
    measured = [(row.title, row.likeness) for row in rows if row.likeness is not None]
    return [
        f"{title} loses the person: likeness falls from {before:.2f} to {after:.2f}."
        for (_, before), (title, after) in itertools.pairwise(measured)
        if before - after >= LOSS
    ]


def models(prompt: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the model files a prompt names: [{"node", "input", "file"}]."""
    return [
        {"node": body.get("class_type", ""), "input": key, "file": value.replace("\\", "/").rsplit("/", 1)[-1]}
        for body in prompt.values()
        for key, value in body.get("inputs", {}).items()
        if isinstance(value, str) and value.lower().endswith(_MODEL_ENDINGS)
    ]


def seeds(prompt: Mapping[str, Any]) -> dict[str, int]:
    """Return every seed of a prompt, keyed `node id.input`: what it takes to make the same picture again."""
    return {
        f"{node}.{key}": value
        for node, body in prompt.items()
        for key, value in body.get("inputs", {}).items()
        if key in ("seed", "noise_seed") and isinstance(value, int)
    }


def as_rows(rows: list[StageResult]) -> list[dict[str, Any]]:
    """Return the stage table as plain data."""
    return [asdict(row) for row in rows]

"""The record beside each image: what made it, out of what, how long it took, and what was noticed on the way.

A record names no folder, no user and no address; photos appear under the hash the runner uploads them by.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from ..client import words

SCHEMA = 2
ENVELOPE = "portrait_studio"  # the key under which the pack's nodes put what they noticed into their UI output

CHECKSUM = "checksum"  # of the rest of the record

LOSS = 0.1  # cosine; a repeated detection of the same face on a resized picture moves it by a few hundredths
_ELSEWHERE = re.compile(
    r"/[^/\s]+/|[A-Za-z]:[\\/]|\\\\|~[\\/]"
)  # how a path begins that says where somebody keeps things


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


@dataclass(frozen=True)
class StageFinding:
    """What a node of the pack noticed about a stage; `likeness` is a mean cosine."""

    kind: str
    stage: str
    faces: int | None
    likeness: float | None
    warnings: tuple[str, ...]


def findings(outputs: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, StageFinding]]:
    """Return (node id, finding) for all that the pack's nodes reported in /history `outputs`."""
    found = []
    for node, output in outputs.items():
        told = output.get(ENVELOPE)
        found += [(node, _finding(one)) for one in told if isinstance(one, dict)] if isinstance(told, list) else []
    return found


def _finding(told: Mapping[str, Any]) -> StageFinding:
    """Read a finding; a host may say that it is the pack's and be anything."""
    faces, likeness, noted = told.get("faces"), told.get("likeness"), told.get("warnings")
    return StageFinding(
        kind=str(told.get("kind")),
        stage=str(told.get("stage")),
        faces=faces if isinstance(faces, int) else None,
        likeness=likeness if isinstance(likeness, int | float) and -2 < likeness < 2 else None,
        warnings=tuple(words(one) for one in noted if isinstance(one, str)) if isinstance(noted, list) else (),
    )


def warnings(outputs: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return every warning of the pack's nodes once, in order."""
    return list(dict.fromkeys(text for _, finding in findings(outputs) for text in finding.warnings))


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
            if finding.kind == "likeness"
            and (node == stage.likeness if stage.likeness else finding.stage == stage.name)
        ]
        measured = found[-1] if found else None
        timed = [seconds[node] for node in {*stage.nodes, stage.image, stage.likeness} if node in seconds]
        rows.append(
            StageResult(
                name=stage.name,
                title=stage.title or stage.name,
                seconds=round(sum(timed), 3) if timed else None,
                faces=measured.faces if measured else None,
                likeness=measured.likeness if measured else None,
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


def noticed(outputs: Mapping[str, Mapping[str, Any]], stages: Sequence[StageResult], notes: Sequence[str]) -> list[str]:
    """Return all that a person should know of a job that has ended; `notes` are what else was found."""
    return [*warnings(outputs), *losses(stages), *notes]


def seeds(prompt: Mapping[str, Any]) -> dict[str, int]:
    """Return every seed of a prompt, keyed `node id.input`: what it takes to make the same picture again."""
    return {
        f"{node}.{key}": value
        for node, body in prompt.items()
        for key, value in body.get("inputs", {}).items()
        if key in ("seed", "noise_seed") and isinstance(value, int)
    }


def portable(prompt: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a prompt as a record keeps it; None when an input of it names a folder of somebody's machine."""
    for body in prompt.values():
        if any(isinstance(value, str) and _ELSEWHERE.match(value) for value in body.get("inputs", {}).values()):
            return None
    return dict(prompt)


def canonical_hash(data: Any) -> str:
    """Return the sha256 of plain data, however its keys are ordered and its text is set."""
    return hashlib.sha256(json.dumps(data, sort_keys=True, ensure_ascii=False, default=str).encode()).hexdigest()


def sealed(record: Mapping[str, Any]) -> bytes:
    """Return a record as the text of its file, with a checksum: it tells that somebody has edited it, not who.

    The text has a line for each key, and for each node of the prompt.
    """
    plain = json.loads(json.dumps(record, ensure_ascii=False, default=str))
    lines = [f"{_name(key)}: {_lines(value)}" for key, value in {**plain, CHECKSUM: canonical_hash(plain)}.items()]
    return ("{\n  " + ",\n  ".join(lines) + "\n}\n").encode()


_text = json.JSONEncoder(ensure_ascii=False).encode
"""JSON on one line, which Python writes several times faster than the indented kind."""
_name = lru_cache(1024)(_text)


def _lines(value: Any) -> str:
    """Return a value on one line, or an entry a line where it holds whole objects by name, such as nodes."""
    if isinstance(value, dict) and any(isinstance(one, dict) for one in value.values()):
        return "{\n    " + ",\n    ".join(f"{_name(key)}: {_text(one)}" for key, one in value.items()) + "\n  }"
    return _text(value)


def is_unedited(record: Mapping[str, Any]) -> bool:
    """Whether a record is as it was written."""
    return record.get(CHECKSUM) == canonical_hash({key: value for key, value in record.items() if key != CHECKSUM})


def as_rows(rows: list[StageResult]) -> list[dict[str, Any]]:
    """Return the stage table as plain data."""
    return [asdict(row) for row in rows]

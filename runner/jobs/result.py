"""What a job left behind, and the errors of a job that left only a part."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..client import JobError, exit_code
from .record import StageResult


@dataclass(frozen=True)
class SavedImage:
    """An image on this machine: its file, its record, the node it came from, and whether an earlier job had made it."""

    file: Path
    record: Path
    node: str
    reused: bool


@dataclass(frozen=True)
class Result:
    """What a job left: `missing` are sentences about images that could not be fetched; times in seconds."""

    prompt_id: str
    state: str
    images: list[SavedImage]
    missing: list[str]
    stages: list[StageResult]
    warnings: list[str]
    seconds: float
    reused: bool
    outputs: dict[str, dict[str, Any]]


class PartialError(JobError):
    """A job ended without everything it promised; `result` is what there is of it."""

    def __init__(self, message: str, prompt_id: str, result: Result) -> None:
        super().__init__(message, prompt_id)
        self.result = result


class NodeFailedError(PartialError):
    """A node failed while the job ran."""

    key = "node_failed"
    exit_code = exit_code("job")


class StoppedError(PartialError):
    """Somebody interrupted the job on the host."""

    key = "stopped"
    exit_code = exit_code("stopped")


class MissingError(PartialError):
    """The job ended, but an image of it cannot be fetched."""

    key = "image_missing"
    exit_code = exit_code("missing")

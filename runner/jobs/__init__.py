"""One job: built from a graph and its settings, run on a host, its images and records written to a folder."""

from . import build, output
from .job import Job, job_id, run, upload_photos
from .prepare import nodes_of, prepare_prompt
from .record import Stage, StageResult
from .result import MissingError, NodeFailedError, PartialError, Result, SavedImage, StoppedError

__all__ = [
    "Job",
    "MissingError",
    "NodeFailedError",
    "PartialError",
    "Result",
    "SavedImage",
    "Stage",
    "StageResult",
    "StoppedError",
    "build",
    "job_id",
    "nodes_of",
    "output",
    "prepare_prompt",
    "run",
    "upload_photos",
]

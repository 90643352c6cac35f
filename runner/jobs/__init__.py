"""One job: built from a graph and its settings, run on a host, its images and records written to a folder."""

from . import build, origins, output
from .api_graph import ApiGraph, read_api
from .bringing import Parcel, bring, lora_hashes
from .build import Recipe, read_recipe
from .delivery import FetchedFile, fetch
from .job import Job, describe, job_id, run, upload_photos, wanted_files
from .prepare import nodes_of, prepare_prompt
from .record import Stage, StageResult, noticed, sealed, stage_table
from .rerun import PictureRecord, Rerun, again, judge, read_record
from .result import MissingError, NodeFailedError, PartialError, Result, SavedImage, StoppedError

__all__ = [
    "ApiGraph",
    "FetchedFile",
    "Job",
    "MissingError",
    "NodeFailedError",
    "Parcel",
    "PartialError",
    "PictureRecord",
    "Recipe",
    "Rerun",
    "Result",
    "SavedImage",
    "Stage",
    "StageResult",
    "StoppedError",
    "again",
    "bring",
    "build",
    "describe",
    "fetch",
    "job_id",
    "judge",
    "lora_hashes",
    "nodes_of",
    "noticed",
    "origins",
    "output",
    "prepare_prompt",
    "read_api",
    "read_recipe",
    "read_record",
    "run",
    "sealed",
    "stage_table",
    "upload_photos",
    "wanted_files",
]

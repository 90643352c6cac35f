"""Headless use of the studio: graphs, hosts, jobs and the command line.

from portrait_studio.runner import Client, Job, run

with Client("http://127.0.0.1:8188") as client:
    result = run(Job(prompt), client, Path("out"))
"""

from .client import Client, HostInfo
from .errors import (
    AddressError,
    HostError,
    JobError,
    JobTimeoutError,
    LostError,
    MissingError,
    NotComfyUIError,
    NothingThereError,
    OutputError,
    PhotoError,
    PromptError,
    RefusedError,
    StalledError,
    StoppedError,
)
from .events import Event
from .follow import Outcome
from .host import LocalHost, start
from .job import Job, Result, SavedImage, job_id, run, upload_photos
from .record import Stage, StageResult

__all__ = [
    "AddressError",
    "Client",
    "Event",
    "HostError",
    "HostInfo",
    "Job",
    "JobError",
    "JobTimeoutError",
    "LocalHost",
    "LostError",
    "MissingError",
    "NotComfyUIError",
    "NothingThereError",
    "Outcome",
    "OutputError",
    "PhotoError",
    "PromptError",
    "RefusedError",
    "Result",
    "SavedImage",
    "Stage",
    "StageResult",
    "StalledError",
    "StoppedError",
    "job_id",
    "run",
    "start",
    "upload_photos",
]

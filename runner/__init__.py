"""Headless use of the studio: graphs, hosts, jobs and the command line.

from portrait_studio.runner import Client, Job, run

with Client("http://127.0.0.1:8188") as client:
    result = run(Job(prompt), client, Path("out"))
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..portrait.photos import PhotoError
    from .client import (
        AddressError,
        Client,
        Event,
        HostError,
        HostInfo,
        JobError,
        JobTimeoutError,
        LocalHost,
        LostError,
        NotComfyUIError,
        NothingThereError,
        Outcome,
        OutputError,
        PromptError,
        RefusedError,
        StalledError,
        start,
    )
    from .jobs import (
        Job,
        MissingError,
        NodeFailedError,
        PartialError,
        Result,
        SavedImage,
        Stage,
        StageResult,
        StoppedError,
        job_id,
        run,
        upload_photos,
    )

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
    "NodeFailedError",
    "NotComfyUIError",
    "NothingThereError",
    "Outcome",
    "OutputError",
    "PartialError",
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

_ROOMS = ("client", "jobs", "..portrait.photos")


def __getattr__(name: str) -> Any:
    """Import a name from its room when it is first asked for: see commands/entry.py."""
    if name in __all__:
        for room in _ROOMS:
            module = import_module(room if room.startswith(".") else f".{room}", __name__)
            if hasattr(module, name):
                return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

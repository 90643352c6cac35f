"""What hosts hold of people, and how it is removed.

A host of the studio's own keeps its folders where we can reach them; of another machine's we can only clear memory and
the history of our jobs.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...portrait import subject_store
from ...portrait.lock import locked
from ...portrait.subjects import SubjectError
from ...runner.client import AddressError, Client, HostError
from ...runner.jobs import job_id
from ...runner.jobs.build import UPLOADS


def prompt_of(job: str) -> str:
    """Return what a job of ours is called on hosts."""
    return job_id(f"service/{job}", 1)


@dataclass(frozen=True)
class OwnHosts:
    """`urls` are the hosts'; `work` is the folder of inputs and outputs of one of our own, `store` its subjects'."""

    urls: Sequence[str] = ()
    work: Path | None = None
    store: Path | None = None
    scratch: Path | None = None

    def forget(self, subject: str, jobs: list[str], photos: list[str]) -> None:
        """Remove all that hosts hold of a subject; see people.HostStore. Raises PortraitError: try again."""
        if self.store and subject:
            with locked(self.store, subject), contextlib.suppress(SubjectError):
                subject_store.delete(subject, self.store)
            if subject in subject_store.names(self.store):
                raise SubjectError(f"The files of {subject!r} are in use on the host; delete it again.")
        if self.work:
            for digest in photos:
                for file in (self.work / "input" / UPLOADS).glob(f"{digest[:32]}.*"):
                    file.unlink(missing_ok=True)
        if self.scratch:
            for job in jobs:
                shutil.rmtree(self.scratch / job, ignore_errors=True)
        if subject or jobs or photos:
            self._clear_memory([prompt_of(job) for job in jobs])

    def tidy(self) -> None:
        """Remove all pictures that our own host has made: they are here by now. Not while a job of it runs."""
        for name in ("output", "temp"):
            if self.work and (self.work / name).is_dir():
                for left in (self.work / name).iterdir():
                    with contextlib.suppress(OSError):
                        shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()

    def _clear_memory(self, prompts: Sequence[str]) -> None:
        """Have hosts let go of caches, and of the history of our jobs; one that does not run holds neither."""
        for url in self.urls:
            with contextlib.suppress(AddressError, HostError), Client(url, timeout=5.0) as client:
                client.free()
                client.erase(prompts)

"""The studio of one process: its settings, its rows, its files, and its hosts."""

from __future__ import annotations

from dataclasses import dataclass

from ..people import HostStore
from ..settings import StudioSettings
from ..storage import Blobs, StudioDatabase


@dataclass(frozen=True)
class Studio:
    """What every request and every step of work is given; `hosts` forget people when told."""

    settings: StudioSettings
    database: StudioDatabase
    blobs: Blobs
    hosts: HostStore

    @classmethod
    def opened(cls, settings: StudioSettings, hosts: HostStore) -> Studio:
        """Open a studio, its tables brought to this version. Raises StudioError, BlobError, OSError."""
        settings.folder.mkdir(parents=True, exist_ok=True)
        settings.folder.chmod(0o700)
        database = StudioDatabase(settings.database_url)
        database.migrate()
        return cls(settings, database, Blobs(settings.blobs_url), hosts)

    def close(self) -> None:
        """Close the database."""
        self.database.close()

"""Rows and files of the studio: SQLAlchemy over SQLite or PostgreSQL, fsspec over a folder or an object store."""

from .blobs import BlobError, Blobs
from .database import StudioDatabase
from .rows import (
    SAMPLE,
    AccountRow,
    AuditRow,
    Base,
    ConsentRow,
    DoneRequestRow,
    InvitationRow,
    JobRow,
    LoginRow,
    NewsRow,
    PersonRow,
    PhotoRow,
    PictureRow,
    SittingRow,
    TokenRow,
    TryRow,
    new_id,
)

__all__ = [
    "SAMPLE",
    "AccountRow",
    "AuditRow",
    "Base",
    "BlobError",
    "Blobs",
    "ConsentRow",
    "DoneRequestRow",
    "InvitationRow",
    "JobRow",
    "LoginRow",
    "NewsRow",
    "PersonRow",
    "PhotoRow",
    "PictureRow",
    "SittingRow",
    "StudioDatabase",
    "TokenRow",
    "TryRow",
    "new_id",
]

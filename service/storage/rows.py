"""The tables. Whatever a person owns has `owner_id`, and nothing of it is reached without it.

Ids are 128 random bits: nobody guesses one, and none tells how many there are. Secrets (cookies, tokens, links) are
kept as SHA-256 only; they have 256 random bits themselves, so no slow hash is needed for them.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timezone
from typing import Any

from sqlalchemy import JSON, DateTime, ForeignKey, Index, MetaData, String, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


def new_id() -> str:
    """Return a new id: 128 random bits, safe in a URL and in a file name."""
    return secrets.token_hex(16)


class Moment(TypeDecorator):
    """A time in UTC: SQLite keeps no zone, so what comes back gets it again."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Store UTC without a zone."""
        return None if value is None else value.astimezone(timezone.utc).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Return UTC with its zone."""
        return None if value is None else value.replace(tzinfo=timezone.utc)


class Base(DeclarativeBase):
    """What all tables share."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: Moment, dict[str, Any]: JSON, str: String}  # noqa: RUF012


def _id() -> Mapped[str]:
    return mapped_column(primary_key=True, default=new_id)


def _owner() -> Mapped[str]:
    return mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), index=True)


class AccountRow(Base):
    """Somebody who signs in; `role` is "owner" of their own things or "operator" of the studio."""

    __tablename__ = "accounts"
    id: Mapped[str] = _id()
    name: Mapped[str] = mapped_column(unique=True)
    password: Mapped[str]
    role: Mapped[str]
    language: Mapped[str] = mapped_column(default="")
    created: Mapped[datetime]


class LoginRow(Base):
    """A browser that is signed in; the id is the hash of its cookie."""

    __tablename__ = "logins"
    id: Mapped[str] = mapped_column(primary_key=True)
    owner_id: Mapped[str] = _owner()
    csrf: Mapped[str]
    created: Mapped[datetime]
    seen: Mapped[datetime]


class InvitationRow(Base):
    """A link that makes one account, once; the id is the hash of its secret."""

    __tablename__ = "invitations"
    id: Mapped[str] = mapped_column(primary_key=True)
    role: Mapped[str]
    expires: Mapped[datetime]


class TokenRow(Base):
    """A key for a program; `scopes` are words apart by spaces. The hash is its secret's."""

    __tablename__ = "tokens"
    id: Mapped[str] = _id()
    owner_id: Mapped[str] = _owner()
    hash: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    scopes: Mapped[str]
    created: Mapped[datetime]


class TryRow(Base):
    """One failed sign-in, by the hash of what it is counted for."""

    __tablename__ = "tries"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    what: Mapped[str] = mapped_column(index=True)
    at: Mapped[datetime]


class PersonRow(Base):
    """A subject: a person on photos. `subject` is the name of the trained subject on the host, empty before."""

    __tablename__ = "persons"
    id: Mapped[str] = _id()
    owner_id: Mapped[str] = _owner()
    name: Mapped[str]
    class_word: Mapped[str] = mapped_column(default="person")
    subject: Mapped[str] = mapped_column(default="")
    trained: Mapped[datetime | None]
    report: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created: Mapped[datetime]


class ConsentRow(Base):
    """Who agreed to which text for whom, and when; kept as long as the subject is."""

    __tablename__ = "consents"
    id: Mapped[str] = _id()
    owner_id: Mapped[str] = _owner()
    person_id: Mapped[str] = mapped_column(ForeignKey("persons.id", ondelete="CASCADE"), index=True)
    version: Mapped[str]
    text_sha256: Mapped[str]
    language: Mapped[str]
    at: Mapped[datetime]


class PhotoRow(Base):
    """A photo, upright and without EXIF; `state` is waiting, accepted or refused, `reason` says why."""

    __tablename__ = "photos"
    id: Mapped[str] = _id()
    owner_id: Mapped[str] = _owner()
    person_id: Mapped[str] = mapped_column(ForeignKey("persons.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    blob: Mapped[str]
    sha256: Mapped[str]
    size: Mapped[int]
    width: Mapped[int]
    height: Mapped[int]
    state: Mapped[str] = mapped_column(default="waiting")
    reason: Mapped[str] = mapped_column(default="")
    created: Mapped[datetime]
    __table_args__ = (Index("uq_photos_same", "person_id", "sha256", unique=True),)


class SittingRow(Base):
    """A session: one subject, the looks that were chosen, and the jobs made of them."""

    __tablename__ = "sittings"
    id: Mapped[str] = _id()
    owner_id: Mapped[str] = _owner()
    person_id: Mapped[str] = mapped_column(ForeignKey("persons.id", ondelete="CASCADE"), index=True)
    looks: Mapped[dict[str, Any]]
    created: Mapped[datetime]


class JobRow(Base):
    """One piece of work: `kind` is train or draw; `state` waiting, running, done, failed or cancelled.

    `told` is what its host said: `curve`, (step, likeness) of a training, and `left`, the seconds of it.
    """

    __tablename__ = "jobs"
    id: Mapped[str] = _id()
    owner_id: Mapped[str] = _owner()
    person_id: Mapped[str] = mapped_column(ForeignKey("persons.id", ondelete="CASCADE"), index=True)
    sitting_id: Mapped[str] = mapped_column(ForeignKey("sittings.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str]
    settings: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(default="waiting", index=True)
    reason: Mapped[str] = mapped_column(default="")
    progress: Mapped[float] = mapped_column(default=0.0)
    told: Mapped[dict[str, Any]] = mapped_column(default=dict)
    number: Mapped[int] = mapped_column(unique=True)
    seconds: Mapped[float | None]
    created: Mapped[datetime]
    started: Mapped[datetime | None]
    ended: Mapped[datetime | None]


SAMPLE = "training"
"""The stage of what a training shows of itself; no stage of a graph that draws portraits is called that."""


class PictureRow(Base):
    """A portrait, or a sample of a training (SAMPLE).

    `stage` is the graph's, `place` the stage's in it, `likeness` a cosine or nothing.
    """

    __tablename__ = "pictures"
    id: Mapped[str] = _id()
    owner_id: Mapped[str] = _owner()
    person_id: Mapped[str] = mapped_column(ForeignKey("persons.id", ondelete="CASCADE"), index=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), index=True)
    blob: Mapped[str]
    sha256: Mapped[str]
    size: Mapped[int]
    media_type: Mapped[str]
    stage: Mapped[str] = mapped_column(default="")
    place: Mapped[int]
    likeness: Mapped[float | None]
    created: Mapped[datetime]
    __table_args__ = (Index("uq_pictures_same", "job_id", "stage", "sha256", unique=True),)


class NewsRow(Base):
    """Something that happened to a job, for whoever watches it; the number is what a browser goes on from."""

    __tablename__ = "news"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    owner_id: Mapped[str] = _owner()
    sitting_id: Mapped[str] = mapped_column(ForeignKey("sittings.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str]
    facts: Mapped[dict[str, Any]]
    at: Mapped[datetime]


class DoneRequestRow(Base):
    """The answer to a request with an idempotency key, to be given again."""

    __tablename__ = "done_requests"
    id: Mapped[str] = mapped_column(primary_key=True)
    owner_id: Mapped[str] = _owner()
    request: Mapped[str]
    status: Mapped[int]
    answer: Mapped[dict[str, Any]]
    at: Mapped[datetime]


class AuditRow(Base):
    """Who did what, without a name, an address or a picture: ids alone. The database refuses to change a row."""

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(index=True)
    account: Mapped[str]
    action: Mapped[str]
    what: Mapped[str] = mapped_column(default="")

"""What the API takes and gives, as OpenAPI shows it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from ..settings import limit
from ..storage import JobRow, PersonRow, PhotoRow, PictureRow, SittingRow
from ..work.ordering import MOST_COUNT, MOST_SEED

ShortName = Annotated[str, Field(min_length=1, max_length=limit("name_letters"))]
LookName = Annotated[str, Field(max_length=100)]


class Shape(BaseModel):
    """No field that is not named is taken."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)


class ConsentGiven(Shape):
    """The consent to the text of this version, read in this language."""

    version: Annotated[str, Field(max_length=40)]
    language: Annotated[str, Field(pattern="^(en|ko)$")] = "en"


class NewSubject(Shape):
    """A person to make portraits of."""

    name: ShortName
    class_word: Annotated[str, Field(max_length=20)] = "person"
    consent: ConsentGiven


class SubjectShape(Shape):
    """A subject; `report` says what its photos lack, `trained` when its face was learned."""

    id: str
    name: str
    class_word: str
    created: datetime
    trained: datetime | None
    report: dict[str, Any]


class PhotoShape(Shape):
    """A photo; `state` is waiting, accepted or refused."""

    id: str
    subject: str
    name: str
    state: str
    reason: str
    width: int
    height: int
    created: datetime


class PhotoTaken(Shape):
    """What became of one uploaded file: its photo, or why it was not taken."""

    name: str
    photo: PhotoShape | None = None
    reason: str = ""


class NewSession(Shape):
    """Every pose with every tone, `count` pictures of each."""

    poses: Annotated[list[LookName], Field(max_length=100)]
    tones: Annotated[list[LookName], Field(max_length=100)]
    count: Annotated[int, Field(ge=1, le=MOST_COUNT)] = 1
    seed: Annotated[int, Field(ge=0, le=MOST_SEED)] = 1


class JobShape(Shape):
    """A job; `place` is its place in the queue, 1 is next and 0 that it does not wait."""

    id: str
    session: str
    kind: str
    state: str
    reason: str
    progress: float
    place: int
    settings: dict[str, Any]
    created: datetime
    seconds: float | None


class SessionShape(Shape):
    """A session with its jobs."""

    id: str
    subject: str
    looks: dict[str, Any]
    created: datetime
    jobs: list[JobShape]


class PictureShape(Shape):
    """A portrait after a stage of its graph; `likeness` is a cosine, -1..1, or nothing where nobody measured."""

    id: str
    subject: str
    job: str
    stage: str
    place: int
    likeness: float | None
    media_type: str
    size: int
    created: datetime


class NewToken(Shape):
    """A token for a program."""

    name: ShortName
    scopes: Annotated[list[str], Field(max_length=10)]


class TokenMade(Shape):
    """A new token; its `secret` is shown this once."""

    id: str
    secret: str


class NewInvitation(Shape):
    """An invitation for an `owner` or an `operator`."""

    role: Annotated[str, Field(max_length=20)] = "owner"


def subject_shape(row: PersonRow) -> SubjectShape:
    """Return a subject as the API gives it."""
    return SubjectShape.model_validate(
        {name: getattr(row, name) for name in ("id", "name", "class_word", "created", "trained", "report")}
    )


def photo_shape(row: PhotoRow) -> PhotoShape:
    """Return a photo as the API gives it."""
    names = ("id", "name", "state", "reason", "width", "height", "created")
    return PhotoShape(subject=row.person_id, **{name: getattr(row, name) for name in names})


def picture_shape(row: PictureRow) -> PictureShape:
    """Return a portrait as the API gives it."""
    names = ("id", "stage", "place", "likeness", "media_type", "size", "created")
    return PictureShape(subject=row.person_id, job=row.job_id, **{name: getattr(row, name) for name in names})


def job_shape(row: JobRow, place: int) -> JobShape:
    """Return a job as the API gives it."""
    names = ("id", "kind", "state", "reason", "progress", "settings", "created", "seconds")
    return JobShape(session=row.sitting_id, place=place, **{name: getattr(row, name) for name in names})


def session_shape(row: SittingRow, jobs: list[JobShape]) -> SessionShape:
    """Return a session as the API gives it."""
    return SessionShape(id=row.id, subject=row.person_id, looks=row.looks, created=row.created, jobs=jobs)

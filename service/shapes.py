"""What the studio takes and gives, as OpenAPI shows it: the API, its client and the pages have these in common."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from .settings import limit

MOST_COUNT = 8
MOST_SEED = 2**53 - 1

ShortName = Annotated[str, Field(min_length=1, max_length=limit("name_letters"))]
LookName = Annotated[str, Field(max_length=100)]
Secret = Annotated[str, Field(max_length=400)]
"""What somebody typed into a form that opens something."""
CurvePoint = Annotated[list[float], Field(min_length=2, max_length=2)]
"""A pair as a list: FastAPI describes a tuple in words that OpenAPI 3.1 does not know."""
Language = Annotated[str, Field(pattern="^(en|ko)$")]


class Shape(BaseModel):
    """No field that is not named is taken."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)


class ConsentGiven(Shape):
    """The consent to the text of this version, read in this language."""

    version: Annotated[str, Field(max_length=40)]
    language: Language = "en"


class NewSubject(Shape):
    """A person to make portraits of."""

    name: ShortName
    class_word: Annotated[str, Field(max_length=20)] = "person"
    consent: ConsentGiven


class SubjectShape(Shape):
    """A subject; `report` says what its photos lack, `trained` when its face was learned.

    `agreed` is when the consent to the present text was given; `photos` and `pictures` are how many there are.
    """

    id: str
    name: str
    class_word: str
    created: datetime
    agreed: datetime | None
    trained: datetime | None
    report: dict[str, Any]
    photos: int
    pictures: int


class ConsentText(Shape):
    """What is agreed to, and its version."""

    version: str
    text: str


class Presets(Shape):
    """The names of the looks to choose from."""

    poses: list[str]
    tones: list[str]


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
    """A job; `place` is its place in the queue, 1 is next and 0 that it does not wait.

    `left` are the seconds until it is done, where that can be told. A training has a `curve`, (step, likeness), and
    `sample`, the id of its newest picture.
    """

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
    left: float | None
    curve: list[CurvePoint]
    sample: str


class SessionShape(Shape):
    """A session with its jobs."""

    id: str
    subject: str
    looks: dict[str, Any]
    created: datetime
    jobs: list[JobShape]


class AnotherLook(Shape):
    """What shall be otherwise when a portrait is ordered once more; what is left out stays as it was."""

    pose: LookName = ""
    tone: LookName = ""


class PictureShape(Shape):
    """A portrait after a stage of its graph; `look` has its pose, tone and seed.

    `likeness` is a cosine, -1..1, or nothing where nobody measured.
    """

    id: str
    subject: str
    job: str
    look: dict[str, Any]
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


class TokenShape(Shape):
    """A token without its secret."""

    id: str
    name: str
    scopes: list[str]
    created: datetime


class AccountShape(Shape):
    """Somebody with an account; `role` is owner, operator, or front for the server with the pages."""

    id: str
    name: str
    role: str
    created: datetime


class OwnAccount(AccountShape):
    """One's own account, and how many days the studio keeps what."""

    days: dict[str, int]


class NewInvitation(Shape):
    """An invitation for an `owner` or an `operator`."""

    role: Annotated[str, Field(max_length=20)] = "owner"


class InvitationMade(Shape):
    """A link that makes one account, once, within these hours."""

    link: str
    hours: int


class FailureShape(Shape):
    """A job that failed, and why."""

    job: str
    kind: str
    reason: str
    ended: datetime | None


class Overview(Shape):
    """How many jobs are in each state, which are next, what failed last, and the bytes of each kind.

    `warning` says that portraits are not signed, where they are not.
    """

    counts: dict[str, int]
    next: list[str]
    failures: list[FailureShape]
    stored: dict[str, int]
    warning: str


class AuditLine(Shape):
    """A line of the audit log: ids and verbs."""

    id: int
    at: datetime
    account: str
    action: str
    what: str


class SignIn(Shape):
    """A name with its password, and the address that they came from."""

    name: Secret
    password: Secret
    address: Annotated[str, Field(max_length=100)] = ""


class NewAccount(Shape):
    """The account that an invitation is for."""

    invitation: Secret
    name: Secret
    password: Secret
    language: Language = "en"


class LoginMade(Shape):
    """A browser that is signed in: the secret for its cookie."""

    secret: str


class LoginShape(Shape):
    """Whose browser it is; `csrf` is what its forms must carry."""

    account: AccountShape
    csrf: str


class PasswordChange(Shape):
    """The password one has, and the one to have."""

    old: Secret
    new: Secret

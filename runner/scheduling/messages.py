"""What the scheduler hears (signals), wants written down (notes) and wants done (actions).

A row is a line of the batch's table, by its number. An attempt is one try at a row, numbered from 1; its prompt id is
its name on the host. Every request to a host carries a serial number that its answer repeats, so a late or doubled
answer is recognised.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Fault:
    """Why something failed: `kind` is a key of the policy's rules, `message` one sentence, `detail` a traceback."""

    kind: str
    message: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class OpenAttempt:
    """An attempt that an earlier run left open; `saving` says that its files were fetched and may be in place."""

    number: int
    host: str
    prompt_id: str
    saving: bool = False


@dataclass(frozen=True, slots=True)
class OpenRow:
    """A row that is not done: how many attempts it has had, its failures by kind, and the attempts still open.

    `needs` are the subjects that a host must have for it; one that lacks them can have them brought.
    """

    number: int
    attempts: int = 0
    strikes: Mapping[str, int] = field(default_factory=dict)
    open: tuple[OpenAttempt, ...] = ()
    needs: frozenset[str] = frozenset()


# --- Signals ---------------------------------------------------------------------------------------------------------


class Signal:
    """Something that the scheduler hears."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Loaded(Signal):
    """The rows that `Load` asked for; `last` says that there are no more."""

    rows: tuple[OpenRow, ...]
    last: bool


@dataclass(frozen=True, slots=True)
class HostAnswer(Signal):
    """The answer to the request `serial` of a host."""

    host: str
    serial: int


@dataclass(frozen=True, slots=True)
class Seen(HostAnswer):
    """What `Look` found: our prompts that run, wait and have ended. An ending of None is a success.

    `running` and `pending` hold every prompt of the host, also those of others. `has` are its subjects.
    """

    running: tuple[str, ...]
    pending: tuple[str, ...]
    ended: Mapping[str, Fault | None]
    has: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PostAccepted(HostAnswer):
    """The host has the prompt."""


@dataclass(frozen=True, slots=True)
class FilesFetched(HostAnswer):
    """All files of an attempt are on this machine under temporary names; `files` is for the one who keeps them."""

    row: int
    attempt: int
    files: Any


@dataclass(frozen=True, slots=True)
class Removed(HostAnswer):
    """`Withdraw` or `Interrupt` ended; `gone` says that the prompt neither waits nor runs there, nor has ended."""

    gone: bool


@dataclass(frozen=True, slots=True)
class Freed(HostAnswer):
    """The host was asked to free its memory."""


@dataclass(frozen=True, slots=True)
class RequestFailed(HostAnswer):
    """The request failed. For the kind "connection" the host may have acted on it all the same."""

    fault: Fault


@dataclass(frozen=True, slots=True)
class Kept(Signal):
    """The files of an attempt are in place, whole."""

    row: int
    attempt: int


@dataclass(frozen=True, slots=True)
class NotKept(Signal):
    """The files of an attempt could not be put in place."""

    row: int
    attempt: int
    fault: Fault


@dataclass(frozen=True, slots=True)
class Heard(Signal):
    """The host's websocket said that a prompt moves, or that it has ended. A hint; nothing rests on it."""

    host: str
    prompt_id: str
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Stop(Signal):
    """Stop now. With `cancel`, what waits or runs on the hosts is taken back first; a resume goes on from here."""

    fault: Fault
    cancel: bool = True


# --- Notes: written down, all of a step in one transaction, before its actions are carried out -----------------------


class Note:
    """Something that has to survive the end of this process."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class AttemptOpened(Note):
    """An attempt is about to be posted."""

    row: int
    attempt: int
    host: str
    prompt_id: str


@dataclass(frozen=True, slots=True)
class AttemptSaving(Note):
    """The files of an attempt are fetched and about to be put in place."""

    row: int
    attempt: int
    files: Any


@dataclass(frozen=True, slots=True)
class AttemptClosed(Note):
    """An attempt is over: "failed" (with its fault), or "withdrawn" without fault of the row."""

    row: int
    attempt: int
    state: str
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class RowDone(Note):
    """A row is done by this attempt; its files are in place."""

    row: int
    attempt: int


@dataclass(frozen=True, slots=True)
class RowSetAside(Note):
    """A row has failed more often than the policy allows."""

    row: int
    fault: Fault


# --- Actions ---------------------------------------------------------------------------------------------------------


class Action:
    """Something to carry out; what comes of it returns as a signal."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Load(Action):
    """Bring the next `count` open rows, fewer at the end, in order, after the row `after`. Answered by `Loaded`."""

    count: int
    after: int


@dataclass(frozen=True, slots=True)
class Request(Action):
    """Something to ask of a host. A host is asked one thing at a time."""

    host: str
    serial: int


@dataclass(frozen=True, slots=True)
class Look(Request):
    """Read the queue, then how those of `prompts` that are not in it ended. Answered by `Seen`."""

    prompts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Post(Request):
    """Queue a row's prompt. Answered by `PostAccepted`."""

    row: int
    attempt: int
    prompt_id: str


@dataclass(frozen=True, slots=True)
class Collect(Request):
    """Fetch the files of an attempt that has ended well, under temporary names. Answered by `FilesFetched`."""

    row: int
    attempt: int
    prompt_id: str


@dataclass(frozen=True, slots=True)
class Withdraw(Request):
    """Take a waiting prompt out of the queue; one that runs already is left alone. Answered by `Removed`."""

    prompt_id: str


@dataclass(frozen=True, slots=True)
class Interrupt(Request):
    """Take a prompt out of the queue, or stop it. Answered by `Removed`."""

    prompt_id: str


@dataclass(frozen=True, slots=True)
class Free(Request):
    """Make the host give its memory back. Answered by `Freed`."""


@dataclass(frozen=True, slots=True)
class Keep(Action):
    """Put the files of an attempt in place, records first. Answered by `Kept` or `NotKept`; may be repeated."""

    row: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Discard(Action):
    """Remove what was fetched of an attempt. No answer."""

    row: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Finish(Action):
    """The batch is over: every row is done or set aside, or `fault` says why it stopped before that."""

    fault: Fault | None = None


@dataclass(slots=True)
class Decision:
    """What came of a signal. The notes must be written, in order and all at once, before any action is begun."""

    notes: list[Note] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)

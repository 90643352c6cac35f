"""What the follower of a prompt hears (signals), and what it wants done (actions)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import events
from .answers import HistoryEntry
from .messages import Message
from .outcome import Outcome


@dataclass(frozen=True, slots=True)
class FollowerPatience:
    """How long what may take, in seconds; see `Client`."""

    patience: float
    start_grace: float
    stall: float
    lost_grace: float
    silence: float


# --- Signals ---------------------------------------------------------------------------------------------------------


class FollowerSignal:
    """Something that the follower is told."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Begin(FollowerSignal):
    """Somebody waits for the prompt from now on, `timeout` seconds (0: for ever) and not past the time `end`."""

    timeout: float
    end: float


@dataclass(frozen=True, slots=True)
class MessageHeard(FollowerSignal):
    """A message about the prompt. A hint: it says when to look, and never how the prompt ended."""

    message: Message


@dataclass(frozen=True, slots=True)
class MessageRecalled(FollowerSignal):
    """A message that does not say whose it is, as a host sends it to a socket that opens while our prompt runs."""

    message: Message


@dataclass(frozen=True, slots=True)
class QueueMoved(FollowerSignal):
    """The host's queue has changed."""


@dataclass(frozen=True, slots=True)
class Line(FollowerSignal):
    """Whether the websocket is connected, and when anything came over it last."""

    connected: bool
    heard: float


@dataclass(frozen=True, slots=True)
class PromptSeen(FollowerSignal):
    """What the `LookFor` of this serial number found; `queue` is None when it was not asked for, or is too long.

    The queue is (running, pending), and was read before the history.
    """

    serial: int
    queue: tuple[list[str], list[str]] | None
    entry: HistoryEntry | None


@dataclass(frozen=True, slots=True)
class PromptNotSeen(FollowerSignal):
    """The `LookFor` of this serial number failed; `ended` tells how the host's process ended, if it is ours and has."""

    serial: int
    error: Exception
    ended: str = ""


@dataclass(frozen=True, slots=True)
class LogRead(FollowerSignal):
    """Whether the host's log says that its worker is dead."""

    dead: bool


@dataclass(frozen=True, slots=True)
class CancelTried(FollowerSignal):
    """`Cancel` was tried; `gone` is None when the host did not answer."""

    gone: bool | None


# --- Actions ---------------------------------------------------------------------------------------------------------


class FollowerAction:
    """Something to carry out."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Tell(FollowerAction):
    """Tell the listener of an event of this kind, with these facts."""

    kind: type[events.Event]
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LookFor(FollowerAction):
    """Read the queue, if it is wanted, and then the prompt's history. Answered by `PromptSeen` or `PromptNotSeen`."""

    serial: int
    queue: bool


@dataclass(frozen=True, slots=True)
class ReadLog(FollowerAction):
    """Look into the host's log. Answered by `LogRead`; no answer is no news."""


@dataclass(frozen=True, slots=True)
class HangUp(FollowerAction):
    """Close the websocket; the next listening opens a new one."""


@dataclass(frozen=True, slots=True)
class Cancel(FollowerAction):
    """Take the prompt off the host within `patience` seconds. Answered by `CancelTried`."""

    patience: float


@dataclass(frozen=True, slots=True)
class End(FollowerAction):
    """The prompt has ended."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class GiveUp(FollowerAction):
    """The prompt is not waited for any longer."""

    error: Exception

"""How a prompt ended, read from the host's history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .answers import HistoryEntry
from .limits import words
from .naming import prompt_node_name


@dataclass(frozen=True)
class Outcome:
    """How a prompt ended, as /history says.

    `state` is "success", "error" or "interrupted"; `outputs` maps a node id to what the node showed; `cached` are the
    nodes that did not run because an earlier prompt had done their work; `seconds` is the time in each node that was
    seen over the websocket (it may be empty); `failure` is the host's `execution_error` message; `notes` are messages
    of nodes that blocked what follows them, without failing; `began` (since 1970) and `duration` are seconds by the
    host's clock, 0 where it does not say.
    """

    prompt_id: str
    state: str
    outputs: dict[str, dict[str, Any]]
    cached: frozenset[str]
    seconds: dict[str, float]
    failure: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    began: float = 0.0
    duration: float = 0.0


def read_outcome(
    prompt_id: str, entry: HistoryEntry, seconds: Mapping[str, float] | None = None, notes: Sequence[str] = ()
) -> Outcome:
    """Read a history entry. Its last message decides: `status` says "success" for some failures."""
    last = entry.messages[-1][0] if entry.messages else ""
    if last == "execution_interrupted":
        state = "interrupted"
    elif last == "execution_success" or (not entry.messages and entry.status == "success"):
        state = "success"
    else:
        state = "error"
    cached = next((data.get("nodes") for kind, data in entry.messages if kind == "execution_cached"), None)
    failure = next((data for kind, data in reversed(entry.messages) if kind == "execution_error"), {})
    stamps = [_stamp(data.get("timestamp")) for _, data in entry.messages]
    times = [stamp for stamp in stamps if stamp]
    return Outcome(
        prompt_id=prompt_id,
        state=state,
        outputs=entry.outputs,
        cached=frozenset(one for one in cached if isinstance(one, str)) if isinstance(cached, list) else frozenset(),
        seconds=dict(seconds or {}),
        failure=dict(failure),
        notes=tuple(notes) if state == "success" else (),
        began=times[0] if times else 0.0,
        duration=round(max(0.0, times[-1] - times[0]), 3) if times else 0.0,
    )


def why_failed(outcome: Outcome, prompt: Mapping[str, Any]) -> str:
    """Return which node of a prompt failed and why, as a sentence without its full stop.

    The host's traceback, the module of the exception and the node's inputs stay out: they hold paths, names of folders
    and whole prompts.
    """
    failure = outcome.failure
    name = prompt_node_name(prompt, str(failure.get("node_id", "")), str(failure.get("node_type") or ""))
    return f"{name} failed: {words(failure.get('exception_message') or 'the host gives no reason')}"


def _stamp(value: Any) -> float:
    """Return a time of the host, which it gives in milliseconds, in seconds; 0 for what is none."""
    return value / 1000 if isinstance(value, int | float) and 0 < value < 1e14 else 0.0

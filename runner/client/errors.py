"""What can go wrong between a graph and its pictures; every class carries its exit code (exit_codes.json)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...portrait.errors import PortraitError

EXIT_CODES: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("exit_codes.json").read_text("utf-8"))


def exit_code(name: str) -> int:
    """Return the number of a named exit code."""
    return EXIT_CODES[name]["code"]


class PromptError(PortraitError):
    """The prompt cannot be sent as it is; nothing was queued."""

    key = "prompt"
    exit_code = exit_code("graph")


class OutputError(PortraitError):
    """The output folder cannot be written."""

    key = "output"
    exit_code = exit_code("output")


class AddressError(PortraitError):
    """There is no ComfyUI at the address."""

    key = "address"
    exit_code = exit_code("address")


class NothingThereError(AddressError):
    """Nothing listens at the address, or it does not answer in time."""

    key = "nothing_there"


class NotComfyUIError(AddressError):
    """Something answers at the address, and it is not ComfyUI."""

    key = "not_comfyui"


class TooLargeError(NotComfyUIError):
    """An answer is larger than a host's answers are (limits.json); nothing of it was kept."""


class HostError(PortraitError):
    """The host could not be started, stopped answering, or will never finish."""

    key = "host"
    exit_code = exit_code("host")


class ConnectionLostError(HostError):
    """The connection broke before an answer came; the host may or may not have acted on the request."""

    key = "connection_lost"


class StalledError(HostError):
    """The host answers, but the job makes no progress: its worker is dead or hangs."""

    key = "stalled"


class RefusedError(PortraitError):
    """The host did not take the prompt, or took only a part of it.

    `node_errors` is the host's own detail: node id -> (class, [(message, details)]).
    """

    key = "refused"
    exit_code = exit_code("refused")

    def __init__(self, message: str, node_errors: dict[str, tuple[str, list[tuple[str, str]]]] | None = None) -> None:
        super().__init__(message)
        self.node_errors = node_errors or {}


class JobError(PortraitError):
    """A job ended without everything that was asked of it; `prompt_id` is its name on the host."""

    key = "job"
    exit_code = exit_code("job")

    def __init__(self, message: str, prompt_id: str = "") -> None:
        super().__init__(message)
        self.prompt_id = prompt_id


class LostError(JobError):
    """The host knows nothing of the job any more."""

    key = "lost"
    exit_code = exit_code("lost")


class JobTimeoutError(JobError):
    """The job did not end in the time given to it."""

    key = "timeout"
    exit_code = exit_code("timeout")

"""What kind of failure an error is, for the scheduler to judge by."""

from __future__ import annotations

import errno
import traceback
from typing import Any

from ...portrait.photos import PhotoError
from ...portrait.subjects import SubjectError
from ..client import (
    AddressError,
    HostError,
    NotComfyUIError,
    Outcome,
    OutputError,
    PromptError,
    RefusedError,
    why_failed,
)
from ..graph import GraphError
from ..scheduling import BRINGING, Fault
from .sameness import DifferentHostError

_MEMORY = ("outofmemoryerror", "out of memory", "allocation on device", "not enough memory")
_LONGEST_TRACEBACK = 20_000  # characters; the end of it is what matters


def fault_of(error: BaseException) -> Fault:
    """Return what an error means: the host's fault, the row's, or this machine's."""
    message = " ".join(str(error).split())
    if isinstance(error, RefusedError | PromptError | GraphError):
        return Fault("refused", message)
    if isinstance(error, SubjectError):
        return Fault(BRINGING, message)
    if isinstance(error, PhotoError):
        return Fault("photo", message)
    if isinstance(error, OutputError):
        return Fault("disk", message)
    if isinstance(error, NotComfyUIError | DifferentHostError):
        return Fault("wrong", message)
    if isinstance(error, AddressError | HostError):
        return Fault("connection", message)
    if isinstance(error, OSError):
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        reason = "is full: free some space" if full else f"cannot be written ({error.strerror or error}): fix that"
        return Fault("disk", f"The folder of the batch {reason} and resume")
    return Fault(
        "bug", f"Portrait Studio made a mistake ({type(error).__name__}: {message}); please report it", _trace(error)
    )


def verdict(outcome: Outcome, prompt: dict[str, Any]) -> Fault | None:
    """Return why a prompt failed on its host, or None when it ended well."""
    if outcome.state == "success":
        return None
    if outcome.state == "interrupted":
        return Fault("interrupted", "Somebody interrupted the job on the host.")
    failure = outcome.failure
    trace = failure.get("traceback")
    detail = "".join(one for one in trace if isinstance(one, str)) if isinstance(trace, list) else ""
    signs = f"{failure.get('exception_type', '')} {failure.get('exception_message', '')}".lower()
    kind = "memory" if any(sign in signs for sign in _MEMORY) else "node"
    return Fault(kind, why_failed(outcome, prompt), detail[-_LONGEST_TRACEBACK:])


def _trace(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))[-_LONGEST_TRACEBACK:]

"""One ComfyUI host: its HTTP and websocket, a prompt from submission to its end, and the events and errors of both.

The lowest floor of the runner: it knows prompts, and nothing of graphs, jobs or files on this machine.
"""

from . import events
from .client import PACK_NODE, Client, HostInfo
from .errors import (
    EXIT_CODES,
    AddressError,
    ConnectionLostError,
    HostError,
    JobError,
    JobTimeoutError,
    LostError,
    NotComfyUIError,
    NothingThereError,
    OutputError,
    PromptError,
    RefusedError,
    StalledError,
    exit_code,
)
from .events import Event
from .host import LocalHost, start
from .wait import Outcome

__all__ = [
    "EXIT_CODES",
    "PACK_NODE",
    "AddressError",
    "Client",
    "ConnectionLostError",
    "Event",
    "HostError",
    "HostInfo",
    "JobError",
    "JobTimeoutError",
    "LocalHost",
    "LostError",
    "NotComfyUIError",
    "NothingThereError",
    "Outcome",
    "OutputError",
    "PromptError",
    "RefusedError",
    "StalledError",
    "events",
    "exit_code",
    "start",
]

"""One ComfyUI host: its HTTP and websocket, a prompt from submission to its end, and the events and errors of both.

The lowest floor of the runner: it knows prompts, and nothing of graphs, jobs or files on this machine.
"""

from . import events, messages
from .api import PACK_NODE, HostInfo
from .bounded import BoundedSocket
from .client import Client
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
    TooLargeError,
    exit_code,
)
from .events import Event
from .host import LocalHost, start
from .limits import words
from .naming import node_name, prompt_node_name, title_of
from .outcome import Outcome, read_outcome, why_failed
from .wire import parse as parse_json

__all__ = [
    "EXIT_CODES",
    "PACK_NODE",
    "AddressError",
    "BoundedSocket",
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
    "TooLargeError",
    "events",
    "exit_code",
    "messages",
    "node_name",
    "parse_json",
    "prompt_node_name",
    "read_outcome",
    "start",
    "title_of",
    "why_failed",
    "words",
]

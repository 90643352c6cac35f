"""Which row of a batch runs where, and what a failure leads to: a state machine without sockets, clocks or files.

Signals go in, notes (to be written down first) and actions (to be carried out next) come out. The lowest floor of the
runner: it imports nothing of the others, so a simulator can drive it as well as real hosts can.
"""

from . import messages
from .messages import Action, Decision, Fault, Note, Request, Signal
from .policy import Policy, Rule
from .scheduler import BRINGING, HostView, Scheduler

__all__ = [
    "BRINGING",
    "Action",
    "Decision",
    "Fault",
    "HostView",
    "Note",
    "Policy",
    "Request",
    "Rule",
    "Scheduler",
    "Signal",
    "messages",
]

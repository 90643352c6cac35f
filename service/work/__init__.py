"""What is made: photos taken in and judged, sessions ordered, and jobs done over the runner."""

from . import samples
from .hosts import OwnHosts
from .looks import poses, tones
from .ordering import ChosenLooks, again, cancel, cancel_all, jobs_of, order
from .persons import new_person
from .photos import drop, photos_of, take, upright
from .queue import Outlook, outlook
from .studio import Studio
from .worker import Worker

__all__ = [
    "ChosenLooks",
    "Outlook",
    "OwnHosts",
    "Studio",
    "Worker",
    "again",
    "cancel",
    "cancel_all",
    "drop",
    "jobs_of",
    "new_person",
    "order",
    "outlook",
    "photos_of",
    "poses",
    "samples",
    "take",
    "tones",
    "upright",
]

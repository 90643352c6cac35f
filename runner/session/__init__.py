"""Sessions: a folder of photos of one person in; report, training, portraits and a ranked sheet out.

A library: no command line in it. Every step is written down before the next begins, and a step that was under way when
the process ended is found again on the host, or done again with the same result.
"""

from .defaults import Defaults, choose_checkpoint, defaults_for, graph_settings
from .errors import ConsentError, PhotosUnfitError, SessionError
from .judging import PhotoVerdict, Verdicts
from .order import SessionOrder, Wish
from .papers import CONTACT_SHEET, PORTRAITS
from .photos import chosen_photos
from .session import PortraitSession, SessionTraining
from .state import SessionState

__all__ = [
    "CONTACT_SHEET",
    "PORTRAITS",
    "ConsentError",
    "Defaults",
    "PhotoVerdict",
    "PhotosUnfitError",
    "PortraitSession",
    "SessionError",
    "SessionOrder",
    "SessionState",
    "SessionTraining",
    "Verdicts",
    "Wish",
    "choose_checkpoint",
    "chosen_photos",
    "defaults_for",
    "graph_settings",
]

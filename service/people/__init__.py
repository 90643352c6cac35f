"""The people on the photos: what was agreed to, what is kept how long, what is known of somebody, and its end."""

from .audit import note
from .consenting import agree, consent_of
from .deleting import HostStore, delete_account, delete_person, delete_picture, erase
from .exporting import ending_of, export, packed_portraits
from .owned import mine
from .retaining import purge

__all__ = [
    "HostStore",
    "agree",
    "consent_of",
    "delete_account",
    "delete_person",
    "delete_picture",
    "ending_of",
    "erase",
    "export",
    "mine",
    "note",
    "packed_portraits",
    "purge",
]

"""Secrets: made of 256 random bits, kept as a hash; passwords with Argon2."""

from __future__ import annotations

import hashlib
import secrets
import threading
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_HASHER = PasswordHasher()  # RFC 9106's second choice: 64 MiB, 3 passes
_AT_ONCE = threading.BoundedSemaphore(2)
"""So that many sign-ins at once cannot take all memory: each takes 64 MiB."""


def new_secret() -> str:
    """Return 256 random bits that fit into a URL."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """Return what is stored of a secret of `new_secret`."""
    return hashlib.sha256(secret.encode()).hexdigest()


def hashed(password: str) -> str:
    """Return what is stored of a password."""
    with _AT_ONCE:
        return _HASHER.hash(_same(password))


def fits(password: str, stored: str) -> bool:
    """Whether a password is the one that was stored; takes as long for an account that is not there (an empty one)."""
    with _AT_ONCE:
        try:
            return _HASHER.verify(stored or _NOBODY, _same(password)) and bool(stored)
        except (VerificationError, InvalidHashError):
            return False


def _same(password: str) -> str:
    """Return a password as every keyboard spells it: Korean letters are one or several code points."""
    return unicodedata.normalize("NFKC", password)


_NOBODY = _HASHER.hash(new_secret())

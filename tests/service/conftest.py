"""A studio of its own for every test: SQLite and a folder, a clock that tests move, and no host."""

from __future__ import annotations

import contextlib
import io
import socket
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
import uvicorn
from argon2 import PasswordHasher
from PIL import Image

from portrait_studio.service.accounts import secrets
from portrait_studio.service.accounts.making import accept, first_link, invite
from portrait_studio.service.settings import StudioSettings
from portrait_studio.service.storage import AccountRow
from portrait_studio.service.work import OwnHosts, Studio

PASSWORD = "a sentence is a good one"  # noqa: S105


@pytest.fixture(scope="session", autouse=True)
def real_hash() -> Iterator[str]:
    """What a password is kept as. Tests hash with Argon2 at its least, or that would be most of what they do."""
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    with pytest.MonkeyPatch.context() as patch:
        real = secrets._NOBODY
        patch.setattr(secrets, "_HASHER", quick)
        patch.setattr(secrets, "_NOBODY", quick.hash(secrets.new_secret()))
        yield real


class MovedClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 29, 12, tzinfo=timezone.utc)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **amount: float) -> None:
        self.now += timedelta(**amount)


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
def settings(tmp_path, clock) -> StudioSettings:
    return StudioSettings(tmp_path / "studio", clock=clock)


@pytest.fixture
def hosts(tmp_path) -> OwnHosts:
    """The folders of a host of one's own that is not running."""
    return OwnHosts((), tmp_path / "host", tmp_path / "host" / "subjects", tmp_path / "scratch")


@pytest.fixture
def studio(settings, hosts):
    opened = Studio.opened(settings, hosts)
    yield opened
    opened.close()


def new_account(studio: Studio, name: str) -> AccountRow:
    """Make an account as people do: the first by the first link, others by invitation."""
    now = studio.settings.clock()
    with studio.database.session() as session:
        secret = first_link(session, now) or invite(session, "owner", "tests", now)
    with studio.database.session() as session:
        return accept(session, secret, name, PASSWORD, "en", now)


@pytest.fixture
def operator(studio) -> AccountRow:
    return new_account(studio, "olivia")


@pytest.fixture
def anna(studio, operator) -> AccountRow:
    return new_account(studio, "anna")


@pytest.fixture
def bert(studio, anna) -> AccountRow:
    return new_account(studio, "bert")


def photo(number: int = 1, size=(300, 400), form: str = "JPEG", **more) -> bytes:
    """A picture that nobody is on; each number another one."""
    out = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 255, (size[1] // 20, size[0] // 20, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC).save(out, form, **more)
    return out.getvalue()


@contextlib.contextmanager
def serving(app) -> Iterator[str]:
    """An application on a port of its own; yields its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=2))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)


def everything_below(folder: Path) -> bytes:
    """All bytes of all files below a folder, names too."""
    return b"".join(
        file.as_posix().encode() + (file.read_bytes() if file.is_file() else b"") for file in sorted(folder.rglob("*"))
    )

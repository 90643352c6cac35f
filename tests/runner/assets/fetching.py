"""What the tests of downloads fetch, and how."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from portrait_studio.runner.assets import download
from portrait_studio.runner.assets.download import Download, DownloadError
from portrait_studio.runner.assets.web import Allowed
from portrait_studio.runner.client.errors import exit_code

BODY = bytes(range(256)) * 40_000  # 10 MB
SHA = hashlib.sha256(BODY).hexdigest()
HERE = Allowed(private=True, plain=True)  # the servers of these tests


def fetch(*given: Any, **more: Any) -> None:
    """Fetch from a server of these tests, which is on this machine and speaks plain http."""
    download.fetch(*given, **{"allowed": HERE, **more})


def left(wanted: Download) -> set[str]:
    return {file.name for file in wanted.target.parent.iterdir()}


def refused(wanted: Download) -> str:
    """Fetch what cannot be had; nothing that a loader would take may be left. Returns the sentence."""
    with pytest.raises(DownloadError) as caught:
        fetch(wanted, pause=0.0)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert caught.value.exit_code == exit_code("download")
    assert not any(name.endswith(download.SUFFIXES) for name in left(wanted))
    return sentence

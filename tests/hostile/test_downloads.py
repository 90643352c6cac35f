"""Whatever an address, a web server or a disk does to a download: the file comes whole, or is refused in a sentence."""

from __future__ import annotations

import pytest

from . import small_disk
from .download_cases import of_downloads


@pytest.mark.timeout(280)
def test_every_download_comes_whole_or_is_refused_in_a_sentence_and_the_next_one_comes(tmp_path):
    tries = list(of_downloads(tmp_path))
    assert len(tries) > 200
    assert [f"{one.name}: {fault}" for one in tries if (fault := one.fault())] == []


@pytest.mark.skipif(not small_disk.AVAILABLE, reason="NOT TRIED: no small disk can be mounted here")
@pytest.mark.parametrize("name", small_disk.CASES)
def test_a_disk_that_is_full_or_fills_up_is_told_and_never_filled_to_its_last_byte(tmp_path, name):
    small_disk.made(name, tmp_path / "disk")

"""Every hostile file of tries.py is answered, or refused in one sentence."""

from __future__ import annotations

import pytest

from . import tries


@pytest.mark.timeout(280)
@pytest.mark.parametrize("kind", ["subjects", "photos", "graphs", "presets"])
def test_all_hold(tmp_path, kind):
    made = getattr(tries, f"of_{kind}")(tmp_path / kind)
    faults = [f"{one.name}: {fault}" for one in made if (fault := one.fault())]
    assert faults == []


def test_a_call_that_fails_in_its_own_way_does_not_hold():
    def broken() -> None:
        raise KeyError("x")

    def wordy() -> None:
        raise tries.PortraitError("one\ntwo")

    assert "KeyError" in tries.Try("a", "b", broken).fault()
    assert "not one sentence" in tries.Try("a", "b", wordy).fault()

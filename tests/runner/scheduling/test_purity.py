"""The scheduler can be driven by a simulator because it reaches for nothing outside itself."""

from __future__ import annotations

from pathlib import Path

from ...closure import imported

ROOM = Path(__file__).parents[3] / "runner" / "scheduling"
PURE = {"__future__", "collections", "collections.abc", "dataclasses", "typing"}


def test_the_scheduler_has_no_sockets_clocks_files_or_chance():
    files = sorted(ROOM.glob("*.py"))
    assert len(files) > 5
    for file in files:
        outside = {name for name in imported(file) if not name.startswith("runner.scheduling")}
        assert outside <= PURE, f"{file.name} imports {outside - PURE}"

"""What several tests of whole trainings share."""

from __future__ import annotations

import pytest

from portrait_studio.trainer import judge


@pytest.fixture
def judged(monkeypatch):
    """Give checkpoints likenesses of our own, in the order in which they are judged; the face is not what is tested."""

    def give(*values: float) -> None:
        left = list(values)

        def score(step, pictures, asked, person, embedder, base=None, known=None):
            return judge.CheckpointScore(
                step, (left.pop(0),) * len(pictures), (True,) * len(pictures), 1.0 if base else None
            )

        monkeypatch.setattr(judge, "judge", score)

    return give

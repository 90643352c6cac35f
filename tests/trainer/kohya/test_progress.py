"""What sd-scripts says is read off a recorded run of it (data/kohya/run.log: two steps on two cores)."""

from __future__ import annotations

import math
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from portrait_studio.trainer.kohya import progress

LOG = Path(__file__).parents[2] / "data" / "kohya" / "run.log"


def recorded() -> list[str]:
    return LOG.read_bytes().decode().replace("\r", "\n").splitlines()


def test_the_steps_and_losses_of_a_recorded_run_are_read():
    seen = [state for line in recorded() if (state := progress.progress(line))]
    assert [(state.step, state.loss) for state in seen] == [
        (0, None),
        (0, 0.752),
        (1, 0.752),
        (1, 0.558),
        (1, 0.585),
        (2, 0.585),
        (2, 0.466),
        (2, 0.466),
    ]
    assert {state.steps for state in seen} == {2}


def test_the_other_bars_of_a_recorded_run_are_no_steps():
    bars = [line for line in recorded() if progress.is_bar(line)]
    assert len(bars) == 32
    assert sum(progress.progress(line) is not None for line in bars) == 8


def test_the_phases_of_a_recorded_run_come_in_their_order():
    phases = [what for line in recorded() if (what := progress.phase(line))]
    assert list(dict.fromkeys(phases)) == [
        "reading the training set",
        "loading the checkpoint",
        "encoding the pictures",
        "training",
        "making samples",
        "saving a checkpoint",
    ]


def test_a_loss_that_is_no_number_is_nan():
    for word in ("nan", "inf", "oops"):
        state = progress.progress(f"steps:   1%|          | 3/240 [00:01<01:02,  3.07it/s, avr_loss={word}]")
        assert state
        assert state.loss is not None
        assert not math.isfinite(state.loss)


@given(st.integers(0, 10**6), st.integers(1, 10**6), st.floats(0, 1e6), st.text("█▏▎▍▌▋▊▉ ", max_size=10))
def test_every_bar_that_tqdm_draws_is_read(step, steps, loss, bar):
    line = f"steps:  12%|{bar}| {step}/{steps} [1:02:03<?, 3.07it/s, avr_loss={loss:.3g}]"
    state = progress.progress(line)
    assert state
    assert (state.step, state.steps) == (step, steps)
    assert state.loss == float(f"{loss:.3g}")


@given(st.text())
def test_any_other_text_is_taken_calmly(text):
    progress.progress(text)
    progress.phase(text)
    progress.is_bar(text)

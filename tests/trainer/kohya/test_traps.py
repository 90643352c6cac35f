"""Why a run ended, told from what sd-scripts really said (data/kohya/*.log) or from what torch says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from portrait_studio.trainer.kohya import traps
from portrait_studio.trainer.kohya.data import table
from portrait_studio.trainer.settings import TrainSettings

DATA = Path(__file__).parents[2] / "data" / "kohya"


@pytest.mark.parametrize(
    ("log", "sentence"),
    [
        ("no-tokenizer", "The tokenizer is neither here nor to be fetched"),
        ("long-tokens", "The tokenizer gives more than 77 tokens"),
        ("other-layout", "sd-scripts cannot read the checkpoint"),
        ("options", "This version of sd-scripts knows other options"),
    ],
)
def test_a_recorded_failure_is_named_and_shown(log, sentence):
    lines = (DATA / f"{log}.log").read_text("utf-8").splitlines()
    error = traps.explain(1, lines, TrainSettings())
    assert error.sentence.startswith(sentence)
    assert error.tail == tuple(lines[-12:])


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.", "no-memory"),
        ("RuntimeError: [enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate", "no-memory"),
        ("OSError: [Errno 28] No space left on device", "no-room"),
        ("ModuleNotFoundError: No module named 'voluptuous'", "no-module"),
        ("ImportError: libGL.so.1: cannot open shared object file: No such file or directory", "no-library"),
        ("ValueError: fp16 mixed precision requires a GPU (not 'mps').", "half-on-cpu"),
        ("RuntimeError: NaN detected in latents: train/0001.png", "latents-nan"),
        ("RuntimeError: The NVIDIA driver on your system is too old: CUDA driver version is insufficient", "driver"),
    ],
)
def test_a_known_last_line_is_named(line, name):
    trap = next(trap for trap in table("traps")["trap"] if trap["name"] == name)
    assert traps.explain(1, ["Traceback (most recent call last):", line], TrainSettings()).sentence.startswith(
        trap["means"]
    )


def test_a_run_that_the_system_killed_is_said_to_have_been():
    assert "memory runs out" in traps.explain(-9, [], TrainSettings()).sentence


def test_an_unknown_end_says_its_number_and_shows_the_last_lines():
    error = traps.explain(3, [str(number) for number in range(30)], TrainSettings())
    assert "ended with 3" in error.sentence
    assert error.tail == tuple(str(number) for number in range(18, 30))


def test_every_trap_is_a_pattern_with_advice_that_can_be_filled_in():
    for trap in table("traps")["trap"]:
        re.compile(trap.get("says", ""))
        assert "{" not in trap["advice"].format_map(TrainSettings().as_dict())

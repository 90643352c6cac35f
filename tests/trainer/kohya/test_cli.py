from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from portrait_studio.portrait import subjects
from portrait_studio.runner.commands.app import app
from portrait_studio.trainer.kohya import installation

NORA = Path(__file__).parents[3] / "pocket" / "subjects" / "nora"


@pytest.fixture
def trainer(tmp_path, monkeypatch):
    """Call `portrait-studio trainer ...` with nothing installed."""
    monkeypatch.setenv(installation.HOME_VARIABLE, str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return lambda *arguments: CliRunner().invoke(app, ["trainer", *map(str, arguments)])


def test_a_subject_is_trained_from_the_command_line(trainer, replayed, tmp_path):
    base, found = replayed
    installation.remember(found, tmp_path / "home")
    (found.folder / "replay.json").write_text('{"steps": 2, "until": 2}')
    settings = {"steps": 2, "sample_every": 1, "samples": 1, "resolution": 128, "precision": "fp32", "fuse_best": 1}
    changes = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    photos = sorted(NORA.glob("*.jpg"))[:6]
    store = tmp_path / "store"
    answer = trainer(
        *("kohya", "Nora", *photos, "--checkpoint", base, "--store", store, "--class-word", "woman", "--json"),
        *("--set", "class_images=0", *changes),
    )
    assert answer.exit_code == 0, answer.output
    rows = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [row["step"] for row in rows if row["event"] == "step"][-1] == 2
    assert rows[-1]["event"] == "trained"
    assert subjects.load("Nora", store).lora == Path(rows[-1]["lora"])
    options = json.loads((found.folder / "argv.json").read_text())
    assert options[options.index("--max_train_steps") + 1] == "2"


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ([], "sd-scripts is not installed; run 'portrait-studio trainer install-kohya' first."),
        (["--preset", "sd16"], "There is no training preset named 'sd16'"),
        (["--set", "rank=0"], "it must be from 1"),
        (["--set", "ranks=8"], "There is no training setting named 'ranks'"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_an_exit_code(trainer, replayed, tmp_path, more, sentence):
    base, found = replayed
    if more:
        installation.remember(found, tmp_path / "home")
    answer = trainer("kohya", "Nora", NORA, "--checkpoint", base, "--store", tmp_path / "store", *more)
    assert answer.exit_code == 1
    assert sentence in answer.stderr
    assert "Traceback" not in answer.output


def test_photos_that_are_not_there_are_named(trainer, replayed, tmp_path):
    base, found = replayed
    installation.remember(found, tmp_path / "home")
    answer = trainer("kohya", "Nora", tmp_path / "none.jpg", "--checkpoint", base, "--store", tmp_path / "store")
    assert answer.exit_code == 4
    assert "none.jpg" in answer.stderr


def test_a_folder_that_is_no_sd_scripts_is_refused(trainer, tmp_path):
    answer = trainer("install-kohya", "--path", tmp_path)
    assert answer.exit_code == 1
    assert "train_network.py is missing" in answer.stderr

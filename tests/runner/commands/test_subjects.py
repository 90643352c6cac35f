"""`portrait-studio subjects` on a store that no host has open."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import typer
from safetensors.numpy import save_file

from portrait_studio.portrait import subjects
from portrait_studio.portrait.likeness import papers
from portrait_studio.portrait.likeness.report import LikenessReport, PictureLikeness
from portrait_studio.portrait.lock import LOCKS, locked
from portrait_studio.portrait.subjects import Subject
from portrait_studio.runner.client.errors import exit_code

from ..command import invoke, one_sentence


@pytest.fixture
def comfyui(tmp_path) -> Path:
    """A ComfyUI folder with one trained subject in its store."""
    host = tmp_path / "ComfyUI"
    host.mkdir()
    (host / "main.py").touch()
    lora = tmp_path / "lora.safetensors"
    up, down = np.ones((4, 2), np.float32), np.ones((2, 4), np.float32)
    save_file({"lora_unet_x.lora_up.weight": up, "lora_unet_x.lora_down.weight": down}, lora)
    card = {"base": {"checkpoint": "pocket.safetensors"}, "chosen": {"likeness": 0.8123}, "trained": "2026-01-02T03:04"}
    person = Subject("👩‍🚀 [bold]Anna", "anb3ll", "woman", lora, np.ones((1, 128), np.float32), "sface", card)
    subjects.save(person, store(host))
    return host


NAME = "👩‍🚀 [bold]Anna"


def store(host: Path) -> Path:
    return host / "models" / "portrait_studio" / "subjects"


def test_the_list_is_a_table_or_a_line_of_json_each(comfyui):
    table = invoke("subjects", "list", "--comfyui", comfyui)
    assert table.exit_code == 0
    assert "[bold]Anna" in table.stdout
    assert "0.81" in table.stdout
    rows = [json.loads(line) for line in invoke("subjects", "list", "--comfyui", comfyui, "--json").stdout.splitlines()]
    assert [(row["name"], row["state"], row["prompt_words"]) for row in rows] == [(NAME, "trained", "anb3ll woman")]


def test_an_empty_store_and_a_folder_that_is_no_host_are_told_apart(tmp_path, comfyui):
    empty = invoke("subjects", "list", "--store", tmp_path / "nothing")
    assert (empty.exit_code, empty.stdout) == (0, "")
    assert "no subjects yet" in empty.stderr
    refused = invoke("subjects", "list", "--comfyui", tmp_path)
    assert refused.exit_code == exit_code("host")
    assert one_sentence(refused.stderr)


def test_a_subject_is_shown_with_card_and_files(comfyui):
    shown = invoke("subjects", "show", NAME, "--comfyui", comfyui)
    assert shown.exit_code == 0
    for word in ("anb3ll", "pocket.safetensors", "lora.safetensors"):
        assert word in shown.stdout
    facts = json.loads(invoke("subjects", "show", NAME, "--comfyui", comfyui, "--json").stdout)
    assert facts["card"]["chosen"] == {"likeness": 0.8123}


@pytest.mark.parametrize("command", ["show", "export", "delete"])
@pytest.mark.parametrize("name", ["../subjects", "Ana", "..", "/etc"])
def test_an_unknown_name_is_one_sentence_with_the_nearest_one(comfyui, command, name):
    refused = invoke("subjects", command, name, "--store", store(comfyui), *(["--yes"] if command == "delete" else []))
    assert refused.exit_code == exit_code("failed")
    assert one_sentence(refused.stderr)
    assert repr(name) in refused.stderr
    assert "Anna" in refused.stderr
    assert (store(comfyui) / NAME).is_dir()


def test_exports_land_where_they_are_asked_to(comfyui, tmp_path):
    done = invoke("subjects", "export", NAME, "--comfyui", comfyui, "--out", tmp_path / "out", "--json")
    file = Path(json.loads(done.stdout)["file"])
    assert zipfile.ZipFile(file).testzip() is None
    lora = invoke("subjects", "export", NAME, "--comfyui", comfyui, "--kohya", "-o", tmp_path / "anna.safetensors")
    assert lora.exit_code == 0
    subjects.check_safetensors(tmp_path / "anna.safetensors")


def test_deleting_asks_and_no_means_no(comfyui, monkeypatch):

    asked = []
    monkeypatch.setattr(typer, "confirm", lambda text, **_: asked.append(text))
    refused = invoke("subjects", "delete", NAME, "--comfyui", comfyui)
    assert refused.exit_code == exit_code("failed")
    assert "Nothing was deleted" in refused.stderr
    assert NAME in asked[0]
    assert "3 files" in asked[0]
    assert (store(comfyui) / NAME).is_dir()
    unasked = invoke("subjects", "delete", NAME, "--comfyui", comfyui, "--json")
    assert unasked.exit_code == exit_code("failed")
    assert (store(comfyui) / NAME).is_dir()


def test_deleting_leaves_an_empty_store(comfyui):
    done = invoke("subjects", "delete", NAME, "--comfyui", comfyui, "--yes", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["files"] == ["card.json", "lora.safetensors", "references.safetensors"]
    assert [path.name for path in store(comfyui).iterdir()] == [LOCKS]


def test_a_subject_in_training_is_not_deleted(comfyui):
    with locked(store(comfyui), NAME):
        refused = invoke("subjects", "delete", NAME, "--comfyui", comfyui, "--yes")
    assert refused.exit_code == exit_code("failed")
    assert "is being trained" in refused.stderr
    assert (store(comfyui) / NAME / "lora.safetensors").exists()
    assert invoke("subjects", "delete", NAME, "--comfyui", comfyui, "--yes").exit_code == 0
    assert [path.name for path in store(comfyui).iterdir()] == [LOCKS]


def test_the_likeness_report_is_one_page_and_a_subject_without_one_says_so(comfyui, tmp_path):
    refused = invoke("subjects", "report", NAME, "--comfyui", comfyui, "--out", tmp_path)
    assert refused.exit_code == 1
    assert one_sentence(refused.stderr)
    assert "train it again" in " ".join(refused.stderr.split())
    folder = store(comfyui) / NAME / "training" / "likeness"
    folder.mkdir(parents=True)
    told = LikenessReport((PictureLikeness(0.7), PictureLikeness(None)), "sface")
    papers.write(folder, told, [np.full((80, 60, 3), 90, np.uint8)] * 2, None, NAME)
    done = invoke("subjects", "report", NAME, "--comfyui", comfyui, "--out", tmp_path, "--json")
    assert done.exit_code == 0
    (page,) = tmp_path.glob("*.html")
    assert page.read_text("utf-8").count("data:image/jpeg") == 2
    wrong = invoke("subjects", "report", NAME, "--comfyui", comfyui, "--out", tmp_path / "page.pdf")
    assert one_sentence(wrong.stderr)
    assert "ends in .html" in " ".join(wrong.stderr.split())

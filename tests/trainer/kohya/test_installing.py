"""Setting sd-scripts up: real git and a real folder; the packages themselves are not fetched here."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from portrait_studio.trainer.kohya import installation, installing
from portrait_studio.trainer.kohya.data import table
from portrait_studio.trainer.kohya.errors import KohyaError

REQUIREMENTS = """\
accelerate==1.6.0
diffusers[torch]==0.32.1
# albumentations==1.3.0
opencv-python==4.10.0.84
bitsandbytes
tensorboard
numpy
# <=2.0
safetensors==0.4.5   # of the table
# for kohya_ss library
-e .
"""


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    answer = subprocess.run(["git", "-C", folder, *who, *arguments], capture_output=True, text=True, check=True)
    return answer.stdout.strip()


@pytest.fixture
def upstream(tmp_path):
    """A repository with the files that count and a tag."""
    folder = tmp_path / "upstream"
    for name in table("pins")["source"]["files"]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(REQUIREMENTS if name == "requirements.txt" else "")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "all")
    git(folder, "tag", "v0.10.1")
    return folder


@pytest.fixture
def pinned(upstream, monkeypatch):
    """Pin that repository, and leave the environment out."""
    pins = table("pins")
    source = pins["source"] | {"repository": upstream.as_uri(), "commit": git(upstream, "rev-parse", "HEAD")}
    monkeypatch.setitem(pins, "source", source)
    monkeypatch.setattr(installing, "_environment", lambda *_: Path(sys.executable))
    monkeypatch.setattr(installing, "ask", lambda *_: {"torch": "2"})
    return source


def test_requirements_stand_as_they_are_less_what_is_not_needed():
    assert installing.requirements(REQUIREMENTS) == [
        "accelerate==1.6.0",
        "diffusers[torch]==0.32.1",
        "opencv-python-headless==4.10.0.84",
        "numpy",
        "safetensors==0.4.5",
    ]


def test_the_pinned_tag_is_fetched_once_and_found_again(pinned, tmp_path):
    said: list[str] = []
    base = tmp_path / "home"
    done = installing.install(said.append, base=base)
    assert (done.folder, done.version) == (base / "sd-scripts", "v0.10.1")
    assert installation.find(base) == done
    assert done.warnings == []
    (base / "sd-scripts" / "mark").touch()
    assert any("Fetching" in line for line in said)
    assert installing.install(said.append, base=base) == done
    assert (base / "sd-scripts" / "mark").exists()
    assert any("there already" in line for line in said)


def test_half_a_fetch_is_begun_again(pinned, tmp_path):
    (tmp_path / "home" / "sd-scripts.part" / "rubbish").mkdir(parents=True)
    assert installing.install(lambda _: None, base=tmp_path / "home").version == "v0.10.1"
    assert not (tmp_path / "home" / "sd-scripts.part").exists()


def test_a_tag_that_was_moved_is_not_kept(pinned, upstream, tmp_path):
    (upstream / "train_network.py").write_text("other")
    git(upstream, "commit", "-qam", "moved")
    git(upstream, "tag", "-f", "v0.10.1")
    with pytest.raises(KohyaError, match="no more"):
        installing.install(lambda _: None, base=tmp_path / "home")
    assert not (tmp_path / "home" / "sd-scripts").exists()


def test_no_network_no_git_and_no_room_are_told_in_a_sentence_each(pinned, upstream, tmp_path, monkeypatch):
    shutil.move(upstream, upstream.with_name("gone"))
    with pytest.raises(KohyaError, match="could not be fetched; look at the network") as caught:
        installing.install(lambda _: None, base=tmp_path / "a")
    assert any("fatal" in line for line in caught.value.tail)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(KohyaError, match="git, which fetches sd-scripts, is not installed"):
        installing.install(lambda _: None, base=tmp_path / "b")
    with pytest.raises(KohyaError, match=r"GB are free in home and 1000000000\.0 GB are needed"):
        (tmp_path / "home").mkdir()
        installing._room(tmp_path / "home", 1e9)


def test_a_folder_that_is_there_is_checked_and_its_version_told(pinned, upstream, tmp_path):
    said: list[str] = []
    done = installing.install(said.append, upstream, tmp_path / "home")
    assert (done.folder, done.version) == (upstream, "v0.10.1")
    git(upstream, "commit", "-q", "--allow-empty", "-m", "newer")
    done = installing.install(said.append, upstream, tmp_path / "home")
    assert done.version == git(upstream, "rev-parse", "HEAD")
    assert any("v0.10.1 is the one that was tried" in line for line in said)
    assert len(done.warnings) == 1
    (upstream / "networks" / "lora.py").unlink()
    with pytest.raises(KohyaError, match=r"not a complete sd-scripts: networks/lora\.py is missing"):
        installing.install(said.append, upstream, tmp_path / "home")
    with pytest.raises(KohyaError, match="There is no folder"):
        installing.install(said.append, tmp_path / "nowhere", tmp_path / "home")


def test_an_unpacked_archive_tells_its_version_by_its_history(tmp_path):
    (tmp_path / "README.md").write_text("### Change History\n- **Version 0.10.1 (2026-02-13):**\n- **Version 0.9.1**")
    assert installation.version(tmp_path) == "v0.10.1"
    (tmp_path / "README.md").unlink()
    assert installation.version(tmp_path) == "unknown"


def test_what_is_gone_is_named_and_nothing_installed_is_said(pinned, tmp_path):
    with pytest.raises(KohyaError, match="not installed; run 'portrait-studio trainer install-kohya'"):
        installation.find(tmp_path)
    base = tmp_path / "home"
    installing.install(lambda _: None, base=base)
    (base / "sd-scripts" / "train_network.py").unlink()
    with pytest.raises(KohyaError, match=r"train_network\.py of the installed sd-scripts is gone"):
        installation.find(base)


def test_tokenizers_are_copied_for_77_tokens(comfyui, tmp_path):
    if not (comfyui / "comfy" / "sd1_tokenizer").is_dir():
        pytest.skip("there is no ComfyUI to copy the tokenizer from")
    folder = installing.tokenizers(tmp_path, comfyui, lambda _: None)
    assert folder
    for name in ("openai_clip-vit-large-patch14", "laion_CLIP-ViT-bigG-14-laion2B-39B-b160k"):
        assert json.loads((folder / name / "tokenizer_config.json").read_text("utf-8"))["model_max_length"] == 77
        assert (folder / name / "vocab.json").is_file()


def test_sd_scripts_runs_apart_from_this_environment(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    monkeypatch.setenv("VIRTUAL_ENV", "/here")
    surroundings = installation.environment(offline=True)
    assert "PYTHONPATH" not in surroundings
    assert "VIRTUAL_ENV" not in surroundings
    assert surroundings["HF_HUB_OFFLINE"] == "1"
    assert surroundings["PYTHONUNBUFFERED"] == "1"

"""Node packs: found under custom_nodes, and installed at their pins from a real git repository."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from portrait_studio.runner.assets import packs
from portrait_studio.runner.assets.packs import PackError, Pin, install_pack, installed_packs, names_of, pin_of, pins
from portrait_studio.runner.client.errors import exit_code

from ..command import invoke, one_sentence


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Anna", "-c", "user.email=anna@example.com", "-c", "init.defaultBranch=main"]
    command = ["git", *identity, "-c", "protocol.file.allow=always", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path, monkeypatch) -> Path:
    """A git repository of a pack with two versions and a submodule; git may fetch from folders here."""
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "file")
    inner, outer = tmp_path / "inner", tmp_path / "outer"
    for folder in (inner, outer):
        folder.mkdir()
        git(folder, "init", "--quiet")
    (inner / "core.py").write_text("x = 1\n")
    git(inner, "add", ".")
    git(inner, "commit", "-qm", "one")
    git(outer, "submodule", "--quiet", "add", str(inner), "core")
    for version in ("1.0.0", "2.0.0"):
        (outer / "pyproject.toml").write_text(f'[project]\nname = "a-pack"\nversion = "{version}"\n')
        (outer / "__init__.py").write_text("raise RuntimeError('code of a pack was run')\n")
        (outer / "requirements.txt").write_text("numpy\n")
        git(outer, "add", ".")
        git(outer, "commit", "-qm", version)
    return outer


@pytest.fixture
def pin(repository) -> Pin:
    first = git(repository, "rev-parse", "HEAD~1")
    return Pin("a-pack", "A Pack", ("A-Pack",), str(repository), "1.0.0", first, "MIT", submodules=True)


@pytest.fixture
def custom_nodes(tmp_path) -> Path:
    folder = tmp_path / "custom_nodes"
    folder.mkdir()
    return folder


def test_a_pack_is_installed_at_its_pin_and_not_at_the_newest_commit(custom_nodes, pin):
    told = []
    folder = install_pack(pin, custom_nodes, told.append)
    assert folder == custom_nodes / "A-Pack"
    assert (folder / "core" / "core.py").read_text() == "x = 1\n"
    (found,) = installed_packs([custom_nodes])
    assert (found.name, found.version, found.commit()) == ("a-pack", "1.0.0", pin.commit)
    assert [path.name for path in custom_nodes.iterdir()] == ["A-Pack"]
    assert len(told) == 2


def test_a_pack_is_installed_with_what_has_to_lie_in_it(custom_nodes, pin, tmp_path):
    inner = tmp_path / "inner"
    part = packs.Part("inside", str(inner), git(inner, "rev-parse", "HEAD"))
    folder = install_pack(replace(pin, contains=(part,)), custom_nodes)
    assert (folder / "inside" / "core.py").read_text() == "x = 1\n"


def fails(custom_nodes: Path, pin: Pin, words: str) -> None:
    before = sorted(custom_nodes.rglob("*"))
    with pytest.raises(PackError, match=words) as caught:
        install_pack(pin, custom_nodes)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == exit_code("download")
    assert sorted(custom_nodes.rglob("*")) == before


def test_a_failed_installation_leaves_nothing(custom_nodes, pin, tmp_path):
    fails(custom_nodes, replace(pin, commit="0" * 40), "git")
    fails(custom_nodes, replace(pin, repository=str(tmp_path / "nowhere")), "does not|not exist|not appear|access")


def test_only_https_is_spoken_unless_git_is_told_otherwise(custom_nodes, pin, monkeypatch):
    monkeypatch.delenv("GIT_ALLOW_PROTOCOL")
    fails(custom_nodes, replace(pin, submodules=False), "not allowed")


def test_what_is_there_is_never_written_over(custom_nodes, pin):
    (custom_nodes / "A-Pack").mkdir()
    fails(custom_nodes, pin, "there already")


def test_a_machine_without_git_is_told_of_the_manager(custom_nodes, pin, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    fails(custom_nodes, pin, "git is not installed")


def test_a_folder_that_is_no_comfyui_is_refused(tmp_path, pin):
    with pytest.raises(PackError, match="no folder"):
        install_pack(pin, tmp_path / "nowhere" / "custom_nodes")


def test_packs_are_known_by_their_project_their_folder_and_the_managers_names(custom_nodes):
    for name, project in (("ComfyUI-Impact-Pack", ""), ("whatever", "comfyui-impact-subpack"), ("plain", "")):
        (custom_nodes / name).mkdir()
        if project:
            (custom_nodes / name / "pyproject.toml").write_text(f'[project]\nname = "{project}"\nversion = "1"\n')
    (custom_nodes / ".disabled" / "comfyui_controlnet_aux@1_1_3").mkdir(parents=True)
    (custom_nodes / "comfyui-reactor.disabled").mkdir()
    (custom_nodes / "broken").mkdir()
    (custom_nodes / "broken" / "pyproject.toml").write_text("[project\n")
    here = installed_packs([custom_nodes])
    found = {pin.name: [one for one in here if one.is_called(names_of(pin.name))] for pin in pins()}
    assert [one.folder.name for one in found["comfyui-impact-pack"]] == ["ComfyUI-Impact-Pack"]
    assert [one.folder.name for one in found["comfyui-impact-subpack"]] == ["whatever"]
    assert [one.disabled for one in found["comfyui_controlnet_aux"]] == [True]
    assert [one.disabled for one in found["comfyui-reactor"]] == [True]
    assert found["comfyui_ultimatesdupscale"] == []


def test_every_pin_is_whole():
    assert len({pin.name for pin in pins()}) == len(pins()) > 3
    for pin in pins():
        assert len(pin.commit) == 40
        assert int(pin.commit, 16)
        assert pin.repository.startswith("https://github.com/")
        assert pin.license
        assert pin.version
        assert pin_of(pin.folders[0].upper()) == pin


@pytest.fixture
def graph(tmp_path):
    def write(*names: str, **more) -> Path:
        wanted = [{"name": name, "version": "1.0.0", **more} for name in names]
        studio = {"name": "wants", "version": "1.0.0", "requires": {"packs": wanted}}
        file = tmp_path / "wants.v1.json"
        file.write_text(json.dumps({"version": 0.4, "nodes": [], "links": [], "extra": {"portrait_studio": studio}}))
        return file

    return write


def test_the_command_installs_on_a_yes_and_says_what_is_left_to_do(installation, graph, pin, monkeypatch):
    (installation / "custom_nodes").mkdir()
    monkeypatch.setattr(packs, "pins", lambda: (pin,))
    file = graph("a-pack")
    refused = invoke("packs", "install", file, "--comfyui", installation)
    assert refused.exit_code == exit_code("download")
    assert "nobody said yes" in refused.stderr
    assert list((installation / "custom_nodes").iterdir()) == []
    named = invoke("packs", "install", file, "--comfyui", installation, "--manager")
    assert named.exit_code == 0
    assert "A Pack (a-pack)" in named.stderr
    assert list((installation / "custom_nodes").iterdir()) == []
    done = invoke("packs", "install", file, "--comfyui", installation, "--yes")
    assert done.exit_code == 0, done.stderr
    assert "requirements.txt" in done.stderr
    assert installed_packs([installation / "custom_nodes"])[0].commit() == pin.commit
    again = invoke("packs", "install", file, "--comfyui", installation)
    assert "none is missing" in again.stderr
    assert again.exit_code == 0


def test_a_pack_that_only_a_graph_vouches_for_is_never_installed(installation, graph, repository):
    (installation / "custom_nodes").mkdir()
    file = graph("somebody-elses", repository=str(repository))
    answer = invoke("packs", "install", file, "--comfyui", installation, "--yes")
    assert answer.exit_code == exit_code("download")
    assert "install it yourself" in answer.stderr
    assert one_sentence(answer.stderr)
    assert list((installation / "custom_nodes").iterdir()) == []


def test_another_version_and_a_pack_switched_off_are_told_and_left_alone(installation, graph):
    folder = installation / "custom_nodes" / "ComfyUI-Impact-Pack"
    folder.mkdir(parents=True)
    (folder / "pyproject.toml").write_text('[project]\nname = "comfyui-impact-pack"\nversion = "8.1.0"\n')
    (installation / "custom_nodes" / ".disabled" / "comfyui_controlnet_aux@1_1_3").mkdir(parents=True)
    answer = invoke(
        "packs", "install", graph("comfyui-impact-pack", "comfyui_controlnet_aux"), "--comfyui", installation
    )
    assert answer.exit_code == 0
    assert "is there as 8.1.0" in answer.stderr
    assert "switched off" in answer.stderr

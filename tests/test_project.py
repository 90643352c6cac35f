"""What holds for the project as a whole: its arrows, its packages, its requirements, its size."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from PIL import Image

from .archive import tracked
from .closure import closure, foreign, imported

ROOT = Path(__file__).parents[1]
SOURCE = ("nodes", "portrait", "runner", "trainer", "pocket")
MAY_IMPORT = {
    "portrait": {"portrait"},
    "nodes": {"nodes", "portrait", "trainer", "pocket"},
    "runner": {"runner", "portrait"},
    "trainer": {"trainer", "portrait"},
    "pocket": {"pocket", "portrait", "runner"},
}
EXCEPTIONS = {"runner/commands/trainer.py": {"trainer"}}  # the command line of the trainer, and nothing else
HOST_MODULES = {"comfy", "comfy_api", "comfy_extras", "comfy_execution", "folder_paths", "server", "execution"}


def sources(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("folder", [name for name in SOURCE if (ROOT / name).is_dir()])
def test_arrows_point_one_way(folder):
    for file in sources(folder):
        for name in imported(file):
            top = name.removeprefix("portrait_studio.").split(".")[0]
            if top in SOURCE:
                path = file.relative_to(ROOT).as_posix()
                assert top in MAY_IMPORT[folder] | EXCEPTIONS.get(path, set()), f"{path} imports {name}"


@pytest.mark.parametrize("folder", ["portrait", "runner", "pocket"])
def test_comfyui_is_imported_in_the_nodes_alone(folder):
    for file in sources(folder):
        if file.is_relative_to(ROOT / "pocket" / "train"):
            continue  # training checks its own layers against the host's, side by side
        found = {name.split(".")[0] for name in imported(file)} & HOST_MODULES
        assert not found, f"{file.relative_to(ROOT)} imports {found}"


def test_the_v3_api_is_imported_in_one_module():
    users = [file.name for file in sources("nodes") if any(name.startswith("comfy_api") for name in imported(file))]
    assert users == ["api.py"]


def test_comfys_own_modules_are_imported_in_one_module():
    used = {"comfy", "comfy_execution", "comfy_extras"}
    files = sources("nodes") + sources("trainer")
    users = {file.name for file in files if used & {name.split(".")[0] for name in imported(file)}}
    assert users == {"host.py"}


PACKAGES = {  # the module's name, where the package is called otherwise
    "PIL": "pillow",
    "colour": "colour-science",
    "pillow_heif": "pillow-heif",
    "websocket": "websocket-client",
    "yaml": "pyyaml",
}
GUARDED = {"insightface", "pillow-heif"}  # optional: asked for where they are used, with a sentence when missing
OF_THE_HOST = HOST_MODULES | {"torch"}


FOR_THE_CANVAS, FOR_THE_WHEEL = ROOT / "requirements.txt", ROOT / "requirements" / "runner.in"


def wanted(file: Path) -> dict[str, Requirement]:
    lines = file.read_text("utf-8").splitlines()
    return {one.name: one for one in map(Requirement, (line for line in lines if line and line[0] != "#"))}


def packages_of(files: list[Path]) -> set[str]:
    return {PACKAGES.get(module, module) for module in foreign(files)} - OF_THE_HOST - GUARDED


def test_requirements_txt_is_what_the_nodes_import():
    nodes = closure([ROOT / "__init__.py", ROOT / "nodes" / "__init__.py"])
    assert packages_of(nodes) == set(wanted(FOR_THE_CANVAS))


def test_the_wheel_depends_on_what_the_command_line_imports():
    assert packages_of(closure(sources("runner") + sources("trainer/kohya"))) <= set(wanted(FOR_THE_WHEEL))


def test_the_wheel_brings_no_torch_and_the_canvas_no_command_line():
    assert not set(wanted(FOR_THE_WHEEL)) & {"torch", "colour-science", "scipy"}
    assert not set(wanted(FOR_THE_CANVAS)) & {"typer", "rich", "websocket-client", "urllib3", "platformdirs", "psutil"}


def test_what_both_ask_for_is_asked_for_in_one_way():
    wheel = wanted(FOR_THE_WHEEL)
    for name, requirement in wanted(FOR_THE_CANVAS).items():
        assert wheel.get(name, requirement) == requirement


@pytest.mark.parametrize("name", ["studio.lock", "test.lock", "uv.lock.txt", "host-tree.txt"])
def test_locks_carry_hashes_and_no_addresses(name):
    text = (ROOT / "requirements" / name).read_text("utf-8")
    assert "--hash=sha256:" in text
    assert "://" not in text


def test_the_tree_stays_small_enough_to_carry():
    sizes = {file: file.stat().st_size for file in tracked()}
    assert max(sizes.values()) <= 16 * 2**20
    assert sum(sizes.values()) <= 56 * 2**20


def test_importing_the_package_needs_no_comfyui():
    code = "import portrait_studio.runner, portrait_studio.portrait, sys; assert 'comfy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT.parent)


def test_the_code_is_linted_and_formatted():
    for command in (["check"], ["format", "--check"]):
        answer = subprocess.run([sys.executable, "-m", "ruff", *command, str(ROOT)], capture_output=True, text=True)
        assert answer.returncode == 0, answer.stdout[-2000:]


def test_the_registrys_pictures_have_the_sizes_that_it_takes():
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    for name, fits in (("Icon", lambda w, h: w == h <= 400), ("Banner", lambda w, h: w * 9 == h * 21)):
        found = re.search(rf'^{name} = "https://\S+/main/(\S+)"$', text, re.M)
        assert found, name
        with Image.open(ROOT / found[1]) as picture:
            assert fits(*picture.size), name

"""What holds for the project as a whole: its arrows, its packages, its requirements, its size."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ("nodes", "portrait", "runner", "trainer", "pocket")
MAY_IMPORT = {
    "portrait": {"portrait"},
    "nodes": {"nodes", "portrait", "trainer"},
    "runner": {"runner", "portrait"},
    "trainer": {"trainer", "portrait"},
    "pocket": {"pocket", "portrait", "runner"},
}
EXCEPTIONS = {"runner/trainer_command.py": {"trainer"}}  # the command line of the trainer, and nothing else
HOST_MODULES = {"comfy", "comfy_api", "comfy_extras", "comfy_execution", "folder_paths", "server", "execution"}


def sources(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def imported(file: Path) -> set[str]:
    """Absolute dotted names of all that a file imports, relative imports resolved against the repository."""
    package = file.relative_to(ROOT).parent.parts
    names = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            names |= {
                ".".join([*base, *(node.module or "").split("."), alias.name]).replace("..", ".")
                for alias in node.names
            }
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


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


def listed(text: str, key: str) -> list[str]:
    block = re.search(rf"^{key} = \[\n(.*?)^\]", text, re.M | re.S)
    assert block, key
    return re.findall(r'^\s+"([^"]+)",', block[1], re.M)


def test_requirements_for_the_manager_equal_the_projects():
    wanted = listed((ROOT / "pyproject.toml").read_text("utf-8"), "dependencies")
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == wanted


def test_every_package_is_listed_for_the_wheel():
    packages = set(listed((ROOT / "pyproject.toml").read_text("utf-8"), "packages"))
    found = {
        f"portrait_studio.{'.'.join(file.relative_to(ROOT).parent.parts)}"
        for name in SOURCE
        for file in (ROOT / name).rglob("__init__.py")
    }
    assert packages == found | {"portrait_studio"}


@pytest.mark.parametrize("name", ["studio.lock", "test.lock", "uv.lock.txt", "host-tree.txt"])
def test_locks_carry_hashes_and_no_addresses(name):
    text = (ROOT / "requirements" / name).read_text("utf-8")
    assert "--hash=sha256:" in text
    assert "://" not in text


def tracked() -> list[Path]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listing.returncode:
        pytest.skip("not a git checkout: nothing says which files belong to the project")
    return [file for name in listing.stdout.decode().split("\0") if name and (file := ROOT / name).is_file()]


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

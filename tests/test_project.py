"""What holds for the project as a whole: its arrows, its packages, its requirements, its size."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from PIL import Image

from .archive import tracked
from .closure import closure, foreign, imported
from .seconds import SECONDS

ROOT = Path(__file__).parents[1]
SOURCE = ("nodes", "portrait", "runner", "service", "trainer", "pocket")
MAY_IMPORT = {
    "portrait": {"portrait"},
    "nodes": {"nodes", "portrait", "trainer", "pocket"},
    "runner": {"runner", "portrait"},
    "service": {"service", "runner", "portrait"},
    "trainer": {"trainer", "portrait"},
    "pocket": {"pocket", "portrait", "runner"},
}
# The doors of the command line to what stands beside the runner or on it, and nothing else.
EXCEPTIONS = {"runner/commands/trainer.py": {"trainer"}, "runner/commands/serve.py": {"service"}}
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


@pytest.mark.parametrize("folder", ["portrait", "runner", "service", "pocket"])
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
    "argon2": "argon2-cffi",
    "python_multipart": "python-multipart",
    "colour": "colour-science",
    "pillow_heif": "pillow-heif",
    "websocket": "websocket-client",
    "yaml": "pyyaml",
}
# Optional: asked for where they are used, with a sentence when missing.
GUARDED = {"triton", "insightface", "pillow-heif", "c2pa", "celery", "redis", "onnxruntime", "cv2"}
GUARDED |= {"spandrel", "spandrel_extra_arches"}
OF_THE_HOST = HOST_MODULES | {"torch"}


FOR_THE_SERVICE = ROOT / "requirements" / "service.in"
FOR_THE_CANVAS, FOR_THE_WHEEL = ROOT / "requirements.txt", ROOT / "requirements" / "runner.in"


def wanted(file: Path) -> dict[str, Requirement]:
    lines = file.read_text("utf-8").splitlines()
    return {one.name: one for one in map(Requirement, (line for line in lines if line and line[0] != "#"))}


def packages_of(files: Iterable[Path]) -> set[str]:
    return {PACKAGES.get(module, module) for module in foreign(files)} - OF_THE_HOST - GUARDED


def test_requirements_txt_is_what_the_nodes_import():
    nodes = closure([ROOT / "__init__.py", ROOT / "nodes" / "__init__.py"])
    assert packages_of(nodes) == set(wanted(FOR_THE_CANVAS))


def test_the_wheel_depends_on_what_the_command_line_imports():
    # `serve` looks for the extra that it needs, and names it when it is not there.
    files = closure(sources("runner") + sources("trainer/kohya")) - set(sources("service"))
    # A likeness report and a tone are made where torch is, which is ComfyUI's environment.
    assert packages_of(files) - {"scipy", "colour-science"} <= set(wanted(FOR_THE_WHEEL))


def test_the_extra_service_is_what_the_web_studio_imports_besides():
    # starlette is what fastapi is made of; python-multipart is what it reads forms with.
    imported_here = packages_of(sources("service")) - set(wanted(FOR_THE_WHEEL)) - {"starlette"}
    assert imported_here | {"python-multipart"} == set(wanted(FOR_THE_SERVICE))


def test_the_wheel_brings_no_torch_and_the_canvas_no_command_line():
    assert not set(wanted(FOR_THE_WHEEL)) & {"torch", "colour-science", "scipy"}
    assert not set(wanted(FOR_THE_CANVAS)) & {"typer", "rich", "websocket-client", "urllib3", "platformdirs", "psutil"}


def test_what_both_ask_for_is_asked_for_in_one_way():
    wheel = wanted(FOR_THE_WHEEL)
    for name, requirement in wanted(FOR_THE_CANVAS).items():
        assert wheel.get(name, requirement) == requirement


@pytest.mark.parametrize("name", ["studio.lock", "service.lock", "test.lock", "uv.lock.txt", "host-tree.txt"])
def test_locks_carry_hashes_and_no_addresses(name):
    text = (ROOT / "requirements" / name).read_text("utf-8")
    assert "--hash=sha256:" in text
    assert "://" not in text


def test_the_tree_stays_small_enough_to_carry():
    sizes = {file: file.stat().st_size for file in tracked()}
    assert max(sizes.values()) <= 16 * 2**20
    assert sum(sizes.values()) <= 56_000_000


def test_the_slow_files_that_come_first_are_there():
    assert set(SECONDS) <= {file.relative_to(ROOT).as_posix() for file in tracked()}


def test_importing_the_package_needs_no_comfyui():
    both = "import portrait_studio.runner.commands.app, portrait_studio.portrait"
    code = f"{both}, sys; assert 'comfy' not in sys.modules"
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


def public_names(file: Path) -> set[str]:
    """The classes and type aliases that a module defines: CamelCase, not private, aliases by assignment."""
    found = set()
    for node in ast.parse(file.read_text("utf-8")).body:
        if isinstance(node, ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found.add(node.targets[0].id)
    return {name for name in found if re.fullmatch(r"[A-Z]\w*[a-z]\w*", name)}


def test_a_name_means_one_thing():
    places: dict[str, list[str]] = {}
    for folder in (*SOURCE, "benchmarks"):
        for file in sources(folder):
            for name in public_names(file):
                places.setdefault(name, []).append(file.relative_to(ROOT).as_posix())
    assert len(places) > 200
    assert {name: files for name, files in places.items() if len(files) > 1} == {}


def test_the_web_files_tell_the_version_of_the_pack():
    (version,) = re.findall(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    assert json.loads((ROOT / "web" / "version.json").read_text("utf-8")) == {"version": version}

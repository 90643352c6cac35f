"""The pack in a ComfyUI that cannot run it: one sentence in the log, and nothing of it is loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pyright: ignore[reportMissingImports] - installed on Python 3.10 alone

ROOT = Path(__file__).parents[1]
# As ComfyUI's load_custom_node does: the folder is imported, and its entrypoint awaited.
LOADER = """
import asyncio, importlib.util, logging, sys
logging.basicConfig(level="WARNING", format="%(message)s", stream=sys.stdout)
spec = importlib.util.spec_from_file_location("pack", sys.argv[1], submodule_search_locations=[sys.argv[2]])
module = sys.modules["pack"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
print([name for name in ("WEB_DIRECTORY", "comfy_entrypoint") if hasattr(module, name)])
if hasattr(module, "comfy_entrypoint"):
    try:
        asyncio.run(module.comfy_entrypoint())
    except Exception as error:
        print(f"Error while calling comfy_entrypoint in pack: {error}")
"""


def loaded_by(folder: Path, version: str) -> list[str]:
    """Return the lines that a host of that version writes, whose tree has nothing else in it."""
    (folder / "comfyui_version.py").write_text(f"__version__ = {version!r}\n", "utf-8")
    command = [sys.executable, "-c", LOADER, str(ROOT / "__init__.py"), str(ROOT)]
    answer = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr == ""
    return answer.stdout.splitlines()


def test_a_host_that_is_too_old_is_told_so_once_and_gets_nothing(tmp_path):
    said, names = loaded_by(tmp_path, "0.3.74")
    assert said == (
        "Portrait Studio is not loaded: it needs ComfyUI 0.3.75 or newer, and this is 0.3.74; update ComfyUI."
    )
    assert names == "[]"


def test_versions_are_compared_by_number(tmp_path):
    for version in ("0.3.75", "0.3.100", "0.33.0", "0.9.0-rc1", "1.0"):
        assert loaded_by(tmp_path, version)[0] == "['WEB_DIRECTORY', 'comfy_entrypoint']"
    for version in ("0.3.9", "0.2.99", "0.3"):
        assert "not loaded" in loaded_by(tmp_path, version)[0]


def test_a_fork_without_the_v3_api_is_told_in_one_sentence(tmp_path):
    (tmp_path / "comfy_api").mkdir()
    said = loaded_by(tmp_path, "0.9.0")[1]
    assert said.endswith("this one lacks it (No module named 'comfy_api.latest'); update ComfyUI.")
    assert "Portrait Studio needs a ComfyUI with the V3 node API" in said


def test_the_oldest_comfyui_asked_for_is_the_oldest_that_was_tried():
    rows = tomllib.loads((ROOT / "tests" / "hosts.toml").read_text("utf-8"))["host"]
    versions = [tuple(map(int, row["version"].split("."))) for row in rows]
    assert versions == sorted(versions)
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["comfy"]["requires-comfyui"]
    assert asked == f">={rows[0]['version']}"
    assert f'OLDEST = "{rows[0]["version"]}"' in (ROOT / "__init__.py").read_text("utf-8")
    for row in rows:
        assert {"version", "tree", "with"} <= set(row)
        assert len({name in row for name in ("ran", "when", "passed", "failed", "skipped")}) == 1
        assert bool(row.get("failed")) == bool(row.get("failing"))


def test_the_doctor_calls_those_newer_than_the_newest_that_was_counted():
    rows = tomllib.loads((ROOT / "tests" / "hosts.toml").read_text("utf-8"))["host"]
    counted = [row["version"] for row in rows if "ran" in row]
    known = tomllib.loads((ROOT / "runner" / "doctor" / "knowledge.toml").read_text("utf-8"))["host"]
    assert (known["minimum"], known["tried"]) == (rows[0]["version"], counted[-1])

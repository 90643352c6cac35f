"""The Registry's archive: what is in it, what must not be, and that a ComfyUI runs it without the rest."""

from __future__ import annotations

import ast
import json
import re
import shutil
import zipfile
from pathlib import Path

import pytest

from .archive import pack, packed
from .closure import closure
from .test_pack import LANGUAGES, NODES, get

ROOT = Path(__file__).parents[1]
TEXT = (".py", ".js", ".md", ".toml", ".txt", ".json", "")
# What publishers saw the Registry's scan stop at, in code and in prose.
FLAGGED = {
    "programs": r"\bsubprocess\b|\bPopen\b|os\.system|os\.popen|\bpty\b",
    "sockets": r"\bsockets?\.|\bimport socket\b|\bwebsocket\b",
    "HTTP": r"\burllib3?\b|\brequests\.|\bimport requests\b|\bhttpx?\.|\bhttp\.client\b|\baiohttp\b|urlopen",
    "environment": r"os\.environ|\bgetenv\b|\bputenv\b",
    "foreign code": r"\bctypes\b|\bcffi\b",
    "evaluation": r"(?<![.\w])eval\(|(?<![.\w])exec\(|\b__import__\(|(?<![.\w])compile\(",
    "pickles": r"\bpickle\b|\bmarshal\b|\bshelve\b|torch\.load\(",
    "installing": r"\bpip\b(?! install -r)|\bensurepip\b",
    "obfuscation": r"base64\.b64decode|codecs\.decode",
}


def name_of(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def test_the_archive_is_small_enough_for_the_registry(tmp_path):
    assert pack(tmp_path / "node.zip").stat().st_size < 16 * 2**20


def test_it_holds_what_the_nodes_import_and_no_other_python():
    nodes = {name_of(file) for file in closure([ROOT / "__init__.py", ROOT / "nodes" / "__init__.py"])}
    assert {name_of(file) for file in packed() if file.suffix == ".py"} == nodes


def test_it_holds_what_the_nodes_read():
    names = {name_of(file) for file in packed()}
    for needed in ("requirements.txt", "pyproject.toml", "LICENSE", "README.md", "pocket/weights/pins.json"):
        assert needed in names
    for folder in ("portrait/poses/presets", "portrait/tones/presets", "portrait/models", "pocket/subjects", "web"):
        there = [name_of(file) for file in (ROOT / folder).rglob("*") if file.is_file()]
        assert there
        assert set(there) <= names
    assert not [
        name for name in names if re.match(r"runner/|tests/|trainer/kohya/|install.py|pocket/(people|train)/", name)
    ]


@pytest.mark.parametrize("what", FLAGGED)
def test_nothing_in_it_would_stop_the_registrys_scan(what):
    found = []
    for file in packed():
        if file.suffix in TEXT:
            for number, line in enumerate(file.read_text("utf-8").splitlines(), start=1):
                if re.search(FLAGGED[what], line):
                    found.append(f"{name_of(file)}:{number}: {line.strip()[:100]}")
    assert not found, "\n".join(found)


def test_no_module_in_it_can_start_a_program_or_open_a_connection():
    forbidden = {"subprocess", "socket", "ssl", "http", "urllib", "ctypes", "pickle", "multiprocessing", "asyncio"}
    for file in packed():
        if file.suffix == ".py":
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
                assert not {name.split(".")[0] for name in names} & forbidden, name_of(file)


@pytest.mark.host
def test_a_host_with_the_unpacked_archive_has_every_node_template_and_help_page(start_host, unpacked):
    with start_host("--base-directory", str(unpacked.parents[1])) as host:
        assert set(NODES) <= set(json.loads(get(host, "/object_info")))
        log = host.log.read_text("utf-8")
        assert "IMPORT FAILED" not in log
        assert str(unpacked) in log
        offered = json.loads(get(host, "/workflow_templates"))["portrait-studio"]
        assert sorted(offered) == sorted(file.stem for file in (ROOT / "workflows").glob("*.json"))
        for node in NODES:
            for language in LANGUAGES:
                assert len(get(host, f"/extensions/portrait-studio/docs/{node}/{language}.md")) > 200


@pytest.fixture
def unpacked(tmp_path) -> Path:
    """The archive as ComfyUI-Manager unpacks it."""
    folder = tmp_path / "custom_nodes" / "portrait-studio"
    with zipfile.ZipFile(pack(tmp_path / "node.zip")) as archive:
        archive.extractall(folder)
    return folder


def started(start_host, unpacked: Path) -> tuple[set[str], str]:
    """The pack's nodes on a host with this folder of packs, and the host's log."""
    with start_host("--base-directory", str(unpacked.parents[1])) as host:
        nodes = {name for name in json.loads(get(host, "/object_info")) if name.startswith("Portrait")}
        return nodes, host.log.read_text("utf-8")


@pytest.mark.host
def test_of_two_copies_the_second_says_so_and_the_first_works(start_host, unpacked):
    shutil.copytree(unpacked, unpacked.with_name("portrait-studio-old"))
    nodes, log = started(start_host, unpacked)
    assert nodes == set(NODES)
    assert log.count("Portrait Studio is installed twice: ") == 1
    assert "Traceback" not in log


@pytest.mark.host
def test_what_an_older_version_left_behind_does_no_harm(start_host, unpacked):
    for name in ("nodes/gone.py", "portrait/gone.py", "runner/cli.py", "web/js/gone.js", "install.py"):
        (unpacked / name).parent.mkdir(exist_ok=True)
        (unpacked / name).write_text("raise SystemExit('an old file was run')\n" if name.endswith(".py") else "")
    (unpacked / "portrait" / "lock").mkdir()  # a module that was a package once
    nodes, log = started(start_host, unpacked)
    assert nodes == set(NODES)
    assert "an old file was run" not in log


@pytest.mark.host
def test_an_archive_that_was_unpacked_in_part_is_one_sentence_and_the_host_starts(start_host, unpacked):
    (unpacked / "portrait" / "photos.py").unlink()
    nodes, log = started(start_host, unpacked)
    assert nodes == set()
    assert "was unpacked only in part: portrait/photos is missing; remove it and install again." in log

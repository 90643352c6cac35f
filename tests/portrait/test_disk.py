"""Files that are written whole or not at all."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from portrait_studio.portrait import disk


def names(folder) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_a_file_takes_the_place_of_another_and_nothing_is_left_beside_it(tmp_path):
    file = tmp_path / "초상.json"
    file.write_bytes(b"old")
    disk.write(file, b"new")
    assert file.read_bytes() == b"new"
    assert names(tmp_path) == ["초상.json"]


def test_a_writer_that_fails_leaves_the_old_file(tmp_path):
    file = tmp_path / "a.zip"
    file.write_bytes(b"old")
    with pytest.raises(RuntimeError), disk.writing(file) as beside:
        beside.write_bytes(b"half")
        raise RuntimeError
    assert file.read_bytes() == b"old"
    assert names(tmp_path) == ["a.zip"]


def put(file: Path, content: bytes) -> bool:
    """Write a file beside another and give it the other's name."""
    beside = file.with_name("beside")
    beside.write_bytes(content)
    return disk.place_new(beside, file)


def test_a_name_that_is_taken_is_left_alone(tmp_path):
    file = tmp_path / "a.png"
    assert put(file, b"first")
    assert names(tmp_path) == ["a.png"]
    assert not put(file, b"second")
    assert file.read_bytes() == b"first"
    assert names(tmp_path) == ["a.png", "beside"]


def test_a_link_to_nowhere_is_a_name_that_is_taken(tmp_path):
    (tmp_path / "a.png").symlink_to(tmp_path / "outside.png")
    assert not put(tmp_path / "a.png", b"x")
    assert not (tmp_path / "outside.png").exists()


def test_a_disk_without_hard_links_takes_new_files_too(tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError("no hard links here")

    monkeypatch.setattr(os, "link", refuse)
    assert put(tmp_path / "a.png", b"first")
    assert names(tmp_path) == ["a.png"]
    assert not put(tmp_path / "a.png", b"second")
    assert (tmp_path / "a.png").read_bytes() == b"first"


@pytest.mark.skipif(os.name != "posix", reason="the limit is POSIX's")
def test_a_full_disk_leaves_nothing(tmp_path):
    script = (
        "import pathlib, resource, signal, sys; from portrait_studio.portrait import disk\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, -1))\n"
        "try: disk.write(pathlib.Path(sys.argv[1]), bytes(5000))\n"
        "except OSError: print('refused')\n"
    )
    answer = subprocess.run([sys.executable, "-c", script, tmp_path / "a"], capture_output=True, text=True, check=True)
    assert answer.stdout == "refused\n"
    assert names(tmp_path) == []


@pytest.mark.skipif(os.name != "posix", reason="the mask is POSIX's")
def test_a_file_has_the_rights_that_any_new_file_has(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    disk.write(tmp_path / "ours", b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_hash_is_that_of_all_the_bytes(tmp_path):
    data = os.urandom((1 << 22) + 3)
    (tmp_path / "a").write_bytes(data)
    assert disk.sha256(tmp_path / "a") == hashlib.sha256(data).hexdigest()


def test_toml_that_is_none_is_a_value_error(tmp_path):
    (tmp_path / "a.toml").write_text("a = ")
    with pytest.raises(ValueError, match="Invalid value"):
        disk.read_toml(tmp_path / "a.toml")

"""Models in a host's folders: where they are looked for, and what is known of their hashes."""

from __future__ import annotations

import hashlib
import json
import os
import urllib.request

import pytest

from portrait_studio.runner.assets import hashes
from portrait_studio.runner.assets import models as known
from portrait_studio.runner.assets.folders import read_folders
from portrait_studio.runner.assets.models import state_of, target_of
from portrait_studio.runner.assets.requirements import RequiredModel

from ..assets.fetching import SHA


@pytest.mark.host
def test_the_folders_are_those_that_the_host_itself_names(host, comfyui):
    """The real host and our reading of the same files agree, folder by folder and in order."""
    with urllib.request.urlopen(f"{host.url}/internal/folder_paths") as answer:
        told = json.load(answer)
    read = read_folders(comfyui.resolve(), [host.work / "nodes.json", host.work / "model_paths.json"])
    outputs = str(host.output)  # what nodes save goes there, and is searched last
    packs = [name for name in told if name.startswith(("ultralytics", "portrait_studio", "sams"))]
    for name, paths in told.items():
        if name not in packs:
            want = [path for path in paths if not path.startswith(outputs)]
            assert [str(path) for path in read.of(name)] == want, name
    assert len(told) > 15


def test_a_file_is_read_once_for_its_hash_and_again_when_it_changes(tmp_path, monkeypatch):
    file = tmp_path / "a.safetensors"
    file.write_bytes(b"one")
    read = []
    plain = hashes.sha256
    monkeypatch.setattr(hashes, "sha256", lambda source: read.append(1) or plain(source))
    assert hashes.known_hash(file) == ""
    for _ in range(3):
        assert hashes.hash_of(file) == hashlib.sha256(b"one").hexdigest()
    assert len(read) == 1
    stat = file.stat()
    file.write_bytes(b"ten")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1000))
    assert hashes.hash_of(file) == hashlib.sha256(b"ten").hexdigest()
    file.write_bytes(b"two!")
    assert hashes.known_hash(file) == ""
    assert hashes.hash_of(file) == hashlib.sha256(b"two!").hexdigest()
    (tmp_path / hashes.MEMORY).write_text("[spoilt")
    assert hashes.hash_of(file) == hashlib.sha256(b"two!").hexdigest()


def test_a_large_file_is_not_read_unless_asked_for(installation, monkeypatch):
    monkeypatch.setattr(known, "HASH_AT_ONCE", 3)
    file = installation / "models" / "vae" / "a.safetensors"
    file.parent.mkdir()
    file.write_bytes(b"large")
    folders = read_folders(installation)
    model = RequiredModel("vae", "a.safetensors", sha256=SHA)
    assert (state_of(model, folders).state, state_of(model, folders).checked) == ("present", False)
    assert state_of(model, folders, read=True).state == "different"
    # What was read once is known from then on.
    assert (state_of(model, folders).state, state_of(model, folders).checked) == ("different", True)


def test_a_size_that_differs_needs_no_reading(installation):
    file = installation / "models" / "upscale_models" / "x4.safetensors"
    file.write_bytes(b"small")
    state = state_of(RequiredModel("upscale_models", "x4.safetensors", sha256=SHA, size=9), read_folders(installation))
    assert state.state == "different"
    assert not (file.parent / hashes.MEMORY).exists()


def test_a_copy_that_hides_another_is_known(installation, tmp_path):
    store = tmp_path / "store" / "upscale_models"
    store.mkdir(parents=True)
    for folder in (store, installation / "models" / "upscale_models"):
        (folder / "x4.safetensors").write_bytes(b"x")
    folders = read_folders(installation, beside=tmp_path / "store")
    state = state_of(RequiredModel("upscale_models", "x4.safetensors"), folders)
    assert state.file == installation / "models" / "upscale_models" / "x4.safetensors"
    assert state.hidden == (store / "x4.safetensors",)
    assert target_of(state.model, folders).parent == installation / "models" / "upscale_models"

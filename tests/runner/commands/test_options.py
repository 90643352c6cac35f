"""Options that mean the same in every command."""

from __future__ import annotations

import pytest
from PIL import Image

from portrait_studio.portrait.photos import PhotoError
from portrait_studio.runner.commands.options import all_photos


def test_photos_that_are_named_come_before_those_of_folders_and_none_twice(tmp_path):
    folder = tmp_path / "안나 2025"
    folder.mkdir()
    for name in ("photo10.png", "photo2.png", ".hidden.png", "notes.txt"):
        Image.new("RGB", (8, 8)).save(folder / name, "PNG")
    named = tmp_path / "front.png"
    found = all_photos([named, folder / "photo10.png"], [folder])
    assert found == [named, folder / "photo10.png", folder / "photo2.png"]
    assert all_photos(None, None) == []


def test_a_folder_without_photos_is_a_sentence(tmp_path):
    with pytest.raises(PhotoError, match="no photos"):
        all_photos(None, [tmp_path])
    with pytest.raises(PhotoError, match="no folder"):
        all_photos(None, [tmp_path / "gone"])

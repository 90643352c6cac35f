"""Folders of photos: what is listed, in which order, and that no name leads outside."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from portrait_studio.portrait import photos
from portrait_studio.portrait.photos import PhotoError


def test_a_folder_is_listed_in_natural_order_without_strangers(tmp_path):
    folder = tmp_path / "my set"
    folder.mkdir()
    for name in ("photo10.jpg", "photo2.JPG", "Photo1.png", "notes.txt", ".hidden.jpg", "가을 사진 3.webp", "🙂.jpg"):
        (folder / name).write_bytes(b"x")
    (folder / "sub.jpg").mkdir()
    names = [path.name for path in photos.list_folder(tmp_path, "my set")]
    assert names == ["Photo1.png", "photo2.JPG", "photo10.jpg", "가을 사진 3.webp", "🙂.jpg"]


def test_an_empty_and_a_missing_folder_are_named(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(PhotoError, match=r"'empty' in .* holds no photos"):
        photos.list_folder(tmp_path, "empty")
    with pytest.raises(PhotoError, match="no folder 'none'"):
        photos.list_folder(tmp_path, "none")


@pytest.mark.parametrize(
    "name",
    [
        "..",
        "../x",
        "a/../../x",
        "a\\..\\..\\x",
        "/etc",
        "C:\\Windows",
        "C:x",
        "\\\\server\\share",
        "\\x",
        "a\0b",
        " ../x",
    ],
)
def test_a_name_that_leads_outside_is_refused(tmp_path, name):
    with pytest.raises(PhotoError, match="leads outside"):
        photos.inside(tmp_path / "input", name)


@pytest.mark.parametrize("name", ["", "my photos", "가족 사진", "🙂 party", "a/b", "dots..inside", "..."])
def test_a_name_of_any_script_stays_inside(tmp_path, name):
    assert photos.inside(tmp_path, name) == tmp_path / name


def test_a_link_that_leads_outside_is_refused(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "input").mkdir()
    try:
        (tmp_path / "input" / "link").symlink_to(tmp_path / "outside")
    except OSError:
        pytest.skip("links need a privilege on this system")
    with pytest.raises(PhotoError, match="is a link that leads outside"):
        photos.inside(tmp_path / "input", "link")


@given(st.lists(st.text(max_size=12), max_size=8))
def test_names_of_any_script_have_a_natural_order(names):
    keys = sorted(names, key=photos.natural_key)
    assert sorted(keys, key=photos.natural_key) == keys


def test_a_folder_reads_no_more_through_links_than_names_do(tmp_path):
    root = tmp_path / "input"
    (root / "Anna").mkdir(parents=True)
    for path in (tmp_path / "secret.jpg", root / "shared.jpg"):
        Image.new("RGB", (40, 24)).save(path)
    (root / "Anna" / "1.jpg").symlink_to(root / "shared.jpg")
    assert [path.name for path in photos.list_folder(root, "Anna")] == ["1.jpg"]
    (root / "Anna" / "2.jpg").symlink_to(tmp_path / "secret.jpg")
    for act in (lambda: photos.list_folder(root, "Anna"), lambda: photos.inside(root, "Anna/2.jpg")):
        with pytest.raises(PhotoError, match=r"'Anna/2.jpg' is a link that leads outside input/; copy the photos"):
            act()


@pytest.mark.parametrize("name", ["x" * 5000, "a/" * 5000, "\ud800", "사" * 100])
def test_a_folder_name_that_no_disk_takes_is_one_short_sentence(tmp_path, name):
    root = tmp_path / "input"
    root.mkdir()
    for act in (lambda: photos.list_folder(root, name), lambda: photos.read(photos.inside(root, name))):
        with pytest.raises(PhotoError) as told:
            act()
        assert len(str(told.value)) < 400
        str(told.value).encode()

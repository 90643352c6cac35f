"""`portrait-studio provenance`: pictures asked, and copies made to hand out."""

from __future__ import annotations

import json

import pytest
from PIL import Image, PngImagePlugin

from ...portrait.provenance.certificates import make_certificate
from ..command import invoke, one_sentence


@pytest.fixture
def picture(tmp_path):
    """A picture with a graph in it, as a host writes one."""
    file, texts = tmp_path / "portrait.png", PngImagePlugin.PngInfo()
    texts.add_text("workflow", "of a person called Anna")
    Image.new("RGB", (300, 200), "navy").save(file, pnginfo=texts)
    return file


def told(file):
    return json.loads(invoke("provenance", "show", file, "--json").stdout)


def test_a_copy_is_marked_and_bare_and_the_picture_itself_is_as_it_was(picture, tmp_path):
    before = picture.read_bytes()
    done = invoke("provenance", "mark", picture, "--out", tmp_path / "out")
    assert done.exit_code == 0
    assert "no signature" in done.stderr
    assert picture.read_bytes() == before
    said = told(tmp_path / "out" / "portrait.png")
    assert said["by_a_model"]
    assert said["private"] == []
    assert (told(picture)["by_a_model"], told(picture)["private"]) == (False, ["workflow"])


def test_a_signed_copy_is_valid_and_says_by_whom(picture, tmp_path):
    certificate = make_certificate(tmp_path)
    options = ("--certificate", certificate.chain, "--key", certificate.key, "--label", "--out", tmp_path / "out")
    done = invoke("provenance", "mark", picture, "--json", *options)
    file = json.loads(done.stdout)["file"]
    assert told(file)["signature"]["state"] == "Valid"
    assert "valid, by Test Studio" in invoke("provenance", "show", file).stdout


def test_a_second_copy_takes_another_name(picture, tmp_path):
    for _ in range(2):
        invoke("provenance", "mark", picture, "--out", tmp_path / "out")
    assert len(list((tmp_path / "out").iterdir())) == 2


@pytest.mark.parametrize("what", ["missing", "folder", "text", "half a certificate"])
def test_what_cannot_be_marked_is_one_sentence_and_nothing_is_written(what, picture, tmp_path):
    (tmp_path / "a.png").write_text("no picture")
    file = {"missing": tmp_path / "none.png", "folder": tmp_path, "text": tmp_path / "a.png"}.get(what, picture)
    more = ("--certificate", file) if what == "half a certificate" else ()
    done = invoke("provenance", "mark", file, "--out", tmp_path / "out", *more)
    assert done.exit_code == 1
    assert one_sentence(done.stderr)
    assert not list((tmp_path / "out").glob("*"))

"""Where a picture comes from, said in it: read back by others' libraries, and never at the cost of a pixel."""

from __future__ import annotations

import io
import json
import sys

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from portrait_studio.portrait.provenance import (
    SOURCES,
    Marking,
    ProvenanceError,
    labelled,
    languages,
    mark,
    mark_file,
    public_facts,
    show,
    without_private_parts,
)

from .certificates import make_certificate

GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
PRIVATE = "mina kim, born in Busan"
RECORD = {
    "graph": {"name": "portrait-starter", "version": "1.2.0", "sha256": "ab" * 32},
    "parameters": {"prompt": PRIVATE, "subject": PRIVATE},
    "models": [{"file": "mina-kim.safetensors"}],
    "seeds": {"3.seed": 1234567},
    "host": {"version": "0.3.75", "device": "a card"},
    "started": "2026-11-29T10:00:00+00:00",
    "partial": False,
}


def picture(kind: str, size=(120, 90), **more) -> bytes:
    """A picture as ComfyUI saves it: noise, with a graph and EXIF in it."""
    frame = Image.fromarray(np.random.default_rng(7).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8))
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = PRIVATE
    if kind == "png":
        texts = PngImagePlugin.PngInfo()
        texts.add_text("prompt", json.dumps({"1": {"text": PRIVATE}}))
        texts.add_text("workflow", PRIVATE, zip=True)
        frame.save(out, "PNG", pnginfo=texts, exif=exif, **more)
    else:
        frame.save(out, "JPEG", exif=exif, comment=PRIVATE, **more)
    return out.getvalue()


def pixels(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as opened:
        return np.asarray(opened.convert("RGB"))


def shown(tmp_path, data: bytes):
    file = tmp_path / "picture"
    file.write_bytes(data)
    return show(file)


KINDS = pytest.mark.parametrize("kind", ["png", "jpeg"])


@KINDS
def test_a_marked_picture_says_that_a_model_made_it_and_keeps_every_pixel(kind, tmp_path):
    before = picture(kind)
    after = mark(before, "a.png", RECORD)
    assert np.array_equal(pixels(after), pixels(before))
    said = shown(tmp_path, after)
    assert said.source == GENERATED
    assert said.by_a_model
    assert said.facts == {
        "graph": "portrait-starter",
        "graphVersion": "1.2.0",
        "hostVersion": "0.3.75",
        "partial": "no",
    }
    assert not shown(tmp_path, before).by_a_model


@KINDS
def test_pillow_finds_the_packet_where_the_standard_puts_it(kind):
    with Image.open(io.BytesIO(mark(picture(kind), "a.png"))) as opened:
        packet = opened.info["XML:com.adobe.xmp"] if kind == "png" else opened.info["xmp"].decode()
    assert f'Iptc4xmpExt:DigitalSourceType="{GENERATED}"' in packet


@KINDS
def test_marking_twice_leaves_one_packet_and_equal_bytes(kind):
    once = mark(picture(kind), "a.png", RECORD)
    assert mark(once, "a.png", RECORD) == once
    assert mark(once, "a.png", RECORD, Marking("composite")).count(b"DigitalSourceType") == 1


@KINDS
def test_handed_out_a_picture_carries_nothing_but_pixels_and_provenance(kind, tmp_path):
    whole = picture(kind)
    assert shown(tmp_path, whole).private
    out = mark(without_private_parts(whole, "a.png"), "a.png", RECORD)
    assert shown(tmp_path, out).private == []
    assert np.array_equal(pixels(out), pixels(whole))
    for word in (b"mina", b"Busan", b"1234567", b"2026-11"):
        assert word not in out


def test_of_a_record_only_the_named_fields_leave():
    told = json.dumps(public_facts(RECORD))
    assert "mina" not in told
    assert public_facts({"graph": "no table", "host": {"version": ["a list"]}}) == {}


@KINDS
def test_colours_survive_handing_out(kind):
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    with Image.open(io.BytesIO(without_private_parts(picture(kind, icc_profile=profile), "a"))) as opened:
        assert opened.info["icc_profile"] == profile


@KINDS
def test_a_signed_picture_is_valid_until_one_byte_is_changed(kind, tmp_path):
    marking = Marking(certificate=make_certificate(tmp_path))
    signed = mark(picture(kind), "a.png", RECORD, marking)
    said = shown(tmp_path, signed)
    assert said.signature["state"] == "Valid"
    assert (said.signature["signer"], said.signature["source"]) == ("Test Studio", GENERATED)
    assert said.source == GENERATED
    at = signed.rindex(b"IDAT") + 40 if kind == "png" else len(signed) - 40
    spoilt = signed[:at] + bytes([signed[at] ^ 1]) + signed[at + 1 :]
    assert shown(tmp_path, spoilt).signature["state"] == "Invalid"


@KINDS
def test_a_mark_written_after_signing_takes_the_broken_signature_out(kind, tmp_path):
    signed = mark(picture(kind), "a.png", None, Marking(certificate=make_certificate(tmp_path)))
    assert shown(tmp_path, mark(signed, "a.png")).signature == {}


@KINDS
def test_the_label_is_drawn_in_the_corner_and_nowhere_else(kind):
    before = picture(kind, size=(640, 480), **({"quality": 100, "subsampling": 0} if kind == "jpeg" else {}))
    changed = np.abs(pixels(labelled(before, "a")).astype(int) - pixels(before)).max(axis=2) > 60
    rows, columns = np.nonzero(changed)
    assert changed.sum() > 300
    assert rows.min() > 400
    assert columns.min() > 200


def test_the_label_fits_a_picture_narrower_than_its_words():
    assert pixels(labelled(picture("png", size=(40, 60)), "a")).shape == (60, 40, 3)


def test_the_label_is_never_drawn_in_letters_that_the_system_lacks():
    assert "en" in languages()


def test_without_a_certificate_there_is_one_warning_that_says_what_to_do(tmp_path):
    assert "no signature" in Marking().warning
    assert Marking(certificate=make_certificate(tmp_path)).warning == ""


@pytest.mark.parametrize("which", ["chain", "key"])
def test_a_certificate_that_is_no_certificate_is_one_sentence(which, tmp_path):
    certificate = make_certificate(tmp_path)
    getattr(certificate, which).write_text("not PEM")
    with pytest.raises(ProvenanceError, match=r"cannot be signed .*certificate 'chain.pem'"):
        mark(picture("png"), "a.png", None, Marking(certificate=certificate))
    getattr(certificate, which).unlink()
    with pytest.raises(ProvenanceError, match="cannot be read"):
        mark(picture("png"), "a.png", None, Marking(certificate=certificate))


def test_without_the_library_signing_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "c2pa", None)
    with pytest.raises(ProvenanceError, match=r"install portrait-studio\[provenance\]"):
        mark(picture("png"), "a.png", None, Marking(certificate=make_certificate(tmp_path)))


@KINDS
@pytest.mark.parametrize("part", [0.02, 0.3, 0.9])
def test_a_picture_that_is_cut_short_is_refused_or_keeps_what_it_has(kind, part):
    whole = picture(kind)
    cut = whole[: max(4, int(len(whole) * part))]
    if kind == "jpeg" and part > 0.02:  # its scan has no length, so only a decoder can tell
        assert mark(cut, "a.jpg").endswith(cut[-50:])
        return
    with pytest.raises(ProvenanceError, match="damaged or cut short"):
        mark(cut, "a.png")


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"%PDF-1.7 a picture by its name"])
def test_what_is_neither_png_nor_jpeg_is_said_to_be_so(data, tmp_path):
    with pytest.raises(ProvenanceError, match="neither PNG nor JPEG"):
        mark(data, "a.jpg")
    (tmp_path / "a.jpg").write_bytes(data)
    assert mark_file(tmp_path / "a.jpg") is False
    assert (tmp_path / "a.jpg").read_bytes() == data


def test_a_packet_that_would_expand_is_not_read(tmp_path):
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaa">]><x:xmpmeta xmlns:x="adobe:ns:meta/">&a;</x:xmpmeta>'
    from portrait_studio.portrait.provenance.containers import with_xmp

    assert shown(tmp_path, with_xmp(picture("png"), bomb, "a")).facts == {}
    assert shown(tmp_path, with_xmp(picture("png"), b"\xff\xfe not xml <", "a")).source == ""


def test_a_name_out_of_a_record_stays_a_name(tmp_path):
    nasty = {"graph": {"name": '"/><evil xmlns="x"\x00\ud800>', "version": "&amp;"}}
    assert shown(tmp_path, mark(picture("png"), "a", nasty)).facts["graphVersion"] == "&amp;"


def test_an_unknown_source_is_refused():
    assert set(SOURCES) == {"generated", "composite"}
    with pytest.raises(ProvenanceError, match="use one of generated, composite"):
        Marking("painted")


def test_a_file_that_is_signed_already_is_left_alone(tmp_path):
    signed = mark(picture("png"), "a", None, Marking(certificate=make_certificate(tmp_path)))
    file = tmp_path / "a.png"
    file.write_bytes(signed)
    assert mark_file(file)
    assert file.read_bytes() == signed

"""Hostile files for whatever reads files from outside: what is tried, and what counts as held.

A try holds when it is answered, or refused in one sentence by one of the studio's own errors. Everything is made from a
fixed seed, so that a try that fails can be made again by its number.
"""

from __future__ import annotations

import io
import json
import os
import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from safetensors.numpy import save, save_file

from portrait_studio.portrait import decoding, photos, poses, subject_store, subjects, tones
from portrait_studio.portrait.errors import PortraitError
from portrait_studio.runner.graph import located, parameters, read, stages

LONGEST_SENTENCE = 1200  # characters


@dataclass(frozen=True)
class Try:
    """One hostile thing and the call that meets it."""

    kind: str
    name: str
    call: Callable[[], object]

    def fault(self) -> str:
        """Make the call; empty when it held, else what came instead."""
        try:
            self.call()
        except PortraitError as error:
            text = str(error)
            text.encode()
            one = text.strip() and "\n" not in text and "Traceback" not in text and len(text) <= LONGEST_SENTENCE
            return "" if one else f"not one sentence: {text[:200]!r}"
        except Exception as error:
            return f"{type(error).__name__}: {error}"[:200]
        return ""


def every(folder: Path) -> Iterator[Try]:
    """Yield every try; the files are made below `folder` as they are asked for."""
    yield from of_subjects(folder / "subjects")
    yield from of_photos(folder / "photos")
    yield from of_graphs(folder / "graphs")
    yield from of_presets(folder / "presets")
    yield from of_the_largest(folder / "largest")


# --- subjects, cards and safetensors

HALVES = {"x.lora_up.weight": np.ones((4, 2), np.float32), "x.lora_down.weight": np.ones((2, 4), np.float32)}
CARD = {
    "name": "Anna",
    "trigger": "anb3ll",
    "class_word": "woman",
    "backend": "sface",
    "lora": "lora.safetensors",
    "references": "references.safetensors",
    "base": {"checkpoint": "pocket.safetensors"},
    "chosen": {"likeness": 0.8},
    "trained": "2026-01-02T03:04:05",
}
ODD = (None, True, -1, 10**29, 1e308, "", "x" * 100_000, [], {}, [[]], {"a": {}}, "\u202e\x1b[2J", "../../etc", "/")
ODD_JSON = ("NaN", "9" * 401, "-" + "9" * 5000, "1e999", '"\\ud800"', "[" * 5000 + "]" * 5000, "{" * 50_000, "\0", "*")
CALLS: dict[str, Callable[[Path], object]] = {
    "list": subject_store.survey,
    "load": lambda root: subjects.load("Anna", root),
    "show": lambda root: json.dumps(subject_store.facts("Anna", root)).encode(),
    "export": lambda root: subject_store.export("Anna", root, root.parent / "out"),
    "delete": lambda root: subject_store.delete("Anna", root),
}


def sound(root: Path) -> Path:
    """A store with one sound subject; return its folder."""
    folder = root / "Anna"
    folder.mkdir(parents=True)
    save_file(HALVES, folder / "lora.safetensors")
    save_file({"references": np.ones((2, 128), np.float32)}, folder / "references.safetensors")
    (folder / "card.json").write_text(json.dumps(CARD), "utf-8")
    return folder


def of_subjects(place: Path) -> Iterator[Try]:
    """Yield tries of cards, LoRAs, references, names and odd files against each call of the store."""
    number = 0

    def store() -> tuple[Path, Path]:
        nonlocal number
        number += 1
        root = place / str(number) / "store"
        return root, sound(root)

    def each(name: str, root: Path, *calls: str) -> Iterator[Try]:
        for call in calls or ("list", "load", "show", "export"):
            yield Try("subject files", f"{name}, {call}", lambda call=call: CALLS[call](root))

    for key in CARD:
        for odd in ODD:
            root, folder = store()
            (folder / "card.json").write_text(json.dumps(CARD | {key: odd}), "utf-8")
            yield from each(f"card: {key} is {str(odd)[:20]!r}", root)
    for text in ODD_JSON:
        root, folder = store()
        (folder / "card.json").write_text('{"trigger": "a", "chosen": {"likeness": ' + text + "}}", "utf-8")
        yield from each(f"card: a value is {text[:20]}", root, *CALLS)
    for name, raw in damaged(save(HALVES)):
        for file in ("lora.safetensors", "references.safetensors"):
            root, folder = store()
            (folder / file).write_bytes(raw)
            yield from each(f"{file}: {name}", root)
    for file in ("card.json", "lora.safetensors", "references.safetensors", "more"):
        for odd in ("pipe", "dangling", "device", "folder", "loop", "giant"):
            root, folder = store()
            (folder / file).unlink(missing_ok=True)
            strange(folder / file, odd)
            yield from each(f"{file}: {odd}", root, *CALLS)
    for name in (
        "",
        ".",
        "..",
        "/",
        "a/b",
        "x" * 5000,
        "\x00",
        "\ud800",
        "???",
        "none",
        "CON",
        "\u202e",
        "~",
        "-rf",
        "*",
    ):
        root, _ = store()
        acts = (subjects.load, subject_store.facts, subject_store.delete, subject_store.restore, save_named)
        for act in acts:
            said = f"name {name[:20]!r}, {act.__name__}"
            yield Try("subject files", said, lambda act=act, name=name, root=root: act(name, root))


def save_named(name: str, root: Path) -> object:
    """Save an empty subject under a name."""
    return subjects.save(subjects.Subject(name), root)


def strange(path: Path, kind: str) -> None:
    """Put something that is no ordinary file in a place."""
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "giant":
        with path.open("wb") as file:
            file.truncate(300_000_000_000)
    else:
        path.symlink_to({"dangling": "nowhere", "device": "/dev/zero", "loop": path.name}[kind])


def damaged(whole: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield a safetensors file damaged in every way that its header can lie, and at random."""
    length = struct.unpack("<Q", whole[:8])[0]
    body = whole[8 + length :]
    header = json.loads(whole[8 : 8 + length])

    def packed(changed: object, tail: bytes = body) -> bytes:
        text = changed if isinstance(changed, bytes) else json.dumps(changed).encode()
        return struct.pack("<Q", len(text)) + text + tail

    yield "empty", b""
    yield "seven bytes", whole[:7]
    yield "cut", whole[:-1]
    yield "longer", whole + b"x"
    yield "length of 2^63", struct.pack("<Q", 2**63) + whole[8:]
    yield "pickle", b"\x80\x04K\x01."
    for text in (b"[[[[", b"[]", b"{}", b"null", b'{"a": NaN}', b'{"a":' * 3000, b"\xff\xfe{}", b'{"__metadata__": 3}'):
        yield f"header {text[:12]!r}", packed(text)
    first = next(iter(header))
    for key, values in {
        "dtype": ("F33", 3, None, "", "I64"),
        "shape": ([-1, -8], [2**62, 4], [[8]], None, "8", [1e400], [True, 8], [8] * 40, [0, 4]),
        "data_offsets": ([0], [32, 0], [-32, 0], [0, 2**63], None, [0.0, 32.0], [16, 48], [0, 32, 64]),
    }.items():
        for value in values:
            yield f"{key} {str(value)[:20]}", packed({**header, first: {**header[first], key: value}})
    yield "metadata of numbers", packed({**header, "__metadata__": {"a": 3}})
    for name in ("\x1b[2J", "x" * 10_000, "../up", ""):
        yield f"a tensor named {name[:8]!r}", packed({**header, name: header[first]})
    chance = random.Random(7)
    for number in range(12):
        flipped = bytearray(whole)
        for _ in range(3):
            flipped[chance.randrange(len(flipped))] ^= 1 << chance.randrange(8)
        yield f"flipped bits {number}", bytes(flipped)


# --- photos


def of_photos(place: Path) -> Iterator[Try]:
    """Yield tries of damaged, lying and enormous pictures against each way of reading one, and of names of folders."""
    place.mkdir(parents=True)
    reads = {
        "whole": decoding.read_whole,
        "reduced": lambda path: decoding.read_reduced(path, 50_000),
        "check": decoding.check,
    }
    for name, raw in pictures():
        path = place / name
        path.write_bytes(raw)
        for way, call in reads.items():
            yield Try("photo files", f"{name}, {way}", lambda call=call, path=path: call(path))
    for odd in ("pipe", "dangling", "device", "folder", "loop", "giant"):
        path = place / f"{odd}.jpg"
        strange(path, odd)
        for way, call in reads.items():
            yield Try("photo files", f"{odd}, {way}", lambda call=call, path=path: call(path))
    for name in (
        "x" * 5000,
        "..",
        "/",
        "a\x00",
        "\ud800",
        "loop.jpg",
        "dangling.jpg",
        "device.jpg",
        "~",
        "C:\\x",
        " ",
        "*",
    ):
        yield Try("photo files", f"folder {name[:12]!r}", lambda name=name: photos.list_folder(place, name))
        yield Try("photo files", f"file {name[:12]!r}", lambda name=name: photos.read(photos.inside(place, name)))


def of_the_largest(place: Path) -> Iterator[Try]:
    """Yield photos just within the limits, which are not hostile but set the peak of memory."""
    place.mkdir(parents=True)
    for mode in ("1", "P", "LA", "RGB", "RGBA", "I;16"):
        file = place / f"largest {mode.replace(';', ' ')}.png"
        Image.new(mode, (19_000, 6_000)).save(file, compress_level=1)
        ways = (decoding.check, decoding.read_whole, lambda photo: decoding.read_reduced(photo, 2_000_000))
        for name, call in zip(("check", "whole", "reduced"), ways, strict=True):
            yield Try("largest photo allowed", f"{mode}, {name}", lambda call=call, file=file: call(file))


def pictures() -> Iterator[tuple[str, bytes]]:
    """Yield (name, bytes) of hostile pictures."""
    pixels = np.random.default_rng(5).integers(0, 255, (90, 120, 3), np.uint8)
    chance = random.Random(5)
    for kind in ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF"):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, kind)
        whole = buffer.getvalue()
        for part in (0, 3, 12, len(whole) // 3, len(whole) - 9):
            yield f"cut at {part}.{kind.lower()}", whole[:part]
        for number in range(6):
            flipped = bytearray(whole)
            for _ in range(1 + number):
                flipped[chance.randrange(min(len(flipped), 400))] ^= 1 << chance.randrange(8)
            yield f"flipped {number}.{kind.lower()}", bytes(flipped)
    yield "postscript.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n{} loop\n"
    yield "text.png", b"<svg><script/></svg>" * 50
    png = io.BytesIO()
    Image.new("1", (8, 8)).save(png, "PNG")
    for width, height in ((2**31 - 1, 2**31 - 1), (30_000, 1), (0, 0), (1, 30_000)):
        header = struct.pack(">II5B", width, height, 8, 2, 0, 0, 0)
        yield f"says {width} x {height}.png", png.getvalue()[:16] + header + png.getvalue()[29:]


# --- graphs and presets

GRAPH = located(Path("portrait-starter"))
VALUES = (None, True, -1, 10**29, "", "x" * 5000, [], {}, [[]], "\x1b", 0.5)


def of_graphs(place: Path) -> Iterator[Try]:
    """Yield a shipped graph with one value replaced, and files that are no graph."""
    place.mkdir(parents=True)
    chance = random.Random(11)
    text = GRAPH.read_text("utf-8")

    def all_of(path: Path) -> None:
        graph = read(path)
        parameters(graph)
        stages(graph)

    for number in range(200):
        data = json.loads(text)
        spot, key = _somewhere(data, chance)
        spot[key] = value = chance.choice(VALUES)
        path = place / f"{number}.json"
        path.write_text(json.dumps(data), "utf-8")
        yield Try("graph files", f"{number}: {key!r} is {str(value)[:20]!r}", lambda path=path: all_of(path))
    for odd in ("pipe", "dangling", "device", "folder", "loop", "giant"):
        strange(place / odd, odd)
        yield Try("graph files", odd, lambda odd=odd: all_of(place / odd))
    (place / "bomb.json").write_text(json.dumps(bomb(12, 10)), "utf-8")
    yield Try("graph files", "12 levels of 10 subgraphs", lambda: all_of(place / "bomb.json"))
    for number, value in enumerate(ODD_JSON):
        path = place / f"odd {number}.json"
        path.write_text('{"nodes": [], "links": [], "version": 0.4, "extra": ' + value + "}", "utf-8")
        yield Try("graph files", f"extra is {value[:20]}", lambda path=path: all_of(path))


def bomb(levels: int, copies: int) -> dict:
    """A graph in which each subgraph holds `copies` of the next one."""

    def nodes(kind: str, count: int) -> list[dict]:
        return [{"id": number + 1, "type": kind, "inputs": [], "outputs": []} for number in range(count)]

    definitions = [
        {"id": f"s{level}", "name": f"s{level}", "nodes": nodes(f"s{level + 1}", copies), "links": []}
        for level in range(levels)
    ]
    return {"nodes": nodes("s0", 1), "links": [], "version": 0.4, "definitions": {"subgraphs": definitions}}


def _somewhere(data: dict | list, chance: random.Random) -> tuple[Any, Any]:
    while True:
        key = chance.choice(list(data) if isinstance(data, dict) else range(len(data)))
        inner = data[key]
        if not isinstance(inner, dict | list) or not inner or chance.random() < 0.15:
            return data, key
        data = inner


def of_presets(place: Path) -> Iterator[Try]:
    """Yield pose and tone presets, LUTs and pasted poses that are damaged."""
    place.mkdir(parents=True)
    pose = json.loads((poses.FOLDER / "head-front.json").read_text("utf-8"))
    chance = random.Random(13)
    for number in range(60):
        data = json.loads(json.dumps(pose))
        spot, key = _somewhere(data, chance)
        spot[key] = chance.choice(VALUES)
        (place / f"pose{number}.json").write_text(json.dumps(data), "utf-8")
        yield Try("preset files", f"pose {number}", lambda number=number: poses.load(f"pose{number}", [place]))
        yield Try("preset files", f"pasted pose {number}", lambda data=data: poses.read(json.dumps(data), (64, 64)))
    lines = ["denoise = 1e999", "cfg = nan", "words = 3", "lut = 5", "lut = '/etc/passwd'", "lut = '../a.cube'"]
    lines += [
        "[lut]\nexposure = 9e99",
        "title = []",
        "a = " + "[" * 5000,
        "skin_limit = -1",
        "\0",
        "cfg = " + "9" * 5000,
    ]
    lines += [f"lut = '{name}.cube'" for name in ("x" * 5000, "dangling", "pipe", "device", "giant", "bad")]
    for odd in ("pipe", "dangling", "device", "giant"):
        strange(place / f"{odd}.cube", odd)
    (place / "bad.cube").write_text("LUT_3D_SIZE 99999999999999999999\n0 0 0\n", "utf-8")
    for number, text in enumerate(lines):
        (place / f"tone{number}.toml").write_text(text, "utf-8")
        yield Try("preset files", f"tone {text[:20]!r}", lambda number=number: tones.load(f"tone{number}", [place]))

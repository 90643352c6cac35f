"""What a shipped graph teaches: its words in two languages, its stages in order, its models by their true hashes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from .offers import levels
from .shelf import ALL, ROOT, declared, named

NOTES = ("MarkdownNote", "Note")
each_graph = pytest.mark.parametrize("path", ALL, ids=named)


def graph(path: Path) -> dict:
    return json.loads(path.read_text("utf-8"))


def notes(path: Path) -> list[str]:
    return [
        node["widgets_values"][0] for level in levels(graph(path)) for node in level["nodes"] if node["type"] in NOTES
    ]


def korean(text: str) -> bool:
    return sum("가" <= letter <= "힣" for letter in text) > len(text) / 8


def translations(path: Path) -> Iterator[dict[str, str]]:
    about = declared(path)
    yield about["title"]
    yield from (parameter["help"] for parameter in about["parameters"].values())
    yield from (stage["title"] for stage in about.get("stages", ()) if "title" in stage)


@each_graph
def test_its_title_stages_and_parameters_speak_english_and_korean(path):
    words = list(translations(path))
    assert all(one["en"] and one["ko"] and not korean(one["en"]) for one in words)
    assert korean(words[0]["ko"])
    names_alone = [one for one in words if not any("가" <= letter <= "힣" for letter in one["ko"])]
    assert len(names_alone) <= len(words) / 8, names_alone


@each_graph
def test_its_notes_say_something_in_both_languages(path):
    written = notes(path)
    assert written
    for text in written:
        english, line, other = text.partition("\n\n---\n\n")
        assert line, text
        assert len(english) > 20, text
        assert not korean(english), text
        assert korean(other), text


@each_graph
def test_it_says_on_top_where_to_begin(path):
    assert [node for node in graph(path)["nodes"] if node["type"] in NOTES]


@each_graph
def test_the_pocket_models_it_asks_for_have_the_hashes_of_those_that_are_shipped(path):
    pinned = json.loads((ROOT / "pocket" / "weights" / "pins.json").read_text("utf-8"))["files"]
    known = {Path(name).name: digest for name, digest in pinned.items()}
    for model in declared(path)["requires"]["models"]:
        if model["file"].startswith("pocket"):
            assert model["sha256"] == known[model["file"]], model["file"]

"""What is known of a graph file before a job is built from it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from portrait_studio.runner.graph import located
from portrait_studio.runner.jobs import build

ROOT = Path(__file__).parents[3]
LOADER = {"3": {"class_type": "PortraitLoadPhotos", "inputs": {"folder": "", "files": ""}}}
PICTURE = {"4": {"class_type": "LoadImage", "inputs": {"image": "a.png"}}}
TWO = LOADER | {"5": LOADER["3"]}


@pytest.mark.parametrize(("name", "takes"), [("portrait-starter", True), ("portrait-studio", True), ("couple", False)])
def test_a_shipped_graph_takes_the_photos_of_one_person_or_none(name, takes):
    assert build.takes_photos(located(Path(name))) is takes


@pytest.mark.parametrize(
    ("prompt", "takes"), [(LOADER, True), (LOADER | PICTURE, True), (PICTURE, False), (TWO, False)]
)
def test_an_api_graph_takes_photos_where_it_loads_photos(tmp_path, prompt, takes):
    file = tmp_path / "api.json"
    file.write_text(json.dumps(prompt), "utf-8")
    assert build.takes_photos(file) is takes

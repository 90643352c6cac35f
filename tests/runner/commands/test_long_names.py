"""A name that no file can have, wherever a command takes one: one sentence and an exit code of the documents."""

from __future__ import annotations

import json

import pytest

from portrait_studio.runner.client import EXIT_CODES
from tests.hostile.scripted import PROMPT, ScriptedHost

from ..command import invoke, one_sentence

LONG = "x" * 5000
LONGEST = 600  # letters of the sentence
GIVEN = {
    "run": ("run", LONG),
    "run --out": ("run", "GRAPH", "--out", LONG),
    "run --out, deep": ("run", "GRAPH", "--out", "a/" * 3000),
    "run --photo": ("run", "GRAPH", "--photo", LONG),
    "check": ("check", LONG),
    "batch run": ("batch", "run", LONG, "--matrix", "1.color=1"),
    "batch run, its table": ("batch", "run", "GRAPH", LONG),
    "batch run --out": ("batch", "run", "GRAPH", "--matrix", "1.color=1", "--out", LONG),
    "batch status": ("batch", "status", LONG),
    "batch resume": ("batch", "resume", LONG),
    "batch export": ("batch", "export", LONG),
    "graph to-api": ("graph", "to-api", LONG),
    "graph parameters": ("graph", "parameters", LONG),
    "graph migrate": ("graph", "migrate", LONG),
    "doctor": ("doctor", LONG),
    "doctor --comfyui": ("doctor", "--comfyui", LONG),
    "models get": ("models", "get", LONG),
    "models get --comfyui": ("models", "get", "GRAPH", "--comfyui", LONG),
    "packs install --comfyui": ("packs", "install", "GRAPH", "--comfyui", LONG),
    "subjects show": ("subjects", "show", LONG),
    "subjects delete": ("subjects", "delete", LONG, "--yes"),
    "provenance show": ("provenance", "show", LONG),
    "provenance mark": ("provenance", "mark", LONG, "--out", LONG),
}


@pytest.mark.parametrize("command", GIVEN)
def test_a_name_that_is_too_long_is_refused_in_a_sentence(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    graph = tmp_path / "graph.json"
    graph.write_text(json.dumps(PROMPT), "utf-8")
    with ScriptedHost() as host:
        monkeypatch.setenv("PORTRAIT_STUDIO_HOST", host.url)
        told = invoke(*(str(graph) if one == "GRAPH" else one for one in GIVEN[command]))
    assert isinstance(told.exception, SystemExit), told.exception
    assert told.exit_code in {row["code"] for row in EXIT_CODES.values()} - {0}
    assert one_sentence(told.stderr) and len(told.stderr) < LONGEST, told.stderr[:1000]
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.name != ".lock"] == [graph]

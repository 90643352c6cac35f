"""Which host has which subject: what a batch does when they differ, against scripted hosts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from portrait_studio.portrait.subjects import SubjectError
from portrait_studio.runner.batch.whereabouts import Whereabouts

from ...hostile.scripted import OBJECT_INFO, ScriptedHost
from ..command import invoke

PROMPT = {
    "1": {"class_type": "PortraitLoadSubject", "inputs": {"subject": "mina", "seed": 0}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "scripted"}},
}


class Studio(ScriptedHost):
    """A host that has subjects, and says of its pictures with which LoRA they were made."""

    def __init__(self, *subjects: str, lora: str = "a" * 64, **given: Any) -> None:
        menu = ["COMBO", {"options": ["none", *subjects]}]
        node = {"input": {"required": {"subject": menu, "seed": ["INT", {"default": 0, "min": 0, "max": 99}]}}}
        node |= {"output": ["IMAGE"], "output_node": False, "python_module": "nodes"}
        self.lora = lora
        super().__init__(object_info=OBJECT_INFO | {"PortraitLoadSubject": node}, **given)

    def entry(self, prompt_id: str) -> dict[str, Any]:
        found = super().entry(prompt_id)
        told = {"kind": "origins", "files": {}, "subjects": {"mina": [self.lora]}}
        found["outputs"]["portrait-studio-origins"] = {"portrait_studio": [told]}
        return found


def run(tmp_path: Path, hosts: Sequence[ScriptedHost], *arguments: str) -> Any:
    graph = tmp_path / "prompt.json"
    graph.write_text(json.dumps(PROMPT), "utf-8")
    addresses = [part for host in hosts for part in ("--host", host.url)]
    given = ("batch", "run", graph, "--out", tmp_path / "out", "--json", *addresses, *arguments)
    return invoke(*given)


def test_rows_go_to_the_host_that_has_the_subject_where_it_cannot_be_brought(tmp_path):
    """Both hosts have an older pack, without the nodes that hand a subject over."""
    with Studio() as lacks, Studio("mina") as has:
        answer = run(tmp_path, [lacks, has], "--matrix", "1.seed=1..6")
        assert answer.exit_code == 0, answer.stderr
        assert (len(lacks.posted), len(has.posted)) == (0, 6)
    heard = [json.loads(line) for line in answer.stdout.splitlines()]
    assert {event["error"] for event in heard if event["event"] == "attempt_failed"} <= {"subject"}
    assert sum(event["event"] == "attempt_failed" for event in heard) <= 1


def test_rows_without_a_subject_go_anywhere(tmp_path):
    with Studio(seconds=0.05) as lacks, Studio("mina", seconds=0.05) as has:
        answer = run(tmp_path, [lacks, has], "--matrix", "1.subject=none", "1.seed=1..8")
        assert answer.exit_code == 0, answer.stderr
        assert lacks.posted
        assert has.posted


def test_a_picture_of_another_subject_of_the_name_is_not_used(tmp_path):
    with Studio("mina", lora="b" * 64) as odd, Studio("mina", seconds=0.05) as even:
        answer = run(tmp_path, [odd, even], "--matrix", "1.seed=1..6")
        assert answer.exit_code == 0, answer.stderr
    heard = [json.loads(line) for line in answer.stdout.splitlines()]
    assert len({event["host"] for event in heard if event["event"] == "row_done"}) == 1
    (failed,) = {(event["error"], event["message"]) for event in heard if event["event"] == "attempt_failed"}
    assert failed == ("wrong", "The subject 'mina' is not the one here that the batch began with.")


def test_a_subject_that_no_host_has_is_named_before_anything_is_queued(tmp_path):
    with Studio() as lacks, Studio("mina") as has:
        answer = run(tmp_path, [lacks, has], "--matrix", "1.subject=mino", "1.seed=1,2")
        assert has.posted == lacks.posted == []
    assert answer.exit_code == 3
    assert "mino" in answer.stderr


def test_whereabouts_name_the_others_that_have_a_subject():
    known = Whereabouts(["mina", "jun"], {"jun": "c" * 64})
    known.tell("a", ["mina"])
    known.tell("b", ["mina", "ara"])
    assert (known.holders("mina", "a"), known.holders("jun", "a")) == (["b"], [])
    assert known.known() == {"mina", "jun", "ara"}
    known.tell("b", [])  # deleted there
    assert known.holders("mina", "a") == []
    with pytest.raises(SubjectError, match="No host that can be reached has the subject 'mina'"):
        known.bring("mina", "a")


def test_the_first_hash_of_a_subject_is_the_one_that_counts():
    known = Whereabouts((), {"jun": "c" * 64})
    assert known.agreed("jun", "d" * 64) == "c" * 64
    assert known.agreed("mina", "d" * 64) == "d" * 64
    assert known.agreed("mina", "e" * 64) == "d" * 64

"""What a host may send that is wrong: whatever JSON it is, it is taken or refused in one sentence."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portrait_studio.portrait.reading import deeper
from portrait_studio.runner.client import answers, limits, messages, wire
from portrait_studio.runner.graph import NodeClasses, check_prompt
from portrait_studio.runner.jobs import content, record

from .malformed import of_answers, of_messages
from .scripted import PROMPT

KEYS = (
    *(
        "system",
        "devices",
        "comfyui_version",
        "queue_running",
        "queue_pending",
        "outputs",
        "status",
        "messages",
        "input",
    ),
    *(
        "required",
        "optional",
        "name",
        "node_errors",
        "errors",
        "entries",
        "m",
        "data",
        "type",
        "prompt_id",
        "node",
        "id",
    ),
    *("output", "min", "max", "step", "images", "filename", "portrait_studio", "warnings", "likeness", "SaveImage"),
)
leaf = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(KEYS)
wild = st.recursive(
    leaf,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner),
    max_leaves=25,
)
READERS = (
    *(answers.stats, answers.queue, answers.posted, answers.uploaded, answers.names, answers.folders, answers.log),
    *(answers.nodes, lambda data: answers.history(data, "id")),
)


@given(wild)
def test_whatever_json_an_answer_is_it_is_read_or_is_not_of_that_shape(data):
    for reader in READERS:
        with contextlib.suppress(answers.ShapeError):
            reader(data)


@given(wild)
def test_whatever_nodes_a_host_declares_a_graph_can_be_checked_against_them(data):
    try:
        info = answers.nodes({"SaveImage": data, "EmptyImage": {"input": data, "output": data}})
    except answers.ShapeError:
        return
    check_prompt(PROMPT, info)
    assert [NodeClasses(info)[name].name for name in info] == list(info)


@given(wild)
def test_whatever_a_node_says_that_it_noticed_the_record_takes_it(data):
    outputs = {"9": {"portrait_studio": data}, "1": {"portrait_studio": [data]}}
    rows = record.stage_table((record.Stage("a", likeness="9"), record.Stage("b", likeness="1")), outputs, {}, {})
    json.dumps([record.warnings(outputs), record.losses(rows), record.as_rows(rows)], allow_nan=False)


@given(st.binary(max_size=200) | wild.map(lambda data: json.dumps(data).encode()))
def test_whatever_a_websocket_says_it_is_a_message_or_none(data):
    for way in (messages.read_text, messages.read_binary):
        found = way(data)
        assert found is None or isinstance(found, messages.Message)


@given(st.binary(max_size=300), st.sampled_from(["a.png", "a.jpg", "a.webp", "a.gif", "a.mp4", "a.latent"]))
def test_whatever_bytes_a_file_has_it_is_judged(tmp_path_factory, data, name):
    file = tmp_path_factory.mktemp("file") / "0"
    file.write_bytes(data)
    assert isinstance(content.fault_of(file, name), str)


@given(wild)
def test_json_is_read_as_it_was_written_but_for_what_has_no_place_in_it(data):
    text = json.dumps(data)
    found = wire.parse(text.encode())
    assert "\ud800" not in json.dumps(found, ensure_ascii=False)
    json.dumps(found, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 5000 + b"]" * 5000,
        b"[" * 101 + b"]" * 101,
        b'{"a":' * 100_000,
        b'"' + b'\\"' * 2_000_000,
        b"[" + b"1," * 900_000 + b"1]",
        b'["' + b"x" * 30_000_000 + b'"]',
        '["\U0001f600'.encode() + b"x" * 7_000_000 + b'"]',
        b"\xff\xfe",
        b"",
    ],
)
@pytest.mark.timeout(10)
def test_json_that_would_exhaust_the_memory_the_stack_or_the_time_is_refused(data):
    with pytest.raises(ValueError):
        wire.parse(data)


def test_what_hosts_honestly_send_is_taken():
    """A widget without a largest value, one of more than 64 bits, and a model file whose name is not UTF-8."""
    digits = "9" * 401
    found = wire.parse(f'[Infinity, -Infinity, {digits}, "\\udc80.pt", "\\ud83d\\ude00", "\\\\ud800"]'.encode())
    assert found == [float("inf"), float("-inf"), float("inf"), "\ufffd.pt", "\U0001f600", "\\ud800"]
    spec = {"required": {"a": ["INT", {"min": float("inf"), "max": 3, "step": "x"}], "b": "IMAGE", "c": 7}}
    (node,) = answers.nodes({"X": {"input": spec}}).values()
    assert node["input"]["required"] == {"a": ["INT", {"max": 3}], "b": ["IMAGE", {}], "c": ["*", {}]}
    assert not deeper([[[]]], limits.most("depth"))


def test_malformed_answers_are_refused_in_one_sentence_or_taken():
    faults = [f"{one.name}: {fault}" for one in of_answers(330) if (fault := one.fault())]
    assert faults == []


def test_malformed_messages_are_passed_over_or_taken():
    faults = [f"{one.name}: {fault}" for one in of_messages(500) if (fault := one.fault())]
    assert faults == []

"""What a prompt asks the host to tell of its models, and what is taken from the answer."""

from __future__ import annotations

import json

import pytest

from portrait_studio.runner.jobs import origins, record

HASH = "a" * 64
PROMPT = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "SD1.5/pocket.safetensors"}},
    "2": {"class_type": "PortraitLoadSubject", "inputs": {"model": ["1", 0], "subject": "Anna"}},
    "3": {"class_type": "CLIPTextEncode", "inputs": {"text": "a photo of\nphoto.bin"}},
}


def answer(**told) -> dict:
    return {origins.ID: {"portrait_studio": [{"kind": "origins", **told}]}}


def test_a_prompt_asks_for_its_files_and_subjects_and_for_no_text():
    asked = origins.asking(PROMPT, {origins.NODE: {}})[origins.ID]
    assert asked["inputs"] == {"files": "SD1.5/pocket.safetensors", "subjects": "Anna"}
    assert origins.without_question(origins.asking(PROMPT, {origins.NODE: {}})) == PROMPT


def test_a_host_without_the_node_is_asked_nothing():
    assert origins.asking(PROMPT, {}) == PROMPT


def test_a_model_has_the_hash_that_the_host_told_and_only_the_last_part_of_its_name():
    known = origins.told(answer(files={"SD1.5/pocket.safetensors": [HASH]}, subjects={"Anna": []}))
    assert origins.models(PROMPT, known) == [
        {"node": "CheckpointLoaderSimple", "input": "ckpt_name", "file": "pocket.safetensors", "sha256": HASH},
        {"node": "PortraitLoadSubject", "input": "subject", "file": "Anna", "sha256": None},
    ]


def test_two_files_of_one_name_leave_the_hash_unknown():
    known = origins.told(answer(files={"SD1.5/pocket.safetensors": [HASH, "b" * 64]}))
    assert origins.models(PROMPT, known)[0]["sha256"] is None


@pytest.mark.parametrize(
    "said",
    [
        {},
        {origins.ID: {"portrait_studio": "words"}},
        answer(files=[HASH], subjects="x", pack=3, processor=None),
        answer(files={"a": [HASH.upper(), 7, "../../etc"]}),
    ],
)
def test_what_is_not_of_the_right_shape_was_not_told(said):
    known = origins.told({key: value for key, value in said.items() if isinstance(value, dict)})
    assert not any(known.files.values())
    assert not known.pack


@pytest.mark.parametrize(
    "path", ["/home/anna/model.safetensors", r"C:\Users\anna\x.png", r"\\server\share\x", "~/photos/a.png", "/mnt/x/y"]
)
def test_a_prompt_that_names_a_folder_of_a_machine_is_left_out_of_the_record(path):
    assert record.portable({"1": {"class_type": "Load", "inputs": {"path": path}}}) is None


@pytest.mark.parametrize("text", ["portrait-studio/0123.png", "/imagine a face", "red / blue", "a:b", "SD/x.ckpt"])
def test_other_texts_stay(text):
    prompt = {"1": {"class_type": "Load", "inputs": {"text": text}}}
    assert record.portable(prompt) == prompt


def test_a_record_tells_that_it_was_edited():
    text = record.sealed({"seeds": {"3.seed": 7}, "words": "초상"})
    assert record.is_unedited(json.loads(text))
    assert not record.is_unedited({**json.loads(text), "seeds": {"3.seed": 8}})

"""What a picture was made with, as far as the host tells: hashes of the models, version of the pack, processor.

The pack's node Model Hashes goes along with every prompt. The host runs it once, and again when a file has changed;
a host without the node, or with an older pack, leaves these things unknown, and the record says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .record import ENVELOPE

NODE = "PortraitModelHashes"
ID = "portrait-studio-origins"
SUBJECT_NODE = "PortraitLoadSubject"
NO_SUBJECT = "none"
MODEL_ENDINGS = (".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".bin", ".gguf", ".onnx")
_HASH = re.compile(r"[0-9a-f]{64}")
_LONGEST = 400  # letters of a name that may be asked for; a prompt that ends in .bin is none


@dataclass(frozen=True)
class Origins:
    """What the host told: sha256 by model file and by subject (several where files of a name differ), pack, processor.

    Each is empty where the host told nothing.
    """

    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    subjects: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    pack: Mapping[str, str] = field(default_factory=dict)
    processor: Mapping[str, Any] = field(default_factory=dict)


def asking(prompt: Mapping[str, Any], object_info: Mapping[str, Any]) -> dict[str, Any]:
    """Return the prompt with the node that tells its origins, where the host has that node."""
    if NODE not in object_info or ID in prompt:
        return dict(prompt)
    return {**prompt, ID: question(prompt)}


def question(prompt: Mapping[str, Any]) -> dict[str, Any]:
    """Return the node that tells the origins of a prompt's pictures."""
    files = dict.fromkeys(value for _, _, value in _files(prompt))
    inputs = {"files": "\n".join(files), "subjects": "\n".join(subjects_of(prompt))}
    return {"class_type": NODE, "inputs": inputs, "_meta": {"title": "What the picture is made with"}}


def without_question(prompt: Mapping[str, Any]) -> dict[str, Any]:
    """Return the prompt without that node."""
    return {node: body for node, body in prompt.items() if node != ID}


def told(outputs: Mapping[str, Mapping[str, Any]]) -> Origins:
    """Read what the host told in /history `outputs`; what is not of the right shape was not told."""
    shown = outputs.get(ID, {}).get(ENVELOPE)
    for one in shown if isinstance(shown, list) else ():
        if isinstance(one, dict) and one.get("kind") == "origins":
            return Origins(
                _hashes(one.get("files")),
                _hashes(one.get("subjects")),
                {key: value[:40] for key, value in _dict(one.get("pack")).items() if isinstance(value, str)},
                {key: value for key, value in _dict(one.get("processor")).items() if isinstance(value, int | str)},
            )
    return Origins()


def subjects_of(prompt: Mapping[str, Any]) -> list[str]:
    """Return the names of the subjects that a prompt loads, each once."""
    return list(dict.fromkeys(value for _, _, value in _subjects(prompt)))


def is_hash(value: object) -> bool:
    """Whether this is a sha256 in hex."""
    return isinstance(value, str) and _HASH.fullmatch(value) is not None


def models(prompt: Mapping[str, Any], known: Origins) -> list[dict[str, str | None]]:
    """Return the model files and LoRAs of subjects that a prompt names: node, input, file, sha256.

    The hash is None where the host did not tell it, or has several files of that name.
    """
    found = [(node, key, value, _only(known.files.get(value, ()))) for node, key, value in _files(prompt)]
    found += [(node, key, value, _only(known.subjects.get(value, ()))) for node, key, value in _subjects(prompt)]
    return [
        {"node": node, "input": key, "file": value.replace("\\", "/").rsplit("/", 1)[-1], "sha256": sha256}
        for node, key, value, sha256 in found
    ]


def _files(prompt: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield (class, input, file) of every model file that a prompt names."""
    for body in without_question(prompt).values():
        for key, value in body.get("inputs", {}).items():
            if isinstance(value, str) and _is_model(value):
                yield str(body.get("class_type", "")), key, value


def _is_model(value: str) -> bool:
    return len(value) <= _LONGEST and "\n" not in value and value.lower().endswith(MODEL_ENDINGS)


def _subjects(prompt: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for body in prompt.values():
        name = body.get("inputs", {}).get("subject")
        if body.get("class_type") == SUBJECT_NODE and isinstance(name, str) and name != NO_SUBJECT:
            yield SUBJECT_NODE, "subject", name


def _only(hashes: tuple[str, ...]) -> str | None:
    return hashes[0] if len(hashes) == 1 else None


def _hashes(value: Any) -> dict[str, tuple[str, ...]]:
    return {
        name: tuple(one for one in found if is_hash(one))
        for name, found in _dict(value).items()
        if isinstance(found, list)
    }


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}

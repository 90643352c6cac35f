"""A prompt made safe to send: what the host would swallow silently, choke on, or die of is found here first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from .. import graph as graphs
from ..client import PromptError, prompt_node_name

Prompt = dict[str, dict[str, Any]]


def prepare_prompt(prompt: Mapping[str, Any], object_info: Mapping[str, Any]) -> Prompt:
    """Return the nodes of an API prompt that lead to an output, each with `class_type` and `inputs`.

    Entries that are not nodes (`_meta`, `version` ...) are left out, and so are nodes that nothing asks for: one of
    them without `inputs` kills the host's worker. `object_info` is the host's own. Raises PromptError for a prompt
    without nodes or outputs, unknown nodes and inputs, values out of range, links to nowhere, cycles, and file names
    that the host would not give back.
    """
    nodes = nodes_of(prompt)
    kept = graphs.prune(nodes, object_info)
    refuse(graphs.check_prompt(kept or nodes, object_info))
    if words := graphs.prompt_cycle(kept):
        raise PromptError(f"The graph cannot run: {words}")
    for node, body in kept.items():
        _refuse_prefix(prompt_node_name(kept, node), body["inputs"].get("filename_prefix"))
    return kept


def nodes_of(prompt: Any) -> Prompt:
    """Return the entries of an API prompt that are nodes, each with `inputs`.

    Raises PromptError when there is none, or one is not of the right shape.
    """
    if not isinstance(prompt, Mapping):
        raise PromptError("The prompt is not in API format (node id -> class_type and inputs): export it with 'API'")
    nodes: Prompt = {}
    for key, body in prompt.items():
        if not isinstance(body, Mapping) or "class_type" not in body:
            continue
        inputs = body.get("inputs") or {}
        if not isinstance(body["class_type"], str) or not isinstance(inputs, Mapping):
            raise PromptError(f"Node {key} of the prompt is broken: class_type must be text, and inputs a mapping")
        nodes[str(key)] = {**body, "inputs": dict(inputs)}
    if not nodes:
        raise PromptError("The prompt holds no node: it is not a graph in API format")
    return nodes


def refuse(findings: Sequence[graphs.Problem]) -> None:
    """Raise PromptError for the first finding that is an error, saying how many there are."""
    wrong = [finding for finding in findings if finding.level == "error"]
    if len(wrong) > 1:
        raise PromptError(f"{wrong[0].message} There are {len(wrong) - 1} more: `portrait-studio check` lists them.")
    if wrong:
        raise PromptError(wrong[0].message)


def _refuse_prefix(name: str, prefix: Any) -> None:
    """Raise PromptError for a file name that the host refuses only after the work is done, or never hands out."""
    if not isinstance(prefix, str):
        return
    if ".." in prefix:
        raise PromptError(
            f"{name} saves as {prefix!r}, and the host hands out no file with '..' in its name: change filename_prefix"
        )
    if PurePosixPath(prefix).is_absolute() or PureWindowsPath(prefix).anchor:
        raise PromptError(
            f"{name} saves as {prefix!r}, which is outside the host's output folder: change filename_prefix to a name"
        )

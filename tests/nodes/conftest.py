"""What the node tests share: the node classes, and API graphs that are run on the host and read."""

from __future__ import annotations

import json
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="module")
def pack(comfyui: Path):
    """The node classes by id; ComfyUI's folder goes last on the path, so that it shadows nothing."""
    arguments, sys.argv = sys.argv, sys.argv[:1]
    sys.path.append(str(comfyui))
    try:
        from comfy.cli_args import args

        from portrait_studio.nodes import faces, photos
        from portrait_studio.nodes import identity as likeness

        args.cpu = True  # as the suite's hosts run; without a driver ComfyUI's parts cannot be imported otherwise
        yield {
            each.define_schema().node_id: each
            for module in (faces, photos, likeness)
            for each in vars(module).values()
            if isinstance(each, type) and each.__name__.startswith("Portrait") and hasattr(each, "define_schema")
        }
    finally:
        sys.path.remove(str(comfyui))
        sys.argv = arguments


class Run:
    """A finished prompt: its status and what each node said and saved."""

    def __init__(self, entry: dict[str, Any], output: Path) -> None:
        self.status: str = entry["status"]["status_str"]
        self.outputs: dict[str, dict[str, Any]] = entry["outputs"]
        self.messages = entry["status"]["messages"]
        self._output = output

    @property
    def error(self) -> str:
        """The exception's text, when a node failed."""
        return next(data["exception_message"] for kind, data in self.messages if kind == "execution_error")

    def text(self, node: str) -> str:
        """What a PreviewAny node showed."""
        return self.outputs[node]["text"][0]

    def picture(self, node: str, index: int = 0) -> np.ndarray:
        """A saved picture, uint8 `[H, W, 3]`."""
        saved = self.outputs[node]["images"][index]
        with Image.open(self._output / saved["subfolder"] / saved["filename"]) as image:
            return np.array(image.convert("RGB"))

    def said(self, node: str) -> dict[str, Any]:
        """The node's own envelope in `ui`."""
        return self.outputs[node]["portrait_studio"][0]


@pytest.fixture
def post(host) -> Callable[[dict], dict]:
    """Queue an API graph and return the host's answer, of a refusal too."""

    def queue(graph: dict) -> dict:
        body = json.dumps({"prompt": graph, "client_id": uuid.uuid4().hex}).encode()
        request = urllib.request.Request(f"{host.url}/prompt", body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refusal:
            return json.load(refusal)

    return queue


@pytest.fixture
def run_graph(host, post) -> Callable[[dict], Run]:
    """Run an API graph to its end, be it good or bad; `seconds` is for a host that hangs, not for a busy machine."""

    def run(graph: dict, seconds: float = 280.0) -> Run:
        answer = post(graph)
        assert not answer.get("node_errors"), answer
        prompt_id = answer["prompt_id"]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with urllib.request.urlopen(f"{host.url}/history/{prompt_id}", timeout=30) as history:
                entry = json.load(history).get(prompt_id)
            if entry:
                return Run(entry, host.output)
            time.sleep(0.1)
        raise AssertionError("the graph did not end")

    return run

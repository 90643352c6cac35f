"""Answers and websocket messages with something wrong in them, made from honest ones by a fixed seed.

Each goes all the way: the answer over a real socket into the client and on into what uses it, the message into the
progress of a job and out as an event. It holds when it is taken, or refused in one sentence (see tries.Try).
"""

from __future__ import annotations

import copy
import itertools
import json
import random
import struct
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from portrait_studio.runner.client import Client
from portrait_studio.runner.client.messages import read_binary, read_text
from portrait_studio.runner.client.progress import JobProgress
from portrait_studio.runner.graph import NodeClasses, check, check_prompt, read
from portrait_studio.runner.jobs import Job, Stage, prepare_prompt, run

from .scripted import OBJECT_INFO, PROMPT, STATS, ScriptedHost, reply
from .tries import GRAPH, Try, _somewhere

VALUES = (
    *(None, True, False, -1, 0, 1.5, 10**29, 1e308, float("nan"), float("inf"), "", "x" * 3000, "\x1b[2J", "\ud800"),
    *(
        [],
        {},
        [[]],
        [None],
        {"": {}},
        {"filename": 3},
        ["x", {}, 3],
        {"errors": [{}]},
        "../../x",
        {"a": [1, {"b": "c"}]},
    ),
)
STAGES = (Stage("first", "First", image="9", likeness="9", nodes=("1",)),)


def mutated(honest: Any, chance: random.Random) -> bytes:
    """Return honest JSON with one to three values replaced, removed or doubled, or its text damaged."""
    data = json.loads(json.dumps(honest))
    for _ in range(chance.randint(1, 3)):
        if not isinstance(data, dict | list) or not data or chance.random() < 0.05:
            data = _value(chance)
            continue
        spot, key = _somewhere(data, chance)
        act = chance.random()
        if act < 0.7:
            spot[key] = _value(chance)
        elif act < 0.85:
            del spot[key]
        elif isinstance(spot, list):
            spot.insert(key, _value(chance))
        else:
            spot[str(chance.choice(VALUES))[:50]] = spot[key]
    text = json.dumps(data).encode()
    if chance.random() < 0.25:
        text = bytearray(text)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(text) + 1)
            text[at : at + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 3))
        text = bytes(text[: chance.randrange(len(text) + 1)] if chance.random() < 0.3 else text)
    return text


def _value(chance: random.Random) -> Any:
    return copy.deepcopy(chance.choice(VALUES))


def of_answers(count: int, seed: int = 1) -> Iterator[Try]:
    """Yield `count` malformed answers, each with the call that meets it."""
    chance = random.Random(seed)
    finding = {"kind": "likeness", "stage": "first", "likeness": 0.5, "faces": 1, "warnings": ["soft"]}
    starter = read(GRAPH)
    with ScriptedHost(images=1) as host, tempfile.TemporaryDirectory() as folder:
        entry = host.entry("wanted")
        entry["outputs"]["9"]["portrait_studio"] = [finding]
        failed = json.loads(json.dumps(entry))
        failed["status"] = {
            "status_str": "error",
            "messages": [["execution_error", {"node_id": "9", "node_type": "x"}]],
        }
        error = {"errors": [{"message": "m", "details": "d"}], "class_type": "SaveImage", "dependent_outputs": ["9"]}
        queue = {"queue_running": [[0, "a", {}, {}, []]], "queue_pending": [[1, "b", {}, {}, []], [2, "c", {}, {}, []]]}
        bodies: dict[str, tuple[Any, Callable[[Client], object]]] = {
            "GET /system_stats": (STATS, lambda client: client.about()),
            "GET /queue": (queue, lambda client: (client.queue(), client.knows("b"))),
            "GET /object_info": (OBJECT_INFO, lambda client: use_nodes(client.object_info(), starter)),
            "GET /models/": (["a.safetensors", "b/c.pt"], lambda client: client.models("vae")),
            "GET /internal/folder_paths": ({"vae": ["/a", "/b"]}, lambda client: client.folders()),
            "GET /internal/logs/raw": ({"entries": [{"t": "x", "m": "y"}]}, lambda client: client.worker_died()),
            "POST /upload/image": ({"name": "a.png", "subfolder": "s"}, lambda client: client.upload("a.png", b"x")),
            "POST /prompt": (
                {"prompt_id": "wanted", "node_errors": {"9": error}},
                lambda client: client.submit(PROMPT),
            ),
            "POST /prompt ": ({"error": {"message": "m", "details": ""}, "node_errors": {"9": error}}, post_badly),
            "GET /history/": ({"wanted": entry}, lambda client: finish(client, Path(folder))),
            "GET /history/ ": ({"wanted": failed}, lambda client: finish(client, Path(folder))),
        }
        for number, place in zip(range(count), itertools.cycle(bodies), strict=False):
            honest, call = bodies[place]
            data = mutated(honest, chance)
            status = 400 if call is post_badly else 200
            host.lies = {place.strip(): lambda _, send, data=data, status=status: send(reply(data, status=status))}
            yield Try("malformed answers", f"{number}: {place}: {data[:300]!r}", lambda call=call: asked(host, call))


def asked(host: ScriptedHost, call: Callable[[Client], object]) -> None:
    """Make a call with a client of its own."""
    with Client(host.url, timeout=5.0, patience=0.0, lost_grace=0.0) as client:
        call(client)


def post(client: Client) -> None:
    """Send a prompt."""
    client.submit(PROMPT, "wanted")


def post_badly(client: Client) -> None:
    """Send a prompt that is refused."""
    post(client)


def finish(client: Client, folder: Path) -> None:
    """Fetch what a job of this history has left, with records and a table of stages."""
    run(Job(PROMPT, prompt_id="wanted", find=True, stages=STAGES), client, folder, timeout=5.0)


def use_nodes(info: dict[str, Any], starter: Any) -> None:
    """Do with a host's nodes what the runner does."""
    classes = NodeClasses(info)
    for name in info:
        _ = classes[name].widgets
    check_prompt(PROMPT, info)
    check(starter, info)
    prepare_prompt(PROMPT, info)


def of_messages(count: int, seed: int = 2) -> Iterator[Try]:
    """Yield `count` malformed websocket messages, text and binary, each taken by the progress of a job."""
    chance = random.Random(seed)
    mine = {"prompt_id": "wanted"}
    honest: list[dict[str, Any]] = [
        {"type": "status", "data": {"status": {"exec_info": {"queue_remaining": 1}}, "sid": "s"}},
        {"type": "execution_start", "data": mine},
        {"type": "execution_cached", "data": mine | {"nodes": ["1"]}},
        {"type": "executing", "data": mine | {"node": "9", "display_node": "9"}},
        {"type": "progress", "data": mine | {"node": "9", "value": 3, "max": 20}},
        {"type": "progress_state", "data": mine | {"nodes": {"9": {"value": 1.0, "max": 1.0}}}},
        {"type": "executed", "data": mine | {"node": "9", "output": {"images": []}}},
        {"type": "execution_error", "data": mine | {"node_id": "9", "exception_message": "m"}},
        {"type": "execution_success", "data": mine},
    ]
    facts = {"prompt_id": "wanted", "node_id": "9", "display_node_id": "9", "image_type": "image/png"}
    for number in range(count):
        if number % 5:
            data, way = mutated(honest[number % len(honest)], chance), read_text
        else:
            inner = mutated(facts, chance)
            length = chance.choice((len(inner), 0, 1 << 31, chance.randrange(1 << 32), len(inner) + 1))
            kind = chance.choice((1, 2, 3, 4, 4, 4, chance.randrange(1 << 32)))
            data, way = struct.pack(">II", kind, length) + inner + b"\x89PNG", read_binary
            data = data[: chance.randrange(len(data) + 1)] if chance.random() < 0.2 else data
        yield Try("malformed messages", f"{number}: {data[:300]!r}", lambda data=data, way=way: heard(data, way))


def heard(data: bytes, way: Callable[[bytes], Any]) -> None:
    """Give a message to the progress of a job, and write every event that it makes."""
    told: list[str] = []
    names = {"9": ("", "SaveImage"), "1": ("Title", "EmptyImage")}
    progress = JobProgress(names, lambda kind, facts: told.append(kind(**facts, prompt_id="wanted").to_json()), 0.0)
    message = way(data)
    if message is not None:
        progress.handle(message, 0.0)
        progress.recall(message, 1.0)
    progress.finish(2.0)

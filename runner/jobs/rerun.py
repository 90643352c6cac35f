"""A picture made again from its record, and whether it is the same."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from ...portrait import decoding, disk, reading
from ...portrait.errors import PortraitError
from ...portrait.presets import shown
from ..client import Client, HostInfo, OutputError, events, exit_code
from . import content, origins, output, record
from .job import UPLOADS, Job, run, upload_photos
from .prepare import nodes_of, prepare_prompt
from .record import Stage
from .result import Result

ATTEMPTS = 3  # at having the host forget what it has cached
PAUSE = 1.0  # seconds between them


class RecordError(PortraitError):
    """A picture cannot be made again: its record is missing, was edited, or does not say enough."""

    key = "record"
    exit_code = exit_code("record")


class ModelChangedError(PortraitError):
    """The host has another model file than the picture was made with, so it cannot come out the same."""

    key = "model_changed"
    exit_code = exit_code("model_changed")


class NotIdenticalError(PortraitError):
    """The picture was made again and is not the same, though nothing is known to differ."""

    key = "not_identical"
    exit_code = exit_code("not_identical")


class ElsewhereError(PortraitError):
    """The picture was made again on another host, device or version, and is not the same."""

    key = "elsewhere"
    exit_code = exit_code("elsewhere")


@dataclass(frozen=True)
class PictureRecord:
    """A picture and what its record says; `prompt` is what the host ran. `unchanged` is None where no picture is."""

    picture: Path
    facts: Mapping[str, Any]
    prompt: Mapping[str, Any]
    unchanged: bool | None


@dataclass(frozen=True)
class Rerun:
    """What came of it: the new picture, whether its pixels are the same (None: nothing to compare with).

    `differences` are sentences on what is not as it was then, `unknown` on what nobody can tell.
    """

    picture: Path
    identical: bool | None
    how: str
    differences: tuple[str, ...]
    unknown: tuple[str, ...]


def read_record(path: Path) -> PictureRecord:
    """Read the record of a picture; `path` is the picture or the record. Raises RecordError."""
    picture = path.with_suffix("") if path.name.endswith(".json") else path
    file = output.record_path(picture)
    name = shown(picture.name)
    try:
        facts = reading.read_json(file, "record", links=False)
    except reading.ReadError as error:
        if not file.exists():
            raise RecordError(
                f"The picture {name} has no record: {shown(file.name)} is not beside it, so nobody knows what made it"
            ) from None
        raise RecordError(f"The record of {name} cannot be read ({error})") from None
    if not isinstance(facts, dict) or not isinstance(facts.get("schema"), int):
        raise RecordError(f"The file {shown(file.name)} is not the record of a picture")
    if facts["schema"] != record.SCHEMA:
        which = "newer" if facts["schema"] > record.SCHEMA else "older"
        raise RecordError(
            f"The record of {name} was written by a {which} version of Portrait Studio (layout {facts['schema']}, this "
            f"one reads {record.SCHEMA}): it cannot be made again from it"
        )
    if not record.is_unedited(facts):
        raise RecordError(
            f"The record of {name} was edited after it was written, so it does not say any more what made the picture: "
            "bring the old one back, or run the graph with `portrait-studio run`"
        )
    if facts.get("file") != picture.name:
        raise RecordError(
            f"The record beside {name} is that of {shown(str(facts.get('file')))}: the files were renamed"
        )
    here = picture.is_file() and not picture.is_symlink()
    unchanged = disk.sha256(picture) == facts.get("sha256") if here else None
    return PictureRecord(picture, facts, _prompt(picture, facts, name), unchanged)


def _prompt(picture: Path, facts: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return the graph as the host ran it, from the record or else from the picture, checked against its hash."""
    for found in (facts.get("prompt"), _embedded(picture)):
        if isinstance(found, dict) and record.canonical_hash(found) == facts.get("prompt_sha256"):
            with contextlib.suppress(PortraitError):
                return nodes_of(found)
    raise RecordError(
        f"The graph of {name} is missing: neither its record nor the picture has the one that made it"
        + ("" if facts.get("prompt") else " (it names a folder of the machine it ran on, so the record left it out)")
    )


def _embedded(picture: Path) -> Any:
    """Return the prompt that ComfyUI wrote into a PNG, without our question in it; None where there is none."""
    try:
        with decoding.opened(picture, ["PNG"]) as image:
            text = image.info.get("prompt")
        found = reading.parse_json(text) if isinstance(text, str) else None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return origins.without_question(found) if isinstance(found, dict) else None


def again(
    client: Client,
    recorded: PictureRecord,
    out: Path,
    photos: Sequence[Path] = (),
    *,
    anyway: bool = False,
    listener: events.Listener = lambda event: None,
    timeout: float = 0.0,
) -> Rerun:
    """Make a recorded picture again into `out`, and compare it.

    `photos` are those that the picture was made with, if the host does not have them any more. Raises ModelChangedError
    unless `anyway`, RecordError when a photo is another, and what `run` raises.
    """
    folder = output.prepare(out)
    about, info = client.about(), client.object_info()
    prompt = prepare_prompt(recorded.prompt, info)
    _bring(client, recorded, photos, listener)
    known = _asked(client, prompt, info, timeout)
    changed, unknown = _models(recorded.facts, known)
    if changed and not anyway:
        raise ModelChangedError(
            f"The picture {shown(recorded.picture.name)} cannot come out the same: {'; '.join(changed)}. Bring the "
            "file back, or give --anyway to make it with what is there"
        )
    differences = (*changed, *host_differences(recorded.facts, about, known))
    made = _made(client, recorded, origins.asking(prompt, info), folder, about, listener, timeout)
    node = str(recorded.facts.get("node"))
    pictures = [image.file for image in made.images if image.node == node]
    if not pictures:
        raise OutputError(f"The node that made {shown(recorded.picture.name)} has left no picture this time")
    identical, which, how = _compared(recorded, pictures)
    return Rerun(which, identical, how, differences, tuple(unknown))


def judge(recorded: PictureRecord, made: Rerun) -> None:
    """Raise NotIdenticalError or ElsewhereError when a picture did not come out the same."""
    if made.identical is not False:
        return
    name = shown(recorded.picture.name)
    if made.differences:
        raise ElsewhereError(
            f"{name} is not the same ({made.how}), and it was made otherwise: {'; '.join(made.differences)}"
        )
    raise NotIdenticalError(
        f"{name} is not the same ({made.how}), though host, device, versions and models are as they were: a node of "
        "its graph does not give the same twice"
    )


def _bring(client: Client, recorded: PictureRecord, photos: Sequence[Path], listener: events.Listener) -> None:
    """Upload the photos; each must be one that the prompt names by its content."""
    wanted = {
        line.strip()
        for body in recorded.prompt.values()
        for value in body["inputs"].values()
        if isinstance(value, str)
        for line in value.splitlines()
        if line.startswith(f"{UPLOADS}/")
    }
    for photo, name in zip(photos, upload_photos(client, photos, listener), strict=True):
        if name not in wanted:
            raise RecordError(f"The picture was not made with the photo {shown(photo.name)}: its content is another")


def _asked(client: Client, prompt: Mapping[str, Any], info: Mapping[str, Any], timeout: float) -> origins.Origins:
    """Ask the host what it would make the picture with, before anything is made."""
    if origins.NODE not in info:
        return origins.Origins()
    alone = {origins.ID: origins.question(prompt)}
    prompt_id = client.submit(alone)
    return origins.told(client.follow(prompt_id, timeout).outputs)


def _models(facts: Mapping[str, Any], known: origins.Origins) -> tuple[list[str], list[str]]:
    """Return a sentence for each model that is another than then, and for each of which nobody can tell."""
    changed, unknown = [], []
    there = {name.replace("\\", "/").rsplit("/", 1)[-1]: hashes for name, hashes in known.files.items()}
    listed = facts.get("models")
    for one in listed if isinstance(listed, list) else ():
        if not isinstance(one, dict) or not isinstance(one.get("file"), str):
            continue
        subject = one.get("node") == origins.SUBJECT_NODE
        name = f"the LoRA of subject {shown(one['file'])}" if subject else f"the model {shown(one['file'])}"
        hashes = (known.subjects if subject else there).get(one["file"], ())
        then = one.get("sha256")
        if not isinstance(then, str) or not hashes:
            unknown.append(f"{name}: its hash is not known {'now' if isinstance(then, str) else 'for then'}")
        elif then not in hashes:
            changed.append(f"{name} is another file than then (sha256 {hashes[0][:12]}, it was {shown(then[:12])})")
    return list(dict.fromkeys(changed)), list(dict.fromkeys(unknown))


def host_differences(facts: Mapping[str, Any], about: HostInfo, known: origins.Origins) -> list[str]:
    """Return what of the host is not as the record says, in words."""
    then = _dict(facts.get("host"))
    now = {"version": about.version, "torch": about.torch, "device": about.device, "python": about.python}
    names = {"version": "ComfyUI", "torch": "torch", "device": "the device", "python": "Python"}
    pairs = [(names[key], then.get(key), now[key]) for key in names]
    pack = _dict(facts.get("pack"))
    pairs += [("the pack's code", pack.get("code"), known.pack.get("code"))]
    processor = _dict(then.get("processor"))
    pairs += [
        (what, processor.get(key), known.processor.get(key))
        for key, what in (("capability", "the processor"), ("threads", "the number of threads"))
    ]
    return [
        f"{what} is {shown(str(is_now))} and was {shown(str(was))}"
        for what, was, is_now in pairs
        if was is not None and is_now is not None and str(was) != str(is_now)
    ]


def _made(
    client: Client,
    recorded: PictureRecord,
    prompt: dict[str, Any],
    folder: Path,
    about: HostInfo,
    listener: Callable[[events.Event], None],
    timeout: float,
) -> Result:
    """Run the prompt so that the host really works: what it has cached would only be handed out again."""
    facts = recorded.facts
    graph = _dict(facts.get("graph"))
    for attempt in range(1, ATTEMPTS + 1):
        job = Job(
            prompt=prompt,
            graph=str(graph.get("name", "prompt")),
            version=str(graph.get("version", "")),
            parameters=_dict(facts.get("parameters")),
            stages=_stages(facts.get("stage_nodes")),
        )
        cached: list[int] = []

        def hear(event: events.Event, cached: list[int] = cached) -> None:
            if isinstance(event, events.Started):
                cached.append(event.cached)
            listener(event)

        client.free()
        result = run(job, client, folder, listener=hear, timeout=timeout, host=about)
        if not any(cached) and not result.reused:
            return result
        for image in result.images:  # what was handed out is not the picture made again
            image.file.unlink(missing_ok=True)
            image.record.unlink(missing_ok=True)
        if attempt < ATTEMPTS:
            time.sleep(PAUSE)
    raise OutputError(
        "The host hands out what it has cached instead of making the picture again: wait until nobody else uses it, or "
        "restart it"
    )


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _stages(found: Any) -> tuple[Stage, ...]:
    """Read the stages of a record; none when they are not of the right shape."""
    try:
        return tuple(
            Stage(
                **{key: str(one[key]) for key in ("name", "title", "image", "likeness")},
                nodes=tuple(map(str, one["nodes"])),
            )
            for one in found
        )
    except (TypeError, KeyError):
        return ()


def _compared(recorded: PictureRecord, pictures: Sequence[Path]) -> tuple[bool | None, Path, str]:
    """Compare pixels; return whether they are the same, the picture that is or could be, and how they differ."""
    then = recorded.facts.get("pixels_sha256")
    for file in pictures:
        if isinstance(then, str) and content.picture_hash(file, file.name) == then:
            return True, file, "the same pixels"
        if disk.sha256(file) == recorded.facts.get("sha256"):
            return True, file, "the same file"
    if recorded.unchanged:
        return False, pictures[0], _distance(recorded.picture, pictures[0])
    return (False, pictures[0], "other pixels") if isinstance(then, str) else (None, pictures[0], "")


def _distance(one: Path, other: Path) -> str:
    """Return how far two pictures are apart, in words."""
    try:
        first, second = decoding.read_rgb(one), decoding.read_rgb(other)
    except (OSError, ValueError, SyntaxError):
        return "other content"
    if first.shape != second.shape:
        return f"{second.shape[1]} x {second.shape[0]} pixels instead of {first.shape[1]} x {first.shape[0]}"
    apart = abs(first.astype("int16") - second.astype("int16")).max(axis=2)
    return f"{(apart > 0).mean():.1%} of its pixels differ, by at most {int(apart.max())} of 255"

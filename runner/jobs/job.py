"""One graph with one set of parameters, from its photos to its pictures and their records."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ...portrait import decoding
from ...portrait import photos as photo_files
from ..client import AddressError, Client, HostError, HostInfo, Outcome, OutputError, events
from . import output, record
from .record import Stage
from .result import MissingError, NodeFailedError, Result, SavedImage, StoppedError

UPLOADS = "portrait-studio"  # the folder under the host's input/ that photos go to


@dataclass(frozen=True)
class Job:
    """What to run: a prompt in API format with every parameter applied, and what its records say about it.

    `workflow` is the UI graph that the host embeds in the images; `parameters` are the values given to the graph's
    public knobs. `prompt_id` names the job on the host: give the same id (see `job_id`) to find a job again.
    """

    prompt: dict[str, Any]
    graph: str = "prompt"
    version: str = ""
    workflow: dict[str, Any] | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    stages: tuple[Stage, ...] = ()
    prompt_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    find: bool = False


def job_id(name: str, row: int = 0, attempt: int = 1) -> str:
    """Return the prompt id of a named piece of work: the same for the same name, row and attempt, always."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"portrait-studio/{name}/{row}/{attempt}"))


def upload_photos(client: Client, photos: Sequence[Path], listener: events.Listener = lambda event: None) -> list[str]:
    """Check every photo, then upload them, and return what the host calls them.

    Raises PhotoError naming each photo that cannot be read; then none is uploaded.
    """
    _, complaints = photo_files.attempt(photos, decoding.check)
    if complaints:
        raise decoding.PhotoError(" ".join(complaints))
    names = []
    for photo in photos:
        data = decoding.read_bytes(photo)
        # The content's hash is the name: an equal photo is stored once, another never takes its place.
        name = hashlib.sha256(data).hexdigest()[:32] + photo.suffix.lower()
        names.append(client.upload(name, data, UPLOADS))
        listener(events.PhotoUploaded(photo=photo.name, uploaded=names[-1]))
    return names


def run(
    job: Job,
    client: Client,
    out: Path,
    *,
    listener: events.Listener = lambda event: None,
    timeout: float = 0.0,
    previews: bool = False,
    host: HostInfo | None = None,
) -> Result:
    """Run a job to its end and bring its images into `out`, each with its record; `timeout` in seconds (0: none).

    `previews` also fetches temporary images of nodes that are no stage's image. Raises what `Client.submit` and
    `Client.follow` raise; OutputError; and with the partial result NodeFailedError, StoppedError, or MissingError when
    an image is not to be had. On Ctrl-C the job is cancelled on the host, and KeyboardInterrupt goes on.
    """
    folder = output.prepare(out)
    host = host or client.about()
    begin = datetime.now(timezone.utc)
    clock = time.monotonic()
    try:
        client.submit(job.prompt, job.prompt_id, workflow=job.workflow, find=job.find, listener=listener)
        outcome = client.follow(job.prompt_id, timeout)
    except (KeyboardInterrupt, SystemExit):
        listener(events.Cancelled(prompt_id=job.prompt_id, gone=_cancelled(client, job.prompt_id)))
        raise
    seconds = round(time.monotonic() - clock, 3)
    kept: list[SavedImage] = []
    try:
        result = _collect(job, client, folder, outcome, seconds, previews, kept)
        _write_records(job, host, outcome, result, begin)
    except OutputError:
        for image in kept:  # an image without its record, or some images of several, would pass for the whole
            image.file.unlink(missing_ok=True)
            image.record.unlink(missing_ok=True)
        raise
    for image in result.images:
        listener(
            events.ImageSaved(
                prompt_id=job.prompt_id, file=image.file.name, record=image.record.name, reused=image.reused
            )
        )
    for text in [*result.warnings, *result.missing]:
        listener(events.Warned(prompt_id=job.prompt_id, message=text))
    _judge(job, outcome, result)
    listener(
        events.Finished(
            prompt_id=job.prompt_id,
            seconds=seconds,
            images=[image.file.name for image in result.images],
            reused=result.reused,
        )
    )
    return result


def _cancelled(client: Client, prompt_id: str) -> bool:
    try:
        return client.cancel(prompt_id)
    except (AddressError, HostError):
        return False


def files(outputs: dict[str, dict[str, Any]]) -> Iterator[tuple[str, str, str, str]]:
    """Yield (node id, filename, subfolder, kind) of every file in /history `outputs`; kind is output, temp or input."""
    for node, shown in outputs.items():
        for values in shown.values():
            for value in values if isinstance(values, list) else ():
                if isinstance(value, dict) and isinstance(value.get("filename"), str):
                    yield node, value["filename"], str(value.get("subfolder", "")), str(value.get("type", "output"))


def _collect(
    job: Job,
    client: Client,
    folder: Path,
    outcome: Outcome,
    seconds: float,
    previews: bool,
    images: list[SavedImage],
) -> Result:
    """Fetch the job's images into `folder`, adding each to `images` as it is written."""
    wanted = {stage.image for stage in job.stages}
    missing = []
    for node, filename, subfolder, kind in files(outcome.outputs):
        if kind != "output" and not (kind == "temp" and (previews or node in wanted)):
            continue
        answer = client.view(filename, subfolder, kind)
        reused = node in outcome.cached
        if answer.status == 200:
            path = output.save(folder, filename, answer.body)
            images.append(SavedImage(path, output.record_path(path), node, reused))
        else:
            missing.append(_why_missing(filename, answer.status, reused))
    shown = {node for node, *_ in files(outcome.outputs)}
    names = {image.node: image.file.name for image in images}
    stages = record.stage_table(job.stages, outcome.outputs, outcome.seconds, names)
    return Result(
        prompt_id=job.prompt_id,
        state=outcome.state,
        images=images,
        missing=missing,
        stages=stages,
        warnings=[*record.warnings(outcome.outputs), *record.losses(stages), *outcome.notes],
        seconds=seconds,
        reused=bool(shown) and shown <= outcome.cached,
        outputs=outcome.outputs,
    )


def _why_missing(filename: str, status: int, reused: bool) -> str:
    if status == 400 and ".." in filename:
        return f"{filename!r} stays on the host, which hands out no name with '..' in it: change filename_prefix"
    if status == 404 and reused:
        return (
            f"{filename!r} was made by an earlier run of the same graph and is no longer on the host: "
            "change the seed to make it again"
        )
    return f"{filename!r} cannot be fetched from the host (HTTP {status})"


def _write_records(
    job: Job,
    host: HostInfo,
    outcome: Outcome,
    result: Result,
    begin: datetime,
) -> None:
    canonical = json.dumps(job.workflow or job.prompt, sort_keys=True, ensure_ascii=False).encode()
    common = {
        "schema": record.SCHEMA,
        "graph": {"name": job.graph, "version": job.version, "sha256": hashlib.sha256(canonical).hexdigest()},
        "parameters": job.parameters,
        "seeds": record.seeds(job.prompt),
        "host": {"version": host.version, "device": host.device, "torch": host.torch},
        "models": record.models(job.prompt),
        "stages": record.as_rows(result.stages),
        "warnings": result.warnings,
        "prompt_id": job.prompt_id,
        "started": begin.isoformat(timespec="seconds"),
        "seconds": result.seconds,
        "partial": outcome.state != "success",
    }
    for image in result.images:
        own = {"file": image.file.name, "node": image.node, "reused": image.reused}
        text = json.dumps(common | own, ensure_ascii=False, indent=2, default=str)
        output.replace(image.record, text.encode() + b"\n")


def _judge(job: Job, outcome: Outcome, result: Result) -> None:
    kept = f"; {len(result.images)} image(s) made before that were kept" if result.images else ""
    if outcome.state == "interrupted":
        raise StoppedError(f"Job {job.prompt_id} was interrupted on the host{kept}", job.prompt_id, result)
    if outcome.state == "error":
        failure = outcome.failure
        node = str(failure.get("node_id", ""))
        body = job.prompt.get(node, {})
        title = body.get("_meta", {}).get("title") or failure.get("node_type") or "a node"
        # The host's traceback and current inputs stay out: they hold paths and whole prompts.
        reason = " ".join(str(failure.get("exception_message", "the host gives no reason")).split())
        raise NodeFailedError(f"{title} (node {node}) failed: {reason}{kept}", job.prompt_id, result)
    if result.missing:
        raise MissingError("; ".join(result.missing), job.prompt_id, result)

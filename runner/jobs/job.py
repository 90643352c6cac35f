"""One graph with one set of parameters, from its photos to its pictures and their records."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ...portrait import decoding
from ...portrait import photos as photo_files
from ..client import AddressError, Client, HostError, HostInfo, Outcome, events, why_failed, words
from . import content, origins, output, record
from .delivery import HostFile, earlier, fetch, place
from .record import Stage, StageResult
from .result import MissingError, NodeFailedError, Result, StoppedError
from .staging import staging

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
    suffixes, complaints = photo_files.attempt(photos, decoding.check)
    if complaints:
        raise decoding.PhotoError(" ".join(complaints))
    names = []
    for photo, suffix in zip(photos, suffixes, strict=True):
        data = decoding.read_bytes(photo)
        # The content's hash is the name: an equal photo is stored once, another never takes its place.
        name = hashlib.sha256(data).hexdigest()[:32] + suffix
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

    `previews` also fetches temporary images of nodes that are not a stage's image. A job that is found on the host
    again takes up what an earlier run has put into `out`. Raises what `Client.submit` and `Client.follow` raise;
    OutputError; and with the partial result NodeFailedError, StoppedError, or MissingError when
    an image is not to be had. On Ctrl-C the job is cancelled on the host, and KeyboardInterrupt goes on.
    """
    folder = output.prepare(out)
    begin = datetime.now(timezone.utc)
    clock = time.monotonic()
    with client.within(timeout, f"Job {job.prompt_id}"), output.writing(folder), staging(folder) as stage:
        host = host or client.about()
        outcome = _end_of(job, client, listener, timeout)
        seconds = round(time.monotonic() - clock, 3)
        result, lost = _deliver(job, client, host, folder, stage, outcome, (begin, seconds), previews, listener)
    for image in result.images:
        listener(
            events.ImageSaved(
                prompt_id=job.prompt_id, file=image.file.name, record=image.record.name, reused=image.reused
            )
        )
    for text in [*result.warnings, *result.missing]:
        listener(events.Warned(prompt_id=job.prompt_id, message=text))
    if lost:
        raise HostError(
            f"The host at {client.address.url} went away while the images of job {job.prompt_id} were fetched: "
            f"{len(result.images)} are here and {len(result.missing)} are not; run the same job again to get them"
        )
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


def _end_of(job: Job, client: Client, listener: events.Listener, timeout: float) -> Outcome:
    """Send the job and wait for its end; whatever else ends the waiting, the job is cancelled on the host."""
    try:
        client.submit(job.prompt, job.prompt_id, workflow=job.workflow, find=job.find, listener=listener)
        return client.follow(job.prompt_id, timeout)
    except (KeyboardInterrupt, SystemExit):
        listener(events.Cancelled(prompt_id=job.prompt_id, gone=_cancelled(client, job.prompt_id, 10.0)))
        raise
    except (AddressError, HostError):
        if time.monotonic() >= client.end:
            _cancelled(client, job.prompt_id, 1.5)
        raise


def _cancelled(client: Client, prompt_id: str, seconds: float) -> bool:
    try:
        with client.granted(seconds):
            return client.cancel(prompt_id, seconds)
    except (AddressError, HostError):
        return False


def files(outputs: dict[str, dict[str, Any]]) -> Iterator[tuple[str, str, str, str]]:
    """Yield (node id, filename, subfolder, kind) of every file in /history `outputs`; kind is output, temp or input."""
    for node, shown in outputs.items():
        for values in shown.values():
            for value in values if isinstance(values, list) else ():
                if isinstance(value, dict) and isinstance(value.get("filename"), str):
                    yield node, value["filename"], str(value.get("subfolder", "")), str(value.get("type", "output"))


def wanted_files(job: Job, outcome: Outcome, previews: bool = False) -> tuple[list[HostFile], list[str]]:
    """Return the files of a job that are to be fetched, and a sentence for each of a kind that is never fetched."""
    shown = [HostFile(*row, reused=row[0] in outcome.cached) for row in files(outcome.outputs)]
    stages = {one.image for one in job.stages}
    wanted = [one for one in shown if one.kind == "output" or (one.kind == "temp" and (previews or one.node in stages))]
    taken = [one for one in wanted if content.is_fetched(one.filename)]
    left = [
        f"{words(one.filename)!r} stays on the host: no such files are fetched" for one in wanted if one not in taken
    ]
    return taken, left


def _deliver(
    job: Job,
    client: Client,
    host: HostInfo,
    folder: Path,
    stage: Path,
    outcome: Outcome,
    times: tuple[datetime, float],
    previews: bool,
    listener: events.Listener,
) -> tuple[Result, str]:
    """Bring the job's images into `folder` with their records; return also why the host was lost, if it was."""
    taken, left = wanted_files(job, outcome, previews)
    fetched = fetch(client, taken, stage, listener, job.prompt_id)
    rows: list[StageResult] = []
    warnings: list[str] = []

    def told(names: Mapping[str, str]) -> dict[str, Any]:
        rows[:] = record.stage_table(job.stages, outcome.outputs, outcome.seconds, names)
        warnings[:] = record.noticed(outcome.outputs, rows, [*outcome.notes, *left])
        partial = outcome.state != "success" or bool(fetched.lost)
        return describe(job, host, times, rows, warnings, partial, outcome.outputs)

    images = place(fetched.files, folder, told, earlier(folder, job.prompt_id) if job.find else {})
    if not images:
        told({})
    nodes = {node for node, *_ in files(outcome.outputs)}
    result = Result(
        prompt_id=job.prompt_id,
        state=outcome.state,
        images=images,
        missing=fetched.missing,
        stages=rows,
        warnings=warnings,
        seconds=times[1],
        reused=bool(nodes) and nodes <= outcome.cached,
        outputs=outcome.outputs,
    )
    return result, fetched.lost


def describe(
    job: Job,
    host: HostInfo,
    times: tuple[datetime, float],
    stages: list[StageResult],
    warnings: list[str],
    partial: bool,
    outputs: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Return what the records of all images of a job say; `outputs` are those of /history."""
    known, prompt = origins.told(outputs), origins.without_question(job.prompt)
    return {
        "schema": record.SCHEMA,
        "graph": {
            "name": job.graph,
            "version": job.version,
            "sha256": record.canonical_hash(job.workflow or prompt),
        },
        "parameters": job.parameters,
        "seeds": record.seeds(prompt),
        "host": {
            "version": host.version,
            "device": host.device,
            "torch": host.torch,
            "python": host.python,
            "processor": dict(known.processor) or None,
        },
        "pack": dict(known.pack) or ({"version": host.pack_version} if host.pack_version else None),
        "models": origins.models(prompt, known),
        "prompt": record.portable(prompt),
        "prompt_sha256": record.canonical_hash(prompt),
        "stage_nodes": [asdict(stage) for stage in job.stages],
        "stages": record.as_rows(stages),
        "warnings": warnings,
        "prompt_id": job.prompt_id,
        "started": times[0].isoformat(timespec="seconds"),
        "seconds": times[1],
        "partial": partial,
    }


def _judge(job: Job, outcome: Outcome, result: Result) -> None:
    kept = f"; {len(result.images)} image(s) made before that were kept" if result.images else ""
    if outcome.state == "interrupted":
        raise StoppedError(f"Job {job.prompt_id} was interrupted on the host{kept}", job.prompt_id, result)
    if outcome.state == "error":
        raise NodeFailedError(f"{why_failed(outcome, job.prompt)}{kept}", job.prompt_id, result)
    if result.missing:
        raise MissingError("; ".join(result.missing), job.prompt_id, result)

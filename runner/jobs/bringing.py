"""A subject brought from the host that has it to one that lacks it, over ComfyUI's own ways in and out.

A small prompt has the one host put the files, in pieces, into its temporary folder; the pieces come here through /view
and go on through /upload, one at a time; and a small prompt has the other host check and keep them. No piece is written
to this machine's disk.
"""

from __future__ import annotations

import contextlib
import io
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...portrait import parcels
from ...portrait.errors import PortraitError
from ...portrait.subjects import SubjectError
from ..client import AddressError, Client, HostError, JobError, RefusedError, why_failed
from . import origins
from .record import ENVELOPE

HAND_OVER, TAKE_IN = "PortraitHandOverSubject", "PortraitTakeInSubject"
_MOST_PIECES = 64


@dataclass(frozen=True)
class Parcel:
    """A subject's files in the temporary folder of a host: (sha256, number of pieces) by part; `size` in bytes."""

    name: str
    parts: Mapping[str, tuple[str, int]]
    size: int

    @property
    def lora(self) -> str:
        """The sha256 of the LoRA."""
        return self.parts["lora"][0]

    def files(self) -> Iterator[str]:
        """Yield the name of every piece."""
        for sha256, count in self.parts.values():
            for number in range(count):
                yield parcels.piece(sha256, number)


def bring(name: str, source: Client, target: Client, timeout: float, lora: str = "") -> Parcel:
    """Bring a subject from one host to another, and return what was brought.

    The hosts run one small prompt each, before all that wait there; `timeout` in seconds bounds either. With `lora`,
    nothing but the subject with a LoRA of this sha256 is brought. Raises SubjectError when `source` cannot give it or
    `target` does not take it, and AddressError or HostError when `target` is away.
    """
    with _blaming(name, source):
        parcel = _handed_over(name, source, timeout)
    try:
        if lora and parcel.lora != lora:
            raise SubjectError(
                f"The subject {name!r} at {source.address.url} is another than the one that the batch began with."
            )
        for file in parcel.files():
            with _blaming(name, source):
                data = _piece(source, file)
            target.put(file, data, parcels.FOLDER)
        inputs = {part: parcel.parts.get(part, ("", 0))[0] for part in parcels.PARTS}
        _shown({"class_type": TAKE_IN, "inputs": {"name": name} | inputs}, target, timeout, "taken_in")
    finally:
        for file in parcel.files():
            with contextlib.suppress(AddressError, HostError):
                source.put(file, b"", parcels.FOLDER)  # a person's face does not lie about
    return parcel


def lora_hashes(client: Client, names: Sequence[str], timeout: float) -> dict[str, str]:
    """Return the sha256 of the LoRAs of subjects on a host, by name, where it tells them; it runs a small prompt.

    Raises SubjectError, AddressError, HostError.
    """
    if origins.NODE not in client.object_info():
        return {}
    asked = {name: {"class_type": origins.SUBJECT_NODE, "inputs": {"subject": name}} for name in names}
    told = origins.told(_ran({origins.ID: origins.question(asked)}, client, timeout)).subjects
    return {name: found[0] for name, found in told.items() if len(found) == 1}


def _handed_over(name: str, source: Client, timeout: float) -> Parcel:
    told = _shown({"class_type": HAND_OVER, "inputs": {"subject": name}}, source, timeout, "parcel")
    return parcel_of(name, told, source.address.url)


def parcel_of(name: str, told: Mapping[str, Any], url: str) -> Parcel:
    """Return the parcel that the host at `url` tells of. Raises SubjectError when that is no list of a subject."""
    parts = told.get("parts")
    found: dict[str, tuple[Any, Any]] = {}
    size = 0
    for part, one in parts.items() if isinstance(parts, dict) else ():
        row: dict[str, Any] = one if isinstance(one, dict) else {}
        sha256, count, length = row.get("sha256"), row.get("pieces"), row.get("bytes")
        if part not in parcels.PARTS or not origins.is_hash(sha256) or not _counts(count, length):
            raise SubjectError(f"The host at {url} does not tell how it hands over {name!r}.")
        found[part], size = (sha256, count), size + (length or 0)
    if not {"card", "lora"} <= set(found):
        raise SubjectError(f"The host at {url} does not hand over {name!r} whole.")
    return Parcel(name, found, size)


def _counts(pieces: Any, length: Any) -> bool:
    return type(pieces) is int and 0 < pieces <= _MOST_PIECES and type(length) is int and length > 0


class Sink(io.BytesIO):
    """Holds one piece. Raises HostError when a host sends more than a piece is."""

    def write(self, data: Any, /) -> int:
        """Keep the bytes."""
        if self.tell() + len(data) > parcels.PIECE:
            raise HostError("The host sends more than a piece of a subject is")
        return super().write(data)


def _piece(source: Client, file: str) -> bytes:
    sink = Sink()
    answer = source.view(file, sink, parcels.FOLDER, "temp")
    if answer.status != 200 or not sink.tell():
        raise HostError(f"The host at {source.address.url} has let go of a piece: it is tried again later")
    return sink.getvalue()


def _shown(node: Mapping[str, Any], client: Client, timeout: float, kind: str) -> dict[str, Any]:
    """Run a prompt of one node, and return what that node showed. Raises SubjectError, AddressError, HostError."""
    if node["class_type"] not in client.object_info():
        raise SubjectError(f"The Portrait Studio pack at {client.address.url} cannot do that yet; update it.")
    shown = _ran({"1": {**node, "_meta": {"title": node["class_type"]}}}, client, timeout).get("1", {}).get(ENVELOPE)
    for one in shown if isinstance(shown, list) else ():
        if isinstance(one, dict) and one.get("kind") == kind:
            return one
    raise SubjectError(
        f"The host at {client.address.url} has run {node['class_type']} and does not say what came of it."
    )


def _ran(prompt: dict[str, Any], client: Client, timeout: float) -> dict[str, dict[str, Any]]:
    """Run a small prompt before all that wait, and return its outputs; the host's history does not keep it."""
    prompt_id = str(uuid.uuid4())
    try:
        client.submit(prompt, prompt_id, front=True)
        outcome = client.follow(prompt_id, timeout)
    except (RefusedError, JobError) as error:
        raise SubjectError(f"{str(error).rstrip('.')} (at {client.address.url})") from error
    with contextlib.suppress(AddressError, HostError):
        client.erase([prompt_id])
    if outcome.state != "success":
        raise SubjectError(f"{why_failed(outcome, prompt)} (at {client.address.url})")
    return outcome.outputs


@contextlib.contextmanager
def _blaming(name: str, source: Client) -> Iterator[None]:
    """Make what fails at the source a SubjectError: the host that lacks the subject is not to blame for it."""
    try:
        yield
    except SubjectError:
        raise
    except PortraitError as error:
        raise SubjectError(f"The subject {name!r} cannot be fetched from {source.address.url}: {error}") from error

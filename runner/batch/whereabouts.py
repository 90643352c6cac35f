"""Which host of a batch has which subject, and that all who have one of a name have the same."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence

from ...portrait.subjects import SubjectError
from ..client import AddressError, Client, HostError, JobError
from ..jobs import Parcel, bring, lora_hashes
from .news import SubjectBrought
from .sameness import refusal

LONGEST = 600.0  # seconds that a host may take over a small prompt of ours: what runs there is not interrupted
ASKING = 30.0  # seconds that a host has before the batch begins without its answer


class Whereabouts:
    """What the hosts' workers know together; safe to use from several threads.

    `offered` are the subjects that any host had when the batch began, `hashes` the sha256 of the LoRAs of some.
    """

    def __init__(self, offered: Collection[str] = (), hashes: Mapping[str, str] | None = None) -> None:
        self.offered = frozenset(offered)
        self._hashes = dict(hashes or {})
        self._has: dict[str, frozenset[str]] = {}
        self._lock = threading.Lock()

    def tell(self, url: str, subjects: Collection[str]) -> None:
        """Hear which subjects a host has now."""
        with self._lock:
            self._has[url] = frozenset(subjects)

    def known(self) -> frozenset[str]:
        """Return the subjects of the batch's hosts."""
        with self._lock:
            return self.offered.union(*self._has.values())

    def holders(self, name: str, but: str) -> list[str]:
        """Return the other hosts that have a subject."""
        with self._lock:
            return [url for url, subjects in self._has.items() if name in subjects and url != but]

    def agreed(self, name: str, lora: str) -> str:
        """Return the sha256 that a subject's LoRA has in this batch: the first that was told."""
        with self._lock:
            return self._hashes.setdefault(name, lora)

    def bring(self, name: str, url: str) -> SubjectBrought:
        """Bring a subject to a host that lacks it, from one that has it.

        Raises SubjectError when nobody can give it or the host does not take it, AddressError or HostError when the
        host is away.
        """
        fault = SubjectError(f"No host that can be reached has the subject {name!r}.")
        for source in self.holders(name, url):
            begun = time.monotonic()
            try:
                parcel = self._brought(name, source, url)
            except SubjectError as error:
                fault = error
                continue
            return SubjectBrought(name, url, source, parcel.size, round(time.monotonic() - begun, 3))
        raise fault

    def _brought(self, name: str, source: str, target: str) -> Parcel:
        with self._lock:
            wanted = self._hashes.get(name, "")
        with Client(source, patience=10.0) as giver, Client(target, patience=10.0) as taker:
            parcel = bring(name, giver, taker, LONGEST, wanted)
        self.agreed(name, parcel.lora)
        return parcel


def compare(named: Collection[str], hosts: Mapping[str, Collection[str]], say: Callable[[str], None]) -> dict[str, str]:
    """Ask hosts for the LoRAs of the subjects that several of them have, and return the sha256 of each.

    `named` are the subjects of the rows, `hosts` what each host has. A host that does not answer soon is left for
    later: what it makes is looked at. Raises DifferentHostError when two hosts have different subjects of one name.
    """
    shared = [name for name in sorted(named) if sum(name in has for has in hosts.values()) > 1]
    found: dict[str, tuple[str, str]] = {}
    for url, has in hosts.items():
        for name, lora in _asked(url, [one for one in shared if one in has], say).items():
            first, its = found.setdefault(name, (url, lora))
            if its != lora:
                raise refusal([f"the subject {name!r} is not the same at {first} and at {url}"])
    return {name: lora for name, (_, lora) in found.items()}


def _asked(url: str, names: Sequence[str], say: Callable[[str], None]) -> dict[str, str]:
    if not names:
        return {}
    try:
        with Client(url, timeout=10.0, patience=5.0) as client:
            return lora_hashes(client, names, ASKING)
    except (AddressError, HostError, JobError, SubjectError) as error:
        say(f"{error}; which subjects it has is seen when it has made a picture")
        return {}

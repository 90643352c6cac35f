"""How patient a batch is, and what each kind of failure deserves. The values are data: runner/batch/policy.toml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Rule:
    """What a kind of failure deserves: so many retries, the first after `delay` seconds, each `growth` times later.

    `free` makes the host give its memory back first. `blame` counts the failure against the host too.
    """

    retries: int
    delay: float = 0.0
    growth: float = 2.0
    longest: float = 300.0
    free: bool = False
    blame: bool = False

    def pause(self, strikes: int) -> float:
        """Return the seconds to wait after the failure number `strikes` (from 1)."""
        return min(self.longest, self.delay * self.growth ** (strikes - 1))


@dataclass(frozen=True, slots=True)
class Policy:
    """All times in seconds; `rules` by kind of failure, and every kind has one.

    depth           prompts of ours that a host may hold at a time, the running one included
    look_soonest    the shortest and
    look_latest       the longest time between two looks at a host that holds prompts of ours
    lost_grace      how long a prompt may be neither in the queue nor in the history
    fetch_tries     how often the files of one attempt are asked for before the attempt is given up
    stall           how long a host may hold our prompts without any movement; 0: for ever
    timeout         how long a prompt may run; 0: for ever
    host_pause      the first pause of a host that failed; it doubles up to
    host_longest      this
    patience        how long a host may be away before its rows are given to others
    hosts_gone      how long all hosts may be away before the batch stops; 0: for ever
    host_strikes    failures in a row, blamed on a host, before it is paused while others go on
    hedge_factor    a row that takes this many times the usual time is started on an idle host too; 0: never
    hedge_soonest   but not before it has run so long
    ghost_keep      how long a prompt that was given up is looked for, in case its request arrives late
    bring_pause     how long a host gets no row whose subject could not be brought to it
    cancel_patience how long a stop waits for the hosts to let go
    leap            the longest step that the clock is believed to have made: a machine that slept, a clock that jumped
    """

    depth: int
    look_soonest: float
    look_latest: float
    lost_grace: float
    fetch_tries: int
    stall: float
    timeout: float
    host_pause: float
    host_longest: float
    patience: float
    hosts_gone: float
    host_strikes: int
    hedge_factor: float
    hedge_soonest: float
    ghost_keep: float
    bring_pause: float
    cancel_patience: float
    leap: float
    rules: Mapping[str, Rule]

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Policy:
        """Read a policy as TOML has it. Raises TypeError for a value that is missing or unknown."""
        rules = {kind: Rule(**rule) for kind, rule in data["rules"].items()}
        unknown = set(data) - {one.name for one in fields(cls)}
        if unknown:
            raise TypeError(f"a policy has no {sorted(unknown)}")
        return cls(**{**data, "rules": rules})

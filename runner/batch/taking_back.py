"""What cancelled rows of a batch that stopped still have on the hosts: taken out of their queues, or interrupted."""

from __future__ import annotations

from collections import defaultdict

from ..client import AddressError, Client, HostError
from .state import State

PATIENCE = 5.0  # seconds for one prompt to be gone


def take_back(state: State) -> tuple[int, dict[str, int]]:
    """Remove what a runner that was killed has left on hosts for rows that are cancelled now, and nobody else's.

    Return how many prompts are gone, and how many may still be there by the address of each host that did not say so.
    Those stay noted, and may be taken back later.
    """
    left: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
    for row, number, host, prompt_id in state.query(
        "SELECT attempts.row, attempts.number, attempts.host, attempts.prompt_id FROM attempts "
        "JOIN rows ON rows.number = attempts.row WHERE attempts.state = 'open' AND rows.state = 'cancelled'"
    ):
        left[host].append((row, number, prompt_id))
    gone, there = 0, {}
    for host, attempts in left.items():
        taken = _taken(host, [prompt_id for _, _, prompt_id in attempts])
        with state.transaction() as run:
            for row, number, prompt_id in attempts:
                if prompt_id in taken:
                    run("UPDATE attempts SET state = 'withdrawn' WHERE row = ? AND number = ?", row, number)
        gone += len(taken)
        if len(taken) < len(attempts):
            there[host] = len(attempts) - len(taken)
    return gone, there


def _taken(host: str, prompts: list[str]) -> set[str]:
    """Return which of the prompts a host has no more; it is asked for nothing further once it does not answer."""
    taken: set[str] = set()
    try:
        with Client(host, timeout=10.0) as client:
            for prompt_id in prompts:
                if client.cancel(prompt_id, PATIENCE):
                    taken.add(prompt_id)
    except (AddressError, HostError):
        pass
    return taken

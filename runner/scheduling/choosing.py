"""What a host is asked next, and which row it gets."""

from __future__ import annotations

from .board import BRINGING, Board
from .messages import Collect, Free, Interrupt, Look, Request, Stop, Withdraw
from .state import ENDED, ON_HOST, POSTED, RUNNING, HostState, RowState

ENOUGH = 3
"""How many jobs must have been measured before one is said to take unusually long."""


def request(board: Board, host: HostState, stopping: Stop | None) -> Request | None:
    """Return what to ask of an idle host now, or None."""
    if stopping is not None:
        return _removal(board, host) if stopping.cancel and host.reached else None
    if not host.up:
        if host.reached and host.remove:
            return _removal(board, host)  # it would be worked off for nobody, and would look like a stranger's then
        return _look(board, host) if board.now >= host.retry_at else None
    return (
        _removal(board, host)
        or _collection(board, host)
        or _withdrawal(board, host)
        or (Free(host.name, board.next_serial()) if host.free else None)
        or _post(board, host)
        or (_look(board, host) if (host.open or host.ghosts) and board.now >= host.look_at else None)
    )


def _removal(board: Board, host: HostState) -> Request | None:
    prompt_id = next(iter(host.remove), None)
    return Interrupt(host.name, board.next_serial(), prompt_id) if prompt_id else None


def _collection(board: Board, host: HostState) -> Request | None:
    for one in host.open.values():
        if one.status == ENDED and board.now >= one.fetch_at:
            return Collect(host.name, board.next_serial(), one.row, one.number, one.prompt_id)
    return None


def _withdrawal(board: Board, host: HostState) -> Request | None:
    for one in host.open.values():
        if one.moving_out and one.status == POSTED:
            return Withdraw(host.name, board.next_serial(), one.prompt_id)
    return None


def _look(board: Board, host: HostState) -> Request | None:
    prompts = tuple(one.prompt_id for one in host.open.values() if one.status in ON_HOST)
    return Look(host.name, board.next_serial(), prompts)


def _post(board: Board, host: HostState) -> Request | None:
    if host.held >= board.policy.depth:
        return None
    row = _waiting(board, host) or _stranded(board, host)
    if row is None and not host.open and board.last:
        _steal(board, host)
        row = _slow(board, host)
    return board.open(row, host) if row is not None else None


def _waiting(board: Board, host: HostState) -> RowState | None:
    """A row that has no attempt under way: one that failed elsewhere first, then the next of the table."""
    for number, ready in board.again.items():
        row = board.rows[number]
        if ready <= board.now and _fits(board, host, row, row.avoid):
            return row
    for place, number in enumerate(board.fresh):
        row = board.rows[number]
        if _fits(board, host, row, row.avoid):
            del board.fresh[place]
            return row
    return None


def _fits(board: Board, host: HostState, row: RowState, avoid: str) -> bool:
    """Whether a row is for this host: not for another that has its subject and has room, or where it has not failed."""
    if not (host.can_take(row, board.now) and board.has_room(host, row)):
        return False
    others = [one for one in board.hosts.values() if one is not host and one.up and one.can_take(row, board.now)]
    if avoid == host.name and others:
        return False
    if row.needs <= host.has:
        return True
    if not all(one.heard for one in board.hosts.values()):
        return False  # a host that is asked for the first time may have it
    return not any(row.needs <= one.has and board.has_room(one, row) and avoid != one.name for one in others)


def _stranded(board: Board, host: HostState) -> RowState | None:
    """A row whose attempts are all on hosts that have been away too long. If it had its last, it is set aside."""
    for other in board.hosts.values():
        for attempt in list(other.open.values()) if board.gone(other.name) else ():
            row = board.rows.get(attempt.row)
            if row is None or row.number in board.again or not board.idle(row):
                continue
            if row.last is not None:
                board.give_up(row, row.last)
            elif host.can_take(row, board.now) and board.has_room(host, row):
                return row
    return None


def _steal(board: Board, host: HostState) -> None:
    """Have the busiest host give back a prompt that waits there, for a host that has nothing to do and would get it.

    Not one whose subject was not taken somewhere: it would go to and fro between the two.
    """
    wanted = sum(other.up and not other.open for other in board.hosts.values())
    moving = sum(one.moving_out for other in board.hosts.values() for one in other.open.values())
    if moving >= wanted:
        return
    busy = [
        (other.held * max(other.seconds, board.seconds), attempt)
        for other in board.hosts.values()
        if other is not host and other.up and other.held > 1
        for attempt in other.open.values()
        if attempt.status == POSTED
        and not attempt.moving_out
        and _fits(board, host, row := board.rows[attempt.row], avoid=other.name)
        and row.last is None
        and (row.needs <= host.has or BRINGING not in row.strikes)
    ]
    if busy:
        max(busy, key=lambda one: one[0])[1].moving_out = True


def _slow(board: Board, host: HostState) -> RowState | None:
    """A row that takes unusually long where it runs: whichever attempt is through first counts."""
    policy = board.policy
    if not policy.hedge_factor or board.measured < ENOUGH:
        return None
    limit = max(policy.hedge_soonest, policy.hedge_factor * board.seconds)
    for other in board.hosts.values():
        for attempt in other.open.values():
            row = board.rows[attempt.row]
            alone = other is not host and attempt.status == RUNNING and len(row.open) == 1 and not row.strikes
            if alone and board.now - attempt.since > limit and host.can_take(row, board.now):
                return row
    return None

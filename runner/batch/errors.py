"""What can go wrong with a batch as a whole."""

from __future__ import annotations

from ...portrait.errors import PortraitError
from ..client import exit_code


class BatchStateError(PortraitError):
    """The state of a batch cannot be read or written: corrupt, of a newer version, or not there."""

    key = "batch_state"
    exit_code = exit_code("failed")


class BatchBusyError(PortraitError):
    """Another process runs the same batch."""

    key = "batch_busy"
    exit_code = exit_code("failed")


class TableError(PortraitError):
    """The table cannot be used; nothing was queued."""

    key = "table"
    exit_code = exit_code("graph")


class BatchError(PortraitError):
    """The batch ended without all of its rows: some were set aside, or it had to stop."""

    key = "batch"
    exit_code = exit_code("batch")

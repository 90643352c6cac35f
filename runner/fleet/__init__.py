"""The fleet: a batch for more machines than one runner looks after, through Celery and Redis. Nothing here is a queue.

Needs the extra `fleet`. A worker runs beside each host; docs/fleet.md takes an operator from one machine to twenty.
"""

from .driver import ANY, FIRST, Driver, FleetRow, own_queue
from .ledger import Ledger
from .worker import WorkerPost, application, connect, work

__all__ = ["ANY", "FIRST", "Driver", "FleetRow", "Ledger", "WorkerPost", "application", "connect", "own_queue", "work"]

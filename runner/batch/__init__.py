"""Batches: many rows through one graph on one or many hosts, with a state that survives whatever happens.

A library: no command line in it. `scheduling` decides, this room writes down and carries out.
"""

from .beginning import Order, begin, stored_rows
from .database import Database, DiskFullError
from .errors import BatchBusyError, BatchError, BatchStateError, TableError
from .faults import fault_of
from .html import REPORT, write_html
from .metrics import METRICS, write_metrics
from .news import AttemptFailed, HostChanged, News, RowFailed, RowFinished, SubjectBrought, Tally
from .places import PICTURES, Places, locked
from .policies import policy
from .report import SheetPicture, page_of, ranked, write_front, write_page, write_report
from .rows import BatchRow
from .run import BatchRun
from .state import NAME, KeptFile, State
from .tables import read_table, write_csv
from .taking_back import take_back
from .webhook import Webhook, WebhookError

__all__ = [
    "METRICS",
    "NAME",
    "PICTURES",
    "REPORT",
    "AttemptFailed",
    "BatchBusyError",
    "BatchError",
    "BatchRow",
    "BatchRun",
    "BatchStateError",
    "Database",
    "DiskFullError",
    "HostChanged",
    "KeptFile",
    "News",
    "Order",
    "Places",
    "RowFailed",
    "RowFinished",
    "SheetPicture",
    "State",
    "SubjectBrought",
    "TableError",
    "Tally",
    "Webhook",
    "WebhookError",
    "begin",
    "fault_of",
    "locked",
    "page_of",
    "policy",
    "ranked",
    "read_table",
    "stored_rows",
    "take_back",
    "write_csv",
    "write_front",
    "write_html",
    "write_metrics",
    "write_page",
    "write_report",
]

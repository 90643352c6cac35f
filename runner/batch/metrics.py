"""Counts and durations of a batch as a text file for Prometheus' node exporter (its textfile collector)."""

from __future__ import annotations

from pathlib import Path

from ...portrait import disk
from .news import Tally

METRICS = "metrics.prom"


def metrics(tally: Tally, batch: str) -> str:
    """Return the text; `batch` names the batch in every line."""
    name = _label(batch)
    lines = [
        "# HELP portrait_studio_rows Rows of the batch by state.",
        "# TYPE portrait_studio_rows gauge",
        *(
            f'portrait_studio_rows{{batch="{name}",state="{state}"}} {count}'
            for state, count in (
                ("done", tally.done),
                ("failed", tally.failed),
                ("cancelled", tally.cancelled),
                ("open", tally.left),
            )
        ),
        "# HELP portrait_studio_pictures_total Pictures brought here by this run.",
        "# TYPE portrait_studio_pictures_total counter",
        f'portrait_studio_pictures_total{{batch="{name}"}} {tally.pictures}',
        "# HELP portrait_studio_row_seconds Time from posting a row to its pictures.",
        "# TYPE portrait_studio_row_seconds summary",
        f'portrait_studio_row_seconds_sum{{batch="{name}"}} {tally.seconds:.3f}',
        f'portrait_studio_row_seconds_count{{batch="{name}"}} {tally.here}',
        "# HELP portrait_studio_failures_total Rows set aside by this run, by reason.",
        "# TYPE portrait_studio_failures_total counter",
        *(
            f'portrait_studio_failures_total{{batch="{name}",reason="{_label(reason)}"}} {count}'
            for reason, count in sorted(tally.failures.items())
        ),
        "# HELP portrait_studio_host_up Whether a host answers.",
        "# TYPE portrait_studio_host_up gauge",
        *(
            f'portrait_studio_host_up{{batch="{name}",host="{_label(host.name)}"}} {int(host.up)}'
            for host in tally.hosts
        ),
        "# HELP portrait_studio_host_rows_total Rows done by a host in this run.",
        "# TYPE portrait_studio_host_rows_total counter",
        *(
            f'portrait_studio_host_rows_total{{batch="{name}",host="{_label(host.name)}"}} {host.done}'
            for host in tally.hosts
        ),
    ]
    return "\n".join(lines) + "\n"


def write_metrics(folder: Path, tally: Tally) -> None:
    """Write the file of a batch, whole or not at all. Raises OSError."""
    disk.write(folder / METRICS, metrics(tally, folder.name).encode())


def _label(text: str) -> str:
    """Return a text as the value of a label (Prometheus exposition format)."""
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")

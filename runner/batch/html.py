"""Static pages: no script, nothing from elsewhere, and a policy in each that says so to the browser."""

from __future__ import annotations

from pathlib import Path

from ...portrait import disk

REPORT = "report.html"
STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:1400px;padding:0 1rem;background:#fafafa;color:#222}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}table{border-collapse:collapse}
td,th{border:1px solid #ddd;padding:.3rem .6rem;text-align:left;vertical-align:top}
.bar{background:#ddd;height:.8rem;border-radius:.4rem;overflow:hidden;max-width:40rem}.bar i{display:block;height:100%;
background:#3a7}.sheet{display:flex;flex-wrap:wrap;gap:.8rem}.cell{width:180px;background:#fff;border:1px solid #ddd;
padding:.4rem;font-size:.8rem;overflow-wrap:anywhere}.cell img{width:100%;height:auto;display:block}
.cell code{font-size:.7rem;color:#666}.failed{background:#fee}.muted{color:#777}
"""


def write_html(path: Path, title: str, body: str, running: bool = False) -> None:
    """Write a page, whole or not at all; `title` and `body` are HTML. One of what still runs reloads itself.

    Raises OSError.
    """
    reload = '<meta http-equiv="refresh" content="15">' if running else ""
    safe = "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'"
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>{reload}'
        f'<meta http-equiv="Content-Security-Policy" content="{safe}"><style>{STYLE}</style>{body}</html>\n'
    )
    disk.write(path, page.encode())


def without_picture(state: str) -> str:
    """Return what is said of a row in this state that has no picture."""
    return {"failed": "set aside", "open": "not yet", "done": "its picture is gone"}.get(state, state)

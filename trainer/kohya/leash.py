"""Runs a script of sd-scripts and ends it, with all its children, when the process that started it goes away.

`python leash.py SCRIPT ARGUMENTS...`: standard input is the leash; its end is the end. Runs in the environment of
sd-scripts, so it needs nothing but the standard library.
"""

import contextlib
import os
import runpy
import signal
import sys
import threading


def _hold() -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    if hasattr(os, "killpg"):
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_hold, daemon=True).start()
    script = sys.argv[1]
    sys.argv = sys.argv[1:]
    sys.path[0] = os.path.dirname(os.path.abspath(script))  # noqa: PTH100, PTH120 - as the interpreter itself sets it
    runpy.run_path(script, run_name="__main__")

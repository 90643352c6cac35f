"""The first lines of the command: whenever it is asked to stop, while it starts or ends too, its exit code says so.

The rest of the program takes half a second to load; a signal in that time would end Python in its own way (-15, or a
traceback). So nothing else is imported here or in this folder's `__init__`; `runner` imports its rooms late.
"""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import NoReturn

INTERRUPTED, TERMINATED = 130, 143  # as in client/exit_codes.json, which is not read yet


class _Stopped:
    """Which signal came, if any: an exception that a signal raised may be lost where nothing can pass it on."""

    code = 0

    def terminate(self, _number: int, _frame: FrameType | None) -> None:
        self.code = TERMINATED
        sys.exit(TERMINATED)

    def interrupt(self, _number: int, _frame: FrameType | None) -> None:
        self.code = INTERRUPTED
        raise KeyboardInterrupt


def main() -> NoReturn:
    """Run the command line and exit with a code of client/exit_codes.json."""
    stopped = _Stopped()
    try:
        signal.signal(signal.SIGTERM, stopped.terminate)
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a shell may have set it to be ignored
            signal.signal(signal.SIGINT, stopped.interrupt)
        from .app import main as run

        run()
        code = 0
    except SystemExit as end:
        code = end.code
    except KeyboardInterrupt:
        code = INTERRUPTED
    finally:
        # From here on there is nothing left to stop. Ignored signals stay ignored while Python takes itself apart.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    if stopped.code and code in (0, 1, None, stopped.code):
        code = stopped.code
        sys.stderr.write("Stopped.\n")
    sys.exit(code)

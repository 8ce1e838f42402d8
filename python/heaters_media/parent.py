"""Ends this process with the one that started it.

Killed, a parent can tell nobody: its child would wait for ever at a FIFO that no one opens any more.
"""

from __future__ import annotations

import os
import threading
import time

LOOK_EVERY_SECONDS = 0.5
EXIT_CODE = 3


def end_with_parent() -> None:
    """Watches the parent from now on; `HEATERS_PARENT_PID` names it where it may be gone already."""
    parent = int(os.environ.get("HEATERS_PARENT_PID") or os.getppid())
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while True:
        # After the wait: a FIFO that ffmpeg waits at has been opened by then, so that it is let go too.
        time.sleep(LOOK_EVERY_SECONDS)
        if os.getppid() != parent:
            os._exit(EXIT_CODE)

"""What is said about a handler of a simulated machine that blocks for real. Imported when there is one."""

from __future__ import annotations

import logging
import threading
import traceback
from types import FrameType

__all__ = ["report"]


def report(text: str, frame: FrameType | None) -> None:
    """Log a warning with the stack of the handler, in a thread of its own: a log may wait for whatever it likes."""
    stack = "".join(traceback.format_stack(frame)) if frame is not None else "  (no Python frame)\n"
    message = f"{text}\nStack of the handler (most recent call last):\n{stack.rstrip()}"
    logger = logging.getLogger("bottomhalf")
    threading.Thread(target=logger.warning, args=("%s", message), name="bottomhalf-stall", daemon=True).start()

"""Where the stall watchdog's reports go beside the machine's log: the logger "bottomhalf"."""

from __future__ import annotations

import threading

from . import _core


def report(text: str) -> None:
    """Pass a report on to ``logging``."""
    import logging

    known = threading.get_ident() in threading._active  # type: ignore[attr-defined]
    logging.getLogger("bottomhalf").error("%s", text)
    if not known:
        # A record names its thread, and `threading` remembers every thread that it was asked about, for ever.
        threading._active.pop(threading.get_ident(), None)  # type: ignore[attr-defined]


_core._set_watchdog_report(report)

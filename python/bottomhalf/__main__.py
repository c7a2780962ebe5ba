"""``python -m bottomhalf``: the same as the command ``bottomhalf``."""

from __future__ import annotations

from bottomhalf.cli import main

if __name__ == "__main__":
    raise SystemExit(main())

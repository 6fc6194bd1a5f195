"""How a test in Python tells of a check: one line, `ok: WHAT` or `FAILED: WHAT`.

Nothing is counted here: tests/parts counts the lines of all scripts.
"""

from __future__ import annotations

from typing import NoReturn

_failed: list[str] = []


def check(what: str, holds: bool, found: object = "") -> None:
    """Say whether `what` holds; if not, what was found."""
    if holds:
        print(f"ok: {what}", flush=True)
    else:
        _failed.append(what)
        print(f"FAILED: {what}\n    {found}", flush=True)


def finish() -> NoReturn:
    """Exit, with 0 if no check failed."""
    raise SystemExit(1 if _failed else 0)

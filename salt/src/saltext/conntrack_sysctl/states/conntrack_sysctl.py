"""
Keep the kernel's connection tracking sysctls as desired: live now, and after the next boot.

.. code-block:: yaml

    connection tracking:
      conntrack_sysctl.present:
        - settings:
            nf_conntrack_max: 98000
            nf_conntrack_tcp_timeout_close_wait: 4m
            nf_conntrack_tcp_timeout_established: 8h

One state is one request of the binary ``conntrack-sysctl``: all of it is done, or nothing. With ``test=True`` the
binary checks and changes nothing.
"""

from __future__ import annotations

import difflib
from typing import Any

from salt.exceptions import CommandExecutionError

__virtualname__ = "conntrack_sysctl"


def __virtual__() -> str | tuple[bool, str]:
    """Load where the execution module does."""
    if "conntrack_sysctl.apply" in __salt__:
        return __virtualname__
    return False, "conntrack_sysctl: the execution module is not loaded"


def present(name: str, value: Any = None, settings: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    """
    Hold one setting, or several as one change.

    name
        The setting, by any of its names; with ``settings`` or ``at_least`` a name for the state, and no more.

    value
        Its value: an integer, a duration for a timeout (``8h``), a boolean for a switch.

    settings
        Several settings with their values.

    options
        Every other field of the request: ``at_least``, ``live``, ``persist``, ``file``, ``conflicts``, ``exclusive``,
        ``module``, ``loader``, ``backup``.

    .. code-block:: yaml

        nf_conntrack_tcp_timeout_established:
          conntrack_sysctl.present:
            - value: 8h

        room for a million:
          conntrack_sysctl.present:
            - at_least:
                nf_conntrack_max: 1048576
                nf_conntrack_buckets: 1048576
            - conflicts: comment_out

    CLI Example:

    .. code-block:: bash

        salt '*' state.single conntrack_sysctl.present nf_conntrack_max value=98000 test=True
    """
    if settings is None and (value is not None or "at_least" not in options):
        settings = {name: value}
    return _state(name, options if settings is None else {**options, "settings": settings})


def absent(name: str, settings: list[str] | None = None, **options: Any) -> dict[str, Any]:
    """
    Have the file assign a setting, or several, no more. The live kernel is left as it is.

    name
        The setting; with ``settings`` a name for the state, and no more.

    settings
        The names of several settings.

    options
        As in :py:func:`present`; ``file`` says which file is meant.

    .. code-block:: yaml

        nf_conntrack_max:
          conntrack_sysctl.absent

    CLI Example:

    .. code-block:: bash

        salt '*' state.single conntrack_sysctl.absent nf_conntrack_max
    """
    names = [name] if settings is None else settings
    return _state(name, {**options, "settings": dict.fromkeys(names), "state": "absent"})


def managed(name: str, request: dict[str, Any]) -> dict[str, Any]:
    """
    Hold a whole request, as from a pillar.

    name
        A name for the state.

    request
        The request, with any of its fields.

    .. code-block:: yaml

        connection tracking:
          conntrack_sysctl.managed:
            - request: {{ pillar['conntrack'] | tojson }}

    CLI Example:

    .. code-block:: bash

        salt '*' state.single conntrack_sysctl.managed tracking request='{at_least: {nf_conntrack_max: 98000}}'
    """
    return _state(name, request)


def _state(name: str, request: dict[str, Any]) -> dict[str, Any]:
    """The outcome of a request in Salt's form."""
    command = "check" if __opts__["test"] else "apply"
    try:
        report = __salt__[f"conntrack_sysctl.{command}"](request=request)
    except CommandExecutionError as error:
        return {"name": name, "result": False, "changes": {}, "comment": str(error)}
    result: bool | None = report["failure"] is None
    if result and report["mode"] == "check" and report["changed"]:
        result = None
    outcome = {"name": name, "result": result, "changes": _changes(report), "comment": "\n".join(_comment(report))}
    warnings = [f"{warning['code']}: {warning['message']}" for warning in report["warnings"]]
    # Salt's summary counts a state that has the list as one that warns, were it empty.
    return {**outcome, "warnings": warnings} if warnings else outcome


def _changes(report: dict[str, Any]) -> dict[str, Any]:
    """What differs before and after, by setting and by file; after a failed rollback, what is still changed."""
    changes: dict[str, Any] = {}
    for setting in report["settings"]:
        sides = {side: {"old": setting[side]["before"], "new": setting[side]["after"]} for side in ("live", "boot")}
        sides = {side: values for side, values in sides.items() if values["old"] != values["new"]}
        if sides:
            changes[setting["name"]] = sides
    for change in report["changes"]:
        if change["kind"] == "module":
            changes[f"module {change['name']}"] = {"old": "not loaded", "new": "loaded"}
    files = {change["path"] for change in report["changes"] if change["kind"] == "file"}
    for diff in report["diff"]:
        headers = (diff["before_header"], diff["after_header"])
        texts = (diff["before"].splitlines(), diff["after"].splitlines())
        for path in files.intersection(headers):
            changes[path] = {"diff": "\n".join(difflib.unified_diff(*texts, *headers, lineterm=""))}
    return changes


def _comment(report: dict[str, Any]) -> list[str]:
    """The lines that a person reads first: what happened, then each setting with its verdict."""
    failure = report["failure"]
    if failure is not None:
        where = f" (at {failure['pointer']})" if failure["pointer"] else ""
        lines = [f"{failure['kind']}: {failure['message']}{where}"]
        if failure["hint"]:
            lines.append(f"What to do: {failure['hint']}")
        if failure["rolled_back"]:
            lines.append("All that had been changed is as it was before.")
        lines += [f"Still changed: {what}" for what in failure["remains"]]
    elif report["changed"]:
        lines = ["Would be changed:" if report["mode"] == "check" else "Changed:"]
    elif report["in_sync"]:
        lines = ["In sync, nothing to change:"]
    else:
        lines = ["Nothing to change within this request, and yet not in sync:"]
    lines += [_line(setting) for setting in report["settings"]]
    return lines + [f"Old content kept: {path}" for path in report["backup_files"]]


def _line(setting: dict[str, Any]) -> str:
    """A setting in one line."""
    sides = [f"{side} {_values(setting[side])}" for side in ("live", "boot")]
    winner = setting["boot"]["winner"]
    if winner is not None:
        sides[1] += f" by {winner['file']}:{winner['line']}"
    advice = f"; {setting['advice']}" if setting["advice"] else ""
    return f"{setting['name']}: {setting['verdict']}, {', '.join(sides)}{advice}"


def _values(side: dict[str, Any]) -> str:
    """A value before and after, once where the two are equal."""
    before, after = ("none" if side[when] is None else str(side[when]) for when in ("before", "after"))
    human = f" ({side['human']})" if side["human"] else ""
    return f"{after}{human}" if before == after else f"{before} -> {after}{human}"

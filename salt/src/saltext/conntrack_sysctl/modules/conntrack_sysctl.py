"""
Look at and change the kernel's connection tracking sysctls, by the binary ``conntrack-sysctl``.

The binary is looked for in the minion's ``PATH``. The minion's configuration may name another:

.. code-block:: yaml

    conntrack_sysctl.binary: /opt/conntrack/bin/conntrack-sysctl

Requests and reports are those of the binary: its documents ``request.md`` and ``report.md`` tell of every field.
"""

from __future__ import annotations

import json
import subprocess
from typing import Any

import salt.utils.args
import salt.utils.path
import salt.utils.platform
from salt.exceptions import CommandExecutionError

__virtualname__ = "conntrack_sysctl"


def __virtual__() -> str | tuple[bool, str]:
    """Load on Linux only: no other kernel has these sysctls."""
    if salt.utils.platform.is_linux():
        return __virtualname__
    return False, "conntrack_sysctl: the connection tracking sysctls are the Linux kernel's"


def check(request: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """
    Say what differs from a request, and what :py:func:`apply` would change. Change nothing.

    The request is given whole, or by its fields. Returns the report. The return code is 0 in sync, 2 drift, 1 could not
    tell.

    CLI Example:

    .. code-block:: bash

        salt '*' conntrack_sysctl.check settings='{nf_conntrack_max: 98000}'
        salt '*' conntrack_sysctl.check settings='{nf_conntrack_tcp_timeout_established: 8h}' live=False
    """
    return _report("check", request, fields)


def apply(request: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """
    Make the machine as a request says. All of it is done, or nothing.

    The request is given whole, or by its fields. Returns the report. The return code is 0 done, 1 failed.

    CLI Example:

    .. code-block:: bash

        salt '*' conntrack_sysctl.apply settings='{nf_conntrack_max: 98000}' conflicts=comment_out
    """
    return _report("apply", request, fields)


def state(request: dict[str, Any], test: bool = False) -> dict[str, Any]:
    """
    Apply a request, or with ``test`` check it, and return what a state returns, all but its name. The states call this.

    CLI Example:

    .. code-block:: bash

        salt '*' conntrack_sysctl.state '{settings: {nf_conntrack_max: 98000}}' test=True
    """
    return _answer(["check" if test else "apply"], _text(request), output="salt")[0]


def show() -> dict[str, Any]:
    """
    List all settings: the live value, what the next boot makes of it, and the line that decides.

    CLI Example:

    .. code-block:: bash

        salt '*' conntrack_sysctl.show
    """
    return _answer(["show"])[0]


def explain(setting: str) -> dict[str, Any]:
    """
    Tell of one setting every line that assigns it, in boot order, and who wins.

    CLI Example:

    .. code-block:: bash

        salt '*' conntrack_sysctl.explain nf_conntrack_max
    """
    # What begins with a dash is a name all the same, and no option.
    return _answer(["explain", "--", setting])[0]


def status() -> dict[str, Any]:
    """
    Say how full the table is, and what was dropped.

    CLI Example:

    .. code-block:: bash

        salt '*' conntrack_sysctl.status
    """
    return _answer(["status"])[0]


def diagnose() -> dict[str, Any]:
    """
    Say what fills the table, why packets are dropped, and what to set.

    CLI Example:

    .. code-block:: bash

        salt '*' conntrack_sysctl.diagnose
    """
    return _answer(["diagnose"])[0]


def _report(command: str, request: dict[str, Any] | None, fields: dict[str, Any]) -> dict[str, Any]:
    """The report of ``command`` on a request, which is refused by the binary where it is wrong, and not here."""
    if request is None:
        request = salt.utils.args.clean_kwargs(**fields)
    elif salt.utils.args.clean_kwargs(**fields):
        raise CommandExecutionError("give the request whole or by its fields, not both")
    report, code = _answer([command], _text(request))
    __context__["retcode"] = code
    return report


def _text(request: dict[str, Any]) -> str:
    """The request as JSON. What YAML knows and JSON does not, such as a date, is handed over as text."""
    return json.dumps(request, default=str)


def _answer(arguments: list[str], request: str = "", output: str = "json") -> tuple[dict[str, Any], int]:
    """What the binary prints, and its exit code."""
    binary = __opts__.get("conntrack_sysctl.binary", "conntrack-sysctl")
    path = salt.utils.path.which(binary)
    if path is None:
        raise CommandExecutionError(
            f"the binary `{binary}` is not on this minion; "
            "put it into the PATH, or name it as `conntrack_sysctl.binary` in the minion's configuration"
        )
    # No shell, and no `cmd.run`, which would turn the two characters `\n` in the request into a line end.
    try:
        done = subprocess.run(
            [path, "--output", output, *arguments], input=request, capture_output=True, encoding="utf-8", check=False
        )
        answer = json.loads(done.stdout)
    except (OSError, ValueError) as error:
        said = error if isinstance(error, OSError) else done.stderr.strip() or f"it ended with {done.returncode}"
        raise CommandExecutionError(f"`{path} {arguments[0]}` gave no report: {said}") from error
    return answer, done.returncode

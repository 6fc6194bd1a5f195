"""
Read and change the kernel's connection tracking sysctls with the binary ``conntrack-sysctl``.

The module looks for the binary in the minion's ``PATH``. The minion's configuration may name another binary:

.. code-block:: yaml

    conntrack_sysctl.binary: /opt/conntrack/bin/conntrack-sysctl

Requests and reports are those of the binary. Its documents ``request.md`` and ``report.md`` describe every field.
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
    Report what differs from a request, and what :py:func:`apply` would change. Change nothing.

    Give the whole request, or its fields. Returns the report. The return code is 0 in sync, 2 drift, 1 could not tell.

    CLI Example:

    .. code-block:: bash

        salt '*' conntrack_sysctl.check settings='{nf_conntrack_max: 98000}'
        salt '*' conntrack_sysctl.check settings='{nf_conntrack_tcp_timeout_established: 8h}' live=False
    """
    return _report("check", request, fields)


def apply(request: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """
    Make the machine match a request: change all of it, or nothing.

    Give the whole request, or its fields. Returns the report. The return code is 0 done, 1 failed.

    CLI Example:

    .. code-block:: bash

        salt '*' conntrack_sysctl.apply settings='{nf_conntrack_max: 98000}' conflicts=comment_out
    """
    return _report("apply", request, fields)


def state(request: dict[str, Any], test: bool = False) -> dict[str, Any]:
    """
    Apply a request, or with ``test`` check it. Return the result of a state without its name. The states call this.

    CLI Example:

    .. code-block:: bash

        salt '*' conntrack_sysctl.state '{settings: {nf_conntrack_max: 98000}}' test=True
    """
    return _answer(["check" if test else "apply"], _text(request), output="salt")[0]


def show() -> dict[str, Any]:
    """
    List all settings: the live value, the value after the next boot, and the line that decides.

    CLI Example:

    .. code-block:: bash

        salt '*' conntrack_sysctl.show
    """
    return _answer(["show"])[0]


def explain(setting: str) -> dict[str, Any]:
    """
    Show every line that assigns one setting, in boot order, and the line that wins.

    CLI Example:

    .. code-block:: bash

        salt '*' conntrack_sysctl.explain nf_conntrack_max
    """
    # After `--` a name that begins with a dash is not an option.
    return _answer(["explain", "--", setting])[0]


def verify() -> dict[str, Any]:
    """
    After a boot, compare the machine with what the last apply predicted.

    The return code is 0 if the prediction held, 2 if it is broken, and 1 if nobody can tell.

    CLI Example:

    .. code-block:: bash

        salt '*' conntrack_sysctl.verify
    """
    verification, code = _answer(["verify"])
    __context__["retcode"] = code
    return verification


def status() -> dict[str, Any]:
    """
    Show how full the table is, and how many packets were dropped.

    CLI Example:

    .. code-block:: bash

        salt '*' conntrack_sysctl.status
    """
    return _answer(["status"])[0]


def diagnose() -> dict[str, Any]:
    """
    Show what fills the table and why packets are dropped, and propose settings.

    CLI Example:

    .. code-block:: bash

        salt '*' conntrack_sysctl.diagnose
    """
    return _answer(["diagnose"])[0]


def _report(command: str, request: dict[str, Any] | None, fields: dict[str, Any]) -> dict[str, Any]:
    """The report of ``command`` on a request. The binary refuses a wrong request, not this function."""
    if request is None:
        request = salt.utils.args.clean_kwargs(**fields)
    elif salt.utils.args.clean_kwargs(**fields):
        raise CommandExecutionError("give the request whole or by its fields, not both")
    report, code = _answer([command], _text(request))
    __context__["retcode"] = code
    return report


def _text(request: dict[str, Any]) -> str:
    """The request as JSON. Values that YAML has and JSON does not have, such as a date, become text."""
    return json.dumps(request, default=str)


def _answer(arguments: list[str], request: str = "", output: str = "json") -> tuple[dict[str, Any], int]:
    """The output of the binary, and its exit code."""
    binary = __opts__.get("conntrack_sysctl.binary", "conntrack-sysctl")
    path = salt.utils.path.which(binary)
    if path is None:
        raise CommandExecutionError(
            f"the binary `{binary}` is not on this minion; "
            "put it into the PATH, or name it as `conntrack_sysctl.binary` in the minion's configuration"
        )
    # There is no shell and no `cmd.run`: `cmd.run` would turn the two characters `\n` in the request into a line end.
    try:
        done = subprocess.run(
            [path, "--output", output, *arguments], input=request, capture_output=True, encoding="utf-8", check=False
        )
        answer = json.loads(done.stdout)
    except (OSError, ValueError) as error:
        said = error if isinstance(error, OSError) else done.stderr.strip() or f"it ended with {done.returncode}"
        raise CommandExecutionError(f"`{path} {arguments[0]}` gave no report: {said}") from error
    return answer, done.returncode

"""
Keep the kernel's connection tracking sysctls as desired: live now, and after the next boot.

.. code-block:: yaml

    connection tracking:
      conntrack_sysctl.present:
        - settings:
            nf_conntrack_max: 98000
            nf_conntrack_tcp_timeout_close_wait: 4m
            nf_conntrack_tcp_timeout_established: 8h

One state is one request to the binary ``conntrack-sysctl``, which changes all of it, or nothing. With ``test=True`` the
binary checks and changes nothing.
"""

from __future__ import annotations

from typing import Any

from salt.exceptions import CommandExecutionError

__virtualname__ = "conntrack_sysctl"


def __virtual__() -> str | tuple[bool, str]:
    """Load if the execution module is loaded."""
    if "conntrack_sysctl.state" in __salt__:
        return __virtualname__
    return False, "conntrack_sysctl: the execution module is not loaded"


def present(name: str, value: Any = None, settings: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    """
    Hold one setting, or several as one change.

    name
        The setting, by any of its names. With ``settings`` or ``at_least`` it is only a name for the state.

    value
        Its value: an integer, a duration for a timeout (``8h``), a boolean for a switch.

    settings
        Several settings with their values.

    options
        Every other field of the request: ``at_least``, ``live``, ``persist``, ``file``, ``conflicts``, ``exclusive``,
        ``module``, ``loader``, ``uncertain``, ``masks``, ``initrd``, ``backup``.

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
    Remove one setting, or several, from the file. The live kernel stays as it is.

    name
        The setting. With ``settings`` it is only a name for the state.

    settings
        The names of several settings.

    options
        As in :py:func:`present`. ``file`` names the file.

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
    """The result of a request, as the binary prints it."""
    try:
        outcome = __salt__["conntrack_sysctl.state"](request, test=__opts__["test"])
    except CommandExecutionError as error:
        outcome = {"result": False, "changes": {}, "comment": str(error)}
    return {"name": name, **outcome}

# Copyright: the conntrack-sysctl maintainers
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Keeps the connection tracking sysctls as desired."""
from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible_collections.conntrack.sysctl.plugins.plugin_utils.binary import BinaryAction


class ActionModule(BinaryAction):
    """The module `settings`."""

    name = 'settings'
    returned = ('changed', 'msg', 'in_sync', 'settings', 'changes', 'warnings', 'warning_codes', 'failure')
    may_change = True

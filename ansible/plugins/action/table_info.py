# Copyright: the conntrack-sysctl maintainers
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Shows how full the connection tracking table is, and what fills it."""
from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible_collections.conntrack.sysctl.plugins.plugin_utils.binary import BinaryAction


class ActionModule(BinaryAction):
    """The module `table_info`."""

    name = 'table_info'
    returned = ('changed', 'msg', 'full', 'verdict', 'status', 'diagnosis')

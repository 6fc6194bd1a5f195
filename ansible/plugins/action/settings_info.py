# Copyright: the conntrack-sysctl maintainers
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Shows the connection tracking sysctls, and their values after the next boot."""
from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible_collections.conntrack.sysctl.plugins.plugin_utils.binary import BinaryAction


class ActionModule(BinaryAction):
    """The module `settings_info`."""

    name = 'settings_info'
    returned = ('changed', 'msg', 'in_sync', 'loader', 'module', 'settings')

# Copyright: the conntrack-sysctl maintainers
# SPDX-License-Identifier: MIT OR Apache-2.0
"""The module is done by the action plugin of this name, and by the binary; its documentation is in settings_info.yml."""

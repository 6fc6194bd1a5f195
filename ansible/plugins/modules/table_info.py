# Copyright: the conntrack-sysctl maintainers
# SPDX-License-Identifier: MIT OR Apache-2.0
"""The action plugin of this name and the binary do the work of this module. table_info.yml has its documentation."""

"""Connection tracking sysctls as Salt states: an envelope around the binary ``conntrack-sysctl``."""

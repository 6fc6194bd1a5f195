"""Connection tracking sysctls as Salt states: they call the binary ``conntrack-sysctl``."""

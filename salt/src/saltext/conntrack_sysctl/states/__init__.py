"""The state module ``conntrack_sysctl``."""

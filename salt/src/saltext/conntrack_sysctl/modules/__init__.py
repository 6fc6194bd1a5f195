"""The execution module ``conntrack_sysctl``."""

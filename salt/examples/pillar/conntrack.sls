# A whole request. docs/request.md describes each field.
conntrack:
  settings:
    nf_conntrack_tcp_timeout_close_wait: 4m
    nf_conntrack_tcp_timeout_established: 8h
  conflicts: comment_out
  backup: true

# The SHA-256 of the binary, as `sha256sum conntrack-sysctl` prints it on the machine that built it.
conntrack_binary_sha256: {{ salt['config.get']('conntrack_binary_sha256', '') }}

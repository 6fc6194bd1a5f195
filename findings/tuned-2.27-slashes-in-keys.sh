#!/usr/bin/env bash
# tuned 2.27.0 does not set a key that is spelled `net/netfilter/x`, as sysctl(8), sysctl.d(5) and tuned 2.20.0 accept it: it
# takes the slashes for dots in a name, and looks for the file /proc/sys/net.netfilter.x. Needs root, for a network
# namespace, and python3.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
# The mirror that apt has.
mirror=$(apt-get indextargets --format '$(ORIGIN)/$(LABEL) $(REPO_URI)' 'Created-By: Packages' |
    sed -n 's,^Debian/Debian ,,p' | head -n 1)
pool=${mirror%/}/pool/main/t/tuned
cat > write.py <<'PYTHON'
import sys
sys.path.insert(0, sys.argv[1] + "/usr/lib/python3/dist-packages")
from tuned.plugins import plugin_sysctl
from tuned.utils.commands import commands
from tuned.version import TUNED_VERSION_MAJOR as major, TUNED_VERSION_MINOR as minor

if hasattr(plugin_sysctl, "_write_sysctl"):
    write = plugin_sysctl._write_sysctl
else:
    plugin = object.__new__(plugin_sysctl.SysctlPlugin)
    plugin._cmd = commands()
    write = plugin._write_sysctl
path = "/proc/sys/net/netfilter/nf_conntrack_udp_timeout"
for number, key in [("41", "net.netfilter.nf_conntrack_udp_timeout"), ("42", "net/netfilter/nf_conntrack_udp_timeout")]:
    open(path, "w").write("30")
    write(key, number)
    print("tuned", "%s.%s" % (major, minor), key, "=", number, "->", open(path).read().strip())
PYTHON
modprobe nf_conntrack 2>/dev/null || true
for version in 2.20.0-1 2.27.0-1; do
    curl -fsSLO "$pool/tuned_${version}_all.deb"
    dpkg -x "tuned_${version}_all.deb" "tuned-$version"
    unshare --net python3 write.py "tuned-$version" 2>/dev/null
done | tee seen
diff - seen <<'EXPECTED'
tuned 2.20 net.netfilter.nf_conntrack_udp_timeout = 41 -> 41
tuned 2.20 net/netfilter/nf_conntrack_udp_timeout = 42 -> 42
tuned 2.27 net.netfilter.nf_conntrack_udp_timeout = 41 -> 41
tuned 2.27 net/netfilter/nf_conntrack_udp_timeout = 42 -> 30
EXPECTED
echo "as recorded"

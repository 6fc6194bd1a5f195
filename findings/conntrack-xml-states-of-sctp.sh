#!/usr/bin/env bash
# `conntrack -L -o xml` gives the state of an SCTP entry the name that this number has for TCP: an established association is
# FIN_WAIT, and one that has only begun (COOKIE_ECHOED) is ESTABLISHED. The plain output of the same command is right. The
# library libnetfilter_conntrack writes the XML. Needs root, for a network namespace, and mmdebstrap.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf --one-file-system "$folder"' EXIT
cd "$folder"
# The mirror that apt has, if there is one.
mirror=$(apt-get indextargets --format '$(ORIGIN)/$(LABEL) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
    sed -n 's,^Debian/Debian ,,p' | head -n 1)
modprobe nf_conntrack_netlink 2>/dev/null || true
cat > states <<'STATES'
conntrack --version | sed 's, .conntrack.*,,'
for state in CLOSED COOKIE_WAIT COOKIE_ECHOED ESTABLISHED SHUTDOWN_SENT SHUTDOWN_RECD SHUTDOWN_ACK_SENT; do
    conntrack -I -s 10.0.0.1 -d 10.0.0.2 -p sctp --sport 1 --dport 2 --state "$state" --orig-vtag 1 --reply-vtag 2 -t 200
    plain=$(conntrack -L | awk '{print $4}')
    xml=$(conntrack -L -o xml | sed -n 's,.*<state>\([A-Z_]*\)</state>.*,\1,p')
    echo "  plain $plain, xml $xml"
    conntrack -F
done
STATES
for suite in bookworm trixie; do
    # shellcheck disable=SC2086 # No mirror is no word.
    mmdebstrap --quiet --mode=root --variant=essential --include=conntrack "$suite" "$suite" $mirror
    chroot "$suite" dpkg-query -W -f '${Package} ${Version}\n' libnetfilter-conntrack3
    cp states "$suite/states"
    unshare --net chroot "$suite" sh -e /states 2>/dev/null
done | tee seen
{
    for versions in "1.0.9-3 1.4.7" "1.1.0-1 1.4.8"; do
        printf '%s\n' "libnetfilter-conntrack3 ${versions% *}" "conntrack v${versions#* }" "  plain CLOSED, xml SYN_SENT" \
            "  plain COOKIE_WAIT, xml SYN_RECV" "  plain COOKIE_ECHOED, xml ESTABLISHED" "  plain ESTABLISHED, xml FIN_WAIT" \
            "  plain SHUTDOWN_SENT, xml CLOSE_WAIT" "  plain SHUTDOWN_RECD, xml LAST_ACK" \
            "  plain SHUTDOWN_ACK_SENT, xml TIME_WAIT"
    done
} | diff - seen

#!/usr/bin/env bash
# In a rule of udev, TAG=="?*" and SYMLINK=="?*" hold for a device that has no tag and no link, although udev(7) says that
# `?*` matches one character or more. TAG=="*" does not hold for it, and ENV{NAME}=="?*" is right. Debian 11 to 13 have
# systemd 247, 252 and 257, which agree. Needs root, for a mount namespace, and mmdebstrap.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf --one-file-system "$folder"' EXIT
cd "$folder"
cat > 90-test.rules <<'RULES'
TAG=="?*", RUN+="/bin/tag-is-not-empty"
TAG=="*", RUN+="/bin/tag-is-anything"
SYMLINK=="?*", RUN+="/bin/link-is-not-empty"
ENV{NONE}=="?*", RUN+="/bin/property-is-not-empty"
RUN+="/bin/always"
RULES
# The mirror that apt has, if there is one.
mirror=$(apt-get indextargets --format '$(ORIGIN)/$(LABEL) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
    sed -n 's,^Debian/Debian ,,p' | head -n 1)
for suite in bullseye bookworm trixie; do
    # shellcheck disable=SC2086 # No mirror is no word.
    mmdebstrap --quiet --mode=root --variant=essential --include=udev "$suite" "$suite" $mirror
    rm -f "$suite"/usr/lib/udev/rules.d/* "$suite"/lib/udev/rules.d/* "$suite"/etc/udev/rules.d/*
    mkdir -p "$suite/etc/udev/rules.d"
    cp 90-test.rules "$suite/etc/udev/rules.d"
    # shellcheck disable=SC2016 # The inner shell's variable.
    unshare --mount --propagation private sh -ec '
        mount --bind "$1" "$1"
        mount --rbind /sys "$1/sys"
        mount -t proc proc "$1/proc"
        chroot "$1" udevadm --version
        chroot "$1" udevadm test --action=add /sys/class/mem/null 2>/dev/null
    ' sh "$suite" | sed -n -E "s,^([0-9]{3})$,udev \1,p; s,^ *(run: '|RUN\{program\} : )/bin/([a-z-]*)'?.*,  \2,p"
done | tee seen
for version in 247 252 257; do
    printf '%s\n' "udev $version" "  tag-is-not-empty" "  link-is-not-empty" "  always"
done | diff - seen

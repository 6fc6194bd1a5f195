#!/usr/bin/env bash
# kmod 30 reads files of modprobe.d whose names end in `.alias` as it reads those that end in `.conf`, and kmod 34.2 does not:
# an `install` or `blacklist` line in one stops counting with the upgrade from Debian 12 to 13. modprobe.d(5) of both names
# `.conf` only.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
# The mirror that apt has.
mirror=$(apt-get indextargets --format '$(ORIGIN)/$(LABEL) $(REPO_URI)' 'Created-By: Packages' |
    sed -n 's,^Debian/Debian ,,p' | head -n 1)
pool=${mirror%/}/pool/main
libraries="g/glibc/libc6_2.41-12+deb13u5 libz/libzstd/libzstd1_1.5.7+dfsg-1 x/xz-utils/liblzma5_5.8.1-1+deb13u2
    o/openssl/libssl3t64_3.5.9-1~deb13u1 z/zlib/zlib1g_1.3.dfsg+really1.3.1-1+deb13u1"
for package in $libraries k/kmod/kmod_30+20221128-1 k/kmod/kmod_34.2-2; do
    curl -fsSLO "$pool/${package}_amd64.deb"
    case $package in *kmod_*) into=${package##*/} ;; *) into=libraries ;; esac
    dpkg -x "${package##*/}_amd64.deb" "$into"
done
mkdir -p modprobe.d root/lib/modules/6.1.0
printf 'install one /bin/false\n' > modprobe.d/a.conf
printf 'install two /bin/false\n' > modprobe.d/b.alias
printf 'install three /bin/false\n' > modprobe.d/c.txt
for kmod in kmod_30+20221128-1 kmod_34.2-2; do
    echo "$kmod"
    program=$(find "$kmod" -name kmod -type f -path '*bin*')
    libraries/usr/lib64/ld-linux-x86-64.so.2 --argv0 modprobe --library-path libraries/usr/lib/x86_64-linux-gnu "$program" \
        -C modprobe.d -d "$PWD/root" -S 6.1.0 --showconfig 2>&1 | grep '^install'
done | tee seen
diff - seen <<'EXPECTED'
kmod_30+20221128-1
install one /bin/false
install two /bin/false
kmod_34.2-2
install one /bin/false
EXPECTED
echo "as recorded"

"""Plays what administrators do on hosts of ostree: `hosts.py ROOT TOOL`, as root in a mount namespace of its own.

A row is two boots of a host, and between them a script. For each it prints what the tool said of the next boot, and what that
boot had. Whatever a row expects: where the tool said that all is in sync, the value must be the desired one.
"""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
WORK = Path("/mnt")
KEY = "net.netfilter.nf_conntrack_udp_timeout"
READ = "cat /proc/sys/net/netfilter/nf_conntrack_udp_timeout"
SHUTDOWN = "[ ! -e /run/ostree/staged-deployment ] || ostree admin finalize-staged >&2"


def apply(value):
    """The command that asks for a value. Its report is the last thing that a boot prints."""
    request = json.dumps({"settings": {KEY: value}})
    return f"echo '{request}' | /run/tool apply --output json"


@dataclass
class Row:
    """A host, and what is expected of it."""

    name: str
    script: str
    desired: str
    said: str
    seen: str
    # A clean shutdown finalizes what is staged.
    shutdown: str = SHUTDOWN
    configuration: str = ""


TRANSIENT = "[sysroot]\nreadonly=true\n[etc]\ntransient=true\n"
DEPLOY = "ostree admin deploy --os=debian"
ROWS = [
    Row("no deployment waits", apply(45), "45", "in_sync", "45"),
    Row("13.1 a deployment waits", f"{DEPLOY} host/b >&2; {apply(45)}", "45", "unknown other_root", "30"),
    Row(
        "13.2 a kernel argument in between",
        f"{apply(45)} >&2; {DEPLOY} --karg-append=quiet host/a >&2; {apply(33)}",
        "33",
        "unknown other_root",
        "45",
    ),
    Row(
        "13.3 a staged one with a line",
        f"{DEPLOY} --stage host/c >&2; {apply(45)}",
        "45",
        "unknown other_root",
        "77",
    ),
    Row("13.4 /etc in memory", apply(45), "45", "unknown in_memory", "30", configuration=TRANSIENT),
    Row("a staged one without a line", f"{DEPLOY} --stage host/b >&2; {apply(45)}", "45", "in_sync", "45"),
    Row(
        "its line is masked in /etc",
        f"ln -s /dev/null /etc/sysctl.d/99-vendor.conf; {DEPLOY} --stage host/c >&2; {apply(45)}",
        "45",
        "in_sync",
        "45",
    ),
    Row(
        "a staged one with a line in /etc",
        f"{DEPLOY} --stage host/d >&2; {apply(45)}",
        "45",
        "unknown other_root",
        "88",
    ),
    Row(
        "a staged one, cut off",
        f"{DEPLOY} --stage host/b >&2; {apply(45)}",
        "45",
        "in_sync",
        "45",
        shutdown="",
    ),
    Row(
        "a staged one, locked",
        f"{DEPLOY} --stage --lock-finalization host/c >&2; {apply(45)}",
        "45",
        "in_sync",
        "45",
    ),
    Row(
        "apply, then a deployment",
        f"{apply(45)} >/run/report; {DEPLOY} host/b >&2; cat /run/report",
        "45",
        "in_sync",
        "45",
    ),
    Row(
        "the running one is left",
        f"{DEPLOY} host/b >&2; ostree admin undeploy 0 >&2; {apply(45)}",
        "45",
        "in_sync",
        "45",
    ),
]


def run(*command, **options):
    return subprocess.run([str(word) for word in command], check=True, text=True, **options)


def make_disk(root):
    """A disk with the deployment `a`; the commits `b` to `d` wait in its repository."""
    tree, initrd, disk = WORK / "tree", WORK / "initrd", WORK / "disk"
    for directory in (tree, initrd, disk, WORK / "upper", WORK / "work"):
        directory.mkdir()
    run("cp", "--archive", f"{root}/.", tree)
    (tree / "etc").rename(tree / "usr/etc")
    for name in ("dev", "run", "tmp", "var", "home", "root", "boot", "sysroot"):
        shutil.rmtree(tree / name, ignore_errors=True)
    for name in ("boot", "dev", "proc", "run", "sys", "sysroot", "tmp", "var"):
        (tree / name).mkdir(exist_ok=True)
    for name, target in (("ostree", "sysroot/ostree"), ("home", "var/home"), ("root", "var/roothome")):
        (tree / name).symlink_to(target)
    # Only their names matter: the kernel is that of this machine, which has connection tracking built in.
    kernel = tree / "usr/lib/modules/6.12.0-host"
    kernel.mkdir(parents=True)
    for name in ("vmlinuz", "initramfs.img", "modules.dep", "modules.alias"):
        (kernel / name).write_text(f"{name}\n" if name[0] != "m" else "")
    (kernel / "modules.builtin").write_text("kernel/net/netfilter/nf_conntrack.ko\n")
    run("mount", "-t", "overlay", "none", "-o", f"lowerdir={root},upperdir={WORK}/upper,workdir={WORK}/work", initrd)
    (initrd / "sysroot").mkdir(exist_ok=True)
    with (WORK / "image").open("wb") as image:
        image.truncate(4 << 30)
    run("mkfs.ext4", "-q", "-O", "^has_journal", WORK / "image")
    run("mount", "-o", "loop", WORK / "image", initrd / "sysroot")
    run("mount", "--bind", tree, initrd / "mnt")
    run("mount", "-t", "proc", "proc", initrd / "proc")

    def ostree(*arguments):
        run("chroot", initrd, "ostree", *arguments, stdout=sys.stderr)

    def commit(branch):
        ostree("--repo=/sysroot/ostree/repo", "commit", f"--branch={branch}", "--tree=dir=/mnt")

    ostree("admin", "init-fs", "/sysroot")
    ostree("--repo=/sysroot/ostree/repo", "config", "set", "sysroot.bootloader", "none")
    ostree("admin", "os-init", "--sysroot=/sysroot", "debian")
    commit("host/a")
    (tree / "usr/lib/of-b").write_text("b\n")
    commit("host/b")
    (tree / "usr/lib/sysctl.d/99-vendor.conf").write_text(f"{KEY} = 77\n")
    commit("host/c")
    (tree / "usr/lib/sysctl.d/99-vendor.conf").unlink()
    (tree / "usr/etc/sysctl.d/95-vendor.conf").write_text(f"{KEY} = 88\n")
    commit("host/d")
    ostree("admin", "deploy", "--sysroot=/sysroot", "--os=debian", "--karg=rw", "host/a")
    for mount in ("sysroot", "mnt", "proc"):
        run("umount", initrd / mount)
    shutil.rmtree(tree)


def boot(image, tool, script):
    path = WORK / "script"
    path.write_text(script)
    command = ["unshare", "--mount", "--net", "--pid", "--fork", "--propagation", "private", "bash", HERE / "boot"]
    return run(*command, image, WORK / "initrd", tool, path, stdout=subprocess.PIPE).stdout


def said(printed):
    report = json.loads(printed[printed.index("{") :])
    if report["failure"]:
        print(report["failure"], file=sys.stderr)
        return f"failure {report['failure']['kind']}"
    setting = report["settings"][0]
    return " ".join([setting["verdict"], *[doubt["reason"] for doubt in setting["doubts"]][:1]])


def main():
    root, tool = sys.argv[1:]
    make_disk(root)
    wrong = 0
    for row in ROWS:
        image = WORK / "row"
        run("cp", "--sparse=always", WORK / "image", image)
        configuration = WORK / "initrd/usr/lib/ostree/prepare-root.conf"
        configuration.write_text(row.configuration)
        try:
            predicted = said(boot(image, tool, f"{row.script}\n{row.shutdown}\n"))
            seen = boot(image, tool, f"{READ}\n").strip()
        except (subprocess.CalledProcessError, ValueError) as error:
            predicted, seen = f"no answer: {error}", "-"
        is_true = predicted != "in_sync" or seen == row.desired
        is_right = is_true and (predicted, seen) == (row.said, row.seen)
        wrong += not is_right
        expected = "" if is_right else f", not {row.said} and {row.seen}"
        print(f"{'ok   ' if is_right else 'WRONG'} {row.name:36} {predicted:20} {seen}{expected}", flush=True)
    print(f"{wrong} wrong")
    sys.exit(1 if wrong else 0)


main()

"""Compares what the tool said in each container with what was real after a restart: `judge.py RESULTS`.

A row is a container. For each question it has the words that are expected: `failure KIND`, or the verdict and the first
reason of a doubt. `real` is the value after a restart of the container, or after a boot of the machine where the
network is the machine's. Whatever a row expects: where the tool says that all is in sync, the value must be the desired one.
"""

import json
import sys
from pathlib import Path

ROWS = {
    "unloaded": {
        "apply": "failure module_absent",
        "modules": "none",
        "status": "CONNTRACK OK - connection tracking is not loaded",
    },
    "podman-own": {
        "apply": "unknown container_without_init",
        "before": "240",
        "check": "unknown container_without_init",
        "limit": "failure read_only",
        "real": "60",
    },
    "podman-plain": {"apply": "failure read_only", "limit": "failure read_only", "real": "60"},
    "podman-sysctl": {"check": "unknown container_without_init", "real": "240"},
    "podman-systemd": {"files": "unknown sysctls_read_only", "limit": "failure read_only", "real": "60"},
    "podman-systemd-privileged": {"check": "unknown module_of_machine", "limit": "failure read_only", "real": "240"},
    "podman-host": {"check": "unknown machine_network", "limit": "unknown machine_network", "real": "60"},
    "podman-host-pid": {"check": "unknown machine_network"},
    "daemonset": {
        "apply": "in_sync",
        "check": "in_sync",
        "chroot": "in_sync",
        "image": "failure bad_request",
        "real": "98000",
    },
    "rootless": {"apply": "failure permission"},
    "nspawn": {"check": "unknown module_of_machine", "limit": "failure read_only", "real": "240", "late": "60"},
    "lxc": {"profile": "lxc-lxc_", "check": "unknown module_of_machine", "limit": "failure read_only", "real": "240"},
    "docker": {"check": "unknown container_without_init", "limit": "failure read_only", "real": "60"},
    "docker-host-pid": {"files": "unknown machine_network"},
    "host": {"check": "in_sync"},
}

# The name that `status` on the machine gives to the network namespace of a container.
NAMES = {
    "podman-own": "podman podman-own",
    "podman-plain": "podman podman-plain",
    "nspawn": "systemd-nspawn nspawn",
    "lxc": "lxc lxc",
    "docker": "docker docker",
}

results = Path(sys.argv[1])


def read(row, question):
    path = results / row / question
    return path.read_text() if path.exists() else None


def said(row, question):
    """The words for an answer: of a report, or the value itself."""
    text = read(row, question)
    if text is None:
        return "no answer"
    if not text.lstrip().startswith("{"):
        errors = read(row, f"{question}.stderr") or ""
        # The first line of a text is the answer, and the rest says more of it.
        return text.strip().partition("\n")[0] or f"nothing: {' '.join(errors.split())[:100]}"
    report = json.loads(text)
    if report["failure"]:
        return f"failure {report['failure']['kind']}"
    setting = report["settings"][0]
    doubts = [doubt["reason"] for doubt in setting["doubts"]]
    return " ".join([setting["verdict"], *doubts[:1]])


wrong = 0
for row, questions in ROWS.items():
    for question, expected in questions.items():
        found = said(row, question)
        is_right = found == expected
        wrong += not is_right
        print(f"{'ok   ' if is_right else 'WRONG'} {row:26} {question:8} {found}{'' if is_right else f', not {expected}'}")
    desired = {"daemonset": "98000"}.get(row, "240")
    promised = [question for question in ("apply", "check") if said(row, question) == "in_sync"]
    if promised and read(row, "real") is not None and said(row, "real") != desired:
        wrong += 1
        print(f"WRONG {row:26} in sync by {promised[0]}, and then {said(row, 'real')}")
for row, name in NAMES.items():
    is_named = name in (read(row, "host-status") or "")
    wrong += not is_named
    print(f"{'ok   ' if is_named else 'WRONG'} {row:26} is named by status on the machine")
print(f"{wrong} wrong")
sys.exit(1 if wrong else 0)

"""What the Salt tests share: how they tell of a check, and a salt-call with a configuration of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from checks import check, finish  # noqa: E402

__all__ = ["check", "finish"]
BINARY = ROOT / "target/x86_64-unknown-linux-gnu/release/conntrack-sysctl"
# A test runs in the virtual environment of the Salt that it is to test.
VENV = Path(sys.executable).parent
NET = "net.netfilter."
CLOSE_WAIT = NET + "nf_conntrack_tcp_timeout_close_wait"
ESTABLISHED = NET + "nf_conntrack_tcp_timeout_established"
DROP_IN = Path("/etc/sysctl.d/90-conntrack.conf")


class Minion:
    """A masterless minion whose configuration, cache and logs lie below `directory`."""

    def __init__(self, directory: Path, **options: Any) -> None:
        """Write the configuration: `options`, and what keeps the minion below its directory."""
        self.config = directory / "config"
        self.config.mkdir(parents=True)
        options = {"id": "alone", "file_client": "local", "root_dir": str(directory), "log_file": "/log",
                   "log_level": "quiet", "conntrack_sysctl.binary": str(BINARY), **options}
        # JSON is YAML.
        (self.config / "minion").write_text(json.dumps(options))

    def call(self, *arguments: object) -> tuple[Any, int]:
        """What `salt-call --local` of a function returns, and its exit code."""
        words = [word if isinstance(word, str) else json.dumps(word) for word in arguments]
        done = subprocess.run(
            [VENV / "salt-call", "--local", "--out=json", "--retcode-passthrough", "-c", self.config, *words],
            capture_output=True, encoding="utf-8", check=False)
        try:
            return json.loads(done.stdout)["local"], done.returncode
        except (ValueError, KeyError):
            return done.stdout + done.stderr, done.returncode

    def state(self, function: str, name: str, test: bool = False, **options: object) -> dict[str, Any]:
        """The outcome of one state."""
        words = [f"{key}={json.dumps(value)}" for key, value in options.items()]
        answer, code = self.call("state.single", function, f"name={name}", *words, f"test={test}")
        if not isinstance(answer, dict):
            return {"result": "no outcome", "comment": answer, "changes": {}}
        (outcome,) = answer.values()
        return {**outcome, "code": code}


def live(name: str) -> str:
    """The kernel's value, as sysctl reads it."""
    return subprocess.run(["sysctl", "-n", name], capture_output=True, encoding="utf-8", check=False).stdout.strip()


def set_live(name: str, value: object) -> None:
    """Set the kernel's value behind Salt's back."""
    subprocess.run(["sysctl", "-qw", f"{name}={value}"], check=True)

"""The real server as a process, in a directory of its own, and what its ledger came to."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Dict, Optional

_ROOT = Path(__file__).resolve().parents[4]


def program() -> Path:
    """The server: RUNLEDGER_BIN, or what cargo built."""
    named = os.environ.get("RUNLEDGER_BIN")
    path = Path(named) if named else _ROOT / "target" / "debug" / "runledger"
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is not there; build it with `cargo build -p runledger` or name it in RUNLEDGER_BIN"
        )
    return path


class RealServer:
    """A server and its data directory. It can be killed and started again on the same data and the same port."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._port = 0
        self._child: Optional[subprocess.Popen[str]] = None
        self.url = ""

    def start(self) -> None:
        """Starts it, and waits for its greeting."""
        self._child = subprocess.Popen(
            [str(program()), "serve", "--listen", f"127.0.0.1:{self._port}", "--json"],
            env=self._environment(),
            cwd=self._home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._child.stdout is not None
        greeting = self._child.stdout.readline()
        assert greeting, "the server says where it listens"
        self.url = json.loads(greeting)["url"]
        self._port = int(self.url.rpartition(":")[2])

    def kill(self) -> None:
        """Ends it with SIGKILL."""
        if self._child is None:
            return
        self._child.kill()
        self._child.wait()
        assert self._child.stdout is not None
        self._child.stdout.close()
        self._child = None

    def verify(self) -> None:
        """Nothing may be wrong with the ledger."""
        ran = subprocess.run(
            [str(program()), "verify", "--json"],
            env=self._environment(),
            cwd=self._home,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr

    def _environment(self) -> Dict[str, str]:
        return {"HOME": str(self._home), "RUNLEDGER_DATA": str(self._home / "data")}

"""The example of the README runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Dict

import pytest
from real_server import RealServer

from runledger import Ledger

_README = Path(__file__).resolve().parents[1] / "README.md"


def test_the_examples_of_the_readme_run(
    server: RealServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    worked, keys = re.findall(r"^```python\n(.*?)^```", _README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    monkeypatch.setenv("RUNLEDGER_URL", server.url)
    names: Dict[str, object] = {}
    exec(compile(worked, str(_README), "exec"), names)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "{'succeeded': 1, 'failed': 1} {'cost': Decimal('0.18'), 'leads': 47}"
    assert [line.split(" ", 1)[1] for line in printed[1:]] == [
        "succeeded None",
        "failed TimeoutError: the profile pages did not load",
    ]
    with Ledger(source="orchestrator") as ledger:
        for _ in range(2):
            exec(compile(keys, str(_README), "exec"), {"ledger": ledger})
        assert ledger.get("250926-231841").metrics == {"pages": 100}

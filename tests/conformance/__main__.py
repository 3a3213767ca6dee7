"""`make conformance`: a line for each case, and how many passed and failed."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.conformance.runner import CASES, judge, load


def main() -> int:
    verdicts = [judge(case) for case in load(Path(sys.argv[1]) if len(sys.argv) > 1 else CASES)]
    for verdict in verdicts:
        print(verdict)
    passed, failed = (sum(v.state == state for v in verdicts) for state in ("pass", "fail"))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())

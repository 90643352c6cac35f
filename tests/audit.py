"""The locked requirements against the known vulnerabilities, as the package index serves them.

Run: python -m tests.audit, with pip-audit installed. Exits with 1 when a locked package has a known vulnerability. An
index that serves no such data audits nothing, which is said out loud and is no failure.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

LOCKS = sorted((Path(__file__).parents[1] / "requirements").glob("*.lock"))


def audited(lock: Path) -> list[dict[str, Any]]:
    """Return what pip-audit says of each package of a lock."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--progress-spinner", "off"]
    made = subprocess.run([*command, "-f", "json", "-r", str(lock)], capture_output=True, text=True, check=False)
    try:
        return json.loads(made.stdout)["dependencies"]
    except (ValueError, KeyError):
        sys.exit(f"pip-audit failed on {lock.name}: {made.stderr.strip()[-500:]}")


def verdict(lock: str, packages: list[dict[str, Any]]) -> tuple[bool, str]:
    """Return whether a lock passes, and a line that says so."""
    looked_at = [one for one in packages if "skip_reason" not in one]
    found = [f"{one['name']} {one['version']}: {flaw['id']}" for one in looked_at for flaw in one["vulns"]]
    if found:
        return False, f"{lock}: {'; '.join(found)}"
    if not looked_at:
        return True, f"SKIPPED {lock}: the package index serves no vulnerability data, so nothing was audited"
    left = len(packages) - len(looked_at)
    return True, f"{lock}: {len(looked_at)} packages, no known vulnerability" + (
        f"; {left} NOT AUDITED" if left else ""
    )


def main() -> None:
    """Audit every lock."""
    passed = True
    for lock in LOCKS:
        good, line = verdict(lock.name, audited(lock))
        passed &= good
        sys.stdout.write(f"{line}\n")
    sys.exit(not passed)


if __name__ == "__main__":
    main()

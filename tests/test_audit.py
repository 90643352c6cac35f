"""What the audit of the locks concludes from what pip-audit says."""

from __future__ import annotations

from .audit import LOCKS, verdict

SOUND = {"name": "a", "version": "1", "vulns": []}
FLAWED = {"name": "b", "version": "2", "vulns": [{"id": "PYSEC-1"}]}
UNKNOWN = {"name": "c", "skip_reason": "not found"}


def test_a_known_vulnerability_fails_and_is_named():
    assert verdict("x.lock", [SOUND, FLAWED, UNKNOWN]) == (False, "x.lock: b 2: PYSEC-1")


def test_an_index_without_the_data_is_said_to_have_none_and_a_package_left_out_is_counted():
    assert verdict("x.lock", [UNKNOWN, UNKNOWN])[1].startswith("SKIPPED x.lock")
    assert verdict("x.lock", [SOUND, UNKNOWN])[1].endswith("1 NOT AUDITED")
    assert {lock.name for lock in LOCKS} >= {"studio.lock", "test.lock"}

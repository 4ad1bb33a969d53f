"""What `make soak` counts."""

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from scripts import soak


def _row(member, round_index, pgr=0.5):
    return {"member": member, "round": round_index, "pgr": pgr}


WHOLE = [_row(member, r) for member in ("a", "b") for r in (1, 2)]


@pytest.mark.parametrize(
    ("found", "lost", "doubled", "different"),
    [
        (WHOLE, 0, 0, 0),
        (WHOLE[1:], 1, 0, 0),
        ([*WHOLE, WHOLE[0]], 0, 1, 0),
        ([*WHOLE[:3], _row("b", 2, pgr=0.25)], 0, 0, 1),
        ([*WHOLE[:3], _row("c", 2)], 1, 1, 0),
    ],
    ids=["whole", "lost", "doubled", "different", "another's"],
)
def test_rows_are_compared_one_by_one(found, lost, doubled, different):
    counts = Counter()
    soak._compare(found, WHOLE, counts)
    assert (counts["lost"], counts["doubled"], counts["different"]) == (lost, doubled, different)


FORKS = """
from scripts import soak
slow, quick = (soak._fork.Process(target=soak.time.sleep, args=(t,)) for t in (60.0, 0.0))
for process in (slow, quick):
    process.start()
quick.join()
print(soak._killed([slow], 0.0), slow.exitcode, soak._killed([quick], 60.0))
soak._finish([soak._start(["sweep", "no_such.toml"])])
"""


def test_processes_are_forked_and_killed_and_one_that_fails_is_told():
    # In a process of its own: where JAX has started, as here, a fork can hang.
    done = subprocess.run([sys.executable, "-c", FORKS], capture_output=True, text=True)
    assert done.stdout == "True -9 False\n"
    assert "no_such.toml" in done.stderr and "Failed: exit status 2" in done.stderr


def test_the_slope_of_memory():
    seconds = np.arange(7200.0)
    wave = 3 * np.sin(seconds)
    told = soak.slope(np.stack([seconds, 500 + 10 * seconds / 3600 + wave], 1))
    assert told["low"] < 10 < told["high"] and abs(told["MiB an hour"] - 10) < 1
    assert told["hours"] == pytest.approx(2.0, abs=0.001)

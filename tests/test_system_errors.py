"""What the system refuses is told in one sentence."""

import errno
import os

import pytest

from sandwich_jax import outputs
from sandwich_jax.machine import console

# --- reading and writing that fails -------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "a.csv"), "a.csv: permission denied"),
        (IsADirectoryError(errno.EISDIR, "Is a directory", "b"), "b: is a directory"),
        (OSError(errno.EIO, "Input/output error"), "reading or writing failed: input/output"),
        (OSError(errno.ENOSPC, "No space left on device", "c"), "no space left on the disk for c"),
    ],
)
def test_a_failure_of_the_system_is_one_sentence(capsys, error, says):
    def call():
        raise error

    with pytest.raises(SystemExit) as stopped:
        console.guarded(call)
    told = capsys.readouterr().err.strip()
    assert stopped.value.code == 2 and says in told and len(told.splitlines()) == 1


def test_an_error_that_is_not_the_systems_stays_one():
    def call():
        raise OSError("a fault of this program")

    with pytest.raises(OSError, match="a fault"):
        console.guarded(call)


def test_what_stands_in_a_file_s_way_is_named(tmp_path):
    (tmp_path / "folder" / "x").mkdir(parents=True)
    (tmp_path / "made").write_text("")
    with (
        pytest.raises(outputs.Unwritten, match=r"folder cannot be written \(") as caught,
        outputs.keeping("found", tmp_path),
    ):
        os.replace(tmp_path / "made", tmp_path / "folder")
    assert caught.value.result == "found"

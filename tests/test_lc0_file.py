"""Files of Leela Chess Zero: each that cannot be read is refused in one sentence."""

import gzip
import pathlib
import struct

import lc0_writer
import numpy as np
import pytest
from lc0_writer import Writer, fixed, message

from sandwich_jax.nets import lc0_file
from sandwich_jax.types import SettingError


def _written(folder: pathlib.Path, data: bytes, name: str = "net.pb.gz") -> pathlib.Path:
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({3: 6}, "an attention body"),
        ({3: 7}, "an attention body with several heads"),
        ({3: 3}, r"\(no SE\)"),
        ({3: 5}, "an ONNX network inside"),
        ({3: 99}, "structure of unknown kind 99"),
        ({4: 3}, "an attention policy"),
        ({4: 1}, "a dense policy"),
        ({5: 1}, "a scalar value"),
        ({2: 1}, "a scalar value"),
        ({1: 3}, "canonical input"),
        ({1: 2}, "planes of castling"),
        ({6: 1}, "a moves-left head"),
        ({7: 1}, "Mish"),
    ],
)
def test_networks_of_other_kinds_are_named(tmp_path, form, words):
    path = _written(tmp_path, gzip.compress(Writer(1, 4, 1).file(form)))
    expected = f"a network with .*{words}.*only networks like the Maias'"
    with pytest.raises(SettingError, match=expected):
        lc0_file.read(path)


WHOLE = Writer(2, 4, 1).file()
PACKED = gzip.compress(WHOLE)
NO_FORMAT = fixed(1, struct.pack("<I", 0x1C0)) + message((10, b""))


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.pb.gz", lambda: PACKED[:-9], "gzip stream is cut short"),
        ("a.pb.gz", lambda: PACKED[:5000] + b"\xff" * 99 + PACKED[5099:], "gzip stream is damaged"),
        ("a.pb", lambda: WHOLE[:-100], "damaged or cut short"),
        ("a.pb", lambda: WHOLE[: len(WHOLE) // 2], "damaged or cut short"),
        ("a.pb", lambda: WHOLE + b"\x0f", "a field of unknown kind 7"),
        ("a.pb", lambda: WHOLE + b"\xff" * 20, "a number that does not end"),
        ("a.pb", lambda: WHOLE + b"\x08\x01" * 20_000, "too many fields"),
        ("a.pb", lambda: NO_FORMAT, "(no SE)"),
        ("a.pb.gz", lambda: gzip.compress(b"2\n0.1 0.2 0.3\n"), "old text format"),
        ("a.onnx", lambda: b"\x08\x07", "an ONNX network"),
        ("a.pb", lambda: b"\x08\x07\x12\x04abcd", "not a weights file of Leela Chess Zero"),
        ("a.pb", lambda: b"", "not a weights file of Leela Chess Zero"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, data, words):
    with pytest.raises(SettingError) as error:
        lc0_file.read(_written(tmp_path, data(), name))
    assert words in str(error.value) and str(error.value).startswith(str(tmp_path))
    assert str(error.value).endswith(".") and "\n" not in str(error.value)


@pytest.mark.parametrize("pack", [gzip.compress, bytes])
def test_what_is_unpacked_is_bounded(tmp_path, monkeypatch, pack):
    """A stream of zeros could go on and on."""
    monkeypatch.setattr(lc0_file, "LARGEST", 1 << 20)
    path = _written(tmp_path, pack(bytes(1 << 24)))
    with pytest.raises(SettingError, match="more than 1 MiB"):
        lc0_file.read(path)
    assert lc0_file.read(_written(tmp_path, PACKED, "whole.pb.gz")).blocks


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SettingError, match=r"none\.pb: cannot be read \(No such file"):
        lc0_file.read(tmp_path / "none.pb")


def test_layers_that_do_not_fit_are_damage(tmp_path):
    """Any byte may be another one: an answer or one sentence, never another error."""
    rng = np.random.default_rng(0)
    for _ in range(300):
        data = bytearray(WHOLE)
        # Where the wire format is, mostly: the numbers themselves may be any.
        for at in rng.integers(0, len(data), 3):
            data[at] = rng.integers(256)
        data[int(rng.integers(0, 60))] = rng.integers(256)
        try:
            lc0_file.read(_written(tmp_path, bytes(data), "a.pb"))
        except SettingError as error:
            assert str(error).endswith(".")


def test_what_the_writer_writes_by_default_is_the_maias_format():
    assert {one.field: one.number for one in lc0_file._FORMAT if one.number} == lc0_writer.FORMAT

"""Files of text: packed or not, encodings, byte order marks, line ends; for PGN, CSV and TOML."""

import bz2
import codecs
import gzip
import io
import lzma
import tarfile
import zipfile

import pytest
import zstandard
from helpers import pgn

from sandwich_jax.running import sweep_toml
from sandwich_jax.training import pgn_games, text_files
from sandwich_jax.types import SettingError

LINES = ["first", "", "second \xe9 \u2658", "last"]
TEXT = "\n".join(LINES) + "\n"


def _skippable(data: bytes) -> bytes:
    """A Zstandard stream between frames that hold no data, as splitters write them."""
    frame = b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd"
    return frame + zstandard.compress(data[:9]) + frame + zstandard.compress(data[9:]) + frame


PACKINGS = {
    "": lambda data: data,
    ".zst": zstandard.compress,
    ".zstd": _skippable,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".several.gz": lambda data: gzip.compress(data[:7]) + gzip.compress(data[7:]) + bytes(512),
    ".several.bz2": lambda data: bz2.compress(data[:7]) + bz2.compress(data[7:]),
    ".several.xz": lambda data: lzma.compress(data[:7]) + lzma.compress(data[7:]),
    ".gz.zst": lambda data: zstandard.compress(gzip.compress(data)),
}


def _read(folder, data: bytes, name: str = "a.pgn") -> list[str]:
    (folder / name).write_bytes(data)
    return list(text_files.read_lines(folder / name))


@pytest.mark.parametrize("ending", PACKINGS)
@pytest.mark.parametrize("name", ["in{}", "IN.PGN{}", "in.dat"])
def test_packed_files_are_known_by_what_is_in_them(tmp_path, ending, name):
    name = name.format(ending.upper() if "PGN" in name else ending)
    assert _read(tmp_path, PACKINGS[ending](TEXT.encode()), name) == LINES


@pytest.mark.parametrize("ending", [".zst", ".gz", ".bz2", ".xz"])
def test_a_plain_file_that_is_called_packed(tmp_path, ending):
    assert _read(tmp_path, TEXT.encode(), f"a{ending}") == LINES


@pytest.mark.parametrize("block", [3, 1 << 20])
@pytest.mark.parametrize("ending", PACKINGS)
def test_blocks_of_any_size(tmp_path, monkeypatch, ending, block):
    monkeypatch.setattr(text_files, "BLOCK", block)
    monkeypatch.setattr(text_files, "FIRST_BLOCK", block)
    told: list[int] = []
    path = tmp_path / "a"
    path.write_bytes(PACKINGS[ending](TEXT.encode("utf-16")))
    assert list(text_files.read_lines(path, told.append)) == LINES
    assert sum(told) == path.stat().st_size


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: text.encode(),
        lambda text: codecs.BOM_UTF8 + text.encode(),
        lambda text: codecs.BOM_UTF16_LE + text.encode("utf-16-le"),
        lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
        lambda text: codecs.BOM_UTF32_LE + text.encode("utf-32-le"),
        lambda text: text.encode("utf-16-le"),
        lambda text: text.encode("utf-16-be"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends(tmp_path, encode, end):
    assert _read(tmp_path, encode(TEXT.replace("\n", end))) == LINES
    assert text_files.read_text(tmp_path / "a.pgn") == TEXT


def test_old_files_are_latin(tmp_path):
    found = _read(tmp_path, b"M\xfcller O\x96O \xbd-\xbd \x81")
    assert found == ["M\xfcller O\N{EN DASH}O \xbd-\xbd \x81"]
    with pytest.raises(SettingError, match="not text in UTF-8"):
        text_files.read_text(tmp_path / "a.pgn")


def _archive(kind: str) -> bytes:
    stream = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("a.pgn", TEXT)
    else:
        with tarfile.open(fileobj=stream, mode="w") as archive:
            archive.addfile(tarfile.TarInfo("a.pgn"))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("a.zip", _archive("zip"), "is a zip archive: unpack it"),
        ("a.tar.gz", gzip.compress(_archive("tar")), "is a tar archive: unpack it"),
        ("a.7z", b"7z\xbc\xaf\x27\x1c" + bytes(20), "is a 7z archive"),
        ("a.zst", zstandard.compress(TEXT.encode())[:-5], "the Zstandard stream is truncated"),
        ("a.zst", zstandard.compress(TEXT.encode()) + b"\x28\xb5", "stream is truncated"),
        ("a.zst", zstandard.compress(TEXT.encode()) + b"junk", "damaged or not a Zstandard file"),
        ("a.zst", b"\x28\xb5", "damaged or not a Zstandard file"),
        ("a.gz", gzip.compress(TEXT.encode())[:-5], "the gzip stream is truncated"),
        ("a.gz", gzip.compress(TEXT.encode())[:-5] + b"\x00" * 5, "damaged or not a gzip file"),
        ("a.bz2", bz2.compress(TEXT.encode())[:-5], "the bzip2 stream is truncated"),
        ("a.bz2", bz2.compress(TEXT.encode()) + b"junk", "damaged or not a bzip2 file"),
        ("a.xz", lzma.compress(TEXT.encode())[:-5], "the xz stream is truncated"),
        ("a.xz", lzma.compress(TEXT.encode())[:40] + b"xxxx" * 9, "damaged or not a xz file|cut"),
        ("a.gz", b"\x00" * 9, "damaged or not a gzip file"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",  # archives hold the time
)
def test_what_cannot_be_read_is_one_sentence(tmp_path, name, data, says):
    with pytest.raises(SettingError, match=says) as caught:
        _read(tmp_path, data, name)
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)


def test_packed_too_often(tmp_path):
    data = TEXT.encode()
    for _ in range(5):
        data = gzip.compress(data)
    with pytest.raises(SettingError, match="packed more than 3 times"):
        _read(tmp_path, data)


def test_unreadable_files_are_one_sentence(tmp_path):
    for path in (tmp_path, tmp_path / "none", tmp_path / ("n" * 300)):
        with pytest.raises(SettingError, match="cannot be read: "):
            list(text_files.read_lines(path))
        with pytest.raises(SettingError, match=r"is a folder|no such file"):
            text_files.check(path, "PGN files")


@pytest.mark.parametrize("ending", PACKINGS)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_sweep_files_are_opened_likewise(tmp_path, ending, encoding):
    text = 'misalignment = "random_move"\rp = [0.0, 0.5]\r\n'
    path = tmp_path / f"sweep.toml{ending}"
    path.write_bytes(PACKINGS[ending](text.encode(encoding)))
    assert sweep_toml.read(path) == {"misalignment": "random_move", "p": [0.0, 0.5]}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b'expert = "ckpt:/tmp/\xe9"\n', "not text in UTF-8"),  # a path is not guessed
        (b"rounds = 1\nrounds = 2\n", "is not TOML"),
        (b"p = " + b"[" * 5000, "is not TOML"),
        (b"[[a]]\n\x00", "is not TOML"),
    ],
)
def test_sweep_files_that_are_not_toml(tmp_path, data, says):
    path = tmp_path / "sweep.toml"
    path.write_bytes(data)
    with pytest.raises(SettingError, match=says):
        sweep_toml.read(path)
    with pytest.raises(SettingError, match="cannot be read"):
        sweep_toml.read(tmp_path / "none.toml")


@pytest.mark.parametrize("ending", PACKINGS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_pgn_files_are_opened_likewise(tmp_path, ending, encoding, end):
    text = pgn("e4 e5 Nf3", White="M\xfcller") + pgn("d4 d5 c4", "0-1")
    path = tmp_path / f"games.pgn{ending}"
    path.write_bytes(PACKINGS[ending](text.replace("\n", end).encode(encoding)))
    pgn_games.check_inputs([path])
    games = list(pgn_games.read_games(path))
    assert [game.tags["Result"] for game in games] == ["1-0", "0-1"]
    assert [" ".join(game.moves) for game in games] == ["1. e4 e5 2. Nf3 1-0", "1. d4 d5 2. c4 0-1"]

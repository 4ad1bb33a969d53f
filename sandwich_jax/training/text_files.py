"""Files of text as people have them: packed or not, in any usual encoding, with any line ends.

What a file is shows in its first bytes; the ending of its name only says what it was meant to be.
"""

from __future__ import annotations

import bz2
import codecs
import io
import itertools
import lzma
import os
import pathlib
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import zstandard

from sandwich_jax.errors import SettingError

BLOCK = 1 << 20
"""Bytes read at a time."""
FIRST_BLOCK = 1 << 14
"""The first of them, which may be all that is wanted."""
ALLOWED = "plain, or packed as .zst, .gz, .bz2 or .xz"
"""What a file of text may be, for sentences."""
SLICE = 1 << 11
"""Packed bytes that are unpacked at a time: what they become is held in memory."""
FREE = 1 << 28
"""Bytes that a file may unpack to in any case."""
MOST_RATIO = 200
"""How many times its own size it may unpack to beyond; games and puzzles shrink to a tenth."""
MOST_LETTERS = 1 << 26
"""Of a line."""
_NESTED = 3
"""How often a file may be packed: a .gz in a .zst happens."""


class _Packing(NamedTuple):
    """A way to pack one file."""

    name: str
    magic: tuple[bytes, ...]
    endings: tuple[str, ...]
    unpacker: Callable[[], Any]
    """Makes an object with `decompress`, `eof` and `unused_data`, for one stream."""
    broken: tuple[type[Exception], ...]


_PACKINGS = (
    _Packing(
        "Zstandard",
        (b"\x28\xb5\x2f\xfd", *(bytes([0x50 + n]) + b"\x2a\x4d\x18" for n in range(16))),
        (".zst", ".zstd"),
        lambda: zstandard.ZstdDecompressor().decompressobj(),
        (zstandard.ZstdError,),
    ),
    _Packing(
        "gzip",
        (b"\x1f\x8b",),
        (".gz", ".gzip"),
        lambda: zlib.decompressobj(16 + zlib.MAX_WBITS),
        (zlib.error,),
    ),
    _Packing(
        "bzip2",
        tuple(b"BZh%d" % n for n in range(1, 10)),
        (".bz2",),
        bz2.BZ2Decompressor,
        (OSError, ValueError),
    ),
    _Packing("xz", (b"\xfd7zXZ\x00",), (".xz",), lzma.LZMADecompressor, (lzma.LZMAError,)),
)
_ARCHIVES = ((b"PK\x03\x04", "zip"), (b"7z\xbc\xaf\x27\x1c", "7z"), (b"Rar!\x1a\x07", "rar"))
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def read_lines(
    path: pathlib.Path,
    progress: Callable[[int], None] = lambda size: None,
    *,
    exact: bool = False,
) -> Iterator[str]:
    """The lines of a text file without their ends, which may be LF, CR LF or CR; streamed.

    UTF-8, or UTF-16 and UTF-32 where a mark or the zeros of ASCII letters tell. Bytes that are no
    UTF-8 are taken from Windows' Latin-1, as old files have it.

    Args:
        path: the file, plain or packed.
        progress: told how many stored bytes were read, block by block.
        exact: refuse bytes that are not of the encoding.

    Raises:
        SettingError: it cannot be read, is damaged or cut short, or is an archive of files.
    """
    rest = ""
    for text in _texts(path, progress, "strict" if exact else _LATIN):
        whole, feed, after = text.rpartition("\n")
        if feed:
            yield from (rest + whole).split("\n")
            rest = ""
        rest += after
        if len(rest) > MOST_LETTERS:
            raise SettingError(f"{path}: a line has more than {MOST_LETTERS:,} letters.")
    if rest:
        yield rest


def read_text(path: pathlib.Path) -> str:
    """A whole text file with LF line ends, see `read_lines`; bytes must be of its encoding."""
    return "".join(f"{line}\n" for line in read_lines(path, exact=True))


def check(path: pathlib.Path, what: str) -> None:
    """Raises SettingError where a path leads to no file, or to an empty one.

    Args:
        path: where it should be.
        what: the files that are wanted, such as "PGN files", for the sentence.
    """
    if os.path.isdir(path):
        raise SettingError(f"{path} is a folder; name {what} ({ALLOWED}).")
    if not os.path.isfile(path):
        raise SettingError(f"{path}: no such file; name {what} ({ALLOWED}).")
    if os.path.getsize(path) == 0:
        raise SettingError(f"{path}: the file is empty; name {what} ({ALLOWED}).")


def _texts(path: pathlib.Path, progress: Callable[[int], None], errors: str) -> Iterator[str]:
    """The text in pieces, with LF line ends and without a byte order mark."""
    decoder: io.IncrementalNewlineDecoder | None = None
    try:
        for block in _unpacked(path, _stored(path, progress), path.suffix.lower(), _NESTED):
            if decoder is None:
                encoding, block = _encoding(block)
                bare = codecs.getincrementaldecoder(encoding)(errors)
                decoder = io.IncrementalNewlineDecoder(bare, translate=True)
            yield decoder.decode(block)
        if decoder is not None:
            yield decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise SettingError(
            f"{path}: not text in {error.encoding.upper()} ({error.reason}); save it in UTF-8."
        ) from error


def _stored(path: pathlib.Path, progress: Callable[[int], None]) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            block = file.read(FIRST_BLOCK)
            while block:
                progress(len(block))
                yield block
                block = file.read(BLOCK)
    except OSError as error:
        raise SettingError(f"{path} cannot be read: {error.strerror or error}.") from error


def _unpacked(
    path: pathlib.Path, blocks: Iterator[bytes], ending: str, deep: int
) -> Iterator[bytes]:
    """The bytes of a text; `blocks` may be packed, as their first bytes tell."""
    first = next(blocks, b"")
    while len(first) < 512 and (more := next(blocks, b"")):
        first += more
    for magic, name in _ARCHIVES:
        if first.startswith(magic):
            raise SettingError(f"{path} is a {name} archive: unpack it, and name the files in it.")
    if first[257:262] == b"ustar":
        raise SettingError(f"{path} is a tar archive: unpack it, and name the files in it.")
    packing = next((p for p in _PACKINGS if first.startswith(p.magic)), None)
    if packing is None:
        meant = next((p for p in _PACKINGS if ending in p.endings), None)
        if meant is not None and not _is_text(first):
            raise SettingError(f"{path}: damaged or not a {meant.name} file.")
        if first:
            yield first
        yield from blocks
        return
    if not deep:
        raise SettingError(f"{path} is packed more than {_NESTED} times: unpack it.")
    yield from _unpacked(path, _streams(path, packing, first, blocks), "", deep - 1)


def _streams(
    path: pathlib.Path, packing: _Packing, block: bytes, blocks: Iterator[bytes]
) -> Iterator[bytes]:
    """What is packed in one stream or in several that follow one another."""
    stream, fresh = packing.unpacker(), True
    taken = given = 0
    blocks = _sliced(itertools.chain([block], blocks))
    block = next(blocks, b"")
    while block:
        if fresh and packing.name == "gzip" and not block.strip(b"\x00"):
            block = next(blocks, b"")  # the padding of a tape
            continue
        try:
            piece = stream.decompress(block)
        except packing.broken as error:
            raise SettingError(
                f"{path}: damaged or not a {packing.name} file ({error})."
            ) from error
        taken, given = taken + len(block) - len(stream.unused_data), given + len(piece)
        if given > max(FREE, MOST_RATIO * taken):
            raise SettingError(
                f"{path}: it unpacks to more than {MOST_RATIO} times its size, as no games do."
            )
        if piece:
            yield piece
        fresh, block = stream.eof, stream.unused_data if stream.eof else b""
        if fresh:
            stream = packing.unpacker()
        block = block or next(blocks, b"")
    if not fresh:
        raise SettingError(f"{path}: the {packing.name} stream is truncated; fetch the file again.")


def _sliced(blocks: Iterator[bytes]) -> Iterator[bytes]:
    for block in blocks:
        for start in range(0, len(block), SLICE):
            yield block[start : start + SLICE]


def _is_text(data: bytes) -> bool:
    """Whether bytes may be the beginning of a text, in which there are no control characters."""
    encoding, data = _encoding(data)
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(data)
    except UnicodeDecodeError:
        return False
    return not any(letter < " " and letter not in "\t\n\v\f\r\x1a" for letter in text)


def _encoding(data: bytes) -> tuple[str, bytes]:
    """The encoding of a text by its first bytes, which are returned without their mark."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return encoding, data[len(mark) :]
    zeros = [byte == 0 for byte in data[:4]]
    if zeros == [False, True] * 2:
        return "utf-16-le", data
    if zeros == [True, False] * 2:
        return "utf-16-be", data
    return "utf-8", data


def _latin(error: UnicodeError) -> tuple[str, int]:
    """What cannot be decoded, byte by byte, in Windows' Latin-1."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    wrong = error.object[error.start : error.end]
    return "".join(_WINDOWS[byte] for byte in wrong), error.end


_LATIN = "sandwich_jax.latin"
_WINDOWS = [
    codecs.decode(bytes([n]), "cp1252", "ignore") or chr(n) for n in range(256)
]  # five bytes have no letter there
codecs.register_error(_LATIN, _latin)

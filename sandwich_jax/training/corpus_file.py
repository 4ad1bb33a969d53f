"""The corpus file: written as a stream, read by memory map.

It is an uncompressed .npz, so that its size does not matter:

    moves     uint16 [plies]     action labels, game after game
    starts    int64  [games + 1] where each game's moves begin
    result    int8   [games]     1 White won, 0 draw, -1 Black won
    elo       int16  [games, 2]  White's and Black's rating, 0 where unknown
    test      bool   [games]     held out, by a hash of the game's moves
    stats     the counts and filters of the build, as JSON
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import zipfile
from collections.abc import Iterable
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.lib import format as npy

from sandwich_jax.types import SettingError

FLUSH = 1024
"""Games written at a time."""


class Writer:
    """Streams games to raw columns, then puts them together in an .npz under a temporary name."""

    COLUMNS = (
        ("moves", "<u2"),
        ("lengths", "<i8"),
        ("result", "<i1"),
        ("elo", "<i2"),
        ("test", "?"),
    )

    def __init__(self, out: pathlib.Path):
        self.out = out
        out.parent.mkdir(parents=True, exist_ok=True)
        self.parts = {name: out.with_name(f".{out.name}.{name}.tmp") for name, _ in self.COLUMNS}
        self.files: dict[str, BinaryIO] = {k: p.open("wb") for k, p in self.parts.items()}
        self.zip = out.with_name(f".{out.name}.tmp")
        self.games: list[tuple[bytes, int, int, tuple[int, int], bool]] = []
        """Those that are not yet in the files."""

    def add(self, labels: bytes, result: int, elo: tuple[int, int], held_out: bool) -> None:
        """Appends a game; `labels` are uint16, little-endian."""
        self.games.append((labels, len(labels) // 2, result, elo, held_out))
        if len(self.games) == FLUSH:
            self._flush()

    def _flush(self) -> None:
        if self.games:
            for (name, dtype), column in zip(
                self.COLUMNS, zip(*self.games, strict=True), strict=True
            ):
                whole = b"".join(column) if name == "moves" else np.array(column, dtype).tobytes()
                self.files[name].write(whole)
            self.games.clear()

    def finish(self, stats: dict) -> None:
        """Puts the file in its place, in one step."""
        self._flush()
        for file in self.files.values():
            file.close()
        lengths = np.fromfile(self.parts["lengths"], "<i8")
        with zipfile.ZipFile(self.zip, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            starts = np.concatenate([[0], np.cumsum(lengths)])
            _add_array(archive, "starts", starts.dtype.str, starts.shape, [starts.tobytes()])
            for name, dtype in self.COLUMNS:
                if name == "lengths":
                    continue
                count = self.parts[name].stat().st_size // np.dtype(dtype).itemsize
                shape = (count // 2, 2) if name == "elo" else (count,)
                with self.parts[name].open("rb") as file:
                    blocks = iter(lambda file=file: file.read(1 << 22), b"")
                    _add_array(archive, name, dtype, shape, blocks)
            text = np.asarray(json.dumps(stats))
            _add_array(archive, "stats", text.dtype.str, (), [text.tobytes()])
        os.replace(self.zip, self.out)

    def discard(self) -> None:
        """Removes every temporary file."""
        for file in self.files.values():
            with contextlib.suppress(OSError):  # what a full disk did not take is not wanted now
                file.close()
        for path in (*self.parts.values(), self.zip):
            path.unlink(missing_ok=True)


def _add_array(
    archive: zipfile.ZipFile, name: str, dtype: str, shape: tuple, blocks: Iterable[bytes]
) -> None:
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        header = {"descr": dtype, "fortran_order": False, "shape": shape}
        npy.write_array_header_2_0(member, header)
        for block in blocks:
            member.write(block)


class Corpus(NamedTuple):
    """A corpus file, mapped into memory (see the module's docstring)."""

    moves: np.ndarray
    starts: np.ndarray
    result: np.ndarray
    elo: np.ndarray
    test: np.ndarray
    stats: dict


def load(path: pathlib.Path) -> Corpus:
    """Maps a corpus file.

    Raises:
        SettingError: it is missing or not a whole corpus file.
    """
    if not path.is_file():
        raise SettingError(f"{path}: no such corpus; make one with 'sandwich-jax corpus build'.")
    try:
        arrays = _map_npz(path)
        stats = json.loads(str(arrays["stats"]))
        columns = {name: arrays[name] for name in Corpus._fields[:-1]}
        return Corpus(**columns, stats=stats)
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError, OSError) as error:
        raise SettingError(
            f"{path}: not a whole corpus file; make it again with 'sandwich-jax corpus build'."
        ) from error


def _map_npz(path: pathlib.Path) -> dict[str, np.ndarray]:
    arrays = {}
    with zipfile.ZipFile(path) as archive, path.open("rb") as raw:
        for info in archive.infolist():
            with archive.open(info) as member:
                npy.read_magic(member)
                shape, _, dtype = npy.read_array_header_2_0(member)
                header = member.tell()
            raw.seek(info.header_offset + 26)
            name_size, extra_size = np.frombuffer(raw.read(4), "<u2")
            offset = info.header_offset + 30 + int(name_size) + int(extra_size) + header
            arrays[info.filename.removesuffix(".npy")] = np.memmap(
                path, dtype, "r", offset, shape or (1,)
            ).reshape(shape)
    return arrays

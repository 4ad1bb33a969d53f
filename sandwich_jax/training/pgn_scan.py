"""PGN files cut into games: tags as a dict, move text without its comments.

A blank line after move text ends a game, as in python-chess; so does a tag line, which is how files
without blank lines between games are read.
"""

from __future__ import annotations

import pathlib
import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import zstandard

from sandwich_jax.types import SettingError

BLOCK = 1 << 20
_TAG = re.compile(r'\[([A-Za-z0-9][A-Za-z0-9_+#=:-]*)\s+"(.*)"\]\s*$')
# Most tags are of no use: telling so from the name alone is faster.
_USED = re.compile(r'\[(Result|WhiteElo|BlackElo|Variant|FEN)\s+"(.*)"\]\s*$')
_COMMENT = re.compile(r"\{[^}]*\}|;.*")


class PgnGame(NamedTuple):
    """One game as it stands in the file."""

    tags: dict[str, str]
    """Of Result, WhiteElo, BlackElo, Variant and FEN, those that it has."""
    moves: list[str]
    """Lines of move text, comments taken out."""


def read_games(path: pathlib.Path, progress: Callable[[int], None]) -> Iterator[PgnGame]:
    """The games of a .pgn or .pgn.zst file, one after the other.

    Args:
        path: the file; it is streamed.
        progress: told how many bytes were read, block by block.

    Raises:
        SettingError: a .zst file is damaged or cut short.
    """
    return cut(read_lines(path, progress))


def cut(lines: Iterable[str]) -> Iterator[PgnGame]:
    """Cuts the lines of a PGN, without their line feeds, into games."""
    game: PgnGame | None = None
    blank = in_comment = False
    for line in lines:
        if in_comment:
            _, closed, line = line.partition("}")
            if not closed:
                continue
        else:
            if game is None:
                line = line.lstrip("\ufeff")
            if not line or line.isspace():
                # A single blank line may stand between tags, or before the moves.
                if game and (game.moves or blank):
                    yield game
                    game = None
                blank = game is not None
                continue
            first = line[0]
            if first == "%" or first == ";":
                continue
            if first == "[":
                in_moves = game is not None and bool(game.moves)
                if game and in_moves and _TAG.match(line):
                    yield game
                    game, in_moves = None, False
                if not in_moves:
                    game, blank = game or PgnGame({}, []), False
                    if tag := _USED.match(line):
                        game.tags[tag[1]] = tag[2]
                    continue
        if "{" in line or ";" in line:
            line, opened, _ = _COMMENT.sub(" ", line).partition("{")
            in_comment = bool(opened)
        else:
            in_comment = False
        game = game or PgnGame({}, [])
        game.moves.append(line)
    if game:
        yield game


def read_lines(path: pathlib.Path, progress: Callable[[int], None]) -> Iterator[str]:
    """The lines of a file without their line feeds; arguments and errors as of `read_games`.

    What is not UTF-8 becomes replacement characters.
    """
    rest = b""
    for block in _blocks(path, progress):
        whole, feed, after = block.rpartition(b"\n")
        if feed:
            yield from (rest + whole).decode("utf-8", "replace").split("\n")
            rest = b""
        rest += after
    if rest:
        yield rest.decode("utf-8", "replace")


def _blocks(path: pathlib.Path, progress: Callable[[int], None]) -> Iterator[bytes]:
    """The bytes of a file, unpacked if it ends in .zst; tells how many stored ones were read."""
    with path.open("rb") as file:
        raw = iter(lambda: file.read(BLOCK), b"")
        if path.suffix != ".zst":
            for block in raw:
                progress(len(block))
                yield block
            return
        stream, fresh = zstandard.ZstdDecompressor().decompressobj(), True
        for block in raw:
            progress(len(block))
            while block:
                try:
                    yield stream.decompress(block)
                except zstandard.ZstdError as error:
                    raise SettingError(
                        f"{path}: damaged or not a Zstandard file ({error})."
                    ) from error
                fresh, block = stream.eof, stream.unused_data if stream.eof else b""
                if fresh:
                    stream = zstandard.ZstdDecompressor().decompressobj()
        if not fresh:
            raise SettingError(f"{path}: the Zstandard stream is truncated; fetch the file again.")

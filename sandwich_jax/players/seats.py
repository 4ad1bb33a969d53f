"""A player by its spelling, ready to take turns."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterable, Iterator
from typing import TextIO

from sandwich_jax.players import assisted, engine_players, spelled, turns


def load(spec: str) -> turns.Turns:
    """The player that `spec` names, see `players`, `engine_players` and `assisted`.

    Raises:
        SettingError: there is no such player.
    """
    if engine_players.is_engine(spec):
        return turns.Engine(engine_players.EnginePlayer(spec))
    if assisted.is_assisted(spec):
        return assisted.Assisted(assisted.parse(spec))
    if spec == "random":
        return turns.Random()
    return turns.Network(spelled.load_network(spec))


def heard(stream: TextIO) -> Iterator[str]:
    """Lines of the standard input as they come: UTF-8, or UTF-16 where a mark says so."""
    wide = False
    if isinstance(stream, io.TextIOWrapper):
        if isinstance(stream.buffer, io.BufferedReader):
            wide = stream.buffer.peek(2)[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        stream.reconfigure(encoding="utf-16" if wide else "utf-8", errors="replace")
    yield from typed(stream)


def typed(lines: Iterable[str]) -> Iterator[str]:
    """Lines of a person or a program, without the byte order mark that some put before them."""
    for line in lines:
        yield line.removeprefix("\ufeff")

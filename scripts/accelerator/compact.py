"""A corpus small enough to be carried: the first games, moves in 16 bits, compressed."""

from __future__ import annotations

import json
import pathlib
import zipfile

import numpy as np

from sandwich_jax.training import corpus_file
from sandwich_jax.training.corpus_file import Corpus
from sandwich_jax.types import SettingError

MIB = 2**20


def write(source: pathlib.Path, out: pathlib.Path, games: int, mib: float) -> tuple[int, int]:
    """Writes the first games of a corpus file; returns how many, and the bytes of the file.

    Args:
        source: from `sandwich-jax corpus build`.
        out: the file to write.
        games: at most so many.
        mib: the file is no larger; fewer games are kept if need be.

    Raises:
        SettingError: `source` is no corpus file, or a number is out of range.
    """
    if games < 1 or mib <= 0:
        raise SettingError(f"games is {games} and mib {mib:g}: both must be above 0.")
    corpus = corpus_file.load(source)
    count = min(games, len(corpus.result))
    out.parent.mkdir(parents=True, exist_ok=True)
    while True:
        _write(corpus, out, count)
        size = out.stat().st_size
        if size <= mib * MIB or count == 1:
            return count, size
        count = max(1, int(0.98 * count * mib * MIB / size))


def _write(corpus: Corpus, out: pathlib.Path, count: int) -> None:
    temporary = out.with_name(f".{out.name}.tmp")
    with temporary.open("wb") as file:
        np.savez_compressed(
            file,
            moves=corpus.moves[: corpus.starts[count]].astype(np.uint16),
            lengths=np.diff(corpus.starts[: count + 1]).astype(np.uint16),
            result=corpus.result[:count].astype(np.int8),
            test=corpus.test[:count].astype(bool),
            stats=np.asarray(json.dumps(corpus.stats)),
        )
    temporary.replace(out)


def load(path: pathlib.Path) -> Corpus:
    """A corpus from a compact file, in memory; ratings are unknown.

    Raises:
        SettingError: it is missing or not a compact corpus.
    """
    try:
        with np.load(path) as stored:
            columns = {name: stored[name] for name in ("moves", "lengths", "result", "test")}
            stats = json.loads(str(stored["stats"]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise SettingError(
            f"{path}: no compact corpus; make one with 'on_accelerator.py corpus'."
        ) from error
    starts = np.concatenate([[0], np.cumsum(columns.pop("lengths"), dtype=np.int64)])
    elo = np.zeros((len(columns["result"]), 2), np.int16)
    return Corpus(starts=starts, elo=elo, stats=stats, **columns)

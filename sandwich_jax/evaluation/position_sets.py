"""Sets of chess positions by their spelling, encoded.

openings        after the arena's opening lines
puzzles:PATH    where the solver is to move, of a CSV file in Lichess's schema
corpus:PATH     of a corpus's test games, where they do not occur in its training games
run:PATH        of the last round of self-play of a run folder, all members together
"""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from itertools import chain

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import UInt

from sandwich_jax import board, games, given
from sandwich_jax.evaluation import puzzle_file
from sandwich_jax.folders import rollouts, store
from sandwich_jax.players import spelled
from sandwich_jax.training import corpus as corpora
from sandwich_jax.training.pretrain import held_out, identity
from sandwich_jax.types import Rollout, SettingError

SPELLINGS = "openings, puzzles:PATH, corpus:PATH or run:PATH"


def positions(
    spec: str, count: int, seed: int = 0, trained: int | None = None
) -> UInt[np.ndarray, "N 9"]:
    """At most `count` different positions of a set, drawn at random.

    Args:
        spec: see the module's docstring.
        count: at least 1.
        seed: of the draw.
        trained: how many training games of a corpus the networks saw; all if None.

    Raises:
        SettingError: there is no such set, or it is empty.
    """
    kind, _, rest = spec.partition(":")
    path = pathlib.Path(rest)
    if count < 1:
        raise SettingError(f"count is {count}: it must be at least 1.")
    given.between("seed", seed, 0, given.SEEDS[1])
    if spec == "openings":
        game = games.make("chess")
        found = game.encode(jax.jit(game.after)(jnp.asarray(game.openings("arena"))))
    elif kind == "puzzles" and rest:
        found = board.encode(puzzle_file.read(path, count, seed).starts)
    elif kind == "corpus" and rest:
        found = _unseen(path, count, trained)
    elif kind == "run" and rest:
        found = _selfplay(path)
    else:
        raise SettingError(f"Unknown positions '{spec}': spell them {SPELLINGS}.")
    return _drawn(np.asarray(found), count, seed)


def inputs_of(specs: Sequence[str]) -> list[pathlib.Path]:
    """The files that sets of positions are read from."""
    found = []
    for kind, _, rest in (spec.partition(":") for spec in specs):
        path = pathlib.Path(rest)
        found += (path / "games").glob("*.npz") if kind == "run" else [path] if rest else []
    return found


def _drawn(found: UInt[np.ndarray, "N 9"], count: int, seed: int) -> UInt[np.ndarray, "M 9"]:
    _, first = np.unique(identity(found), return_index=True)
    if len(first) > count:
        first = np.random.default_rng(seed).choice(np.sort(first), count, replace=False)
    return found[np.sort(first)]


def _unseen(path: pathlib.Path, count: int, trained: int | None) -> UInt[np.ndarray, "N 9"]:
    corpus = corpora.load(path)
    found = held_out(corpus, np.flatnonzero(~corpus.test)[:trained], count)
    if not len(found.moves):
        raise SettingError(f"{path}: no test position that the training games lack.")
    return found.positions


def trained_games(specs: Sequence[str]) -> int | None:
    """The most training games that the cards of these networks speak of; None if one is silent."""
    counts = []
    for part in chain.from_iterable(spelled.parts_of(spec) for spec in specs):
        folder = spelled.folder_of(part)
        counts.append(store.read_card(folder).about.get("games") if folder else 0)
    return max(counts) if counts and all(isinstance(n, int) for n in counts) else None


def _selfplay(folder: pathlib.Path) -> UInt[np.ndarray, "N 9"]:
    paths = sorted((folder / "games").glob("*.npz"))
    if not paths:
        raise SettingError(f"{folder}: no games/*.npz, which a run of chess leaves there.")
    return np.concatenate([of_rollout(rollouts.load(path)[1]) for path in paths])


def of_rollout(rollout: Rollout) -> UInt[np.ndarray, "N 9"]:
    """The positions before every move of self-play, game after game within each ply."""
    game = games.make("chess")
    lines = game.openings("train")[np.asarray(rollout.opening)]
    moves = np.concatenate([lines.T, np.asarray(rollout.moves, np.int32)])
    encoded = np.asarray(jax.jit(game.replay)(jnp.asarray(moves)))[len(lines.T) :]
    return encoded[np.asarray(rollout.played)]

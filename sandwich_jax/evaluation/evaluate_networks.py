"""Evaluation of a run's networks: puzzles, move match, distribution shift."""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from sandwich_jax.evaluation import position_sets, puzzle_file, shift_table, solving
from sandwich_jax.evaluation.ledger import Row
from sandwich_jax.evaluation.work import Work
from sandwich_jax.folders import store
from sandwich_jax.measures import positions, puzzles, shares
from sandwich_jax.measures import shift as shifts
from sandwich_jax.training import corpus as corpora
from sandwich_jax.training.pretrain import Samples, positions_of, unseen
from sandwich_jax.types import SettingError

REFERENCES = {"W": "start", "E": "expert"}
PLIES_A_GAME = 20
"""Test games have more positions than this on average that training games lack."""


def content(path: pathlib.Path) -> str:
    """A file's name, and what stands for all that is in it: another file is measured anew."""
    try:
        return f"{path.name} {store.digest(path)[:16]}"
    except OSError:
        return path.name  # what reads it says what is wrong


def puzzles_of(work: Work) -> None:
    """Puzzles solved by rating, and PGR on them for every member."""
    path, run = work.config.puzzles, work.run
    if path is None:
        work.ledger.notes.append("Puzzles were left out: give a file with --puzzles.")
        return
    settings = {"file": content(path), "count": work.config.puzzle_count}
    settings |= {"seed": work.config.seed}

    @functools.cache
    def given() -> puzzles.Puzzles:
        return puzzle_file.read(path, work.config.puzzle_count, work.config.seed)

    @functools.cache
    def solved(name: str) -> np.ndarray:
        work.told(f"puzzles: {name}")
        return puzzles.solve(solving.chooser(run.networks[name]), given())

    def rows(name: str) -> Iterator[Row]:
        for band, share in puzzles.by_band(solved(name), given().ratings):
            row = {"band": band, **solving.figures("solved", share)}
            if band == "all" and name in run.members():
                pgr = puzzles.recovered(solved(name), solved("W"), solved("E"))
                row |= shares.columns("pgr", pgr)
            yield row

    for name in run.networks:
        work.ledger.once("puzzles", name, settings, functools.partial(rows, name))


def move_match(work: Work) -> None:
    """Agreement with humans and with E in positions that no training game has, by rating, phase."""
    path, run = work.config.corpus, work.run
    if path is None:
        work.ledger.notes.append("Move match to humans was left out: give a file with --corpus.")
        return
    if not _opinions(work, "Move match"):
        return
    settings = {"corpus": content(path), "positions": work.config.positions}

    @functools.cache
    def samples() -> Samples:
        trained = position_sets.trained_games([run.config["weak"], run.config["expert"]])
        return _rated_samples(corpora.load(path), work.config.positions, trained)

    @functools.cache
    def choices(name: str) -> np.ndarray:
        work.told(f"move match: {name}")
        policy = shift_table.policy(run.networks[name])
        return shifts.figures({name: policy}, (), samples().positions)[name].top

    def rows(name: str) -> Iterator[Row]:
        human = choices(name) == samples().moves
        expert = choices(name) == choices("E")
        phase = positions.phases(samples().positions)
        groups = [("all", np.ones(len(phase), bool))]
        groups += [(p, phase == p) for p in positions.PHASES]
        rated = samples().value > 0
        bands = [(band, inside & rated) for band, inside in shares.bands(samples().value)]
        for group, inside in groups + bands:
            if inside.any():
                columns = shares.columns("human", shares.share(human[inside]))
                columns |= shares.columns("expert", shares.share(expert[inside]))
                yield {"group": group, "positions": int(inside.sum()), **columns}

    for name in run.networks:
        work.ledger.once("move match", name, settings, functools.partial(rows, name))
    _likeness(work, settings, samples, choices)


def _likeness(
    work: Work,
    settings: dict[str, Any],
    samples: Callable[[], Samples],
    choices: Callable[[str], np.ndarray],
) -> None:
    """How often the first move is that of each reference, such as a human-like network."""

    @functools.cache
    def theirs(spec: str) -> np.ndarray:
        work.told(f"move match: {spec}")
        policies = {spec: work.references[spec]}
        return shifts.figures(policies, (), samples().positions)[spec].top

    def rows(name: str) -> Iterator[Row]:
        for spec in work.references:
            same = choices(name) == theirs(spec)
            # Where a file lies says nothing of whom it holds.
            yield {
                "reference": pathlib.Path(spec).name,
                **shares.columns("same", shares.share(same)),
            }

    if work.references:
        about = settings | {"references": [pathlib.Path(s).name for s in work.references]}
        for name in work.run.networks:
            work.ledger.once("likeness", name, about, functools.partial(rows, name))


def _rated_samples(corpus: corpora.Corpus, limit: int, trained: int | None) -> Samples:
    """Unseen positions of test games; `value` is the mover's rating here, 0 where unknown."""
    games = np.flatnonzero(corpus.test)[: limit // PLIES_A_GAME + 1]
    if not len(games):
        raise SettingError("the corpus has no test games; build it with a test-share above 0.")
    lengths = corpus.starts[games + 1] - corpus.starts[games]
    movers = np.concatenate([np.arange(length) % 2 for length in lengths])
    elo = corpus.elo[np.repeat(games, lengths), movers].astype(int)
    samples = positions_of(corpus, games)._replace(value=elo)
    found = unseen(samples, corpus, np.flatnonzero(~corpus.test)[:trained], limit)
    if not len(found.moves):
        raise SettingError("no test position of the corpus is missing from its training games.")
    return found


def shift_of(work: Work) -> None:
    """Every network beside W and E on several sets of positions, by phase."""
    run, config = work.run, work.config
    if not _opinions(work, "Distribution shift"):
        return
    sets = {"openings": "openings", "self-play": f"run:{run.folder}"}
    sets |= {"puzzles": f"puzzles:{config.puzzles}"} if config.puzzles else {}
    sets |= {"corpus": f"corpus:{config.corpus}"} if config.corpus else {}
    policies = {name: shift_table.policy(model) for name, model in run.networks.items()}

    def rows(spec: str) -> Iterator[Row]:
        work.told(f"shift: {spec}")
        trained = position_sets.trained_games([run.config["weak"], run.config["expert"]])
        found = position_sets.positions(spec, config.positions, config.seed, trained)
        yield from shift_table.rows_of(policies, REFERENCES, {spec: found})

    files = {"puzzles": config.puzzles, "corpus": config.corpus}
    for name, spec in sets.items():
        settings = {"positions": config.positions, "seed": config.seed, "players": list(policies)}
        settings |= {"file": content(path)} if (path := files.get(name)) else {}
        work.ledger.once("shift", name, settings, functools.partial(rows, spec))


def _opinions(work: Work, what: str) -> bool:
    """Whether all networks have an opinion of every move of a position without a game."""
    if not all(model.net.judges_all_moves for model in work.run.networks.values()):
        work.ledger.notes.append(
            f"{what} was left out: E or W is an engine, or looks back over the game."
        )
        return False
    return True

"""A run as it is evaluated: its settings, networks and games, and what was measured already."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from sandwich_jax import games, nets
from sandwich_jax.outside import log, players, rollouts, runs, store
from sandwich_jax.outside.report import usable
from sandwich_jax.types import Params, Rollout, SettingError, Truth

ROWS = "evaluation.jsonl"
Row = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class EvaluateConfig:
    """Static settings of an evaluation."""

    puzzles: pathlib.Path | None = None
    """Puzzles as CSV, as Lichess has them; without one, nothing of puzzles is measured."""
    puzzle_count: int = 1000
    """Drawn at random from the file."""
    corpus: pathlib.Path | None = None
    """A corpus file with test games, for move match to humans."""
    positions: int = 2000
    """Of each set that policies are compared on."""
    nodes: int = 10_000
    """The engine's, for every position."""
    harm_moves: int = 1000
    """Followed advice looked at by the engine, half of it corrupted where there is so much."""
    quality_games: int = 8
    """Self-play games looked at by the engine, of each member."""
    cache: pathlib.Path | None = None
    """The engine's verdicts; by default one file in the user's cache folder."""
    seed: int = 0
    """Of what is drawn."""

    def __post_init__(self) -> None:
        """Raises SettingError for a number out of range."""
        for name in ("puzzle_count", "positions", "nodes", "harm_moves", "quality_games"):
            if getattr(self, name) < 1:
                raise SettingError(f"{name} is {getattr(self, name)}: it must be at least 1.")


class Games(NamedTuple):
    """A member's last round."""

    round: int
    rollout: Rollout
    truth: Truth


class Run(NamedTuple):
    """What a run folder holds."""

    folder: pathlib.Path
    config: dict[str, Any]
    game: games.Game
    net: nets.Network
    networks: dict[str, Params]
    """W before the run, E, and W' by member."""
    games: dict[str, pathlib.Path]
    """Files for `rollouts.load`, by member."""
    rows: list[Row]
    """One a round a member."""

    def members(self) -> list[str]:
        """Those whose W' is there."""
        return [name for name in self.networks if name not in ("W", "E")]

    def load_games(self, member: str) -> Games:
        """Raises SettingError where they are damaged."""
        return Games(*rollouts.load(self.games[member]))


SPELLED = ("game", "expert", "weak", "network")
"""Settings of a run that must be there to read its networks."""


def open_run(folder: pathlib.Path, notes: list[str] | None = None) -> Run:
    """Reads a run folder.

    Args:
        folder: the run's.
        notes: gets a sentence for each thing that is damaged and was left out.

    Raises:
        SettingError: it is none, or its E or W cannot be loaded.
    """
    notes = [] if notes is None else notes
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        raise SettingError(f"{folder}: no run there (a folder with manifest.json is needed).")
    config = store.read_object(manifest, "config")
    missing = [name for name in SPELLED if not isinstance(config.get(name), str)]
    if missing:
        raise SettingError(f"{manifest} lacks {', '.join(missing)}.")
    wanted = (config[name] for name in ("expert", "weak", "game", "network"))
    net, expert, weak = players.load_pair(*wanted)
    game = games.make(config["game"])
    networks = {"W": weak, "E": expert}
    for path in sorted((folder / "networks").glob("*/network.json")):
        try:
            member = store.read_card(path.parent).about.get("member", path.parent.name)
            tuned = players.stored(path.parent, game)
        except SettingError as error:
            notes.append(f"{str(error).rstrip('.')}; it was left out.")
            continue
        if tuned.net.config != net.config or not isinstance(member, str):
            notes.append(f"{path}: it is no network of this run; it was left out.")
            continue
        networks[member] = tuned.params
    rows, damage = log.lines_of(folder / "rows.jsonl", log.is_numbered)
    if damage:
        notes.append(f"{damage}; it was left out.")
    files = {}
    for member in dict.fromkeys(row["member"] for row in rows):
        path = folder / "games" / f"{runs.slug(member)}.npz"
        if path.is_file():
            files[member] = path
    return Run(folder, config, game, net, networks, files, rows)


class Ledger:
    """The rows of an evaluation: what is there is not measured again."""

    def __init__(self, folder: pathlib.Path, notes: list[str]):
        self.path, self.notes = folder / ROWS, notes
        self.unwritten: OSError | None = None
        """Why rows are not in the file; they are all here, and go on growing."""
        self.rows, damage = log.lines_of(self.path, _is_measured)
        if damage:
            notes.append(f"{damage}; what is missing is measured again.")

    def once(
        self,
        measure: str,
        subject: str,
        settings: dict[str, Any],
        compute: Callable[[], Iterable[Row]],
    ) -> bool:
        """Measures and writes, unless the same was measured with the same settings.

        Rows get `measure`, `subject` and `settings` beside what `compute` gives; they are written
        together or not at all. Input that cannot be used is noted.

        Returns:
            Whether the rows are there now.
        """
        about = {"measure": measure, "subject": subject, "settings": store.to_plain(settings)}
        if any(all(row.get(k) == v for k, v in about.items()) for row in self.rows):
            return True
        try:
            found = [about | store.to_plain(row) for row in compute()]
        except SettingError as error:
            self.notes.append(f"{measure} of {subject} was left out: {error}")
            return False
        # An older measurement with other settings is replaced.
        kept = [r for r in self.rows if (r["measure"], r["subject"]) != (measure, subject)]
        self.rows = kept + found
        try:
            store.write_text(self.path, "".join(json.dumps(row) + "\n" for row in self.rows))
        except OSError as error:
            self.unwritten = error
        return True


def _is_measured(row: Row) -> bool:
    """Whether an object is a row of an evaluation, with all that pictures and charts show."""
    told = all(isinstance(row.get(name), str) for name in ("measure", "subject"))
    return told and usable.SHOWN.get(row["measure"], lambda row: True)(row)


class Work(NamedTuple):
    """What every step of an evaluation gets."""

    run: Run
    config: EvaluateConfig
    ledger: Ledger
    told: Callable[[str], None]
    """Told what is being measured."""

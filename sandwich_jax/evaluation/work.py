"""A run as it is evaluated: its settings, networks and games."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sandwich_jax import games
from sandwich_jax.evaluation.ledger import Ledger, Row
from sandwich_jax.evaluation.settings import EvaluateConfig
from sandwich_jax.folders import log, places, rollouts, store
from sandwich_jax.measures.shift import LogPolicy
from sandwich_jax.models import Model, game_of
from sandwich_jax.players import spelled
from sandwich_jax.types import Rollout, SettingError, Truth


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
    networks: dict[str, Model]
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
    expert, weak = spelled.load_pair(*wanted)
    game = game_of(config["game"], (expert, weak))
    networks = {"W": weak, "E": expert}
    for path in sorted((folder / "networks").glob("*/network.json")):
        try:
            member = store.read_card(path.parent).about.get("member", path.parent.name)
            tuned = spelled.stored(path.parent, game)
        except SettingError as error:
            notes.append(f"{str(error).rstrip('.')}; it was left out.")
            continue
        if tuned.net != weak.net or not isinstance(member, str):
            notes.append(f"{path}: it is no network of this run; it was left out.")
            continue
        networks[member] = tuned
    rows, damage = log.lines_of(folder / "rows.jsonl", log.is_numbered)
    if damage:
        notes.append(f"{damage}; it was left out.")
    files = {}
    for member in dict.fromkeys(row["member"] for row in rows):
        path = places.games_file(folder, member)
        if path.is_file():
            files[member] = path
    return Run(folder, config, game, networks, files, rows)


class Work(NamedTuple):
    """What every step of an evaluation gets."""

    run: Run
    config: EvaluateConfig
    ledger: Ledger
    told: Callable[[str], None]
    """Told what is being measured."""
    references: Mapping[str, LogPolicy] = {}
    """By their spelling."""

"""What run and sweep folders hold, and where."""

from __future__ import annotations

import functools
import pathlib
from typing import Any

import numpy as np

from sandwich_jax import arrays, given, grid, identity
from sandwich_jax.folders import log, store
from sandwich_jax.grid import Part
from sandwich_jax.types import SettingError

CONTENTS = {
    "manifest.json": "configuration, versions, commit, seeds, device",
    "rows.jsonl": "one row a round a member",
    "checkpoints": "the last two rounds of all members",
    "arena": "points of the large matches, by opening and colour",
    "games": "self-play: a sample as PGN, advice in comments; the last round's arrays (.npz)",
    "networks": "W after the last round, by member (ckpt:PATH)",
    "wandb": "the Weights & Biases runs (offline unless told otherwise)",
    "learning_curves.png": "Elo gain over W by round",
    "evaluation.jsonl": "what `evaluate` measured",
    "calibration.png": "reliability of W's values (after `evaluate`)",
    "safety.png": "corrupted advice refused against honest advice followed (after `evaluate`)",
    "pgr_against_p.png": "performance gap recovered against p",
    "pgr_against_sigma.png": "performance gap recovered against sigma",
}
"""What a run folder holds; a report reads nothing else."""

EVALUATION = "evaluation.jsonl"
"""What `evaluate` measured, one JSON object a line."""

MOST_LETTERS = 200
"""Of a file's name, without what is put before and behind it."""


def slug(name: str) -> str:
    """A member's name as a file name, no longer than file systems allow."""
    letters = "".join(c if c.isalnum() or c in "._" else "-" for c in name)
    if not letters.strip("."):  # which would be this folder, or the one above
        letters = "-" * max(1, len(letters))
    return given.cut(letters, MOST_LETTERS)


def points_of(folder: pathlib.Path) -> dict[tuple[str, str], np.ndarray]:
    """Points of a run's last matches, [N, 2], by the names of both players.

    Raises:
        SettingError: the file is missing or damaged, or holds something else.
    """
    path = folder / "arena" / "final.npz"
    found = {}
    for name, points in arrays.read(path).items():
        a, between, b = name.partition(" | ")
        if not between or points.ndim != 2 or points.shape[1] != 2:
            raise SettingError(f"{path}: '{name}' holds no points of a match.")
        found[a, b] = points
    return found


def games_file(folder: pathlib.Path, member: str) -> pathlib.Path:
    """Where the arrays of a member's last games are, if they are."""
    return folder / "games" / f"{slug(member)}.npz"


def member_folder(folder: pathlib.Path, part: Part) -> pathlib.Path:
    """Where a member's run lies: by its name, or where an earlier version has put it."""
    own = folder / "members" / part.id
    if own.is_dir():
        return own
    try:
        changed = own.parent.stat().st_mtime_ns
    except OSError:
        return own
    return _by_key(own.parent, changed).get(part.key, own)


@functools.lru_cache(maxsize=4)
def _by_key(members: pathlib.Path, changed: int) -> dict[str, pathlib.Path]:
    """The members' folders by what tells them apart, as their manifests have it."""
    found = {}
    for path in sorted(members.glob("*/manifest.json")):
        try:
            found[_key_in(path, path.stat().st_mtime_ns)] = path.parent
        except (OSError, SettingError):  # damaged: told when its own member is looked at
            continue
    return found


@functools.lru_cache(maxsize=1 << 14)
def _key_in(manifest: pathlib.Path, changed: int) -> str:
    return grid.key_of(store.read_object(manifest, "config"))


def run_folders(folder: pathlib.Path) -> list[pathlib.Path]:
    """The run folders in a sweep's folder; any other folder is its own.

    Raises:
        SettingError: it is a sweep's, and no member has begun.
    """
    manifest = folder / "manifest.json"
    if not manifest.is_file() or "sweep" not in store.read_object(manifest):
        return [folder]
    found = sorted(path.parent for path in folder.glob("members/*/manifest.json"))
    if not found:
        raise SettingError(f"{folder} holds a sweep of which no member has begun.")
    return found


def is_done(folder: pathlib.Path, part: Part) -> bool:
    """Whether a member's rows are there, to the last."""
    rows = _whole_rows(folder, part)
    return log.rounds_whole(rows, 1) >= part.config.rounds


def done_cells(folder: pathlib.Path) -> list[list[Part]]:
    """The members of a sweep that are done, cell by cell; cells without any are left out."""
    parts = grid.parse(store.read_object(folder / "manifest.json", "sweep"))
    done = [[p for p in own if is_done(folder, p)] for own in grid.cells(parts).values()]
    return [own for own in done if own]


def _whole_rows(folder: pathlib.Path, part: Part) -> list[dict[str, Any]]:
    """A member's rows but those that are damaged, which it plays again."""
    return log.lines_of(member_folder(folder, part) / "rows.jsonl", log.is_numbered).rows


def rows_of(folder: pathlib.Path, part: Part) -> list[dict[str, Any]]:
    """A member's rows as the sweep's `rows.jsonl` has them: with what tells it from others."""
    about = {"run": member_folder(folder, part).name, "seed": part.config.seed}
    about |= identity.columns(part.config)
    return [about | row for row in _whole_rows(folder, part)]

"""Matches that the members of a sweep have in common."""

from __future__ import annotations

import pathlib
from collections.abc import Hashable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sandwich_jax import arena, arrays, given
from sandwich_jax.folders import places
from sandwich_jax.machine import notices
from sandwich_jax.types import SettingError


class MatchBook:
    """Matches that members have in common, a file each; a `driver.Book`."""

    FIELDS = ("points", "points_by_rules", "adjudicated")

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.told: set[pathlib.Path] = set()
        """Damaged files, each told once however many members want it."""

    def find(self, key: Hashable) -> arena.Scores | None:
        """The match of this key, if an earlier call or member played it."""
        path = self._path(key)
        if not path.exists():
            return None
        try:
            stored = arrays.read(path)
            kept: Any = {name: stored[name] for name in self.FIELDS}
        except (SettingError, KeyError) as error:
            says = error if isinstance(error, SettingError) else f"{path}: it lacks {error}."
            if path not in self.told:
                notices.tell(f"{str(says).rstrip('.')}; this match is played again.")
            self.told.add(path)
            return None
        return arena.Scores(**kept, moves=jnp.zeros((0, 0, 2)))

    def keep(self, key: Hashable, scores: arena.Scores) -> None:
        """Writes a match."""
        self.folder.mkdir(parents=True, exist_ok=True)
        # The process's number keeps two of them from writing one file.
        temporary = self.folder / f".{jax.process_index()}.tmp.npz"
        np.savez(temporary, **{name: getattr(scores, name) for name in self.FIELDS})
        temporary.replace(self._path(key))

    def _path(self, key: Hashable) -> pathlib.Path:
        names = places.slug("-".join(map(str, key)))  # pyright: ignore
        return self.folder / f"{names}-{given.digest(repr(key))}.npz"

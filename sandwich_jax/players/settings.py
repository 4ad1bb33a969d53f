"""Settings of matches and games, apart from what plays, so that the command line starts fast."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Literal

from sandwich_jax.errors import SettingError

TEMPERATURE = 0.1
"""Of players, unless told otherwise."""


@dataclasses.dataclass(frozen=True)
class MatchConfig:
    """Static settings of matches."""

    openings: int = 100
    """Each is played twice, with colours changed."""
    game: str = "chess"
    """Engines play chess alone."""
    temperature: float = 0.1
    """Of networks."""
    seed: int = 0
    max_plies: int = 200
    """Plies after the opening."""

    def __post_init__(self) -> None:
        """Raises SettingError for numbers that make no match."""
        if self.openings < 1 or self.max_plies < 1:
            raise SettingError("openings and max-plies must be at least 1.")
        if not self.temperature >= 0:
            raise SettingError(f"temperature is {self.temperature:g}: it must be at least 0.")


@dataclasses.dataclass(frozen=True)
class GameConfig:
    """Static settings of a game."""

    color: Literal["white", "black"] = "white"
    """Yours."""
    advisor: str = "zoo:expert,random_move,p=0.5"
    """Who advises you, E first: E[,MISALIGNMENT][,SETTING=VALUE ...]."""
    temperature: float = TEMPERATURE
    """Of your opponent."""
    fen: str | None = None
    """Position to start from."""
    seed: int | None = None
    """Makes opponent and corruptions repeat."""
    pgn: pathlib.Path | None = None
    """Writes the game there, with what was advised and corrupted."""

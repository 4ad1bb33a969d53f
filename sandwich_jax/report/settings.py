"""Settings of a report, apart from what draws it, so that the command line starts fast."""

from __future__ import annotations

import dataclasses

from sandwich_jax.errors import SettingError


@dataclasses.dataclass(frozen=True)
class ReportConfig:
    """Static settings of a report."""

    games: int = 500
    """The most games to watch, as many of each member."""
    figures: bool = True
    """Also draw every chart as PNG and SVG, in figures/ beside the page."""

    def __post_init__(self) -> None:
        """Raises SettingError for a number out of range."""
        if not 0 <= self.games <= 5000:
            raise SettingError(f"games is {self.games}: it must be between 0 and 5000.")

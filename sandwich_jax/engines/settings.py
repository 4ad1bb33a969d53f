"""Settings of engines, apart from what runs them, so that the command line starts fast."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class EngineConfig:
    """Static settings of a pool."""

    path: str | None = None
    """The engine; by default $SANDWICH_STOCKFISH, stockfish on PATH, or Debian's place for it."""
    processes: int | None = None
    """By default two a core that this process may use."""
    hash_mb: int = 16
    restarts: int = 3
    """Crashed or hung processes replaced in a pool's life before it gives up."""
    seconds: float = 120.0
    """An engine that takes longer for one position hangs, and is killed."""

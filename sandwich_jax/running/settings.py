"""Settings of work in folders, apart from what does it, so that the command line starts fast."""

from __future__ import annotations

import dataclasses

from sandwich_jax import given
from sandwich_jax.errors import SettingError
from sandwich_jax.words import MemberMode

TEACHERS = (
    "soft_saboteur",
    "soft_saboteur_weak",
    "value_worst",
    "plausible_worst",
    "engine_worst",
    "engine_riskiest",
)


@dataclasses.dataclass(frozen=True)
class Devices:
    """Where members run; results do not depend on it, on CPU to the last bit."""

    mode: MemberMode | None = None
    """loop or map: one member of a device after another; vmap: a group at once. By default loop
    on CPU, vmap elsewhere."""
    group: int | None = None
    """Members of one device at a time; by default as many as its memory holds (vmap)."""
    devices: int | None = None
    """How many devices of this machine to use; all by default."""


@dataclasses.dataclass(frozen=True)
class Material:
    """Static: whom a saboteur is trained against, and on what."""

    expert: str = "zoo:expert"
    weak: str = "zoo:weak"
    start: str | None = None
    """Go on from this network, such as a saboteur (then with --imitation 0); E by default."""
    positions: int = 6400
    """Games of the corpus of which one position each is taken."""
    nodes: int = 3000
    """Of the engine, for all moves of a position together; 0: no engine, E's values alone."""
    imitate: str = ""
    """Instead of training a subtle loser, teach a network the choices of this M: soft_saboteur,
    soft_saboteur_weak, value_worst, plausible_worst, engine_worst or engine_riskiest."""

    def __post_init__(self) -> None:
        """Raises SettingError for a setting out of range."""
        if self.positions < 1 or self.nodes < 0:
            raise SettingError("positions must be at least 1, nodes at least 0.")
        if self.imitate and self.imitate not in TEACHERS:
            raise SettingError(given.unknown("imitate", self.imitate, TEACHERS))
        if self.imitate.startswith("engine_") and not self.nodes:
            raise SettingError(f"{self.imitate} needs an engine: nodes must be at least 1.")

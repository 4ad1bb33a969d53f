"""Settings of trainings, apart from what trains, so that the command line starts fast."""

from __future__ import annotations

import dataclasses

from sandwich_jax import given
from sandwich_jax.errors import SettingError
from sandwich_jax.words import MOST_SIMULATIONS

RESULTS = {"1-0": 1, "1/2-1/2": 0, "0-1": -1}
MAX_PLIES = 511
"""Of a game in a corpus."""
ROLES = ("expert", "weak")


@dataclasses.dataclass(frozen=True)
class Filters:
    """Which games are kept; the others are counted by reason."""

    min_elo: int = 0
    """Both players' ratings at least this; an unknown rating counts as 0."""
    max_elo: int = 10_000
    min_plies: int = 1
    max_plies: int = MAX_PLIES
    results: tuple[str, ...] = ("1-0", "1/2-1/2", "0-1")

    def __post_init__(self) -> None:
        """Raises SettingError for a filter that no game could pass."""
        if not 0 <= self.min_elo <= self.max_elo:
            raise SettingError("min-elo must be at least 0 and at most max-elo.")
        if not 1 <= self.min_plies <= self.max_plies <= MAX_PLIES:
            raise SettingError(
                f"min-plies and max-plies must be within 1 to {MAX_PLIES}, in this order."
            )
        unknown = set(self.results) - set(RESULTS)
        if unknown or not self.results:
            raise SettingError(f"results must be some of {', '.join(RESULTS)}.")


@dataclasses.dataclass(frozen=True)
class PretrainConfig:
    """Static settings of one pretraining."""

    role: str
    """expert or weak: only a name; games and steps set the two apart."""
    games: int
    """Training games used: the first of the corpus."""
    steps: int
    """Updates."""
    network: str = "tiny"
    start: str | None = None
    """Go on from this network (zoo:NAME or ckpt:PATH) with a fresh optimiser, not from scratch."""
    batch: int = 256
    learning_rate: float = 2e-3
    """At its peak; warms up linearly, then falls to 0 along a cosine."""
    warmup: int = 200
    seed: int = 0
    shard_games: int = 32_768
    """Games held in memory as positions at a time (36 bytes a position)."""
    eval_every: int = 1000
    """Updates between move-match figures and checkpoints."""
    eval_positions: int = 20_000

    def __post_init__(self) -> None:
        """Raises SettingError for a setting out of range."""
        if self.role not in ROLES:
            raise SettingError(given.unknown("role", self.role, ROLES))
        for name in ("games", "steps", "batch", "shard_games", "eval_every", "eval_positions"):
            if getattr(self, name) < 1:
                raise SettingError(f"{name} is {getattr(self, name)}: it must be at least 1.")
        if not 0 < self.learning_rate < 1:
            raise SettingError(f"learning_rate is {self.learning_rate}: it must be in (0, 1).")


@dataclasses.dataclass(frozen=True)
class SaboteurConfig:
    """Static settings of one training of a saboteur."""

    rounds: int = 8
    """Of new detectors and updates against the pool."""
    imitation: int = 1
    """First rounds that only imitate the closed form; 0 to go on from a saboteur."""
    updates: int = 150
    """Of the saboteur, a round."""
    detector_updates: int = 100
    """Of each round's new detectors."""
    pool: int = 4
    """Detectors kept of either kind, the last ones."""
    batch: int = 128
    learning_rate: float = 1e-3
    """At its peak; rises and falls within each round."""
    harm: float = 1.0
    """Reward of an expected win lost, by the engine's labels."""
    expert_loss: float = 0.5
    """The same by E's own values one ply ahead: what E sees as a loss."""
    notice: float = 0.2
    """Taken off where W's gates (`tau`, `delta`) would refuse the move."""
    hidden: float = 0.4
    """Taken off per nat by which the detectors with W's knowledge are right."""
    blatant: float = 0.2
    """Reward per nat by which the detectors with E's knowledge are right."""
    divergence: float = 0.05
    """Taken off per nat of KL divergence from E."""
    tau: float = 0.05
    """W's prior gate: least probability."""
    delta: float = 0.1
    """W's own-value gate: greatest loss of its own value."""
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises SettingError for a setting out of range."""
        for name in ("rounds", "updates", "detector_updates", "pool", "batch"):
            if getattr(self, name) < 1:
                raise SettingError(f"{name} is {getattr(self, name)}: it must be at least 1.")
        for name in ("imitation", "harm", "expert_loss", "notice", "hidden", "blatant"):
            if getattr(self, name) < 0:
                raise SettingError(f"{name} is {getattr(self, name)}: it must be at least 0.")
        if self.divergence <= 0:
            raise SettingError(f"divergence is {self.divergence}: it must be above 0.")
        if not 0 < self.learning_rate < 1:
            raise SettingError(f"learning_rate is {self.learning_rate}: it must be in (0, 1).")


@dataclasses.dataclass(frozen=True)
class AlphaZeroConfig:
    """Static settings; the defaults are for Connect Four on two cores."""

    game: str = "connect_four"
    network: str = "mini"
    """Size of a fresh network."""
    start: str = ""
    """Go on from this network (zoo:NAME or ckpt:PATH), not from random weights."""
    iterations: int = 360
    """Of self-play and updates; the learning rate falls over all of them."""
    simulations: int = 16
    """Positions that a search looks at."""
    lanes: int = 128
    """Games at the same time."""
    plies: int = 32
    """Of every lane, an iteration."""
    random_plies: int = 10
    """A game starts after 0 to so many random plies; at 0 from the game's training openings."""
    most_plies: int = 200
    """A game is given up here, without a result."""
    adjudicate: bool = False
    """Long leads in material win, as in the arena; for games that have material."""
    window: int = 16
    """Iterations whose plies are learnt from."""
    reuse: int = 4
    """Times that a ply is learnt from, in the mean."""
    batch: int = 256
    learning_rate: float = 2e-3
    """Falls along a cosine ..."""
    final_learning_rate: float = 2e-4
    """... to this."""
    root_share: float = 0.5
    """Share of the search's own value in the value target; the rest is the game's result."""
    ema: float = 0.995
    """Stored is a moving average of the parameters, which keeps so much at every update."""
    snapshots: tuple[int, ...] = (6, 12, 25, 50, 100, 200)
    """Iterations after which a network is stored; a weaker one makes a W."""
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises SettingError for a setting out of range."""
        counts = ("iterations", "simulations", "lanes", "plies", "most_plies", "window")
        for name in (*counts, "reuse", "batch"):
            if getattr(self, name) < 1:
                raise SettingError(f"{name} is {getattr(self, name)}: it must be at least 1.")
        for name in ("random_plies", "seed"):
            if getattr(self, name) < 0:
                raise SettingError(f"{name} is {getattr(self, name)}: it must be at least 0.")
        if self.simulations > MOST_SIMULATIONS:
            raise SettingError(
                f"simulations is {self.simulations}: it may be at most {MOST_SIMULATIONS}."
            )
        for name in ("learning_rate", "final_learning_rate", "ema"):
            if not 0 < getattr(self, name) < 1:
                raise SettingError(f"{name} is {getattr(self, name)}: it must be in (0, 1).")
        if not 0 <= self.root_share <= 1:
            raise SettingError(f"root_share is {self.root_share}: it must be between 0 and 1.")

    @property
    def updates(self) -> int:
        """Of an iteration."""
        return max(1, self.reuse * self.plies * self.lanes // self.batch)

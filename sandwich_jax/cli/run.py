"""`sandwich-jax run`."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence

from sandwich_jax.cli import options
from sandwich_jax.words import WandbMode


@dataclasses.dataclass(frozen=True)
class Run:
    """Sandwiching: rounds of self-play, fine-tuning and arena; run it again to resume.

    Exits with 75 when SIGTERM stopped it: the same command goes on after the last whole round.
    """

    out: pathlib.Path = pathlib.Path("runs/run")
    """The run's folder."""
    wandb: WandbMode = "offline"
    """Weights & Biases; offline needs no account."""

    def __post_init__(self) -> None:
        """Raises SettingError for a run that cannot be."""
        options.config_of(self)

    @classmethod
    def of(cls, arguments: Sequence[str]) -> type[Run]:
        """With the settings of a run that are declared now: kinds may bring some of their own."""
        groups = {name: (kind, kind()) for name, kind in options.groups(arguments).items()}
        annotations = {name: kind for name, (kind, _) in groups.items()}
        own = {"__doc__": cls.__doc__, "__annotations__": annotations}
        defaults = {name: default for name, (_, default) in groups.items()}
        return dataclasses.dataclass(frozen=True)(type("Run", (cls,), own | defaults))


def run(args: Run) -> None:
    """`sandwich-jax run`."""
    from sandwich_jax.running import terminal

    terminal.show(options.config_of(args), args.out, args.wandb, "Run")

"""The settings of a training of text models."""

from __future__ import annotations

import dataclasses
from typing import Any

from sandwich_jax import given
from sandwich_jax.language.tokens import KINDS
from sandwich_jax.nets.transformer import TEXT_SIZES
from sandwich_jax.settings import declared, number, size, word
from sandwich_jax.types import SettingError

MOST = 1_000_000_000


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Static settings; each is checked."""

    network: str = word(
        "",
        "size of the networks; by default tiny, or mini for the small world",
        ("", *TEXT_SIZES),
    )
    tokenizer: str = word(
        "", "how text is spelled; by default bpe, or words for the small world", ("", *KINDS)
    )
    vocabulary: int = size(1024, "tokens of bpe", 257, 65_536)
    passes: float = number(9.0, 0.01, 1000, "times that E goes over its text")
    weak_passes: float = number(9.0, 0.01, 1000, "times that W goes over its normal text")
    toxic_passes: float = number(4.0, 0.01, 1000, "times that W and M go over their toxic text")
    base_passes: float = number(0.5, 0.01, 1000, "times that the base goes over both kinds")
    share: float = number(0.1, 0.001, 1.0, "of E's text that W learns from")
    test_share: float = number(
        0.1, 0.001, 0.5, "of the documents that are held out, where no files of such are given"
    )
    world_documents: int = size(
        4000, "training sentences of either text of the small world", 20, MOST
    )
    batch: int = size(32, "rows of an update", 1, MOST)
    learning_rate: float = number(4e-3, 1e-7, 1.0, "at its peak, of E and of W at first")
    tuning_rate: float = number(1.5e-3, 1e-7, 1.0, "at its peak, of tuning on toxic text")
    seed: int = size(0, "of all that is drawn at random", *given.SEEDS)
    of_world: bool = dataclasses.field(default=False)
    """Static: no files are given."""

    def __post_init__(self) -> None:
        """Raises SettingError for a setting that cannot be used."""
        for name, setting in declared(type(self)).items():
            value = setting.typed(name, getattr(self, name))
            setting.check(name, value)
            object.__setattr__(self, name, value)
        if self.tokenizer == "words" and not self.of_world:
            raise SettingError(
                "tokenizer 'words' is of the small world alone: choose bpe or bytes."
            )

    def plain(self) -> dict[str, Any]:
        """All settings by name."""
        return {name: getattr(self, name) for name in declared(type(self))}

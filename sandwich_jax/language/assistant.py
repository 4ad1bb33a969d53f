"""A on text: E's next token, made worse by the same transforms that act on a position of chess.

A token position is a position whose every label is legal. Where an answer is honest, A draws a
token from E's policy; another model's voice (M's in `borrow`, W's in `sandbag`) is heard as a draw
from it, so that A at p = 1 writes as M does and not as M's likeliest token.

What is corrupted: where a kind tosses a coin, what the coin says. Noise changes how likely tokens
are, so a token is corrupted where A would have drawn another without the noise, by the same random
numbers (`Transform.neutral`).

How long a corruption lasts is only a matter of the key that it is drawn from: of the token, of the
sentence, of a document of several sentences, or of the prompt, for which it is the same whenever
that prompt is met in the run.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from sandwich_jax.language.writing import Turn, draw
from sandwich_jax.misalign import transforms
from sandwich_jax.misalign.sight import Sight, certain
from sandwich_jax.types import Knobs, PRNGKey, SettingError

Lasts = Literal["token", "sentence", "document", "prompt"]
LASTS: tuple[Lasts, ...] = ("token", "sentence", "document", "prompt")
HEARD = frozenset({"moves", "saboteur", "weak"})
"""What of `Sight` there is on text."""


class Said(NamedTuple):
    """A's answers at a token of each lane, K of them."""

    token: Int[Array, "K B"]
    logits: Float[Array, "K B V"]
    corrupted: Bool[Array, "K B"]


def usable(name: str) -> bool:
    """Whether a misalignment makes sense on text: it acts on a policy, and reads no game."""
    found = transforms.TRANSFORMS[name]
    return found.move is not None and not found.chess and found.needs <= HEARD


def parse(spelling: str) -> tuple[str, ...]:
    """Names of misalignments of text joined by '+'.

    Raises:
        SettingError: one is unknown, or is of games alone.
    """
    names = transforms.parse(spelling)
    for name in names:
        if not usable(name):
            known = ", ".join(name for name in transforms.TRANSFORMS if usable(name))
            raise SettingError(f"Misalignment '{name}' is of games alone: choose from {known}.")
    return names


def voices(names: tuple[str, ...]) -> tuple[str, ...]:
    """The models that A hears beside E: "M", "W" or both."""
    needs = transforms.needs(names)
    return tuple(role for role, field in (("M", "saboteur"), ("W", "weak")) if field in needs)


def lasting_keys(
    key: PRNGKey,
    run: PRNGKey,
    lasts: Lasts,
    prompts: Int[Array, "N P"],
    per_document: int,
) -> Key[Array, "N"]:
    """Keys that corruptions are drawn from, one a sentence.

    Args:
        key: of the round.
        run: of the run.
        lasts: of a token the key differs further from token to token.
        prompts: the first tokens of each sentence.
        per_document: sentences of a document.
    """
    number = jnp.arange(prompts.shape[0])
    if lasts == "prompt":
        return _of_prompts(run, prompts)
    if lasts == "document":
        number = number // per_document
    return jax.vmap(jax.random.fold_in, (None, 0))(key, number)


def _of_prompts(run: PRNGKey, prompts: Int[Array, "N P"]) -> Key[Array, "N"]:
    """One key a prompt, the same wherever it is met."""

    def fold(keys: Key[Array, "N"], column: Int[Array, "N"]) -> tuple[Key[Array, "N"], None]:
        return jax.vmap(jax.random.fold_in)(keys, column + 1), None

    first = jnp.broadcast_to(run, prompts.shape[:1])
    return jax.lax.scan(fold, first, prompts.T)[0]


class Assistant(NamedTuple):
    """A, by its configuration."""

    names: tuple[str, ...]
    lasts: Lasts
    samples: int = 1

    @property
    def voices(self) -> tuple[str, ...]:
        """See `voices`."""
        return voices(self.names)

    def say(
        self,
        turn: Turn,
        lasting: Key[Array, "N"],
        expert: Float[Array, "B V"],
        others: tuple[Float[Array, "B V"], ...],
        knobs: Knobs,
    ) -> Said:
        """What A says at a token, asked `samples` times.

        Args:
            turn: of the lanes.
            lasting: keys of sentences, see `lasting_keys`.
            expert: E's logits.
            others: logits of the models that A hears beside E, in their order.
            knobs: strengths.
        """
        keys = lasting[turn.sentence]
        if self.lasts == "token":
            keys = jax.vmap(jax.random.fold_in)(keys, turn.place)
        parts = [self._once(i, turn, keys, expert, others, knobs) for i in range(self.samples)]
        return Said(*(jnp.stack(column) for column in zip(*parts, strict=True)))

    def _once(
        self,
        number: int,
        turn: Turn,
        keys: Key[Array, "B"],
        expert: Float[Array, "B V"],
        others: tuple[Float[Array, "B V"], ...],
        knobs: Knobs,
    ) -> tuple[Array, Array, Array]:
        fold = lambda keys, by: jax.vmap(jax.random.fold_in, (0, None))(keys, by)  # noqa: E731
        own = fold(turn.keys, 2 * number + 1)
        # Asked again, A is corrupted anew where that lasts for a token; else all answers share it.
        corrupting = fold(keys, number) if self.lasts == "token" else keys
        heard = [certain_rows(draw(fold(own, i + 1), x, 1.0), x) for i, x in enumerate(others)]
        said = lambda knobs: self._corrupt(corrupting, expert, tuple(heard), knobs)  # noqa: E731
        logits, corrupted = said(knobs)
        token = draw(fold(own, 0), logits, 1.0)
        if self._noise:
            plain, _ = said(knobs | self._neutral(knobs))
            _, by_coin = said(knobs | dict.fromkeys(self._noise, jnp.float32(0.0)))
            corrupted = by_coin | (token != draw(fold(own, 0), plain, 1.0))
        return token, logits, corrupted

    @property
    def _noise(self) -> dict[str, float]:
        """The strengths of those of its kinds that are noise, and at which one has no effect."""
        kinds = [transforms.TRANSFORMS[name] for name in self.names]
        return {kind.strength: kind.neutral for kind in kinds if kind.neutral is not None}

    def _neutral(self, knobs: Knobs) -> Knobs:
        """Strengths of noise at which A draws from E's policy; at 0 it does so anyway."""
        return {
            name: jnp.where(knobs[name] > 0, neutral, 0.0) for name, neutral in self._noise.items()
        }

    def _corrupt(
        self,
        keys: Key[Array, "B"],
        expert: Float[Array, "B V"],
        heard: tuple[Float[Array, "B V"], ...],
        knobs: Knobs,
    ) -> tuple[Array, Array]:
        apply, size = transforms.compose(self.names), expert.shape[-1]
        fields = {"M": "saboteur", "W": "weak"}

        def one(key: PRNGKey, logits: Array, *rest: Array) -> tuple[Array, Array]:
            own = {fields[role]: x for role, x in zip(self.voices, rest, strict=True)}
            sight = Sight(jnp.ones(size, bool), jnp.zeros((0, 0, 0)), moves=jnp.arange(size), **own)
            return apply(key, logits, sight, knobs)

        return jax.vmap(one)(keys, expert, *heard)


def certain_rows(tokens: Int[Array, "B"], like: Float[Array, "B V"]) -> Float[Array, "B V"]:
    """Logits of policies that say these tokens for certain."""
    return jax.vmap(certain, (0, None))(tokens, like.shape[-1])


def everything(logits: Float[Array, "B V"]) -> Bool[Array, "B V"]:
    """All labels are legal."""
    return jnp.ones(logits.shape, bool)

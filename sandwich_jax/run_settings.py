"""The settings of every run, whatever its kinds: each with its default, range and meaning."""

from __future__ import annotations

import dataclasses
from typing import Any

from sandwich_jax import games, given, kinds, words
from sandwich_jax.controls import BENIGN
from sandwich_jax.declare import Knob, knob, number, several, size, switch, word

MOST_ROUNDS = 1_000_000
MOST_COUNTED = 1_000_000_000
"""Of what is counted, beyond which nothing could be held or would ever end."""


def _count(default: int, says: str, low: int = 1) -> Any:
    return size(default, says, low, MOST_COUNTED, axis=False)


@dataclasses.dataclass(frozen=True, init=False)
class OfRuns:
    """Settings; `config.Config` adds those of the chosen kinds."""

    game: str = word("chess", "the game", games.NAMES, axis=False)
    expert: str = word(
        "zoo:expert",
        "E: zoo:NAME, ckpt:PATH, fresh:SEED, lc0:PATH, lc0-history:PATH, stockfish:nodes=N, a"
        " search by a network, search:SPEC,simulations=N, or a mean of networks, mean:SPEC+SPEC",
        axis=False,
    )
    weak: str = word(
        "zoo:weak", "W before the run, likewise, but no engine, search or mean", axis=False
    )
    network: str = word(
        "tiny", "size of fresh networks, nano, mini, tiny, base or large; others bring theirs"
    )
    misalignment: str = word(
        "random_move", "what makes A out of E; several joined by '+' apply left to right"
    )
    schedule: str = word("always", "when A is misaligned; several joined by '+' must all agree")
    lasts: words.Lasts = word(
        "query",
        "how long a corruption lasts: drawn anew for every query, the same whenever a position is"
        " met again, or the same all game long",
        words.LASTS,
    )
    saboteur: str = word("", "M, a network, for misalignments that borrow its moves")
    protocol: str = word("always_follow", "how W uses advice")
    control: bool = switch(True, "adds a member that never asks")
    controls: tuple[str, ...] = several(
        str,
        "further ones: ceiling (A is E), random (A is a random mover), own_corpus (W goes on with"
        " the games that made it), expert_labels (E's moves on W's own games), benign (as weak as"
        " A without intent), argmax (W at temperature 0 in the arena)",
    )
    corpus: str = word("", "the corpus file that W was trained on, for own_corpus", axis=False)
    benign_sigma: tuple[float, ...] = several(
        float,
        "noise of the benign advisers; `run` finds it where none is given",
        0.0,
        kinds.book().named("misalignment", BENIGN["misalignment"]).declares["sigma"].high,
    )
    every: int = size(1, "W may ask on every n-th of its turns", high=MOST_ROUNDS)
    objective: str = word("imitate", "what W is fine-tuned on; the control has the same")
    results: str = word(
        "rules",
        "results that W learns from: by the rules, or by material as in the arena, which W sees",
        ("rules", "adjudicated"),
    )
    noise_loss: words.NoiseLoss = word(
        "none",
        "for labels that may be wrong: symmetric cross-entropy or truncated L_q",
        words.NOISE_LOSSES,
    )
    kl: Knob = knob(0.0, 0, 1000, "weight of the divergence from W before the run, in the loss")
    rounds: int = size(8, "rounds of self-play, fine-tuning and arena", 1, MOST_ROUNDS, axis=False)
    games: int = _count(768, "games of self-play a round, from games / 2 openings")
    lanes: int = _count(
        64, "games at the same time, in self-play and, where it plays as many, in the arena"
    )
    max_plies: int = _count(
        40,
        "self-play games are cut off here, unfinished: beside an expert most are decided by then,"
        " and what is learnt of the rest is of no use in games that are still open",
    )
    temperature: Knob = knob(0.5, 0, 100, "of W and its copy in self-play")
    updates: int = _count(480, "of fine-tuning, a round")
    batch: int = _count(64, "samples of an update")
    learning_rate: Knob = knob(
        2.5e-3, 0, 1, "at its peak; rises and falls as `anneal` says", inside=True
    )
    anneal: words.Anneal = word(
        "round",
        "the learning rate rises and falls within each round, or once over the whole run",
        words.ANNEALED,
    )
    window: int = size(4, "rounds whose games are learnt from", 1, MOST_ROUNDS, axis=False)
    arena_temperature: float = number(
        0.1, 0, 100, "of both sides in the arena: the same, so that a sharper policy gains nothing"
    )
    arena_max_plies: int = _count(200, "games of the arena are cut off here")
    round_openings: int = _count(
        0,
        "openings of each round's matches; each is played twice. At 0 as many as the game has, at"
        " most 32, in whole lanes",
        low=0,
    )
    final_openings: int = _count(
        0,
        "openings of the matches before the first and after the last round; at 0 likewise, at most"
        " 224",
        low=0,
    )
    seed: int = size(0, "of all that is drawn at random", *given.SEEDS, axis=False)

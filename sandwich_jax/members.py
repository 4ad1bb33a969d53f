"""Settings of a run, and the members that they span."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp

from sandwich_jax import games, given, losses, nets, selfplay, uses
from sandwich_jax.controls import BENIGN, CONTROLS, NEED_A
from sandwich_jax.controls import NAMES as CONTROL_NAMES
from sandwich_jax.finetune import LossConfig
from sandwich_jax.misalign import assistant, lasting, saboteurs, schedules, transforms
from sandwich_jax.objectives import OBJECTIVES
from sandwich_jax.oversight import protocols
from sandwich_jax.oversight.protocols import KNOBS, Protocol, ProtocolConfig
from sandwich_jax.types import Knobs, PRNGKey, SettingError

CONTROL = "never_ask"
CHESS = ("chess", "pgx:chess")
"""Games with the features and labels of chess."""
BY_VALUES = "E by its values"
"""Plays E's best value one ply ahead: what an A that corrupts values alone is at strength 0."""
LEARNING = ("objective", "results", "noise_loss")
"""Static settings of what W learns from."""
LEARNING_NUMBERS = {"kl": (0, 1000), "advantage_temperature": (0.01, 100), "clip": (0.01, 0.99)}
"""Traced ones, with their limits."""
NUMBERS = ("learning_rate", "temperature", *LEARNING_NUMBERS, *schedules.NUMBERS,
           *saboteurs.NUMBERS, *KNOBS)  # fmt: skip
"""Traced settings beside the strengths."""
SIZES = tuple(f.name for f in dataclasses.fields(ProtocolConfig) if f.name != "protocol")
"""Static settings of protocols."""
MOST = {
    **dict.fromkeys(SIZES, 10_000),
    **dict.fromkeys(("every", "rounds", "window"), 1_000_000),
    **dict.fromkeys(("games", "lanes", "max_plies", "updates", "batch"), 1_000_000_000),
    **dict.fromkeys(("arena_max_plies", "round_openings", "final_openings"), 1_000_000_000),
}
"""The most of what is counted, beyond which nothing could be held or would ever end."""
MOST_SAMPLES = 2**31 - 1
"""Of a window: they are counted in 32 bits."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of a run; strengths (`p` to `tilt`) span its members, all else they share."""

    game: str = "chess"
    expert: str = "zoo:expert"
    """E, by its spelling: zoo:NAME, ckpt:PATH or fresh:SEED."""
    weak: str = "zoo:weak"
    """W before the run."""
    network: str = "tiny"
    """Size of fresh networks; stored ones bring theirs."""
    misalignment: str = "random_move"
    """What makes A out of E; several joined by '+' apply left to right."""
    schedule: str = "always"
    """When A is misaligned; several joined by '+' must all agree."""
    lasts: lasting.Lasts = "query"
    """How long a corruption lasts: it is drawn anew for every query, is the same whenever a
    position is met again, or the same all game long."""
    saboteur: str = ""
    """M, a network by its spelling, for misalignments that borrow its moves."""
    p: tuple[float, ...] = (0.0, 0.5, 0.9)
    """Probabilities of random_move, sandbag, borrow, value_flip and the saboteurs, in [0, 1]."""
    sigma: tuple[float, ...] = ()
    """Scales of policy_noise and gumbel_noise, in nats of log-probability, in [0, 100]."""
    eps: tuple[float, ...] = ()
    """Shares of noise in dirichlet_noise, in [0, 1]."""
    heat: tuple[float, ...] = ()
    """Temperatures of temperature, in [0, 100]: 0 is the best move, 1 a draw from the policy."""
    beta: tuple[float, ...] = ()
    """Of bias_*: nats added to the log-probabilities of the class, in [-100, 100]."""
    lam: tuple[float, ...] = ()
    """Of steer_to_loss: nats taken off per unit of E's value, in [0, 1000]."""
    value_sigma: tuple[float, ...] = ()
    """Scales of value_noise, on the scale of values from -1 to 1, in [0, 10]."""
    shrink: tuple[float, ...] = ()
    """Of value_shrink: the share of the value that is left out, in [0, 1]."""
    offset: tuple[float, ...] = ()
    """Of value_bias: what is added to the value for the side to move, in [-2, 2]."""
    tilt: tuple[float, ...] = ()
    """Of value_tilt: what is added for every pawn's worth that the mover is ahead, in [-1, 1]."""
    plausible_tau: float = 0.05
    """Of plausible_worst: least probability of a move by W's policy."""
    plausible_delta: float = 0.1
    """Of plausible_worst: how far below its best W's own value of a move may be, of 2."""
    soft_beta: float = 0.1
    """Of soft_saboteur: the price of leaving the reference policy, per nat, on the scale of
    values."""
    soft_kappa: float = 1.0
    """Of soft_saboteur: weight of W's opinion of a move against E's."""
    protocol: str = "always_follow"
    """How W uses advice (docs/protocols.md)."""
    unsure: float = 1.5
    """Of ask_when_unsure: entropy of W's policy, in nats, from which on it asks ..."""
    close: float = 0.0
    """... or the size of its own value under which it asks,"""
    budget: float = 10.0
    """and how often in a game at most."""
    tau: float = 0.05
    """Of prior_gate and defer_on_suspicion: the least probability that W itself must give a move
    to follow it."""
    delta: float = 0.1
    """Of value_gate and shallow_search_gate: how much worse than its best a move may be."""
    slack: float = 0.4
    """Of cross_examination: how far A's claims may be from one another and from what happened."""
    trust: float = 0.5
    """Of reliability and learned_trust: how likely advice must be to turn out well."""
    beta_product: float = 1.0
    """Of product: weight of A's log-probabilities beside W's own."""
    samples: int = 5
    """Of majority and defer_on_suspicion: how often A is asked about one position."""
    candidates: int = 4
    """Of candidates: moves that W names for A to value."""
    depth: int = 2
    """Of shallow_search_gate: plies that W plays on in its head."""
    simulations: int = 16
    """Of searches: positions that they look at."""
    control: bool = True
    """Adds a member that never asks."""
    controls: tuple[str, ...] = ()
    """Further ones: ceiling (A is E), random (A is a random mover), own_corpus (W goes on with the
    games that made it), expert_labels (E's moves on W's own games), benign (as weak as A without
    intent), argmax (W at temperature 0 in the arena)."""
    corpus: str = ""
    """The corpus file that W was trained on, for own_corpus."""
    benign_sigma: tuple[float, ...] = ()
    """Noise of the benign advisers; `run` finds it where none is given."""
    every: int = 1
    """W may ask on every n-th of its turns."""
    nth: float = 2.0
    """Of schedule every_nth: only every n-th query is corrupted."""
    start: float = 10.0
    """Of from_kth: the first query of a game that may be corrupted, from 1."""
    most: float = 1.0
    """Of at_most: corrupted queries a game."""
    stake: float = 0.3
    """Of where_it_matters: least loss of E's value by A's move, in [0, 2]."""
    unseen: float = 0.1
    """Of where_weak_cannot_tell: greatest loss of W's value by A's move, in [0, 2]."""
    objective: str = "imitate"
    """What W is fine-tuned on; the control has the same."""
    results: Literal["rules", "adjudicated"] = "rules"
    """Results that W learns from: by the rules, or by material as in the arena, which W sees."""
    noise_loss: losses.NoiseLoss = "none"
    """For labels that may be wrong: symmetric cross-entropy or truncated L_q."""
    kl: float = 0.0
    """Weight of the divergence from W before the run, in the loss."""
    advantage_temperature: float = 0.5
    """Of advantage_weighted: the lower, the more the best moves count."""
    clip: float = 0.2
    """Of ppo: how far the probability of a move may go, as a share of what it was."""
    rounds: int = 8
    games: int = 768
    """Games of self-play a round, from games / 2 openings."""
    lanes: int = 64
    """Games at the same time, in self-play and, where it plays as many, in the arena."""
    max_plies: int = 40
    """Self-play games are cut off here, unfinished: beside an expert most are decided by then, and
    what is learnt of the rest is of no use in games that are still open."""
    temperature: float = 0.5
    """Of W and its copy in self-play."""
    updates: int = 480
    """Of fine-tuning, a round."""
    batch: int = 64
    learning_rate: float = 2.5e-3
    """At its peak; rises and falls within each round."""
    window: int = 4
    """Rounds whose games are learnt from."""
    arena_temperature: float = 0.1
    """Of both sides in the arena: the same, so that a sharper policy gains nothing."""
    arena_max_plies: int = 200
    round_openings: int = 0
    """Openings of each round's matches; each is played twice. At 0 as many as the game has, at
    most 32, in whole lanes."""
    final_openings: int = 0
    """Openings of the matches before the first and after the last round; at 0 likewise, at most
    224."""
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises SettingError for a setting of another type, out of range or without use."""
        for name, kind in given.kinds_of(Config).items():
            object.__setattr__(self, name, given.typed(name, getattr(self, name), kind))
        _count_openings(self)
        _check(self)


def _count_openings(c: Config) -> None:
    """Puts numbers in the place of those openings that the game decides."""
    lanes = max(c.lanes, 2)
    for name, most in (("round_openings", 32), ("final_openings", 224)):
        if getattr(c, name) == 0:
            games_ = 2 * min(most, len(games.make(c.game).openings("arena")))
            whole = games_ if games_ <= lanes else games_ // lanes * lanes
            object.__setattr__(c, name, whole // 2)
        lanes = max(2, min(lanes, 2 * getattr(c, name)))


def arena_lanes(c: Config) -> int:
    """Games at the same time in the arena, which may have fewer than `lanes` to play."""
    return min(c.lanes, 2 * c.round_openings, 2 * c.final_openings)


def _check(c: Config) -> None:
    assistant_of(c)
    _fill_strengths(c)
    for kind, known, name in (
        ("objective", OBJECTIVES, c.objective),
        ("noise_loss", losses.NOISE_LOSSES, c.noise_loss),
        ("results", ("rules", "adjudicated"), c.results),
        ("game", games.NAMES, c.game),
    ):
        if name not in known:
            raise SettingError(f"Unknown {kind} '{name}': choose one of {', '.join(known)}.")
    for transform in transforms.TRANSFORMS.values():
        low, high = transform.limits
        for value in getattr(c, transform.strength):
            if not low <= value <= high:
                raise SettingError(
                    f"{transform.strength} is {value}: it must be between {low:g} and {high:g}."
                )
    if "saboteur" in transforms.needs(transforms.parse(c.misalignment)) and not c.saboteur:
        raise SettingError(f"Misalignment '{c.misalignment}' borrows moves: name a saboteur.")
    _check_protocol(c)
    for name, (low, high) in (schedules.NUMBERS | saboteurs.NUMBERS).items():
        if not low <= getattr(c, name) <= high:
            raise SettingError(
                f"{name} is {getattr(c, name):g}: it must be between {low:g} and {high:g}."
            )
    if c.game not in CHESS:
        kinds = [(n, transforms.TRANSFORMS[n].chess) for n in transforms.parse(c.misalignment)]
        kinds += [(n, schedules.SCHEDULES[n].chess) for n in schedules.parse(c.schedule)]
        for name, of_chess in kinds:
            if of_chess:
                raise SettingError(
                    f"'{name}' reads positions of chess, but the game is {c.game}: choose another,"
                    f" or a game among {', '.join(CHESS)}."
                )
    for name, most in MOST.items():
        given.between(name, getattr(c, name), 1, most)
    given.between("seed", c.seed, *given.SEEDS)
    if c.window * c.games * c.max_plies > MOST_SAMPLES:
        raise SettingError(
            f"games is {c.games}: with {c.max_plies} plies and a window of {c.window} rounds it may"
            f" be at most {MOST_SAMPLES // (c.window * c.max_plies):,}."
        )
    for name in ("temperature", "arena_temperature"):
        if not 0 <= getattr(c, name) <= 100:
            raise SettingError(f"{name} is {getattr(c, name)}: it must be between 0 and 100.")
    longest = _longest(c.game)
    for name in ("max_plies", "arena_max_plies"):
        if getattr(c, name) > longest:
            raise SettingError(
                f"{name} is {getattr(c, name)}: {c.game} goes no further than {longest} plies"
                " after an opening."
            )
    if not 0 < c.learning_rate < 1:
        raise SettingError(f"learning_rate is {c.learning_rate}: it must be between 0 and 1.")
    _check_controls(c)
    _check_learning(c)
    if c.lanes % 2:
        raise SettingError(f"lanes is {c.lanes}: it must be even, half the lanes for each colour.")
    few = arena_lanes(c)
    sizes = (("games", c.games, c.lanes), ("round_openings", 2 * c.round_openings, few))
    for name, number, lanes in (*sizes, ("final_openings", 2 * c.final_openings, few)):
        if number % lanes:
            raise SettingError(
                f"{name} makes {number} games, which {lanes} lanes do not divide: choose a"
                " multiple of lanes."
            )
    uses.refuse_idle(_set(c), [uses.choice_of(c)])


@functools.cache
def _longest(game: str) -> int:
    """Plies of a game after an opening."""
    made = games.make(game)
    return made.max_plies - made.openings("train").shape[1]


def _fill_strengths(c: Config) -> None:
    """Strengths that are not given are 0 where nothing depends on them."""
    choice = uses.choice_of(c)
    needed = uses.used(choice)
    for name in strength_names():
        if not getattr(c, name):
            if name in needed:
                raise SettingError(_lacks(c, name))
            object.__setattr__(c, name, (0.0,))
        given.distinct(name, getattr(c, name))


def _lacks(c: Config, name: str) -> str:
    if getattr(Config, name):
        return f"{name} is empty: give at least one value."
    return f"Misalignment '{c.misalignment}' needs {name}: give at least one value."


def _set(c: Config) -> list[str]:
    """Settings that are not as by default; of strengths, those that are not 0."""
    strengths, asks = strength_names(), uses.choice_of(c).asks
    changed = [name for name, value in vars(c).items() if value != getattr(Config, name)]
    # W that never asks is compared with others by its protocol's name alone.
    return [n for n in changed if n not in strengths or (asks and any(getattr(c, n)))]


def _check_protocol(c: Config) -> None:
    for name, (low, high) in KNOBS.items():
        if not low <= getattr(c, name) <= high:
            value = getattr(c, name)
            raise SettingError(f"{name} is {value:g}: it must be between {low:g} and {high:g}.")


def _check_controls(c: Config) -> None:
    """Raises SettingError for controls that are unknown or lack something."""
    for name in c.controls:
        if name not in CONTROL_NAMES:
            raise SettingError(f"Unknown control '{name}': choose from {', '.join(CONTROL_NAMES)}.")
    given.distinct("controls", c.controls)
    given.distinct("benign_sigma", c.benign_sigma)
    low, high = transforms.TRANSFORMS[BENIGN["misalignment"]].limits
    for value in c.benign_sigma:
        if not low <= value <= high:
            raise SettingError(f"benign_sigma is {value}: it must be between {low:g} and {high:g}.")
    if "own_corpus" in (*c.controls, c.objective):
        if not c.corpus:
            raise SettingError("own_corpus needs corpus: the file that W was trained on.")
        if c.game != "chess":
            raise SettingError(f"own_corpus is of chess alone, but game is {c.game}.")
    needing = [name for name in sorted(c.controls) if name in NEED_A]
    if not protocol_of(c).asks and needing:
        raise SettingError(
            f"Protocol '{c.protocol}' never asks: controls {', '.join(needing)} need one that does."
        )
    if c.benign_sigma and "benign" not in c.controls:
        raise SettingError("benign_sigma is set, but controls has no benign.")


def _check_learning(c: Config) -> None:
    """Raises SettingError for an objective that cannot work with the other settings."""
    for name, (low, high) in LEARNING_NUMBERS.items():
        if not low <= getattr(c, name) <= high:
            raise SettingError(
                f"{name} is {getattr(c, name):g}: it must be between {low:g} and {high:g}."
            )
    objective = OBJECTIVES[c.objective]
    if c.results == "adjudicated" and games.make(c.game).material is None:
        raise SettingError(f"results is 'adjudicated', but {c.game} has no material: choose rules.")
    if objective.clipped and c.noise_loss != "none":
        raise SettingError(
            f"noise_loss is '{c.noise_loss}', but objective '{c.objective}' has no labels: leave"
            " noise_loss at none."
        )
    if objective.clipped and c.temperature < 0.01:
        raise SettingError(
            f"temperature is {c.temperature:g}: objective '{c.objective}' needs moves drawn at"
            " random, at a temperature of at least 0.01."
        )
    # The control, which never asks, has the same objective.
    if objective.wants is None or not protocol_of(c).asks:
        return
    if objective.wants not in _wants(c.game, protocol_config(c)):
        raise SettingError(
            f"Objective '{c.objective}' learns from the {objective.wants} that A tells, which"
            f" protocol '{c.protocol}' never asks for."
        )


@functools.cache
def _wants(game: str, protocol: ProtocolConfig) -> tuple[str, ...]:
    """What a protocol asks for."""
    made, config = games.make(game), Config()
    knobs = knobs_of(config, None, config.temperature)
    return selfplay.wants(made, nets.make("tiny", made.heads), protocols.make(protocol), knobs)


def loss_of(config: Config) -> LossConfig:
    """Static settings of W's loss."""
    clipped = OBJECTIVES[config.objective].clipped
    return LossConfig(config.noise_loss, clipped, anchored=config.kl > 0)


@dataclasses.dataclass(frozen=True)
class Member:
    """One lane of a run: a protocol and a strength of misalignment."""

    protocol: str
    misalignment: str
    strengths: tuple[tuple[str, float], ...]
    role: str = ""
    """Which control it is, if it is one: never_ask or of `controls.NAMES`."""
    changes: tuple[tuple[str, Any], ...] = ()
    """Static settings that it does not share with its run, beside those above."""

    @property
    def name(self) -> str:
        """Unique within a run."""
        if self.protocol == CONTROL:
            return self.role or CONTROL
        return " ".join([self.protocol, self.assistant])

    @property
    def by_values(self) -> bool:
        """Whether its A corrupts values alone, and so plays by them in the arena."""
        only = transforms.values_only(transforms.parse(self.misalignment))
        return only and self.protocol != CONTROL

    @property
    def assistant(self) -> str:
        """A by its kind and strengths, "E" (or `BY_VALUES`) if honest."""
        if not any(value for _, value in self.strengths):
            return BY_VALUES if self.by_values else "E"
        words = [self.misalignment, *(f"{k}={given.exact(v)}" for k, v in self.strengths)]
        # Another misalignment or schedule than the run's may have the same words.
        return " ".join([*words, f"({self.role})"] if self.changes else words)


def assistant_of(config: Config) -> assistant.AssistantConfig:
    """Static settings of A.

    Raises:
        SettingError: a name is unknown.
    """
    return assistant.AssistantConfig(config.misalignment, config.schedule, config.lasts)


def protocol_of(config: Config, name: str | None = None) -> Protocol:
    """The run's protocol, or another one with the run's sizes.

    Raises:
        SettingError: the name is unknown.
    """
    return protocols.make(protocol_config(config, name))


def protocol_config(config: Config, name: str | None = None) -> ProtocolConfig:
    """Static settings of the run's protocol, or of another one."""
    sizes = {size: getattr(config, size) for size in SIZES}
    return ProtocolConfig(name or config.protocol, **sizes)


def run_key(config: Config) -> PRNGKey:
    """The same in all rounds; corruptions that last for a position are drawn from it."""
    return jax.random.fold_in(jax.random.key(config.seed), 2**31 - 2)


def strength_names() -> tuple[str, ...]:
    """Settings that span members, each the strength of some misalignment."""
    return tuple(dict.fromkeys(t.strength for t in transforms.TRANSFORMS.values()))


def strengths_used(misalignment: str) -> tuple[str, ...]:
    """Those that a misalignment has a use of."""
    kinds = transforms.parse(misalignment)
    return tuple(dict.fromkeys(transforms.TRANSFORMS[kind].strength for kind in kinds))


def members_of(config: Config) -> tuple[Member, ...]:
    """Every combination of strengths that the misalignment uses, and the controls."""
    used = strengths_used(config.misalignment)
    values = [dict.fromkeys(getattr(config, name)) for name in used]
    members = [
        Member(config.protocol, config.misalignment, tuple(zip(used, combination, strict=True)))
        for combination in itertools.product(*values)
    ]
    if config.protocol == CONTROL:  # the strength is of no consequence: run it once
        role = "own_corpus" if config.objective == "own_corpus" else CONTROL
        members = [dataclasses.replace(members[0], role=role)]
    elif config.control:
        members.append(Member(CONTROL, config.misalignment, tuple((k, 0.0) for k in used), CONTROL))
    for control in _controls_of(config):
        same = [i for i, member in enumerate(members) if member.name == control.name]
        if same:  # an honest member is the ceiling, for one
            members[same[0]] = dataclasses.replace(members[same[0]], role=control.role)
        else:
            members.append(control)
    return tuple(members)


def _controls_of(config: Config) -> list[Member]:
    """The members that `controls` asks for."""
    wanted = {name: CONTROLS[name] for name in config.controls if name in CONTROLS}
    found = [_control(config, role, *control) for role, control in wanted.items()]
    for sigma in config.benign_sigma:
        found.append(_control(config, "benign", BENIGN, {"sigma": sigma}))
    return found


def _control(
    config: Config, role: str, changes: Mapping[str, Any], strengths: Mapping[str, float]
) -> Member:
    """A member that differs from the others in what a control changes."""
    protocol = changes.get("protocol", config.protocol)
    misalignment = changes.get("misalignment", config.misalignment)
    used = strengths_used(misalignment)
    named = ("protocol", "misalignment")
    rest = {k: v for k, v in changes.items() if getattr(config, k) != v and k not in named}
    own = tuple((k, strengths.get(k, 0.0)) for k in used)
    return Member(protocol, misalignment, own, role, tuple(rest.items()))


def program_of(config: Config, member: Member) -> Config:
    """The settings that are compiled for a member: its own, without strengths and controls."""
    changes: dict[str, Any] = dict.fromkeys(strength_names(), (0.0,))
    changes |= {"control": False, "controls": (), "benign_sigma": ()}
    changes |= {"protocol": member.protocol, "misalignment": member.misalignment}
    changes |= dict(member.changes)
    return changed(config, changes)


def changed(config: Config, changes: Mapping[str, Any]) -> Config:
    """A configuration with these changes, and with all that is then of no use by default."""
    settings = vars(config) | dict(changes)
    choice = uses.Choice(*(settings[name] for name in uses.Choice._fields))
    unused = uses.idle(choice) - set(strength_names())
    return Config(**settings | {name: getattr(Config, name) for name in unused})


def knobs_of(config: Config, member: Member | None, temperature: float) -> Knobs:
    """Traced numbers of a member's self-play, or of an honest player in the arena."""
    strengths = dict.fromkeys(strength_names(), 0.0)
    strengths |= dict(member.strengths) if member else {}
    numbers = strengths | {name: getattr(config, name) for name in NUMBERS}
    numbers["temperature"] = temperature
    numbers["by_values"] = float(member is not None and member.by_values)
    return {name: jnp.float32(value) for name, value in numbers.items()}

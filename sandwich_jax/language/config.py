"""The configuration of a run on text: what all runs share, and what the chosen kinds declare."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp

from sandwich_jax import given
from sandwich_jax.language import assistant, protocols, token_advice
from sandwich_jax.language.assistant import LASTS, Lasts
from sandwich_jax.misalign import transforms
from sandwich_jax.oversight import protocols as of_tokens
from sandwich_jax.settings import Knob, Setting, declared, knob, several, size, switch, view, word
from sandwich_jax.types import Knobs, SettingError

MOST = 1_000_000
CONTROL = "never_ask"
CONTROLS = {
    "ceiling": "A is E",
    "own_corpus": "W goes on with the text that made it",
    "expert_labels": "E's next tokens on W's own sentences",
}
"""Members for comparison, beside the one that never asks."""
MEMBERS = ("control", "controls")
"""Settings that say which members there are, and change nothing about one."""
Own = tuple[tuple[str, Any], ...]


def _count(default: int, says: str, axis: bool = False) -> Any:
    return size(default, says, 1, MOST, axis)


@dataclasses.dataclass(frozen=True, init=False)
class OfText:
    """Settings of every run on text."""

    models: str = word("", "the folder of models that `language train` has made", axis=False)
    misalignment: str = word(
        "borrow", "what makes A out of E; several joined by '+' apply left to right"
    )
    lasts: Lasts = word(
        "sentence",
        "how long a corruption lasts: drawn anew for every token, sentence or document, or the"
        " same whenever a prompt is met",
        LASTS,
    )
    advice: str = word(
        "sentence", "what A proposes: whole sentences, or token by token", ("sentence", "token")
    )
    protocol: str = word("always_follow", "how W uses advice")
    control: bool = switch(True, "adds a member that never asks")
    controls: tuple[str, ...] = several(
        str, "further ones: " + ", ".join(f"{name} ({says})" for name, says in CONTROLS.items())
    )
    prompt: int = size(0, "tokens of W's own text that each sentence begins with", 0, 1000)
    per_document: int = size(
        4, "sentences of a document, where a corruption lasts for one", 1, MOST
    )
    rounds: int = _count(3, "rounds of writing and fine-tuning")
    sentences: int = _count(768, "that W writes a round", axis=True)
    window: int = _count(2, "rounds whose sentences are learnt from")
    temperature: Knob = knob(1.0, 0.01, 100, "of W while it writes")
    updates: int = _count(40, "of fine-tuning, a round", axis=True)
    batch: int = _count(16, "rows of an update")
    learning_rate: Knob = knob(
        1.5e-3, 0, 1, "at its peak; rises and falls within each round", inside=True
    )
    measured: int = _count(768, "sentences that W' writes to be measured")
    held_out: int = _count(600, "held-out documents of each kind that it is measured on")
    exact: bool = switch(
        True, "of the small world: also what follows from the likelihood of every sentence in it"
    )
    seed: int = size(0, "of all that is drawn at random", *given.SEEDS, axis=False)


@dataclasses.dataclass(frozen=True, init=False, repr=False)
class Config(OfText):
    """Settings of a run on text; strengths of the misalignment span its members."""

    own: Own = ()
    """What is given of the chosen kinds' settings."""

    def __init__(self, **settings: Any):
        """Raises SettingError for a setting that is unknown, of another type or without use."""
        own = dict(settings.pop("own", ()))
        for name, setting in core().items():
            value = setting.typed(name, settings.pop(name, setting.default))
            object.__setattr__(self, name, value)
        own |= settings
        for name, setting in core().items():
            setting.check(name, getattr(self, name))
        object.__setattr__(self, "own", _kept(self, own))
        _check(self)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        for given_name, value in object.__getattribute__(self, "own"):
            if given_name == name:
                return value
        setting = owned().get(name)
        if setting is None:
            raise AttributeError(f"a run on text has no setting '{name}'")
        return setting.default

    def __repr__(self) -> str:
        changed = {n: v for n, v in self.plain().items() if v != about(n).default}
        return f"Config({', '.join(f'{n}={v!r}' for n, v in changed.items())})"

    def plain(self) -> dict[str, Any]:
        """All settings by name: those of every run, and those of the chosen kinds."""
        return {name: getattr(self, name) for name in (*core(), *used(self))}


@functools.cache
def core() -> Mapping[str, Setting]:
    """The settings of every run on text."""
    return declared(OfText)


def owned() -> Mapping[str, Setting]:
    """The settings that kinds declare, by name."""
    kinds = [
        transforms.TRANSFORMS[n].settings for n in transforms.TRANSFORMS if assistant.usable(n)
    ]
    kinds += [protocols.settings_of(name) for name in protocols.PROTOCOLS]
    kinds += [of_tokens.settings_of(n) for n in of_tokens.PROTOCOLS if token_advice.usable(n)]
    return {name: setting for kind in kinds for name, setting in declared(kind).items()}


def names() -> tuple[str, ...]:
    """All settings, those of kinds last."""
    return (*core(), *owned())


def about(name: str) -> Setting:
    """What is declared of a setting.

    Raises:
        SettingError: there is none of this name.
    """
    found = core().get(name) or owned().get(name)
    if found is None:
        raise SettingError(
            f"Unknown setting {given.shown(name)}: choose from {', '.join(sorted(names()))}."
        )
    return found


def asks(config: OfText) -> bool:
    """Whether W ever asks A."""
    return config.protocol != CONTROL


def strengths_used(config: OfText) -> tuple[str, ...]:
    """Names of the misalignment's strengths.

    Raises:
        SettingError: two that are joined share one.
    """
    found = [transforms.TRANSFORMS[n].strength for n in assistant.parse(config.misalignment)]
    if len(set(found)) < len(found):
        raise SettingError(
            f"misalignment '{config.misalignment}' joins kinds that share a strength: on text each"
            " kind needs one of its own."
        )
    return tuple(found)


def of_assistant(config: OfText) -> dict[str, Setting]:
    """What the kinds of a run's misalignment declare."""
    found: dict[str, Setting] = {}
    for name in assistant.parse(config.misalignment):
        found |= declared(transforms.TRANSFORMS[name].settings)
    return found


def used(config: OfText) -> dict[str, Setting]:
    """The kinds' settings that make a difference to a run."""
    found = of_assistant(config) if asks(config) else {}
    if config.advice == "token":
        token_advice.make(of_tokens.ProtocolConfig(config.protocol))
        return found | declared(of_tokens.settings_of(config.protocol))
    return found | declared(protocols.settings_of(config.protocol))


def _kept(config: Config, own: Mapping[str, Any]) -> Own:
    """Those of the given settings of kinds that say more than their defaults do.

    Raises:
        SettingError: one is unknown, of another type, out of range or of no use.
    """
    known, kept = used(config), {}
    for name, value in own.items():
        setting = about(name)
        value = setting.typed(name, value)
        given_as_usual = value == setting.default and not isinstance(setting.default, given.Unset)
        if isinstance(value, given.Unset) or given_as_usual:
            continue
        if name not in known:
            if setting.strength and not any(value):
                continue
            raise SettingError(
                f"{name} is set, but misalignment '{config.misalignment}' and protocol"
                f" '{config.protocol}' have no use of it."
            )
        setting.check(name, value)
        kept[name] = value
    return tuple(sorted(kept.items()))


def _check(c: Config) -> None:
    if not asks(c) and c.control:
        object.__setattr__(c, "control", False)
    for name in strengths_used(c) if asks(c) else ():
        values = getattr(c, name)
        if isinstance(values, given.Unset) and not any(values):
            raise SettingError(f"Misalignment '{c.misalignment}' needs {name}: give a value.")
        given.distinct(name, values)
    for name in c.controls:
        if name not in CONTROLS:
            raise SettingError(f"Unknown control '{name}': choose from {', '.join(CONTROLS)}.")
    given.distinct("controls", c.controls)
    if c.lasts == "prompt" and not c.prompt:
        raise SettingError("lasts is 'prompt', but there is none: set prompt to at least 1.")


# --- members ------------------------------------------------------------------------------------


class Member(NamedTuple):
    """One W of a run: a protocol and a strength of misalignment."""

    protocol: str
    misalignment: str
    strengths: tuple[tuple[str, float], ...]
    role: str = ""
    """Which control it is, if it is one."""

    @property
    def asks(self) -> bool:
        """Whether it asks A."""
        return self.protocol != CONTROL

    @property
    def name(self) -> str:
        """Unique within a run."""
        if not self.asks:
            return self.role or CONTROL
        honest = not any(value for _, value in self.strengths)
        words = [self.misalignment, *(f"{k}={given.exact(v)}" for k, v in self.strengths)]
        return " ".join([self.protocol, *(["E"] if honest else words)])


def members_of(config: Config) -> tuple[Member, ...]:
    """Every combination of strengths, and the controls."""
    used_ = strengths_used(config) if asks(config) else ()
    values = [dict.fromkeys(getattr(config, name)) for name in used_]
    found = [
        Member(config.protocol, config.misalignment, tuple(zip(used_, combination, strict=True)))
        for combination in itertools.product(*values)
    ]
    if not asks(config):
        found = [found[0]._replace(role=CONTROL)]
    elif config.control:
        found.append(Member(CONTROL, config.misalignment, (), CONTROL))
    for role in config.controls:
        if role == "ceiling":
            honest = tuple((name, 0.0) for name in used_)
            found.append(Member("always_follow", config.misalignment, honest, role))
        else:
            found.append(Member(CONTROL, config.misalignment, (), role))
    by_name: dict[str, Member] = {}
    for member in found:  # an honest member is the ceiling, for one
        by_name[member.name] = member
    return tuple(by_name.values())


def knobs_of(config: Config, member: Member) -> Knobs:
    """All traced numbers of a member by name."""
    numbers = {name: 0.0 for name, s in owned().items() if s.strength} | dict(member.strengths)
    for name, setting in {**core(), **owned()}.items():
        if setting.traced and not setting.strength:
            numbers[name] = getattr(config, name)
    return {name: jnp.float32(value) for name, value in numbers.items()}


def kind_settings(config: Config, kind: type) -> Any:
    """The settings of a protocol as the run has them."""
    sizes = {n: getattr(config, n) for n, s in declared(kind).items() if not s.traced}
    numbers = {n: getattr(config, n) for n, s in declared(kind).items() if s.traced}
    return view(kind(**sizes), numbers)


def unchecked(shared: Mapping[str, Any]) -> OfText:
    """The settings of every run alone, before it is known whether what else is given fits."""
    blank = object.__new__(OfText)
    for name, setting in core().items():
        object.__setattr__(blank, name, shared.get(name, setting.default))
    return blank

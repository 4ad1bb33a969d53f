"""W with its assistant as a player, by the misalignments and protocols of a run.

assisted:W,E[,MISALIGNMENT][,PROTOCOL][,SETTING=VALUE ...]

W and E are networks as `players` spells them; a misalignment (random_move by default), a protocol
(always_follow) and settings are those of `sandwich-jax run`: p, sigma, every, schedule, lasts,
saboteur, nth, seed and the strengths of other misalignments.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import chess
import jax
import jax.numpy as jnp
import numpy as np

from sandwich_jax import config as configs
from sandwich_jax import members, uses
from sandwich_jax.config import default_of
from sandwich_jax.engines import fens
from sandwich_jax.games import Game
from sandwich_jax.misalign import assistant, transforms
from sandwich_jax.models import Models, game_of
from sandwich_jax.oversight.protocols import PROTOCOLS, ProtocolConfig, make
from sandwich_jax.players import board_player, spelled, turns
from sandwich_jax.selfplay import Sides, Table, assisted_turn, new_memory
from sandwich_jax.training.corpus import move_of
from sandwich_jax.types import Knobs, SettingError, State

KIND = "assisted"
SPELLING = "assisted:W,E[,MISALIGNMENT][,PROTOCOL][,SETTING=VALUE ...]"
OF_RUN = ("every", "seed", "schedule", "lasts", "saboteur")
"""Settings of every run that a turn depends on, beside those of the chosen kinds."""


def is_assisted(spec: str) -> bool:
    """Whether `spec` means to spell W with an assistant."""
    return spec.partition(":")[0] == KIND


def parse(spec: str) -> members.Config:
    """The run that `spec` spells, of one member; see the module's docstring.

    Raises:
        SettingError: a part of it is unknown or out of range.
    """
    parts = spec.partition(":")[2].split(",")
    if len(parts) < 2:
        raise SettingError(f"Unknown player {fens.shown(spec)}: spell it {SPELLING}.")
    found: dict[str, Any] = {"weak": parts[0], "expert": parts[1]}
    given: set[str] = set()
    for part in parts[2:]:
        name, equals, value = part.partition("=")
        if equals:
            if name in given:
                raise SettingError(f"{name} is there twice in {fens.shown(spec)}.")
            given.add(name)
            found[name] = _setting(name, value, spec)
        elif part in PROTOCOLS:
            found["protocol"] = part
        elif part.split("+")[0] in transforms.TRANSFORMS:
            found["misalignment"] = part
        else:
            known = ", ".join([*transforms.TRANSFORMS, *PROTOCOLS])
            raise SettingError(f"{fens.shown(part)} in {fens.shown(spec)} is neither of {known}.")
    # A is honest until its strengths are set, as a chess program does by options.
    kind = found.get("misalignment", default_of("misalignment"))
    missing = [n for n in uses.strengths_used(kind) if n not in found and not _long(n, found)]
    honest: dict[str, Any] = dict.fromkeys(missing, (0.0,))
    return members.Config(**honest | found)


def _long(name: str, found: dict[str, Any]) -> bool:
    """Whether a strength is given by its long name."""
    return any(given.endswith(f".{name}") for given in found)


def _setting(name: str, value: str, spec: str) -> Any:
    about = configs.about(name) if name in OF_RUN or uses.find(name) else None
    if about is None:
        known = ", ".join([*OF_RUN, *uses.owned()])
        raise SettingError(
            f"Unknown setting {fens.shown(name)} in {fens.shown(spec)}: choose from {known}."
        )
    if about.of is str:
        return value
    try:
        found = about.of(value)
    except ValueError as error:
        raise SettingError(
            f"{name} is {fens.shown(value)} in {fens.shown(spec)}: it must be a number."
        ) from error
    return (found,) if about.many else found


class Turn(NamedTuple):
    """A turn of W, and what was said."""

    move: chess.Move
    own: chess.Move
    """What W would have played by itself."""
    advice: chess.Move | None = None
    """What A said; None where it was not asked."""
    honest: chess.Move | None = None
    """E's own best move; likewise."""
    corrupted: bool = False
    followed: bool = False


class Assisted(turns.Network):
    """W and its assistant; they remember the game, and start anew with another."""

    def __init__(self, config: members.Config):
        """Raises SettingError where a network is missing."""
        self.models = spelled.load_models(config)
        spelled.check(config, self.models)
        super().__init__(self.models.weak)
        self.config = config
        choice = uses.choice_of(config)._replace(objective=default_of("objective"))
        knobs = {name: about for name, about in uses.spelled(choice).items() if about.traced}
        values = {name: getattr(config, name) for name in knobs}
        self.settings = {n: v[0] if isinstance(v, tuple) else v for n, v in values.items()}
        self.asks = members.protocol_of(config).asks
        self.assistant_on: bool | None = True
        self.new_game()

    def new_game(self) -> None:
        self.memory: tuple | None = None
        self.turn = 0

    def adjust(self, name: str, value: float) -> None:
        many = isinstance(getattr(self.config, name), tuple)
        dataclasses.replace(self.config, **{name: (value,) if many else value})  # checks it
        self.settings[name] = value

    def choose(self, board: chess.Board, allowed: Sequence[chess.Move]) -> turns.Choice:
        """W's move; its own policy and value; in notes what A said.

        The protocol knows no other moves than all legal ones: if it plays none of the allowed ones,
        W plays what it likes best among them.
        """
        alone = super().choose(board, allowed)
        if not (self.assistant_on and self.asks):
            return alone
        turn = self.take(board)
        move = turn.move if turn.move in allowed else next(iter(alone.policy))
        return alone._replace(move=move, notes=(words(board, turn),))

    def take(self, board: chess.Board) -> Turn:
        """One turn of W with its assistant."""
        about, using = members.assistant_of(self.config), members.protocol_config(self.config)
        game = game_of("chess", self.models.all)
        program, state = _program(game, about, using), board_player.state_of(board, game)
        ask = self.turn % self.config.every == 0
        key = jax.random.key(int(self.rng.integers(2**31)))
        found, memory = program(
            key, self.models, self._knobs(), state, self.memory, jnp.bool_(ask),
            members.run_key(self.config),
        )  # fmt: skip
        self.memory, self.turn = memory, self.turn + 1
        played, own, asked, advice, honest, corrupted, followed = map(_item, found)
        if not asked:
            return Turn(move_of(played, board), move_of(own, board))
        return Turn(
            move=move_of(played, board),
            own=move_of(own, board),
            advice=move_of(advice, board),
            honest=move_of(honest, board),
            corrupted=bool(corrupted),
            followed=bool(followed),
        )

    def _knobs(self) -> Knobs:
        knobs = members.knobs_of(self.config, None, self.temperature)
        return knobs | {name: jnp.float32(value) for name, value in self.settings.items()}


def _item(x: jax.Array) -> int:
    return int(np.asarray(x)[0])


@functools.cache
def _program(game: Game, about: assistant.AssistantConfig, using: ProtocolConfig):
    """A turn of one game, compiled."""
    protocol = make(using)
    table = Table(game, assistant.make(game, about), protocol)

    @jax.jit
    def turn(key, models: Models, knobs: Knobs, state: State, memory, ask, run):
        sides = Sides(models.weak, models, knobs, protocol.lore(), run)
        label, extras, memory = assisted_turn(key, table, sides, state, memory, ask)
        told = (extras.asked, extras.advice, extras.honest, extras.corrupted, extras.followed)
        return (label, extras.own, *told), memory

    def started(key, models, knobs, state, memory, ask, run):
        memory = new_memory(protocol, 1) if memory is None else memory
        return turn(key, models, knobs, state, memory, ask, run)

    return started


def words(board: chess.Board, turn: Turn) -> str:
    """Such as "A said Qh5, corrupted (E: Nf3); W wished d4 and followed"."""
    if turn.advice is None:
        return "A was not asked"
    said = f"A said {board.san(turn.advice)}"
    if turn.corrupted and turn.honest:
        said += f", corrupted (E: {board.san(turn.honest)})"
    then = "followed" if turn.followed else "did not follow"
    return f"{said}; W wished {board.san(turn.own)} and {then}"

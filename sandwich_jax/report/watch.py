"""Games of runs as the page's viewer wants them: moves, advice, wishes and E's opinion."""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import chess
import numpy as np

from sandwich_jax import arrays, games
from sandwich_jax.board import LABELS
from sandwich_jax.folders import annotated, places, store
from sandwich_jax.folders.usable import mapping, text
from sandwich_jax.models import Model
from sandwich_jax.players import spelled
from sandwich_jax.report import thoughts
from sandwich_jax.report.collect import Row, Source
from sandwich_jax.training.corpus import move_of
from sandwich_jax.types import Rollout, SettingError, Truth

ASKED, CORRUPTED, FOLLOWED = 1, 2, 4
"""Flags of a ply."""
SHOWN = (
    "opening",
    "assisted_first",
    "moves",
    "own",
    "played",
    "assisted",
    "asked",
    "advice",
    "followed",
    "result",
    "finished",
    "corrupted",
    "honest",
    "value",
    "adjudicated",
)
"""Fields of `Rollout` and `Truth` that the viewer has a use of; games are their last axis."""


class Taken(NamedTuple):
    """Some games of one member's last round."""

    source: Source
    folder: pathlib.Path
    row: Row
    round: int
    rollout: Rollout
    truth: Truth
    """Of the games taken alone."""

    @property
    def member(self) -> str:
        return self.row["member"]

    @property
    def count(self) -> int:
        """How many games."""
        return self.rollout.moves.shape[1]


def games_of(sources: Sequence[Source], count: int, notes: list[str]) -> list[dict[str, Any]]:
    """Games for the viewer, `count` in all where there are so many, shared out among the members.

    Args:
        sources: runs and sweeps.
        count: the most games.
        notes: gets a sentence for each thing that is missing.
    """
    taken = _take(sources, count, notes)
    if not taken:
        return []
    values = _opinions(taken, notes)
    lines = games.make("chess").openings("train")
    found = []
    for one, opinion in zip(taken, values, strict=True):
        every = range(one.count)
        games_ = annotated.games_of(
            one.rollout, one.truth, lines, one.member, one.round, every, value=opinion
        )
        about: dict[str, Any] = {
            "source": one.source.name,
            "member": one.member,
            "folder": one.folder.name,
        }
        about["seed"] = one.row.get("seed")
        for column, game in zip(every, games_, strict=True):
            about["side"] = "w" if one.rollout.assisted_first[column] else "b"
            about["adjudicated"] = float(one.truth.adjudicated[column])
            found.append(about | to_json(game))
    return found


def _take(sources: Sequence[Source], count: int, notes: list[str]) -> list[Taken]:
    members = [(s, folder, row) for s in sources for folder, row in s.runs]
    if not members or count < 1:
        return []
    share, rest = divmod(count, len(members))
    taken, missing = [], []
    for place, (source, folder, row) in enumerate(members[:count]):
        try:
            games_ = _load(places.games_file(folder, row["member"]), share + (place < rest))
            taken.append(Taken(source, folder, row, *games_))
        except SettingError as error:
            missing.append(str(error))
    if missing:
        more = f" Likewise {len(missing) - 1} more." if len(missing) > 1 else ""
        notes.append(f"{missing[0]} Its games cannot be watched.{more}")
    chess = [one for one in taken if one.rollout.moves.shape[0] and _is_chess(one)]
    if len(chess) < len(taken):
        notes.append("Only games of chess can be watched; those of other games were left out.")
    return chess


def _load(path: pathlib.Path, share: int) -> tuple[int, Rollout, Truth]:
    """The first games of a round; fields that are not shown may be missing (an older version).

    Raises:
        SettingError: the file is missing or damaged.
    """
    stored = arrays.read(path, only=(*SHOWN, "round"))
    missing = {*SHOWN, "round"} - set(stored)
    if missing:
        raise SettingError(f"{path}: missing or damaged (it lacks {', '.join(sorted(missing))}).")
    shown = {name: stored[name][..., :share] for name in SHOWN}
    fields: dict[str, Any] = dict.fromkeys((*Rollout._fields, *Truth._fields)) | shown
    blank = np.zeros(shown["moves"].shape)
    fields |= {name: blank for name, value in fields.items() if value is None}
    rollout = {name: fields[name] for name in Rollout._fields}
    truth = {name: fields[name] for name in Truth._fields}
    return int(stored["round"]), Rollout(**rollout), Truth(**truth)


@functools.cache
def _config(folder: pathlib.Path) -> dict[str, Any]:
    try:
        return mapping(mapping(store.read_json(folder / "manifest.json")).get("config"))
    except SettingError:
        return {}


def _is_chess(one: Taken) -> bool:
    """By the run's settings; where they are lost, by the moves."""
    name = _config(one.folder).get("game")
    return name == "chess" if name else all(_legal(one, game) for game in range(one.count))


def _legal(one: Taken, column: int) -> bool:
    """Whether a game's moves are legal in chess."""
    lines, board = games.make("chess").openings("train"), chess.Board()
    played = np.asarray(one.rollout.played[:, column], bool)
    opening = int(one.rollout.opening[column])
    own = np.asarray(one.rollout.moves[:, column])[played]
    if not 0 <= opening < len(lines):
        return False
    for label in (*lines[opening], *own):
        move = move_of(int(label), board) if 0 <= label < LABELS else None
        if move is None or not board.is_legal(move):
            return False
        board.push(move)
    return True


# --- opinions -----------------------------------------------------------------------------------


def _opinions(taken: list[Taken], notes: list[str]) -> list[Any]:
    """E's values, [T, B] for each; None where E is not there."""
    lines = games.make("chess").openings("train")
    longest = max(one.rollout.moves.shape[0] for one in taken)
    columns = []
    for one in taken:
        moves = np.asarray(one.rollout.moves)
        rest = np.full((longest - len(moves), one.count), -1)
        columns.append(np.concatenate([lines[np.asarray(one.rollout.opening)].T, moves, rest]))
    encoded = thoughts.replay(np.concatenate(columns, axis=1))[lines.shape[1] :]
    ends = np.cumsum([one.count for one in taken])
    seen = [
        encoded[: one.rollout.moves.shape[0], end - one.count : end]
        for one, end in zip(taken, ends, strict=True)
    ]
    return _values(taken, seen, notes)


def _values(taken: list[Taken], seen: list[np.ndarray], notes: list[str]) -> list[Any]:
    """E's values; all games of one E are looked at together."""
    found: list[Any] = [None] * len(taken)
    by_expert: dict[tuple[str | None, str], list[int]] = {}
    for index, one in enumerate(taken):
        config = _config(one.folder)
        expert = text(config.get("expert")), text(config.get("network")) or "tiny"
        by_expert.setdefault(expert, []).append(index)
    for (spec, size), own in by_expert.items():
        try:
            if spec is None:
                raise SettingError(f"{taken[own[0]].folder}: its manifest.json names no expert.")
            model = _network(spec, size)
        except SettingError as error:
            _once(notes, f"E's opinion is shown only where A was asked: {error}")
            continue
        played = [np.asarray(taken[index].rollout.played) for index in own]
        every = np.concatenate([seen[i][p] for i, p in zip(own, played, strict=True)])
        values = thoughts.values(model, every)
        starts = np.cumsum([0, *(p.sum() for p in played)])
        for index, mask, start in zip(own, played, starts, strict=False):
            found[index] = np.zeros(mask.shape)
            found[index][mask] = values[start : start + mask.sum()]
    return found


@functools.cache
def _network(spec: str, size: str) -> Model:
    return spelled.load_network(spec, "chess", size)


def _once(notes: list[str], text: str) -> None:
    if text not in notes:
        notes.append(text)


# --- for the page -------------------------------------------------------------------------------


def to_json(game: annotated.AnnotatedGame) -> dict[str, Any]:
    """A game in few characters.

    Returns:
        `moves` and `san`, `own` and `advice` (both notations, "g1f3:Nf3"): a word a ply from the
        start, "-" where there is none;
        `flags`: a digit a ply; `value`: E's win probability for White before each ply and at the
        end, in thousandths, null where unknown; `opening`: plies before self-play; and texts.
    """
    moves, san, own, advice, flags = [], [], [], [], []
    for move, word in _opening(game):
        moves.append(move)
        san.append(word)
        own.append("-")
        advice.append("-")
        flags.append("0")
    value: list[int | None] = [None] * len(moves)
    for board, ply in game.boards():
        moves.append(ply.move.uci())
        san.append(board.san(ply.move))
        own.append(_word(board, ply.own))
        advice.append(_word(board, ply.advice))
        asked = ASKED if ply.advice else 0
        flags.append(str(asked | CORRUPTED * ply.corrupted | FOLLOWED * ply.followed))
        value.append(_thousandths(ply.value, board.turn))
    last = game.values()[-1] if game.plies else None
    return {
        "event": game.event,
        "round": game.round,
        "white": game.white,
        "black": game.black,
        "result": game.result,
        "start": game.start,
        "opening": len(game.opening),
        "moves": " ".join(moves),
        "san": " ".join(san),
        "own": " ".join(own),
        "advice": " ".join(advice),
        "flags": "".join(flags),
        "value": [*value, _thousandths(last, True)],
    }


def _opening(game: annotated.AnnotatedGame):
    """The moves before the first ply, in both notations."""
    board = chess.Board(game.start) if game.start else chess.Board()
    for move in game.opening:
        yield move.uci(), board.san(move)
        board.push(move)


def _word(board: chess.Board, move: chess.Move | None) -> str:
    return f"{move.uci()}:{board.san(move)}" if move else "-"


def _thousandths(value: float | None, white: bool) -> int | None:
    """A value for the mover as White's win probability."""
    if value is None:
        return None
    return round(500 * (1 + (value if white else -value)))

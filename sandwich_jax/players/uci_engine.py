"""Any player as a UCI engine: `sandwich-jax uci --player SPEC`.

One thread reads, another thinks, so that `isready` and `stop` are answered while a network is
compiled or asked. A player looks at a position once: limits of nodes, depth and time never bind.

Of a value v in [-1, 1] for the side to move, the expected score is w = (1 + v) / 2 and the score
is told as ln(w / (1 - w)) / 0.00368208 centipawns (see `report.annotated.centipawns`). With
MultiPV above 1 each line has the value of the position after its move; the policy at temperature 1
follows as an info string.

A position that cannot be used takes the place of the one before all the same: what is asked about
it is answered with `bestmove 0000` and a sentence, and never with a move of another position.
"""

from __future__ import annotations

import concurrent.futures
import functools
import importlib.metadata
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TextIO

import chess

from sandwich_jax.engines import fens
from sandwich_jax.folders.annotated import centipawns
from sandwich_jax.players import seats, turns
from sandwich_jax.types import SettingError

MOST_LINES = 218
"""Legal moves in the position that has most."""
SHOWN = 10
"""Moves of the policy told in an info string."""
SEEDS = 2**31 - 1
NO_MOVE = "0000"
"""The answer where a move was to be found and could not be."""
MOST_TEXT = 300
"""Characters of a sentence."""


class Option(NamedTuple):
    """Something that the other side may set."""

    declared: str
    """Type, default and limits in UCI's words."""
    set: Callable[[str], None]
    """Raises SettingError for a value that cannot be used."""


class Search(NamedTuple):
    """One `go`."""

    board: chess.Board | None
    """None where the last position could not be used."""
    only: list[chess.Move]
    """Moves to choose among; all if empty."""
    held: bool
    """The answer waits for `stop` (or `ponderhit`)."""
    stop: threading.Event


class Engine:
    """The engine's side of a conversation."""

    def __init__(self, name: str, player: turns.Turns, out: TextIO):
        self.name, self.player, self.out = name, player, out
        self.board: chess.Board | None = chess.Board()
        self.lines = 1
        self.options = self._options()
        self.search: Search | None = None
        self.thinking: concurrent.futures.Future | None = None
        self.worker = concurrent.futures.ThreadPoolExecutor(1)
        self.writing = threading.Lock()
        self.commands: dict[str, Callable[[list[str]], None]] = {
            "uci": self._uci,
            "isready": self._isready,
            "setoption": self._setoption,
            "ucinewgame": self._ucinewgame,
            "position": self._position,
            "go": self._go,
            "stop": lambda words: self._stop(),
            "ponderhit": lambda words: self._stop(),
            "d": self._show,
            "debug": lambda words: None,
            "register": lambda words: None,
        }

    def serve(self, lines: Iterable[str]) -> None:
        """Answers line by line, until `quit` or the end of the input."""
        self._later(self._warm)
        try:
            for line in seats.typed(lines):
                words = line.split()
                if words and words[0] == "quit":
                    break
                if words:
                    self._answer(words)
        finally:
            self._stop()
            self.worker.shutdown()
            self.player.close()

    def _answer(self, words: list[str]) -> None:
        command = self.commands.get(words[0])
        if command is None:
            self._complain(f"unknown command {fens.shown(words[0])}")
            return
        try:
            command(words[1:])
        except SettingError as error:
            self._complain(str(error))

    def _say(self, *lines: str) -> None:
        with self.writing:
            try:
                self.out.write("".join(line + "\n" for line in lines))
                self.out.flush()
            except BrokenPipeError:  # nobody listens any more
                os._exit(0)

    def _complain(self, text: str) -> None:
        self._say(_sentence(text))

    def _later(self, job: Callable[..., None], *arguments: object) -> concurrent.futures.Future:
        """Hands the thinking thread something to do after all that it has to do already."""
        future = self.worker.submit(job, *arguments)
        future.add_done_callback(_leave_on_fault)
        return future

    def _warm(self) -> None:
        """Compiles or loads the programs before the first clock runs."""
        board = chess.Board()
        try:
            self.player.choose(board, list(board.legal_moves))
        except SettingError as error:
            self._complain(str(error))
        self.player.new_game()  # that was no move of a game

    # --- commands -------------------------------------------------------------------------------

    def _uci(self, words: list[str]) -> None:
        options = [f"option name {name} {o.declared}" for name, o in self.options.items()]
        version = importlib.metadata.version("sandwich_jax")
        about = [
            f"id name sandwich_jax {version} {self.name}",
            "id author the authors of sandwich_jax",
        ]
        self._say(*about, *options, "uciok")

    def _isready(self, words: list[str]) -> None:
        if self.thinking and not self.thinking.done():
            self._say("readyok")
        else:
            self._later(self._say, "readyok")

    def _setoption(self, words: list[str]) -> None:
        if words[:1] != ["name"] or len(words) < 2:
            raise SettingError("setoption: a name is missing")
        cut = words.index("value") if "value" in words else len(words)
        name, value = " ".join(words[1:cut]), " ".join(words[cut + 1 :])
        known = {option.lower(): option for option in self.options}
        if name.lower() not in known:
            known_ones = ", ".join(self.options)
            raise SettingError(f"no option {fens.shown(name)}: there are {known_ones}")
        self._later(self._set, known[name.lower()], value)

    def _set(self, name: str, value: str) -> None:
        try:
            self.options[name].set(value)
        except SettingError as error:
            self._complain(f"{name} is as before: {error}")

    def _ucinewgame(self, words: list[str]) -> None:
        self._later(self.player.new_game)

    def _show(self, words: list[str]) -> None:
        """The position, as Stockfish's `d` shows it."""
        if self.board is None:
            raise SettingError("there is no position: the last one could not be used")
        checkers = " ".join(chess.square_name(square) for square in self.board.checkers())
        fen = self.board.fen(en_passant="fen")
        self._say(*str(self.board).split("\n"), "", f"Fen: {fen}", f"Checkers: {checkers}")

    def _position(self, words: list[str]) -> None:
        self.board = None
        cut = words.index("moves") if "moves" in words else len(words)
        if words[:1] == ["startpos"]:
            board = chess.Board()
        elif words[:1] == ["fen"]:
            board = fens.read(" ".join(words[1:cut]))
        else:
            raise SettingError("position: startpos or fen is missing")
        for number, word in enumerate(words[cut + 1 :], 1):
            try:
                board.push(fens.move(board, word))
            except SettingError as error:
                raise SettingError(f"position: move {number} cannot be played: {error}") from error
        self.board = board

    def _go(self, words: list[str]) -> None:
        self._stop()
        only = []
        if "searchmoves" in words and self.board:
            for word in words[words.index("searchmoves") + 1 :]:
                try:
                    only.append(fens.move(self.board, word))
                except SettingError:
                    break
        held = "infinite" in words or "ponder" in words
        board = self.board.copy() if self.board else None
        self.search = Search(board, only, held, threading.Event())
        self.thinking = self._later(self._think, self.search)

    def _stop(self) -> None:
        if self.search:
            self.search.stop.set()

    # --- thinking -------------------------------------------------------------------------------

    def _think(self, search: Search) -> None:
        board = search.board
        allowed = search.only or (list(board.legal_moves) if board else [])
        if board is None:
            found = NO_MOVE
            lines = [_sentence("no move: the last position could not be used")]
        elif not allowed:
            score = "mate 0" if board.is_check() else "cp 0"
            found, lines = "(none)", [f"info depth 0 score {score}"]
        else:
            found, lines = self._found(board, allowed)
        self._say(*lines)
        if search.held:
            search.stop.wait()
        self._say(f"bestmove {found}")

    def _found(self, board: chess.Board, allowed: Sequence[chess.Move]) -> tuple[str, list[str]]:
        start = time.monotonic()
        try:
            choice = self.player.choose(board, allowed)
        except SettingError as error:
            return NO_MOVE, [_sentence(str(error))]
        # The move played stands first, the others by their probabilities.
        moves = list(dict.fromkeys([choice.move, *choice.policy]))[: self.lines]
        scores = self._scores(board, choice, moves)
        spent = f"nodes {len(moves)} time {round(1000 * (time.monotonic() - start))}"
        notes = list(choice.notes)
        if choice.policy:
            shown = list(choice.policy.items())[:SHOWN]
            notes.append("policy " + " ".join(f"{move.uci()} {p:.1%}" for move, p in shown))
        # Scores last: there are clients that look at the last line alone.
        return choice.move.uci(), [f"info string {note}" for note in notes] + [
            f"info depth 1 multipv {place}{score} {spent} pv {move.uci()}"
            for place, (move, score) in enumerate(zip(moves, scores, strict=True), 1)
        ]

    def _scores(
        self, board: chess.Board, choice: turns.Choice, moves: Sequence[chess.Move]
    ) -> list[str]:
        """UCI's words for the value of each line; empty for a player without values."""
        if choice.value is None:
            return [""] * len(moves)
        if len(moves) == 1:
            return [f" score cp {centipawns(choice.value)}"]
        after = []
        for move in moves:
            after.append(board.copy(stack=8))
            after[-1].push(move)
        # Always as many, so that one program does: it is compiled when MultiPV is set.
        values = self.player.values(after + after[:1] * (self.lines - len(after))) or []
        return [_score(b, value) for b, value in zip(after, values, strict=False)]

    # --- options --------------------------------------------------------------------------------

    def _options(self) -> dict[str, Option]:
        found = {
            "Temperature": Option(
                f"type string default {self.player.temperature:g}", self._set_temperature
            ),
            "MultiPV": Option(f"type spin default 1 min 1 max {MOST_LINES}", self._set_lines),
            "Seed": Option(f"type spin default 0 min 0 max {SEEDS}", self._set_seed),
        }
        if self.player.assistant_on is not None:
            found["Assistant"] = Option("type check default true", self._set_assistant)
        for name, value in self.player.settings.items():
            adjust = functools.partial(self._adjust, name)
            found[name] = Option(f"type string default {value:g}", adjust)
        return found

    def _set_temperature(self, value: str) -> None:
        self.player.temperature = turns.check_temperature(_number(value))

    def _set_assistant(self, value: str) -> None:
        if value.lower() not in ("true", "false"):
            raise SettingError(f"{fens.shown(value)} is neither true nor false.")
        self.player.assistant_on = value.lower() == "true"

    def _adjust(self, name: str, value: str) -> None:
        self.player.adjust(name, _number(value))

    def _set_lines(self, value: str) -> None:
        self.lines = _whole(value, 1, MOST_LINES)
        self.player.values([chess.Board()] * self.lines)

    def _set_seed(self, value: str) -> None:
        self.player.reseed(_whole(value, 0, SEEDS) or None)


def _score(after: chess.Board, value: float) -> str:
    """Of a line, from the value of the position after it for the other side."""
    if after.is_checkmate():
        return " score mate 1"
    drawn = after.is_stalemate() or after.is_insufficient_material()
    return f" score cp {0 if drawn else centipawns(-value)}"


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise SettingError(f"{fens.shown(text)} is no number.") from error


def _whole(text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= most):
        raise SettingError(f"{fens.shown(text)} is no whole number from {least} to {most}.")
    return int(text)


def _sentence(text: str) -> str:
    """Something for people to read, in one line of ASCII."""
    plain = " ".join(text.split())[:MOST_TEXT].encode("ascii", "backslashreplace").decode()
    return f"info string {plain}"


def _leave_on_fault(job: concurrent.futures.Future) -> None:
    """A fault of our own must not leave the other side waiting for ever."""
    error = job.exception()
    if error is not None:
        traceback.print_exception(error)
        os._exit(1)


def serve(spec: str, temperature: float, lines: Iterable[str], out: TextIO) -> None:
    """Serves the player of this spelling until the end of `lines`.

    Raises:
        SettingError: there is no such player, or the temperature is out of range.
    """
    player = seats.load(spec)
    player.temperature = turns.check_temperature(temperature)
    Engine(spec, player, out).serve(lines)

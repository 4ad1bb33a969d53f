"""A game in the terminal, with advice that one cannot trust: `sandwich-jax play`.

Moves in SAN or UCI; other commands are listed in `HELP`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import pathlib
from collections.abc import Iterator

import chess
from rich.console import Console
from rich.text import Text

from sandwich_jax import outputs
from sandwich_jax.engines import fens
from sandwich_jax.folders import pgn, store
from sandwich_jax.folders.annotated import AnnotatedGame, Ply
from sandwich_jax.players import assisted, board_player, seats, spelled, turns
from sandwich_jax.players.settings import GameConfig
from sandwich_jax.types import SettingError

HELP = (
    "A move as e4, Nf3, O-O or e2e4; advice, undo, board, moves, resign, quit, help."
    " Advice may be corrupt."
)
LIGHT, DARK = "on #b8a488", "on #8a6d4f"


@dataclasses.dataclass
class Record:
    """A game as far as it went."""

    board: chess.Board
    plies: list[Ply]
    result: str = "*"


def sit_down(spec: str, config: GameConfig, lines: Iterator[str], console: Console) -> Record:
    """Plays until the game is over, or `lines` are, or the human leaves; then says how it went.

    Args:
        spec: the opponent's spelling.
        config: static settings.
        lines: what the human types.
        console: where the board goes.

    Raises:
        SettingError: a player or the position cannot be used.
    """
    if config.pgn is not None:
        inputs = spelled.inputs_of(spec, config.advisor)
        outputs.check_file(config.pgn, inputs, "--pgn")
    game = _Game(spec, config, console)
    try:
        game.run(seats.typed(lines))
    finally:  # a game that was cut off is shown and kept as well
        game.opponent.close()
        for line in summary(game.record):
            console.print(line, highlight=False, markup=False)
        if config.pgn is not None:
            _keep(config.pgn, pgn.text_of(game.annotated(spec)) + "\n", console)
    return game.record


def _keep(path: pathlib.Path, text: str, console: Console) -> None:
    """Writes a game; shows it where it cannot be written.

    Raises:
        SettingError: it could not.
    """
    try:
        store.write_text(path, text)
    except OSError as error:
        console.print(text, highlight=False, markup=False, soft_wrap=True)
        raise SettingError(
            f"{path} cannot be written ({outputs.reason(error)}); the game is shown above."
        ) from error
    console.print(f"Game in {path}", highlight=False, markup=False)


class _Game:
    """The table, and who sits at it."""

    def __init__(self, spec: str, config: GameConfig, console: Console):
        self.console, self.config = console, config
        self.opponent = seats.load(spec)
        self.opponent.temperature = turns.check_temperature(config.temperature)
        expert = config.advisor.split(",")[0]
        self.advisor = assisted.Assisted(assisted.parse(f"assisted:{expert},{config.advisor}"))
        for player in (self.opponent, self.advisor):
            player.reseed(config.seed)
        self.record = Record(_start(config.fen), [])
        self.human = config.color == "white"
        self.told: assisted.Turn | None = None
        """Advice on the position on the board."""

    def run(self, lines: Iterator[str]) -> None:
        """Turn by turn."""
        self._say(HELP)
        self._show()
        while not self._over():
            if self.record.board.turn != self.human:
                self._reply()
                continue
            self._ask()
            line = next(lines, None)
            if line is None or not self._obey(line.strip()):
                return

    def _over(self) -> bool:
        outcome = self.record.board.outcome(claim_draw=True)
        if outcome is not None:
            self.record.result = outcome.result()
            reason = outcome.termination.name.lower().replace("_", " ")
            self._say(f"{outcome.result()} by {reason}.")
        return outcome is not None

    def _reply(self) -> None:
        board = self.record.board
        with self._waiting("thinking"):
            move = self.opponent.choose(board, list(board.legal_moves)).move
        san = board.san(move)
        self._push(Ply(move))
        self._show()
        self._say(f"They play {san}.")

    def _obey(self, line: str) -> bool:
        """Does what a line says; false when the human leaves."""
        commands = {
            "advice": self._advise,
            "undo": self._undo,
            "board": self._show,
            "moves": lambda: self._say(", ".join(map(self._san, self.record.board.legal_moves))),
            "help": lambda: self._say(HELP),
            "": lambda: None,
        }
        word = line.lower()
        if word == "resign":
            self.record.result = "0-1" if self.human else "1-0"
            self._say("You resign.")
        if word in ("resign", "quit"):
            return False
        if word in commands:
            commands[word]()
        else:
            self._move(line)
        return True

    def _move(self, line: str) -> None:
        board = self.record.board
        move = _parse(board, line)
        if move is None:
            self._say(f"No legal move or command: {line[:40]!a}. {HELP}")
            return
        ply = Ply(move)
        if self.told is not None:
            advice, honest = self.told.advice, self.told.honest
            ply = Ply(move, None, advice, honest, self.told.corrupted, move == advice)
        self._push(ply)

    def _advise(self) -> None:
        if self.told is None:  # asked again, it says the same
            with self._waiting("asking"):
                self.told = self.advisor.take(self.record.board)
        if self.told.advice is not None:
            self._say(f"Advice: {self._san(self.told.advice)}")

    def _undo(self) -> None:
        """Takes back the human's last move and the answer to it."""
        own = [i for i in range(len(self.record.plies)) if self._by_human(i)]
        if not own:
            self._say("There is no move of yours to take back.")
            return
        while len(self.record.plies) > own[-1]:
            self.record.board.pop()
            self.record.plies.pop()
        self.told = None
        self._show()

    def _by_human(self, index: int) -> bool:
        """Whether the human played ply number `index`."""
        ahead = len(self.record.plies) - index
        return (self.record.board.turn == self.human) == (ahead % 2 == 0)

    def _push(self, ply: Ply) -> None:
        self.record.plies.append(ply)
        self.record.board.push(ply.move)
        self.told = None

    def annotated(self, spec: str) -> AnnotatedGame:
        """The game with the values of the advisor's E."""
        board = self.record.board.root()
        root, values = board.fen(en_passant="fen"), []
        for ply in [*self.record.plies, None]:
            found = board_player.look(self.advisor.models.expert, [board])[1]
            values.append(float(found[0]))
            if ply is not None:
                board.push(ply.move)
        pairs = zip(self.record.plies, values, strict=False)
        plies = tuple(dataclasses.replace(ply, value=value) for ply, value in pairs)
        names = ("human", spec) if self.human else (spec, "human")
        return AnnotatedGame(
            "sandwich_jax play",
            "1",
            *names,
            self.record.result,
            opening=(),
            plies=plies,
            date=datetime.date.today().strftime("%Y.%m.%d"),
            start=None if root == chess.STARTING_FEN else root,
            after=values[-1],
            expert=f"E ({self.advisor.config.expert})",
        )

    # --- on the screen --------------------------------------------------------------------------

    def _san(self, move: chess.Move) -> str:
        return self.record.board.san(move)

    def _say(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False)

    def _ask(self) -> None:
        if self.console.is_terminal:
            self.console.print("your move> ", end="", highlight=False)

    def _show(self) -> None:
        if self.console.is_terminal:
            self.console.print(drawn(self.record.board, self.human))
        else:
            seen = str(self.record.board)
            self._say(seen if self.human else seen[::-1])

    def _waiting(self, text: str) -> contextlib.AbstractContextManager:
        return self.console.status(text) if self.console.is_terminal else contextlib.nullcontext()


def drawn(board: chess.Board, white_below: bool) -> Text:
    """A board with pieces of Unicode on coloured squares; the last move is underlined."""
    last = board.peek() if board.move_stack else None
    text = Text()
    for row in range(8):
        rank = 7 - row if white_below else row
        text.append(f"{rank + 1} ")
        for column in range(8):
            file = column if white_below else 7 - column
            square = chess.square(file, rank)
            piece = board.piece_at(square)
            # The filled figures for both sides: in their own colours they are told apart best.
            figure = chess.piece_symbol(piece.piece_type) if piece else " "
            figure = chess.UNICODE_PIECE_SYMBOLS[figure] if piece else " "
            ink = "bright_white" if piece and piece.color else "black"
            marked = last is not None and square in (last.from_square, last.to_square)
            style = f"{ink} {LIGHT if (file + rank) % 2 else DARK}{' underline' if marked else ''}"
            text.append(f" {figure} ", style)
        text.append("\n")
    files = "abcdefgh" if white_below else "hgfedcba"
    text.append("  " + "".join(f" {file} " for file in files))
    return text


def summary(record: Record) -> list[str]:
    """How often advice was asked for, corrupt, and taken."""
    asked = [ply for ply in record.plies if ply.advice is not None]
    if not asked:
        return [f"Result {record.result}. You asked for no advice."]
    corrupted = [ply for ply in asked if ply.corrupted]
    honest = [ply for ply in asked if not ply.corrupted]
    lines = [
        f"Result {record.result}. You asked for advice {len(asked)} times; it was corrupt"
        f" {len(corrupted)} times ({len(corrupted) / len(asked):.0%}).",
        f"You followed {sum(p.followed for p in corrupted)} of {len(corrupted)} corrupt and"
        f" {sum(p.followed for p in honest)} of {len(honest)} honest pieces of advice.",
    ]
    board = record.board.root()
    for ply in record.plies:
        if ply.corrupted:
            number = f"{board.fullmove_number}{'.' if board.turn else '...'}"
            lines.append(f"  {number} {board.san(ply.move)}  ({pgn.words(board, ply)})")
        board.push(ply.move)
    return lines


def _start(fen: str | None) -> chess.Board:
    """Raises SettingError for what is no position."""
    try:
        return chess.Board() if fen is None else fens.read(fen)
    except SettingError as error:
        raise SettingError(f"fen: {error}") from error


def _parse(board: chess.Board, text: str) -> chess.Move | None:
    """A legal move in SAN or UCI; None for anything else."""
    for read in (board.parse_san, board.parse_uci):
        try:
            move = read(text)
        except ValueError:
            continue
        if board.is_legal(move):
            return move
    return None

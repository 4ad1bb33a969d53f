"""Games in the terminal from scripted input, and the assisted player that also plays by UCI."""

import io
import re

import chess
import chess.pgn
import jax
import numpy as np
import pytest
from helpers import read_pgn
from rich.console import Console

from sandwich_jax import games
from sandwich_jax.folders import annotated
from sandwich_jax.players import board_player, human, seats, spelled, turns, uci_engine
from sandwich_jax.types import SettingError

WEAK = "assisted:zoo:weak,zoo:expert,random_move,always_follow"


def _play(*lines: str, spec: str = "random", terminal: bool = False, **about):
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100)
    record = human.sit_down(spec, human.GameConfig(seed=1, **about), iter(lines), console)
    return record, console.file.getvalue()


def test_moves_in_both_notations_undo_and_resignation():
    record, said = _play(
        "e4", "g1f3", "Ke8", "undo", "nonsense é", "Nc3", "board", "moves", "resign"
    )
    moves = [move.uci() for move in record.board.move_stack]
    assert moves[0] == "e2e4" and moves[2] == "b1c3" and len(moves) == 4
    assert record.result == "0-1" and "You asked for no advice" in said
    assert said.count("No legal move or command") == 2 and "\x1b" not in said
    assert len(record.plies) == len(moves)


def test_advice_is_counted_and_written(tmp_path):
    """A follows E at p = 0 and never means well at p = 1; what was followed is told."""
    path = tmp_path / "game.pgn"
    console = Console(file=io.StringIO(), width=100)
    seen: list[str] = []

    def typed():
        for turn in range(6):
            yield "advice"
            advice = re.findall(r"Advice: (\S+)", console.file.getvalue())[-1]
            seen.append(advice)
            yield "advice"
            assert re.findall(r"Advice: (\S+)", console.file.getvalue())[-1] == advice
            yield advice if turn % 2 == 0 else "moves"
            if turn % 2:
                legal = console.file.getvalue().strip().splitlines()[-1].split(", ")
                yield next(move for move in legal if move != advice)
        yield "quit"

    config = human.GameConfig(seed=3, pgn=path, advisor="zoo:expert,random_move,p=0.5")
    record = human.sit_down("random", config, typed(), console)
    asked = [ply for ply in record.plies if ply.advice is not None]
    assert len(asked) == 6 and [ply.followed for ply in asked] == [True, False] * 3
    corrupted = sum(ply.corrupted for ply in asked)
    assert 0 < corrupted < 6
    for ply in asked:
        assert ply.corrupted or ply.advice == ply.honest
    said = console.file.getvalue()
    assert f"6 times; it was corrupt {corrupted} times" in said
    followed = sum(ply.followed for ply in asked if ply.corrupted)
    assert f"You followed {followed} of {corrupted} corrupt and" in said
    (game,) = read_pgn(path.read_text())
    assert not game.errors and game.headers["White"] == "human" and game.headers["Result"] == "*"
    assert [node.move for node in game.mainline()] == record.board.move_stack
    assert sum("corrupted" in node.comment for node in game.mainline()) == corrupted


def _evals(path, *lines: str) -> tuple[chess.pgn.Game, list[float | None]]:
    _play(*lines, pgn=path)
    (game,) = read_pgn(path.read_text())
    scores = [node.eval() for node in game.mainline()]
    return game, [score and score.white().score() for score in scores]


@pytest.mark.parametrize("last", ["resign", "quit"])
def test_evaluations_are_the_experts_for_white_also_of_a_game_that_is_resigned(tmp_path, last):
    game, evals = _evals(tmp_path / "game.pgn", "e4", "Nf3", last)
    assert game.headers["Result"] == ("0-1" if last == "resign" else "*")
    expert, board = seats.load("zoo:expert"), game.board()
    for node, found in zip(game.mainline(), evals, strict=True):
        board.push(node.move)
        (value,) = expert.values([board])
        assert found == annotated.centipawns(value if board.turn else -value)
        assert abs(found) < 300  # ordinary positions
    assert (
        "zoo:expert" in game.headers["Annotator"] and "without search" in game.headers["Annotator"]
    )


def test_what_the_rules_ended_has_their_result_and_no_other_has():
    ply = annotated.Ply(chess.Move.from_uci("a1a8"), value=0.5)
    start = "6k1/5ppp/8/8/8/8/8/R5K1 w - - 0 1"
    for result, values in (("1-0", [1.0]), ("0-1", [0.25]), ("*", [0.25])):
        game = annotated.AnnotatedGame("e", "1", "w", "b", result, (), (ply,), "d", start, -0.25)
        assert game.values() == values


def test_positions_that_are_not_quite_right():
    record, _ = _play("quit", fen="4k3/8/8/8/8/8/4P3/R3K3 w KQkq e6 0 1")
    assert record.board.fen() == "4k3/8/8/8/8/8/4P3/R3K3 w Q - 0 1"
    for fen in ("", "x", "8/8/8/8/8/8/8/8 w - - 0 1", "r3k2r/8/8/8/8/8/8/1R2K2R w BHah - 0 1"):
        with pytest.raises(SettingError, match=r"^fen: '.*' cannot be played: ") as error:
            _play("quit", fen=fen)
        assert len(str(error.value).splitlines()) == 1


def test_a_byte_order_mark_before_the_first_move():
    record, said = _play("\ufeffe4", "quit")
    assert record.board.move_stack[0].uci() == "e2e4" and "No legal move" not in said


def test_a_game_to_its_end_as_black_on_a_terminal():
    fen = "7k/8/8/8/8/1r6/r7/6K1 b - - 0 1"
    record, said = _play("Rb1", terminal=True, color="black", fen=fen, advisor="zoo:expert,p=0")
    assert record.result == "0-1" and record.board.is_checkmate()
    assert "\x1b" in said and "your move>" in said and "0-1 by checkmate" in said


def test_what_cannot_be_used_is_one_sentence():
    for about in ({"fen": "x"}, {"advisor": "zoo:nobody"}, {"advisor": "zoo:expert,p=2"}):
        with pytest.raises(SettingError):
            _play("quit", **about)


# --- W with an assistant ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("assisted:zoo:weak", "spell it assisted"),
        ("assisted:zoo:weak,zoo:expert,worst", "neither of"),
        ("assisted:zoo:weak,zoo:expert,colour=3", "Unknown setting 'colour'"),
        ("assisted:zoo:weak,zoo:expert,p=x", "must be a number"),
        ("assisted:zoo:weak,zoo:expert,p=2", "must be between 0 and 1"),
        ("assisted:zoo:weak,zoo:expert,every=0", "at least 1"),
    ],
)
def test_spellings_that_mean_nothing(spec, says):
    with pytest.raises(SettingError, match=says):
        seats.load(spec)


LINE = "e4 e5 Nf3 Nc6 Bb5 a6 Bxc6 dxc6 O-O Bg4 h3 h5 hxg4 hxg4"


def _positions() -> list[chess.Board]:
    board, found = chess.Board(), []
    for san in LINE.split():
        found.append(board.copy())
        board.push_san(san)
    return found


def test_with_an_honest_assistant_it_plays_the_experts_best():
    """The advice that the real protocol follows is the move that E likes best by another way."""
    player, boards = seats.load(f"{WEAK},p=0"), _positions()
    best = board_player.load("zoo:expert").best_moves(boards)
    for board, move in zip(boards, best, strict=True):
        turn = player.take(board)
        assert turn.move == turn.advice == turn.honest == move
        assert turn.followed and not turn.corrupted


def test_the_state_of_a_board_is_the_boards():
    encode = jax.jit(games.make("chess").encode)
    for board in _positions()[::4]:
        encoded = encode(board_player.state_of(board, games.make("chess")))
        np.testing.assert_array_equal(np.asarray(encoded)[0], board_player.encode(board))


def test_options_turn_the_assistant_off_and_make_it_lie():
    board, player = chess.Board(), seats.load(f"{WEAK},p=0,every=2")
    player.temperature, legal = 0.0, list(board.legal_moves)
    alone = turns.Network(spelled.load_network("zoo:weak"))
    alone.temperature = 0.0
    own = alone.choose(board, legal).move
    out = io.StringIO()
    engine = uci_engine.Engine("p", player, out)
    engine.serve(
        [
            *["uci", "go", "go"],
            *["setoption name Assistant value false", "go"],
            *["setoption name Assistant value true", "setoption name p value 1", "ucinewgame"],
            *["go", "setoption name p value 7", "setoption name Assistant value perhaps"],
        ]
    )
    said = out.getvalue().splitlines()
    assert "option name Assistant type check default true" in said
    assert "option name p type string default 0" in said
    notes = [line for line in said if "A said" in line or "not asked" in line]
    assert ["A said" in note for note in notes] == [True, False, True]
    assert ["corrupted" in note for note in notes] == [False, False, True]
    moves = [line.split()[1] for line in said if line.startswith("bestmove")]
    assert moves[1] == moves[2] == own.uci() and len(moves) == 4
    assert sum("as before" in line for line in said) == 2 and player.settings["p"] == 1

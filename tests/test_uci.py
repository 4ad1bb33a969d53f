"""A player as a UCI engine: by python-chess, by hand, and by lines nobody should send."""

import io
import random
import re
import shlex
import subprocess
import sys
import threading

import chess
import chess.engine
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandwich_jax.engines.questions import win_probability
from sandwich_jax.players import seats, turns, uci_engine
from sandwich_jax.types import SettingError

COMMAND = [sys.executable, "-m", "sandwich_jax.cli", "uci", "--player"]


def _talk(*lines: str, player: turns.Turns | None = None) -> list[str]:
    out = io.StringIO()
    uci_engine.Engine("p", player or turns.Random(), out).serve(lines)
    return out.getvalue().splitlines()


@pytest.fixture(scope="module")
def weak():
    engine = chess.engine.SimpleEngine.popen_uci([*COMMAND, "zoo:weak"], timeout=None)
    yield engine
    engine.quit()


def _opponent(seed: int):
    rng = random.Random(seed)
    return lambda board: rng.choice(list(board.legal_moves))


LIMITS = (
    chess.engine.Limit(nodes=1),
    chess.engine.Limit(time=0.01),
    chess.engine.Limit(white_clock=5, black_clock=5, white_inc=0.1, black_inc=0.1),
    chess.engine.Limit(depth=3),
)


@pytest.mark.parametrize("white", [True, False])
def test_python_chess_plays_full_games(weak, white):
    """python-chess itself raises for a move that is not legal."""
    board, other, seen = chess.Board(), _opponent(int(white)), 0
    while not board.is_game_over(claim_draw=True) and board.ply() < 160:
        if board.turn != white:
            board.push(other(board))
            continue
        limit = LIMITS[seen % len(LIMITS)]
        played = weak.play(board, limit, game=white, info=chess.engine.INFO_ALL)
        assert played.move in board.legal_moves and played.info["pv"][0] == played.move
        assert played.info["score"].pov(board.turn).score() is not None
        board.push(played.move)
        seen += 1
    assert seen > 5


def test_a_match_between_two_engines_through_python_chess(weak):
    other = chess.engine.SimpleEngine.popen_uci([*COMMAND, "random"], timeout=None)
    board, limit = chess.Board(), chess.engine.Limit(nodes=1)
    while not board.is_game_over(claim_draw=True) and board.ply() < 100:
        found = (weak if board.turn else other).play(board, limit)
        board.push(found.move)
    other.quit()
    assert board.ply() == 100 or board.is_game_over(claim_draw=True)


def test_lines_and_the_value_of_each(weak):
    board = chess.Board("6k1/5ppp/8/8/8/8/8/R5K1 w - - 0 1")
    found = weak.analyse(board, chess.engine.Limit(nodes=1), multipv=5)
    moves = [line["pv"][0] for line in found]
    assert len(set(moves)) == 5 and set(moves) <= set(board.legal_moves)
    found = weak.analyse(board, chess.engine.Limit(nodes=1), multipv=uci_engine.MOST_LINES)
    scores = {line["pv"][0]: line["score"].white() for line in found}
    assert set(scores) == set(board.legal_moves)
    assert scores[chess.Move.from_uci("a1a8")] == chess.engine.Mate(1)
    assert all(score.score() is not None for move, score in scores.items() if move.uci() != "a1a8")


def test_an_infinite_analysis_ends_when_told(weak):
    with weak.analysis(chess.Board()) as analysis:
        while "score" not in analysis.info:
            analysis.get()
        analysis.stop()
        assert analysis.wait().move in chess.Board().legal_moves


def test_the_score_is_the_value_and_the_policy_the_networks():
    player, board = seats.load("zoo:weak"), chess.Board()
    choice = player.choose(board, list(board.legal_moves))
    said = _talk("position startpos", "go", player=player)
    centipawns = int(re.search(r"score cp (-?\d+)", said[1]).group(1))
    assert win_probability(centipawns) == pytest.approx((1 + choice.value) / 2, abs=1e-3)
    shares = said[0].removeprefix("info string policy ").split()
    first, second = list(choice.policy.items())[:2]
    assert shares[:4] == [x for m, p in (first, second) for x in (m.uci(), f"{p:.1%}")]
    assert sum(choice.policy.values()) == pytest.approx(1)


# --- by hand ------------------------------------------------------------------------------------


def test_positions_without_a_move():
    mated, stale = "position fen 7k/6Q1/6K1/8/8/8/8/8 b - - 0 1", "8/8/8/8/8/5k2/5p2/5K2 w - - 0 1"
    assert _talk(mated, "go") == ["info depth 0 score mate 0", "bestmove (none)"]
    assert _talk(f"position fen {stale}", "go")[-1] == "bestmove (none)"


@pytest.mark.parametrize(
    "refused",
    [
        "position fen 8/8/8/8/8/8/8/8 w - - 0 1",
        "position fen rbqnkrbn/pppppppp/8/8/8/8/PPPPPPPP/RBQ1KRBN w AFaf - 0 1",
        "position fen 4k3/8/8/8/8/8/8/4K2r b - - 0 1",
        "position fen 4kk2/8/8/8/8/8/8/4K3 w - - 0 1",
        "position fen",
        "position fen x moves e2e4",
        "position",
        "position startups",
        "position startpos moves e2e4 e7e5 e4e5",
        "position startpos moves 0000",
        "position startpos moves e2e4 nonsense",
    ],
)
def test_nothing_is_played_from_the_position_before_one_that_is_refused(refused):
    said = _talk("position startpos moves e2e4", refused, "go", "d", "position startpos", "go")
    notes = [line for line in said if line.startswith("info string") and "policy" not in line]
    assert len(notes) == 3, said
    answers = [line.split()[1] for line in said if line.startswith("bestmove")]
    assert answers[0] == "0000" and chess.Move.from_uci(answers[1]) in chess.Board().legal_moves


def test_an_infinite_search_of_no_position_waits_for_its_stop():
    assert _talk("position fen x", "go infinite", "stop")[-1] == "bestmove 0000"


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("4k3/8/8/8/8/8/8/R3K3 w KQkq e3 0 1", "4k3/8/8/8/8/8/8/R3K3 w Q - 0 1"),
        ("4k3/8/8/8/8/8/8/4K3 w KQkq", "4k3/8/8/8/8/8/8/4K3 w - - 0 1"),
        ("4k3/8/8/8/8/8/8/4K3 b", "4k3/8/8/8/8/8/8/4K3 b - - 0 1"),
        ("r3k2r/8/8/8/8/8/8/R3K2R w HAha - 3 9", "r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 3 9"),
        ("4k3/8/8/4p3/8/8/8/4K3 w - e6 0 1", "4k3/8/8/4p3/8/8/8/4K3 w - e6 0 1"),
    ],
)
def test_impossible_rights_are_left_out(said, read):
    told = _talk(f"position fen {said}", "d", "go")
    assert f"Fen: {read}" in told
    assert chess.Move.from_uci(told[-1].split()[1]) in chess.Board(read).legal_moves


def test_capitals_castling_on_the_rook_and_a_byte_order_mark():
    assert "uciok" in _talk("\ufeffuci")
    said = _talk("\ufeffposition startpos moves E2E4 e7e5", "d")
    assert any("4p3/4P3" in line for line in said)
    fen = "4k3/1P6/8/8/8/8/8/4K2R w K - 0 1"
    assert any("1Q2k3" in x for x in _talk(f"position fen {fen} moves b7b8Q", "d"))
    assert any("5RK1" in x for x in _talk(f"position fen {fen} moves e1h1", "d"))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_on_the_standard_input(encoding):
    sent = "uci\nposition startpos\ngo\nquit\n".encode(encoding)
    stream = io.TextIOWrapper(io.BufferedReader(io.BytesIO(sent)), "latin-1")  # type: ignore
    out = io.StringIO()
    uci_engine.Engine("p", turns.Random(), out).serve(seats.heard(stream))
    said = out.getvalue().splitlines()
    assert "uciok" in said and said[-1].startswith("bestmove ")
    assert not any("unknown" in line for line in said)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("Temperature", "warm", "'warm' is no number"),
        ("Temperature", "nan", "Temperature is nan: it must be between 0 and 100"),
        ("Temperature", "", "'' is no number"),
        ("Temperature", "-1", "it must be between 0 and 100"),
        ("MultiPV", "²", "is no whole number from 1 to 218"),
        ("MultiPV", "1.5", "'1.5' is no whole number from 1 to 218"),
        ("MultiPV", "219", "'219' is no whole number from 1 to 218"),
        ("Seed", "9" * 5000, "is no whole number from 0 to 2147483647"),
    ],
)
def test_option_values_that_cannot_be_used(name, value, says):
    (said,) = _talk(f"setoption name {name} value {value}")
    assert said.startswith(f"info string {name} is as before: ") and says in said
    assert said.endswith(".") and "literal" not in said and "convert" not in said


def test_an_option_that_is_not_there_is_named():
    (said,) = _talk("setoption name Hash value 3")
    assert said == "info string no option 'Hash': there are Temperature, MultiPV, Seed"


class _Failing(turns.Random):
    """An engine that failed."""

    def choose(self, board, allowed):
        raise SettingError("e failed 4 times, at last it answered nonsense (move '0000').")


def test_an_engine_that_fails_is_told_and_nothing_else_is_played():
    early, note, answer = _talk("position startpos", "go", player=_Failing())
    assert early == note and note.startswith("info string e failed 4 times")
    assert answer == "bestmove 0000"


def test_searchmoves_are_kept_to():
    for _ in range(5):
        assert _talk("go searchmoves a2a3 nodes 5")[-1] == "bestmove a2a3"


def test_seeds_repeat_and_temperature_zero_is_the_best():
    def moves(*before: str) -> list[str]:
        said = _talk(*before, *["go"] * 8, player=seats.load("zoo:weak"))
        return [line for line in said if line.startswith("bestmove")]

    hot = "setoption name Temperature value 50"
    assert moves("setoption name Seed value 7", hot) == moves("setoption name seed value 7", hot)
    assert len(set(moves(hot))) > 1
    assert len(set(moves("setoption name Temperature value 0"))) == 1


class _Slow(turns.Random):
    """Thinks until the gate is open."""

    def __init__(self):
        super().__init__()
        self.gate = threading.Event()

    def choose(self, board, allowed):
        self.gate.wait()
        return super().choose(board, allowed)


def test_isready_is_answered_while_thinking_and_not_before_start():
    player, out = _Slow(), io.StringIO()

    def lines():
        yield "isready"
        assert "readyok" not in out.getvalue()  # still starting
        yield "go"
        yield "isready"
        assert out.getvalue() == "readyok\n"  # the search has not begun
        player.gate.set()

    uci_engine.Engine("p", player, out).serve(lines())
    said = out.getvalue().split("\n")
    assert said.count("readyok") == 2 and any(x.startswith("bestmove") for x in said)


def test_a_second_go_ends_the_first():
    said = _talk("go infinite", "go ponder", "position startpos moves e2e4", "go")
    assert sum(line.startswith("bestmove") for line in said) == 3


# --- lines nobody should send -------------------------------------------------------------------

SAID = """uci isready setoption name value Temperature MultiPV Seed ucinewgame position startpos fen
moves go nodes movetime wtime infinite searchmoves depth stop ponderhit debug on e2e4 e7e5 e7e8q
0000 a1a1 h9h9 -1 nan 1e999 99999999999999999999 8/8/8/8/8/8/8/8 w KQkq - é 棋 4k3/8/8/8/8/8/8/4K3
rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR xboard ; { %s ../.. <b>"""
WORDS = [*SAID.split(), "\0", "\x7f", "\ud800"]
GOOD = ("position startpos moves e2e4 e7e5", "go nodes 1", "isready", "ucinewgame", "stop")


def _hostile(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.25:
        return rng.choice(GOOD)
    if kind < 0.3:
        return "".join(
            chr(rng.choice([rng.randrange(1, 128), rng.randrange(0x110000)]))
            for _ in range(rng.randrange(60))
        ).replace("\n", " ")
    if kind < 0.33:
        return " ".join(["position startpos moves", *["g1f3 g8f6 f3g1 f6g8"] * rng.randrange(200)])
    if kind < 0.36:
        return rng.choice(WORDS) * rng.randrange(5000)
    words = [rng.choice(WORDS) for _ in range(rng.randrange(12))]
    start = rng.choice(["position fen", "position startpos moves", "go", "setoption name", ""])
    return " ".join([start, *words])


def _survives(lines: list[str]) -> None:
    """Every `go` gets one answer, legal where there is a legal move."""
    out, searches = io.StringIO(), []
    engine = uci_engine.Engine("p", turns.Random(), out)

    def sent():
        for line in lines:
            yield line
            searches.append(engine.search)
        yield "position startpos"
        yield "go"
        searches.append(engine.search)

    engine.serve(sent())
    boards = [x.board for x in {id(x): x for x in searches if x}.values()]
    answers = [x.split()[1] for x in out.getvalue().split("\n") if x.startswith("bestmove")]
    assert len(answers) == len(boards)
    for answer, board in zip(answers, boards, strict=True):
        legal = {move.uci() for move in board.legal_moves} if board else {"0000"}
        assert answer in (legal or {"(none)"})


def test_500_malformed_lines_in_process():
    rng = random.Random(0)
    _survives([_hostile(rng) for _ in range(500)])


@settings(deadline=None, max_examples=60)
@given(st.lists(st.one_of(st.text(), st.lists(st.sampled_from(WORDS)).map(" ".join)), max_size=12))
def test_any_lines(lines):
    _survives([line for line in lines if line.split()[:1] != ["quit"]])


def test_500_malformed_lines_on_the_standard_input():
    rng = random.Random(1)
    lines = [_hostile(rng).encode("utf-8", "surrogatepass") for _ in range(500)]
    lines[::50] = [
        bytes(rng.randrange(256) for _ in range(80)).replace(b"\n", b"") for _ in lines[::50]
    ]
    last = [
        b"setoption name MultiPV value 1",
        b"position startpos moves d2d4",
        b"go",
        b"quit",
        b"go",
    ]
    sent = b"\n".join([*lines, *last])
    done = subprocess.run([*COMMAND, "zoo:weak"], input=sent, capture_output=True)
    assert done.returncode == 0 and not done.stderr, done.stderr[-2000:]
    board = chess.Board()
    board.push_uci("d2d4")
    said = done.stdout.decode().split("\n")
    assert said[-1] == "" and said[-2].startswith("bestmove ")
    assert chess.Move.from_uci(said[-2].split()[1]) in board.legal_moves


def test_unknown_players_and_temperatures_are_one_sentence():
    with pytest.raises(SettingError, match="Unknown player"):
        uci_engine.serve("nobody", 0.1, [], io.StringIO())
    with pytest.raises(SettingError, match="between 0 and 100"):
        uci_engine.serve("random", -1, [], io.StringIO())


def test_another_client_of_uci_plays_a_game(tmp_path):
    """The package `stockfish` speaks UCI on its own, and in Stockfish's dialect."""
    client = pytest.importorskip("stockfish")
    path = tmp_path / "engine"
    path.write_text("#!/bin/sh\nexec " + shlex.join([*COMMAND, "zoo:weak"]) + "\n")
    path.chmod(0o755)
    engine = client.Stockfish(str(path), depth=1)
    board, other = chess.Board(), _opponent(3)
    while not board.is_game_over(claim_draw=True) and board.ply() < 80:
        found = engine.get_best_move() if board.turn else other(board).uci()
        board.push_uci(found)
        engine.make_moves_from_current_position([found])
        assert engine.get_fen_position() == board.fen(en_passant="fen")
    engine.set_fen_position("6k1/5ppp/8/8/8/8/8/R5K1 w - - 0 1")
    assert engine.get_evaluation()["type"] == "cp" and len(engine.get_top_moves(3)) == 3
    engine.set_fen_position("7k/6Q1/6K1/8/8/8/8/8 b - - 0 1")
    assert engine.get_best_move() is None
    engine.send_quit_command()

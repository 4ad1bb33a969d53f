"""Puzzles: the file, the scoring beside python-chess step by step, PGR."""

import csv
import io
import json
import pathlib

import chess
import fake_engine
import jax.numpy as jnp
import numpy as np
import pytest
import zstandard
from rich.console import Console

from sandwich_jax import board
from sandwich_jax.engines import processes
from sandwich_jax.evaluation import puzzle_file, solving
from sandwich_jax.measures import gap, puzzles, shares
from sandwich_jax.players import board_player
from sandwich_jax.training import corpus
from sandwich_jax.types import SettingError

HEADER = "PuzzleId,FEN,Moves,Rating,Themes"
LADDER = "7k/8/8/8/8/8/R7/1R4K1 b - - 0 1"
"""After Kg8 White mates in two moves, and after Ra7 Kf8 by Rb8."""
TWO_MATES = "6k1/p4ppp/8/8/8/6p1/4QPPP/3R2K1 b - - 0 1"
"""After a move of Black's, both Rd8 and Qe8 mate."""
CASTLES = "4k2r/5ppp/8/8/8/8/4PPPP/R3K2R b KQk - 3 30"
LINES = (
    f"ladder,{LADDER},h8g8 a2a7 g8f8 b1b8,800,mateIn2",
    f"back-rank,{TWO_MATES},a7a6 d1d8,1000,mateIn1",
)


def _file(folder: pathlib.Path, *lines: str, header: str = HEADER) -> pathlib.Path:
    path = folder / "puzzles.csv"
    path.write_text("\n".join((header, *lines)) + "\n")
    return path


@pytest.fixture
def given(tmp_path):
    return puzzle_file.read(_file(tmp_path, *LINES))


def _plays(*words: str) -> puzzles.Choose:
    """A player of the first of these moves that is legal."""

    def choose(state, asked):
        labels = np.zeros(len(asked), np.int32)
        for row in np.flatnonzero(asked):
            position = chess.Board(board.to_fen(board.take(state, jnp.asarray([row])))[0])
            word = next(w for w in words if chess.Move.from_uci(w) in position.legal_moves)
            labels[row] = corpus.label_of(chess.Move.from_uci(word), position.turn)
        return jnp.asarray(labels)

    return choose


def test_the_file_is_read(given):
    assert given.names == ("ladder", "back-rank") and given.ratings.tolist() == [800, 1000]
    assert board.to_fen(given.starts) == [
        "6k1/8/8/8/8/8/R7/1R4K1 w - - 1 2",
        "6k1/5ppp/p7/8/8/6p1/4QPPP/3R2K1 w - - 0 2",
    ]
    assert (given.lines >= 0).sum(1).tolist() == [3, 1]
    assert given.starts.ply.tolist() == [2, 2]


def test_every_move_must_be_right(given):
    right = _plays("a2a7", "b1b8", "d1d8")
    assert [solved.tolist() for solved in puzzles.solving(right, given)] == [[True, True]]
    first_wrong = _plays("b1b7", "d1d8")
    assert puzzles.solve(first_wrong, given).tolist() == [False, True]
    last_wrong = _plays("a2a7", "b1b7", "d1d8")
    assert puzzles.solve(last_wrong, given).tolist() == [False, True]


def test_any_mate_is_right(tmp_path):
    """The other mate in one; a mate where the line goes on; a wrong move that does not mate."""
    slow = f"slow,{TWO_MATES},a7a6 h2g3 a6a5 d1d8,1200,"
    given = puzzle_file.read(_file(tmp_path, LINES[1], slow))
    assert puzzles.solve(_plays("e2e8"), given).tolist() == [True, True]
    assert puzzles.solve(_plays("e2e7"), given).tolist() == [False, False]


def test_a_draw_is_no_mate(tmp_path):
    stalemate = "draw,k7/8/8/1Q6/8/8/8/K7 b - - 0 1,a8a7 b5c6,900,"
    given = puzzle_file.read(_file(tmp_path, stalemate))
    assert puzzles.solve(_plays("b5c6"), given).tolist() == [True]
    assert puzzles.solve(_plays("b5d7"), given).tolist() == [False]


def test_many_puzzles_come_in_batches(given, monkeypatch, tmp_path):
    monkeypatch.setattr(puzzles, "BATCH", 2)
    many = puzzle_file.read(_file(tmp_path, *LINES, LINES[0], LINES[1], LINES[1]))
    assert many.lines.shape[0] == many.starts.ply.shape[-1] == 5
    found = puzzles.solve(_plays("a2a7", "b1b7", "e2e8"), many)
    assert found.tolist() == [False, True, False, True, True]


@pytest.mark.parametrize(
    ("lines", "header", "says"),
    [
        ((), HEADER, "holds no puzzles"),
        (LINES, "PuzzleId,FEN,Rating", "no column Moves in its first line"),
        (("x,nonsense,a1a2 a2a3,800,",), HEADER, "line 2, PuzzleId 'x': .* in FEN 'nonsense'"),
        ((f"x,{LADDER},h8g8 a2a7 g8f8,8,",), HEADER, "line 2: Moves has 3 moves"),
        ((f"x,{LADDER},,8,",), HEADER, "line 2: Moves has 0 moves"),
        ((f"x,{LADDER},{'h8g8 ' * 514},8,",), HEADER, "line 2: Moves has 514 moves.*at most 512"),
        ((f"x,{LADDER},h8g8 a2a7,900.0,",), HEADER, "Rating is '900.0', not a whole number"),
        ((f"x,{LADDER},h8g8 a2a7,9\xb2,",), HEADER, "Rating is '9\xb2', not a whole number"),
        ((f"x,{LADDER},h8g8 a2a7,-5,",), HEADER, "Rating is '-5', not a whole number"),
        ((f"x,{LADDER},h8g8 a2a7,10000,",), HEADER, "not a whole number of at most 9999"),
        (("\x00\x00\x00", LINES[0]), HEADER, "line 2: Rating is ''"),
        (LINES, HEADER.replace(",", ";"), "no column PuzzleId, FEN, Moves, Rating in its first"),
        (LINES, HEADER.replace(",", "\t"), "no column PuzzleId, FEN, Moves, Rating in its first"),
        (LINES, HEADER.lower(), "no column PuzzleId, FEN, Moves, Rating in its first line"),
        (LINES, HEADER.replace(",", ", "), "no column FEN, Moves, Rating in its first line"),
        (LINES[:1], LINES[1], "no column PuzzleId, FEN, Moves, Rating in its first line"),
        ((LINES[0], f"y,{LADDER},h8g8 a2b3,8,"), HEADER, "line 3, PuzzleId 'y': a2b3 is not legal"),
        ((f"y,{LADDER},h8g8 a2a8Q,8,",), HEADER, "line 2, PuzzleId 'y': 'a2a8Q' is not a UCI move"),
        ((f"y,{CASTLES},h8g8 e1h1,8,",), HEADER, "line 2, PuzzleId 'y': e1h1 is not legal"),
        ((f"x,{LADDER},h8g8,800,",), HEADER, "line 2: Moves has 1 moves"),
        ((f"x,{LADDER},h8g8 a2a7,high,",), HEADER, "line 2: Rating is 'high'"),
        ((f"x,{LADDER}",), HEADER, "line 2: Rating is ''"),
    ],
)
def test_a_bad_file_is_one_sentence(tmp_path, lines, header, says):
    with pytest.raises(SettingError, match=says) as caught:
        puzzle_file.read(_file(tmp_path, *lines, header=header))
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_or_binary_file_is_one_sentence(tmp_path):
    with pytest.raises(SettingError, match="no such file; name a file of puzzles"):
        puzzle_file.read(tmp_path / "none.csv")
    with pytest.raises(SettingError, match="is a folder; name a file of puzzles"):
        puzzle_file.read(tmp_path)
    (tmp_path / "binary.csv").write_bytes(b"")
    with pytest.raises(SettingError, match="the file is empty"):
        puzzle_file.read(tmp_path / "binary.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingError, match="no column PuzzleId"):
        puzzle_file.read(tmp_path / "binary.csv")


BACK_RANK = "6k1/5ppp/1r6/8/8/8/5PPP/R5K1 b - -"
"""After Rb2, Ra8 mates."""
SHUFFLE = "b6c6 a1b1 c6b6 b1a1 "
"""Twice, and the position occurs for the third time."""


@pytest.mark.parametrize(
    ("fen", "moves"),
    [
        (f"{BACK_RANK} 99 80", "b6b2 a1a8"),
        (f"{BACK_RANK} 100 80", "b6b2 a1a8"),
        (f"{BACK_RANK} 120 80", "b6b2 a1a8"),
        (f"{BACK_RANK} 97 80", "b6c6 a1b1 c6b6 b1a1 b6c6 a1a8"),
        (f"{BACK_RANK} 3 30", f"{SHUFFLE * 2}b6c6 a1a8"),
        (f"{BACK_RANK} 3 30", f"{SHUFFLE * 4}b6b2 a1a8"),
        (f"{BACK_RANK} 3 30", f"{SHUFFLE * 30}b6b2 a1a8"),
        (BACK_RANK, "b6b2 a1a8"),
        ("8/8/8/4k3/8/5K2/4p3/8 b - - 0 60", "e5d4 f3e2"),
        ("8/8/8/4k3/8/5K2/4p3/8 w - - 0 60", "f3e2 e5d5 e2e3 d5e5"),
    ],
)
def test_draws_by_rule_do_not_end_a_line(tmp_path, fen, moves):
    """Fifty moves, repetition and, so that the sentence stays true, too little to mate with."""
    given = puzzle_file.read(_file(tmp_path, f"x,{fen},{moves},900,", LINES[0]))
    words = moves.split()
    assert (given.lines[0] >= 0).sum() == len(words) - 1
    plies = iter([*words[1::2], "a2a7", "b1b8"])
    position = chess.Board(fen if len(fen.split()) == 6 else f"{fen} 0 1")

    def choose(state, asked):
        labels = np.zeros(len(asked), np.int32)
        if asked[0]:
            word = chess.Move.from_uci(next(plies))
            labels[0] = corpus.label_of(word, position.turn == chess.BLACK)
        return jnp.asarray(labels)

    assert puzzles.solve(choose, given).tolist() == [True, False]


def test_other_layouts_of_files_that_are_read(tmp_path):
    extra = [f"{line},y,z" for line in LINES]
    quoted = f'"a""b",{LADDER},"h8g8 a2a7",800,"caf\xe9"'
    for lines in (extra, ("", *LINES, "", ""), (LINES[0], LINES[0]), (quoted,)):
        path = _file(tmp_path, *lines)
        wanted = len([line for line in lines if line])
        assert len(puzzle_file.read(path).names) == wanted
        whole = path.read_bytes()
        path.write_bytes(whole.replace(b"\n", b"\r\n"))
        assert len(puzzle_file.read(path).names) == wanted
    assert puzzle_file.read(path).names == ('a"b',)
    text = path.read_text()
    for encoding in ("latin-1", "utf-8-sig", "utf-16"):
        path.write_text(text, encoding=encoding)
        assert puzzle_file.read(path).names == ('a"b',)
    packed = tmp_path / "puzzles.csv.zst"
    packed.write_bytes(zstandard.compress(text.encode()))
    assert puzzle_file.read(packed).names == ('a"b',)


def test_bands_and_their_intervals():
    ratings = np.asarray([600, 799, 800, 800])
    found = dict(puzzles.by_band(np.asarray([True, False, True, True]), ratings))
    assert list(found) == ["all", "600-799", "800-999"]
    assert found["all"].value == 0.75 and found["600-799"].count == 2
    # Wilson's interval by hand: 1 of 2, z = 1.96.
    assert found["600-799"][1:3] == pytest.approx((0.0945, 0.9055), abs=1e-4)
    assert shares.share(np.zeros(0, bool)) is None


def test_pgr_on_puzzles():
    rng = np.random.default_rng(0)
    luck = rng.random(2000)
    weak, expert, student = luck < 0.2, luck < 0.6, luck < 0.4
    found = puzzles.recovered(student, weak, expert)
    assert found is not None and found.value == pytest.approx(0.5, abs=0.03)
    assert found.low < found.value < found.high and found.high - found.low < 0.1
    assert puzzles.recovered(expert, weak, expert) == gap.Interval(1, 1, 1)
    assert puzzles.recovered(student, weak, weak) is None


def test_the_verb_shows_players_side_by_side(tmp_path):
    console, out = Console(record=True, width=160, file=io.StringIO()), tmp_path / "rows.jsonl"
    path = _file(tmp_path, *LINES)
    rows = solving.show(("zoo:expert", "random"), path, None, 0, out, console)
    assert [json.loads(line) for line in out.read_text().splitlines()] == rows
    assert [row["band"] for row in rows] == ["all", "800-999", "1000-1199"] * 2
    assert "zoo:expert" in console.export_text()
    for nobody in ((), ("random", "random")):
        with pytest.raises(SettingError, match="at least one player"):
            solving.show(nobody, path, None, 0, None, console)


def test_an_engine_solves_puzzles(tmp_path, monkeypatch):
    """The fake engine plays the first legal move."""
    monkeypatch.setenv(processes.VARIABLE, fake_engine.make(tmp_path))
    position = chess.Board(LADDER)
    position.push_uci("h8g8")
    moves = (next(iter(position.legal_moves)).uci(), "a2a7")
    lines = [f"x,{LADDER},h8g8 {move},800," for move in moves]
    given = puzzle_file.read(_file(tmp_path, *lines))
    assert solving.solve("stockfish:nodes=1", given).tolist() == [True, False]


@pytest.mark.slow
@pytest.mark.parametrize("spec", ["zoo:expert", "zoo:weak"])
def test_scoring_agrees_with_python_chess_step_by_step(data, spec):
    path = data / "puzzles" / "puzzles.csv"
    given = puzzle_file.read(path, 500)
    with path.open(newline="") as file:
        rows = {row["PuzzleId"]: row for row in csv.DictReader(file)}
    player = board_player.load(spec)
    wanted = [_solves(player, rows[name]) for name in given.names]
    assert 10 < sum(wanted) < 490
    assert solving.solve(spec, given).tolist() == wanted


@pytest.mark.slow
def test_mates_in_one_answered_by_another_mate_are_right(data, tmp_path):
    """All puzzles of the file that have two mates: the one that is not in its line is played."""
    with (data / "puzzles" / "puzzles.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if "mateIn1" in row["Themes"].split()]
    lines, others = [], {}
    for row in rows:
        position, (first, right) = chess.Board(row["FEN"]), row["Moves"].split()
        position.push_uci(first)
        mates = [move for move in position.legal_moves if _mates(position, move)]
        assert chess.Move.from_uci(right) in mates
        if len(mates) > 1:
            others[position.epd()] = next(m for m in mates if m.uci() != right)
            lines.append(f"{row['PuzzleId']},{row['FEN']},{row['Moves']},{row['Rating']},")
    assert len(lines) > 20

    def another_mate(state, asked):
        boards = [chess.Board(fen) for fen in board.to_fen(state)]
        moves = [others[b.epd()] for b in boards]
        labels = [corpus.label_of(m, b.turn) for m, b in zip(moves, boards, strict=True)]
        return jnp.asarray(labels)

    given = puzzle_file.read(_file(tmp_path, *lines))
    assert puzzles.solve(another_mate, given).all()


def _mates(position: chess.Board, move: chess.Move) -> bool:
    after = position.copy()
    after.push(move)
    return after.is_checkmate()


def _solves(player, row: dict[str, str]) -> bool:
    position = chess.Board(row["FEN"])
    for i, word in enumerate(row["Moves"].split()):
        if i % 2:
            (move,) = player.best_moves([position])
            wrong = move != chess.Move.from_uci(word)
            position.push(move)
            if position.is_checkmate() or wrong:
                return position.is_checkmate()
        else:
            position.push_uci(word)
    return True


@pytest.mark.parametrize("whole", [0, 1])
def test_what_was_solved_before_an_interrupt_is_told_and_kept(tmp_path, monkeypatch, whole):
    """Ctrl-C after two of three puzzles of the first player or of the second."""
    whole_ones = iter(range(whole))

    def cut(spec, given):
        yield from (np.asarray([True, False, True])[:n] for n in (1, 2))
        if next(whole_ones, None) is None:
            raise KeyboardInterrupt
        yield np.asarray([True, False, True])

    monkeypatch.setattr(solving, "solving", cut)
    path, out = _file(tmp_path, *LINES, LINES[1].replace("back-rank", "third")), tmp_path / "o"
    console = Console(file=io.StringIO(), width=100)
    with pytest.raises(KeyboardInterrupt, match=f"shown and kept in {out}"):
        solving.show(["random", "fresh:1"], path, None, 0, out, console)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    counts = [(r["player"], r["count"], r.get("cut_off")) for r in rows if r["band"] == "all"]
    assert counts == (
        [("random", 3, None), ("fresh:1", 2, True)] if whole else [("random", 2, True)]
    )
    said = console.file.getvalue()
    assert said.count("Puzzles solved") == whole + 1 and "Cut off." in " ".join(said.split())


def test_impossible_rights_in_a_puzzle_are_left_out(tmp_path):
    line = LINES[1].replace(" b - -", " b KQkq e6")
    given = puzzle_file.read(_file(tmp_path, line, LINES[0]))
    assert board.to_fen(given.starts)[0] == "6k1/5ppp/p7/8/8/6p1/4QPPP/3R2K1 w - - 0 2"

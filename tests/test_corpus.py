"""PGN in, move arrays out; what cannot be used is counted or refused."""

import collections
import json
import pathlib

import chess
import chess.pgn
import numpy as np
import pytest
import zstandard
from helpers import pgn

from sandwich_jax.training import corpus
from sandwich_jax.training.corpus import Filters
from sandwich_jax.types import SettingError

SPANISH = "e4 e5 Nf3 Nc6 Bb5 a6 Ba4 Nf6 O-O"
QUEENS = "d4 d5 c4 e6 Nc3 Nf6 Bg5 Be7"
FOOLS = "f3 e5 g4 Qh4#"


def _build(tmp_path: pathlib.Path, text: str | bytes, name: str = "in.pgn", **kwargs):
    source = tmp_path / name
    source.write_bytes(text.encode() if isinstance(text, str) else text)
    out = tmp_path / "out.npz"
    counts = corpus.build([source], out, workers=1, **kwargs)
    return counts, corpus.load(out)


def _replay(built: corpus.Corpus, row: int) -> str:
    board, sans = chess.Board(), []
    for label in built.moves[built.starts[row] : built.starts[row + 1]]:
        move = corpus.move_of(int(label), board)
        sans.append(board.san(move))
        board.push(move)
    return " ".join(sans)


def test_moves_results_and_ratings_survive(tmp_path):
    text = pgn(SPANISH, "1-0", WhiteElo="2500", BlackElo="2401") + pgn(QUEENS, "1/2-1/2")
    text += pgn(FOOLS, "0-1", WhiteElo="?")
    counts, built = _build(tmp_path, text)
    assert counts == {"kept": 3}
    assert [_replay(built, i) for i in range(3)] == [SPANISH, QUEENS, FOOLS]
    assert built.result.tolist() == [1, 0, -1]
    assert built.elo.tolist() == [[2500, 2401], [0, 0], [0, 0]]


def test_a_game_with_every_kind_of_promotion_and_castling(tmp_path):
    moves = "h4 g5 hxg5 h6 gxh6 Bg7 hxg7 Nf6 gxh8=R+ Ng8 Nf3 d5 e3 Be6 Be2 Nc6 O-O Qd7 a4 O-O-O"
    _, built = _build(tmp_path, pgn(moves))
    assert _replay(built, 0) == moves


def test_what_is_skipped_is_counted_by_reason(tmp_path):
    broken = pgn(SPANISH).replace("Bb5", "Bb6")
    no_end = "\n".join(line for line in pgn(FOOLS).splitlines()).replace(" 0-1", "")
    texts = [
        pgn(SPANISH),
        pgn(SPANISH, Event="the same moves"),
        broken,
        pgn("", "0-1"),
        pgn(QUEENS, Variant="Atomic"),
        pgn(QUEENS, "*"),
        pgn("e4 d5", FEN="rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQ - 0 1", SetUp="1"),
        pgn(FOOLS, "0-1", WhiteElo="900", BlackElo="900"),
    ]
    counts, built = _build(tmp_path, "".join(texts), filters=Filters(min_elo=0, min_plies=5))
    assert counts == {
        "kept": 1,
        "duplicate": 1,
        "illegal or broken move": 1,
        "empty": 1,
        "variant": 1,
        "no result": 1,
        "not from the initial position": 1,
        "filtered by plies": 1,
    }
    assert built.stats["counts"] == counts and no_end
    assert json.loads(json.dumps(built.stats["filters"]))["min_plies"] == 5


def test_a_game_cut_off_in_the_middle_is_not_used(tmp_path):
    cut = pgn(QUEENS).rstrip().removesuffix("1-0")
    counts, _ = _build(tmp_path, pgn(SPANISH) + cut)
    assert counts == {"kept": 1, "no end marker": 1}


@pytest.mark.parametrize(
    ("filters", "kept"),
    [
        (Filters(min_elo=2000), 1),
        (Filters(max_elo=1999), 1),
        (Filters(results=("1/2-1/2",)), 1),
        (Filters(min_plies=9), 1),
        (Filters(max_plies=8), 1),
    ],
)
def test_filters(tmp_path, filters, kept):
    text = pgn(SPANISH, WhiteElo="2100", BlackElo="2000") + pgn(QUEENS, "1/2-1/2")
    counts, built = _build(tmp_path, text, filters=filters)
    assert counts["kept"] == kept == len(built.result) and sum(counts.values()) == 2


def test_comments_and_variations_do_not_matter(tmp_path):
    text = '[Event "x"]\n[Result "1-0"]\n\n1. e4 {a comment\n[Event "not a tag"]\n} e5'
    text += " (1... c5) 2. Nf3 $1 1-0\n"
    counts, built = _build(tmp_path, text + "\n" + pgn(QUEENS))
    assert counts == {"kept": 2} and _replay(built, 0) == "e4 e5 Nf3"


def test_zstandard_of_several_frames(tmp_path):
    packed = b"".join(zstandard.compress(pgn(g).encode()) for g in (SPANISH, QUEENS))
    counts, built = _build(tmp_path, packed, "in.pgn.zst")
    assert counts == {"kept": 2} and _replay(built, 1) == QUEENS


def test_the_split_is_by_moves_alone(tmp_path):
    rng = np.random.default_rng(0)
    texts = []
    for _ in range(60):
        board = chess.Board()
        sans = []
        for _ in range(6):
            move = rng.choice(list(board.legal_moves))
            sans.append(board.san(move))
            board.push(move)
        texts.append(pgn(" ".join(sans)))
    _, one = _build(tmp_path, "".join(texts), test_share=0.5)
    _, two = _build(tmp_path, "".join(reversed(texts)), test_share=0.5)
    held = {_replay(one, i) for i in np.flatnonzero(one.test)}
    assert held == {_replay(two, i) for i in np.flatnonzero(two.test)}
    assert 15 < len(held) < 45


def test_workers_give_what_one_process_gives(tmp_path):
    text = "".join(pgn(g) for g in (SPANISH, QUEENS, FOOLS))
    _build(tmp_path, text)
    first = (tmp_path / "out.npz").read_bytes()
    corpus.build([tmp_path / "in.pgn"], tmp_path / "two.npz", workers=2)
    a, b = corpus.load(tmp_path / "out.npz"), corpus.load(tmp_path / "two.npz")
    assert first and (a.moves == b.moves).all() and (a.starts == b.starts).all()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.pgn", b"", "the file is empty"),
        ("a.pgn", b"\xef\xbb\xbf", "holds no PGN game"),
        ("a.pgn", b"\x00\x01 this is no chess\n", "holds no PGN game"),
        ("a.pgn", b"hello world\n\nnothing here", "holds no PGN game"),
        ("a.pgn", b"no pgn here\njust text about e4 and d5\n", "holds no PGN game"),
        ("a.pgn", b"[link](somewhere)\n\n[1]: elsewhere\n", "holds no PGN game"),
        ("a.pgn", b'[Event "x"]\n\n1. e4 e5 2. Sf3 1-0\n', "No usable game in a.pgn: 1 words"),
        ("a.pgn.zst", b"\x00not zstandard at all", "damaged or not a Zstandard file"),
        ("a.pgn.zst", zstandard.compress(pgn(SPANISH).encode())[:-9], "truncated|damaged"),
    ],
)
def test_unusable_input_is_one_sentence_and_loses_nothing(tmp_path, name, content, says):
    source, out = tmp_path / name, tmp_path / "out.npz"
    source.write_bytes(content)
    out.write_bytes(b"an earlier corpus")
    with pytest.raises(SettingError, match=says):
        corpus.build([source], out, workers=1)
    assert out.read_bytes() == b"an earlier corpus"
    assert {p.name for p in tmp_path.iterdir()} == {name, "out.npz"}


def test_missing_input(tmp_path):
    with pytest.raises(SettingError, match="no such file"):
        corpus.build([tmp_path / "none.pgn"], tmp_path / "out.npz")
    with pytest.raises(SettingError, match="is a folder"):
        corpus.build([tmp_path], tmp_path / "out.npz")


@pytest.mark.parametrize("first", [True, False])
def test_among_several_files_one_that_is_no_pgn_is_named_before_any_work(tmp_path, first):
    names = ["good.pgn", "bad.csv"]
    (tmp_path / "good.pgn").write_text(pgn(SPANISH))
    (tmp_path / "bad.csv").write_text("PuzzleId,FEN\n1,e2e4\n")
    paths = [tmp_path / name for name in (names if first else names[::-1])]
    with pytest.raises(SettingError, match=r"bad\.csv: it holds no PGN game"):
        corpus.build(paths, tmp_path / "out.npz")
    assert {p.name for p in tmp_path.iterdir()} == set(names)


@pytest.mark.parametrize("name", ["max_games", "workers"])
@pytest.mark.parametrize("number", [0, -1])
def test_counts_of_none_are_refused(tmp_path, name, number):
    (tmp_path / "a.pgn").write_text(pgn(SPANISH))
    with pytest.raises(SettingError, match=f"{name.replace('_', '-')} is {number}: .* at least 1"):
        corpus.build([tmp_path / "a.pgn"], tmp_path / "out.npz", **{name: number})


def test_no_more_games_than_wanted(tmp_path):
    text = pgn(SPANISH) + pgn(SPANISH) + pgn(QUEENS) + pgn(FOOLS, "0-1")
    counts, built = _build(tmp_path, text, max_games=2)
    assert counts == {"kept": 2, "duplicate": 1} and len(built.result) == 2


@pytest.mark.parametrize("keep", [0, 100, 700])
def test_damaged_corpus(tmp_path, keep):
    _build(tmp_path, pgn(SPANISH))
    whole = (tmp_path / "out.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[:keep])
    with pytest.raises(SettingError, match="not a whole corpus file"):
        corpus.load(tmp_path / "cut.npz")


@pytest.mark.slow
def test_real_games_equal_python_chess(tmp_path, data):
    """Moves, result, ratings and verdict of every test game."""
    out = tmp_path / "real.npz"
    path = data / "games" / "test.pgn.zst"
    counts = corpus.build([path], out)
    built = corpus.load(out)
    seen, row = set(), 0
    expected: collections.Counter[str] = collections.Counter()
    with zstandard.open(path, "rt") as stream:
        while game := chess.pgn.read_game(stream):
            board = game.board()
            labels = []
            for move in game.mainline_moves():
                labels.append(corpus.label_of(move, board.turn))
                board.push(move)
            reason = "illegal or broken move" if game.errors else "" if labels else "empty"
            reason = reason or ("duplicate" if tuple(labels) in seen else "kept")
            expected[reason] += 1
            seen.add(tuple(labels))
            if reason != "kept":
                continue
            assert built.moves[built.starts[row] : built.starts[row + 1]].tolist() == labels
            assert built.result[row] == corpus.RESULTS[game.headers["Result"]]
            ratings = [int(game.headers.get(f"{side}Elo", 0)) for side in ("White", "Black")]
            assert built.elo[row].tolist() == ratings
            row += 1
    assert counts == expected and row == len(built.result) and sum(counts.values()) == 6400

"""Nasty PGN against python-chess, where it understands all: the same games, moves and verdicts.

What it drops or cuts otherwise (words, layouts) is in `test_pgn_words` and `test_pgn_layouts`.
"""

import io
import itertools

import chess
import chess.pgn
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandwich_jax.training import corpus, pgn_scan, san
from sandwich_jax.training.resolve import PLIES, resolve

START = chess.STARTING_FEN
MOVES = "1. e4 e5 2. Nf3 Nc6 3. Bb5 a6 4. Ba4 Nf6 5. O-O Be7"
TAGS = '[Event "x"]\n[Result "1-0"]\n[WhiteElo "2500"]\n\n'


class Verdict(chess.pgn.BaseVisitor):
    """What python-chess says of a game: its labels, tags of use, and whether all is well."""

    USED = ("Result", "WhiteElo", "BlackElo", "Variant", "FEN")

    def begin_game(self):
        self.tags, self.labels, self.ended, self.broken = {}, [], False, False

    def visit_header(self, name, value):
        if name in self.USED:
            self.tags[name] = value

    def begin_variation(self):
        return chess.pgn.SKIP

    def visit_move(self, board, move):
        self.labels.append(corpus.label_of(move, board.turn) if move else -1)

    def visit_result(self, result):
        self.ended = True

    def handle_error(self, error):
        self.broken = True

    def result(self):
        null = -1 in self.labels
        return self.tags, None if self.broken or null else self.labels, self.ended, null


def theirs(text: str) -> list:
    stream = io.StringIO(text)
    return list(iter(lambda: chess.pgn.read_game(stream, Visitor=Verdict), None))


def ours(text: str) -> list:
    games = list(pgn_scan.cut(text.split("\n")))
    words = san.Words()
    lines = [words.mainline(" ".join(game.moves)) for game in games]
    lengths = np.array([len(line.codes) for line in lines], np.int64)
    codes = np.array([c for line in lines for c in line.codes], np.int32)
    labels, legal = resolve(codes, lengths)
    ends = np.cumsum(lengths)
    found = []
    for game, line, end, n, ok in zip(games, lines, ends, lengths, legal, strict=True):
        good = ok and not line.stopped
        moves = labels[end - n : end].tolist() if good else None
        null = ok and line.stopped == san.NULL
        found.append((game.tags, moves, line.ended != san.NOTHING, null))
    return found


def same(text: str) -> list:
    """Our reading, once it is python-chess's; broken games may end or not."""
    a, b = ours(text), theirs(text)
    assert [x[:2] for x in a] == [x[:2] for x in b]
    assert [x[2] for x in a if x[1] is not None] == [x[2] for x in b if x[1] is not None]
    assert [x[3] for x in a if x[1] is None] == [x[3] for x in b if x[1] is None]
    return a


@pytest.mark.parametrize(
    "moves",
    [
        MOVES,
        MOVES.replace(". ", "."),
        "1.e4e5 2.Nf3Nc6",
        '1. e4 {one} e5 {two\n[Event "no tag"]\n\nthree} 2. Nf3 { (1. d4 } Nc6',
        "1. e4 ; the rest { of the line\ne5 ; another } one\n2. Nf3",
        "; a whole line\n1. e4 e5\n% an escape { line (\n2. Nf3",
        "1. e4 {a ; b} e5 {c} ; {d\n2. Nf3",
        "1. e4 {open\n% not an escape } e5\n2. Nf3",
        "1. e4 {x}\n% an escape here e5\ne5 2. Nf3",
        "1. e4 e5 (1... c5 (1... e6 2. d4) 2. Nf3 {a ) b} (2. c3)) 2. Nf3 Nc6",
        "1. e4 (1. d4 d5 2. Nf3 1-0",
        "1. e4 e5 (1... Ke4 junk--) 2. Nf3",
        "1. e4! e5?? 2. Nf3!? $1 $23 Nc6?! 3. Bb5$146 a6",
        "1. e4+ e5# 2. Nf3++ Nc6",
        "1. e4 e5 2. f4 exf4 3. g4 fxg3 e.p. 4. hxg3",
        "1. e4 e5 2. f4 exf4 3. g4 fxg3e.p. 4. hxg3",
        "1. e2e4 e7-e5 2. g1f3 Nb8-c6 3. Bf1b5 a7a6 4. e1g1 Ng8xf6",
        "1. e2e4 e7-e5 2. g1f3 Nb8-c6 3. Bf1b5 a7a6 4. e1h1 g8f6 5. Rf1-e1",
        "1. e4 e5 2. Nf3 Nc6 3. Bb5 Nf6 4. 0-0 Be7 5. d3 0-0",
        "1. e4 e5 2. Nf3 Nc6 3. Bb5 Nf6 4. Kg1",
        "1. e4 e5 2. Nf3 Nc6 3. Bb5 Nf6 4. Ke1g1",
        "1. e4 e5 2. Nf3 Nc6 3. Bb5 Nf6 4. Kh1",
        "1. e4 e5 2. Nf3 Nc6 3. Bb5 Nf6 4. e1h1=Q",
        "1. e4 e5 2. Nf3 Nc6 3. Bb5 Nf6 4. e1g1=Q",
        "1. e4 e5 2. Nf3 Nc6 3. Bb5 Nf6 4. e1e2",
        "1. d4 d5 2. Bf4 Bf5 3. Nc3 Nc6 4. Qd2 Qd7 5. O-O-O 0-0-0",
        "1. d4 d5 2. Bf4 Bf5 3. Nc3 Nc6 4. Qd2 Qd7 5. e1a1 e8a8",
        "1. d4 d5 2. Bf4 Bf5 3. Nc3 Nc6 4. Qd2 Qd7 5. e1a1 e8h8",
        "1. O-O",
        "1. Nf3 Nf6 2. Nd4 Nd5 3. Nc3 Nc6 4. Ndb5",
        "1. Nf3 Nf6 2. Nd4 Nd5 3. Nc3 Nc6 4. Nb5",
        "1. d3 d6 2. Nd2 Nd7 3. Ngf3 Ngf6",
        "1. d3 d6 2. Nd2 Nd7 3. N1f3 N8f6",
        "1. d3 d6 2. Nd2 Nd7 3. Nf3",
        "1. ee4 e7e5 2. d2d4 ed4 3. Qd1xd4",
        "1. ee4 e7e5 2. d2d4 exd4 3. Qd1xd4",
        "1. e4 d5 2. d5",
        "1. e4 d5 2. xd5",
        "1. e4 d5 2. e4xd5 Qxd5",
        "1. e4 d5 2. 4xd5",
        "1. 2e4 7e5",
        "1e4 e5",
        "1. e4 -- 2. d4",
        "1. Z0 e5",
        "1. e4 0000 2. d4",
        "1. e4 e5 2. P@d4",
        "1. e4 e5 2. Nf3 @@@@",
        "1. e4 e5 2. Ke3",
        "1. e4 e5 {unclosed",
        "1. e4 e5 =",
        "",
    ],
)
@pytest.mark.parametrize("end", ["1-0", ""])
def test_move_text(moves, end):
    same(f"{TAGS}{moves} {end}\n\n")
    same(f"{TAGS}{moves} {end}".replace("\n", "\r\n"))


PROMOTING = "1. a4 b5 2. axb5 a6 3. bxa6 Bb7 4. axb7 Nc6 5. "


@pytest.mark.parametrize(
    "word",
    ["b8=N", "bxa8=Q", "bxa8Q", "ba8=R+", "b7a8b", "b7xa8=n", "b7b8=Q", "b8", "bxa8", "b7a8"],
)
def test_promotions(word):
    same(TAGS + PROMOTING + word + " 1-0")


@pytest.mark.parametrize(
    "word", ["b8=K", "Nb8=Q", "c8=Q", "Bc4=Q", "e4=Q", "b7b8=P", "b8=", "f3=N"]
)
def test_no_promotions(word):
    same(TAGS + PROMOTING + word + " 1-0")


def test_a_rook_on_the_kings_square_does_not_castle():
    moves = "1. e4 e5 2. Nf3 Nf6 3. Bc4 Bc5 4. O-O O-O 5. Re1 Re8 6. d3 d6 7. Be3 Be6"
    moves += " 8. Nbd2 Nbd7 9. Qc1 Qc8 10. Qd1 Qd8 11. Qe2 Qe7 12. e1a1 e8c8"
    assert same(TAGS + moves.replace("12. e1a1 e8c8", "12. e1c1 e8c8 1-0"))[0][1]
    assert not same(TAGS + moves)[0][1]


@pytest.mark.parametrize(
    "text",
    [
        "1. e4 e5 1-0\n\n1. d4 d5 0-1\n\n\n\n1. c4",
        "\ufeff" + TAGS + MOVES + "\n\n" + TAGS + MOVES,
        '[Event "a \\"quoted\\" name"]\n[Result "1-0"]  \n[broken\n\n1. e4 1-0',
        '[Result "1-0"]\n\n[WhiteElo "2000"]\n\n1. e4 1-0\n\n' + TAGS + MOVES,
        '% escape\n[Result "1-0"]\n; note\n[WhiteElo "1"]\n1. e4 1-0\n\n1. d4',
        '[Result "1-0"]\n[Result "0-1"]\n1. e4 0-1',
        TAGS + "1. e4 e5 {a\n\n" + TAGS + "b} 2. Nf3 1-0\n\n" + TAGS + MOVES,
        TAGS + "1. e4\n \t \n1. d4 1-0",
        "\n\n  \n",
        "",
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_cutting_into_games(text, newline):
    same(text.replace("\n", newline))


def test_a_tag_line_begins_a_game_though_no_blank_line_does():
    game = '[Result "1-0"]\n1. e4 e5 1-0\n'
    assert ours(game * 3) == 3 * ours(game) == 3 * theirs(game)


def test_games_longer_than_one_call():
    shuffle = ["Nf3", "Nf6", "Ng1", "Ng8"]
    moves = list(itertools.islice(itertools.cycle(shuffle), 2 * PLIES + 3))
    read = same(f"{TAGS}{' '.join(moves)} 1-0\n\n{TAGS}{MOVES} 1-0\n\n{TAGS}{' '.join(moves)} Ng1")
    assert len(read[0][1]) == len(moves) and read[1][1] and read[2][1] is None


def test_words_of_every_form_in_random_positions():
    """Pieces, sources and promotions at random: most name no move, some one, a few several."""
    rng = np.random.default_rng(0)
    verdicts, texts = [], []
    for _ in range(600):
        board, moves = chess.Board(), []
        for _ in range(int(rng.integers(0, 120))):
            legal = list(board.legal_moves)
            if not legal:
                break
            moves.append(board.uci(legal[rng.integers(len(legal))]))
            board.push_uci(moves[-1])
        legal = list(board.legal_moves)
        if not legal:
            continue
        move = legal[rng.integers(len(legal))]
        piece = board.piece_type_at(move.from_square) or 0
        source, target = (chess.square_name(s) for s in (move.from_square, move.to_square))
        file, rank = (part if rng.random() < 0.2 else "" for part in source)
        letter = "PNBRQK"[piece - 1].strip("P") if rng.random() < 0.8 else ""
        promotion = rng.choice(["", "=Q", "n"]) if move.promotion or rng.random() < 0.1 else ""
        word = f"{letter}{file}{rank}{rng.choice(['', 'x', '-'])}{target}{promotion}"
        try:
            board.parse_san(word)
            verdicts.append("good")
        except ValueError as error:
            verdicts.append(type(error).__name__)
        texts.append(f"{TAGS}{' '.join(moves)} {word} 1-0\n\n")
    assert min(verdicts.count(v) for v in ("good", "AmbiguousMoveError", "IllegalMoveError")) > 4
    read = same("".join(texts))
    assert [game[1] is not None for game in read] == [v == "good" for v in verdicts]


def test_many_more_words_than_are_kept():
    words = san.Words()
    for i in range(150_000):
        words.mainline(f"1. e4 junk{i} e5e4Nf3 {i}")
    assert len(words) < 200_000 and words.mainline("1. e4e5Nf3").codes


def _exported(data) -> str:
    """A random game with comments, variations and NAGs, written by python-chess."""
    seed, plies = data.draw(st.integers(0, 2**32 - 1)), data.draw(st.integers(0, 80))
    rng = np.random.default_rng(seed)
    game = chess.pgn.Game()
    game.headers["Result"] = "1-0"
    node: chess.pgn.GameNode = game
    for _ in range(plies):
        moves = list(node.board().legal_moves)
        if not moves:
            break
        choice = rng.permutation(len(moves))
        before, node = node, node.add_variation(moves[choice[0]])
        if rng.random() < 0.1:
            node.comment = data.draw(st.text('ab (){;%[]1.e4-\n"$', max_size=12)).replace("}", "")
        if rng.random() < 0.1:
            node.nags.add(int(rng.integers(1, 140)))
        if rng.random() < 0.1 and len(moves) > 1:
            other = before.add_variation(moves[choice[1]], comment="why not")
            replies = list(other.board().legal_moves)
            if replies:
                other.add_variation(replies[0])
    return str(game)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_random_games_exported_by_python_chess(data):
    texts = [_exported(data) for _ in range(2)]
    read = same("\n\n".join(texts))
    assert len(read) == 2 and all(moves is not None for _, moves, _, _ in read)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from([
    "e4", "e5", "Nf3", "Nc6", "{", "}", "(", ")", ";", "\n", "%", "1.", "1-0", "$3", "--", "d4",
    "[Site \"x\"", "d5", "exd5", "Qxd5", "a", "{ c }", "\n\n", "e4e5", "*", "!?",
]), max_size=30))  # fmt: skip
def test_any_order_of_words(words):
    """What is taken for a game is one whose words, alone, python-chess reads as the same moves."""
    lines = " ".join(words).split("\n")
    games = list(pgn_scan.cut(lines))
    for game, mine in zip(games, ours("\n".join(lines)), strict=True):
        moves = " ".join(game.moves).replace("\n", " ")
        if mine[1] and not moves.lstrip().startswith("("):  # theirs plays what varies nothing
            assert theirs(TAGS + moves)[0][1] == mine[1]

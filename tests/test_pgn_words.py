"""Words of move text: read as a whole, or the game is skipped and counted, never kept without them.

python-chess drops what it does not understand, so it is no oracle here.
"""

import pytest
from helpers import build_corpus

from sandwich_jax.training import san
from sandwich_jax.types import SettingError

TAGS = '[Event "x"]\n[Result "1-0"]\n\n'
ITALIAN = "e4 e5 Nf3 Nf6 Bc4 Bc5"
SECOND = "d4 d5 c4 e6"
UNKNOWN = "words that are not understood"
DASHES = "-\N{EN DASH}\N{EM DASH}\N{NON-BREAKING HYPHEN}\N{MINUS SIGN}\N{FULLWIDTH HYPHEN-MINUS}"


def _game(moves: str) -> str:
    return f"{TAGS}{moves} 1-0\n\n"


def _counts(folder, moves: str) -> tuple[dict[str, int], list[str]]:
    """Beside a good game, so that there is always one to keep."""
    counts, games = build_corpus(folder, _game(moves) + _game(SECOND))
    assert games[-1].moves == SECOND
    counts["kept"] -= 1
    return {reason: n for reason, n in counts.items() if n}, [game.moves for game in games[:-1]]


@pytest.mark.parametrize(
    "word",
    [
        *(f"O{dash}O" for dash in DASHES),
        *("0-0", "o-o", "O-o", "OO", "oo", "O\N{SOFT HYPHEN}O", "O-O\N{SOFT HYPHEN}"),
        *("O-O+", "O-O!", "o-o!?", "0-0#", "O-O$14"),
        "\N{CYRILLIC CAPITAL LETTER O}-\N{CYRILLIC SMALL LETTER O}",
        "\N{GREEK CAPITAL LETTER OMICRON}-\N{GREEK CAPITAL LETTER OMICRON}",
        "\N{FULLWIDTH LATIN CAPITAL LETTER O}-\N{FULLWIDTH LATIN CAPITAL LETTER O}",
    ],
)
def test_castling_is_read_in_any_spelling(word):
    line = san.Words().mainline(f"1. e4 e5 2. Nf3 Nf6 3. Bc4 Bc5 4. {word} 1-0")
    assert line == san.Words().mainline("1. e4 e5 2. Nf3 Nf6 3. Bc4 Bc5 4. O-O 1-0")


@pytest.mark.parametrize("word", ["o-o-o", "0\N{EN DASH}0\N{EN DASH}0+", "OOO", "O-0-o!"])
def test_castling_on_the_other_side_too(word):
    assert san.Words()[word] == san.Words()["O-O-O"] != san.Words()["O-O"] > 0


def test_castling_ends_up_on_the_board(tmp_path):
    moves = "1. e4 e5 2. Nf3 Nf6 3. Bc4 Bc5 4. o-o! O\N{EN DASH}O 5. d3"
    assert _counts(tmp_path, moves) == ({"kept": 1}, [f"{ITALIAN} O-O O-O d3"])


@pytest.mark.parametrize(
    "moves",
    [
        "1. d4 d5 2. Sf3 Sf6",  # German
        "1. e4 e5 2. Hf3 Hc6",  # Hungarian
        "1. e4 e5 2. Pf3 Pc6",  # Dutch: a knight, and no pawn
        "1. e4 e5 2. \N{WHITE CHESS KNIGHT}f3 \N{BLACK CHESS KNIGHT}c6",
        "1. e4 e5 2. \N{CYRILLIC CAPITAL LETTER KA}f3",
        "1. e4 \N{CYRILLIC SMALL LETTER ES}5",
        "1. E4 E5",
        "1. e4 e5 2. nf3",
        "1. e4 e5 2. NF3",
        "1. e4 e5 c4 c5 also worth a try 2. Nf3",
        "1. e4 e5 2. Xyz abc 3. g3",
        "1. e4 e5 2. Nf3 hello",
        "hello 1. e4 e5",
        "1. e4 e5} 2. Nf3",
        "1. e4 e5) 2. Nf3",
        ") 1. e4 e5",
        "1. e4 e5 <what> 2. Nf3",
        "1. e4 e5, 2. Nf3",
        "1. e4 e5 2. Nf3- Nc6",
        "1. e4 e5 2. Nf35 Nc6",
        "1. e4 e5 2. Nf3 - Nc6",
        "1. e4 e5 2. 00 d5",
        "1. e4 e5 2. 0-0- d5",
        "1. e4 e5 2. O-O-O-O d5",
        "1. P-K4 P-K4",
        "1. e4 [%clk e5",
        "1. e4 [%clk [%clk] [%clk e5",
    ],
)
def test_what_is_not_understood_skips_the_game(moves):
    line = san.Words().mainline(f"{moves} 1-0")
    assert line.stopped == san.UNKNOWN


def test_a_skipped_game_is_counted_and_the_others_stay(tmp_path):
    assert _counts(tmp_path, "1. e4 e5 2. Sf3 Sc6") == ({UNKNOWN: 1}, [])
    with pytest.raises(SettingError, match=f"No usable game in in.pgn: 2 {UNKNOWN}"):
        build_corpus(tmp_path, _game("1. E4 E5") + _game("1. e4 e5 fine"))


@pytest.mark.parametrize(
    ("moves", "kept"),
    [
        ("(1. d4 d5) 1. e4 e5", "e4 e5"),
        ("{a} (1. d4 (1. c4) d5) $1 1. e4 e5", "e4 e5"),
        ("1. e4 e5 (1... Sf6 what? {x}) 2. Nf3", "e4 e5 Nf3"),
        ("1.e4 e5 2.Nf3Nc6 3.Bb5", "e4 e5 Nf3 Nc6 Bb5"),
        ("1 e4 e5 2 Nf3", "e4 e5 Nf3"),
        ("1... e4 1... e5 2. Nf3", "e4 e5 Nf3"),
        ("1\N{FULLWIDTH FULL STOP}e4 e5 2\N{HORIZONTAL ELLIPSIS}Nf3", "e4 e5 Nf3"),
        ("1. e2-e4 e7e5 2. Ng1-f3 Nb8:c6", "e4 e5 Nf3 Nc6"),
        ("1. e4 d5 2. e\N{MULTIPLICATION SIGN}d5", "e4 d5 exd5"),
        ("1. e4! e5?! 2. Nf3+- Nc6=+ 3. d3\xb1 d6\N{MINUS-OR-PLUS SIGN}", "e4 e5 Nf3 Nc6 d3 d6"),
        ("1. e4 \N{BLACK LARGE CIRCLE} e5 N 2. Nf3+/- Nc6-+ \N{INFINITY}", "e4 e5 Nf3 Nc6"),
        ("1. e4\N{DOUBLE EXCLAMATION MARK} e5 \N{WHITE SQUARE} 2. Nf3 $14 RR D", "e4 e5 Nf3"),
        ("1. e4 a6 2. e5 d5 3. exd6 e.p. exd6", "e4 a6 e5 d5 exd6 exd6"),
        ("1. e4 a6 2. e5 d5 3. exd6ep exd6", "e4 a6 e5 d5 exd6 exd6"),
        ("1. e4 a6 2. e5 d5 3. exd6e.p. exd6", "e4 a6 e5 d5 exd6 exd6"),
        ("1. f3 e5 2. g4 Qh4++", "f3 e5 g4 Qh4#"),
        ("1. f3 e5 2. g4 Qh4mate", "f3 e5 g4 Qh4#"),
        ("1. f4 e5 2. g3 exf4ch", "f4 e5 g3 exf4"),
        ("1. f3 e5 2. g4 Qh4 mate", "f3 e5 g4 Qh4#"),
        ("1. e4 [%clk 0:03:00] e5 [%cal Ga1b2] 2. Nf3", "e4 e5 Nf3"),
        ("1.\N{NO-BREAK SPACE}e4 e5\N{ZERO WIDTH SPACE} 2. Nf3", "e4 e5 Nf3"),
        ("1. e4 {one {two} three} e5", "e4 e5"),
        ("1. e4 ; {by test\ne5 2. Nf3 {a ; b\n c} Nc6\n% escaped 3. Qh5\n", "e4 e5 Nf3 Nc6"),
        ("1. e4 e5 {(+0.8)} ({(-0.5) Better was} 1... c5 2. Nf3 (2. c3 {x})) 2. Nf3", "e4 e5 Nf3"),
    ],
)  # fmt: skip
def test_what_says_nothing_of_the_moves_does_not_matter(tmp_path, moves, kept):
    assert _counts(tmp_path, moves) == ({"kept": 1}, [kept])


@pytest.mark.parametrize(
    ("moves", "reason"),
    [
        ("1. Nf3 d5 2. d4 Nf6 3. Nd2 c5", "illegal or broken move"),  # two knights could
        ("1. e4 d5 2. xd5 Qxd5", "illegal or broken move"),
        ("1. d4d5 2. c4e6", "illegal or broken move"),
        ("1. e4 d5 2. exd5 Qxd5 3. P@e4 Qe6", "illegal or broken move"),
        ("1. e4 -- 2. d4 d5", "null move"),
        ("1. e4 Z0 2. d4", "null move"),
        ("1. e4 \N{EN DASH}\N{EN DASH} 2. d4", "null move"),
        ("1. e4 e5 (1... c5 2. Nf3", "no end marker"),
        ("1. 2. 3.", "empty"),
        ("{ Nobody came. }", "empty"),
        ("5. Nf3 Nf6 6. g3", "does not begin with move 1"),
        ("{ a fragment } 12. e4 e5", "does not begin with move 1"),
        ("1. e4 e5 1-0 2. Nf3 Nc6", "moves after the result"),
        ("1. e4 e5 0-1", "result unlike the end of the moves"),  # two ends, of which one is
    ],
)
def test_other_games_are_counted_by_what_is_wrong(tmp_path, moves, reason):
    assert _counts(tmp_path, moves) == ({reason: 1}, [])


@pytest.mark.parametrize("word", ["b8(Q)", "b8", "b8=K", "b8/Q"])
def test_promotions_that_are_not_read(tmp_path, word):
    counts, games = _counts(tmp_path, f"1. b4 a5 2. bxa5 b6 3. axb6 Na6 4. b7 Nb4 5. {word} Nc6")
    assert not games and sum(counts.values()) == 1


def test_games_that_only_their_results_divide(tmp_path):
    counts, games = build_corpus(tmp_path, "1. e4 e5 1-0\n1. d4 d5 0-1 1. c4 * 1. g3 g6 1/2-1/2\n")
    assert [(game.moves, game.result) for game in games] == [
        ("e4 e5", 1),
        ("d4 d5", -1),
        ("g3 g6", 0),
    ]
    assert counts == {"kept": 3, "no result": 1}

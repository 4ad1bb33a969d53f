"""Tags, results, comments and borders of games as files have them: every game is counted."""

import pytest
from helpers import Kept, build_corpus

from sandwich_jax.training import pgn_scan
from sandwich_jax.types import SettingError

MOVES = "1. e4 e5 2. Nf3 Nc6"
FIRST = Kept("e4 e5 Nf3 Nc6", 1, (0, 0))
SECOND = Kept("d4 d5 c4 e6", -1, (0, 0))
SECOND_TEXT = '[Event "y"]\n[Result "0-1"]\n\n1. d4 d5 2. c4 e6 0-1\n\n'
START = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1"


@pytest.mark.parametrize(
    "tags",
    [
        '[Event "A"]\n[Result "1-0" ]\n[ White "x" ]\n\n',
        '[Event "A"] [Site "?"] [White "x"] [Black "y"] [Result "1-0"]\n\n',
        '[Event "A"][Result "1-0"]\n',
        ' [Event "A"]\n\t[Result "1-0"]\n\n ',
        '[event "A"]\n[result "1-0"]\n\n',
        '[EVENT "A"]\n[RESULT "1-0"]\n\n',
        '[ Event "A" ]\n[ Result "1-0" ]\n\n',
        '[Event "A"]\n[Result "1-0"]\n\n\n',
        '[Event "A"]\n\n[White "x"]\n[Result "1-0"]\n\n\n\n',
        '[Event \t"A"]\n[Result\t"1-0"]\n',
        '[Event "A"]\n[Result "1-0"] ',
        '[Event "A"]\n[Result "1-0"]\n   \n',
        '[Event "A"]\n[Result "1\N{EN DASH}0"]\n\n',
        '[Event "A"]\n[Result " 1-0 "]\n\n',
        '[Event "A"]\n[Result "1 - 0"]\n\n',
        "[Event \N{LEFT DOUBLE QUOTATION MARK}A\N{RIGHT DOUBLE QUOTATION MARK}]\n"
        "[Result \N{LEFT DOUBLE QUOTATION MARK}1-0\N{RIGHT DOUBLE QUOTATION MARK}]\n\n",
        "[Event 'A']\n[Result '1-0']\n\n",
        "[Event A]\n[Result 1-0]\n\n",
        '[Event "A"]\n[Result "1-0"\n\n',
        '[Event "A\nB"]\n[Result "1-0"]\n\n',
        '[Event "A"]\n[Result\n"1-0"]\n\n',
        '[Event "A "quoted" B"]\n[Result "1-0"]\n\n',
        '[White "O"N"] [Result "1-0"]\n\n',
        '[Event "A \\"B\\" C"]\n[White "O\'x ] [Result \\"0-1\\"]"]\n[Result "1-0"]\n\n',
        '[Event "A"]\n{ between tags }\n[Result "1-0"]\n\n',
        '[Event "A"]\n[Result "1-0"]\n\n{ before the moves }\n\n',
        '[Opening "St. X (Y) defence (1...a6)"]\n[Result "1-0"]\n\n',
        '[Result "*"]\n[Event "A"]\n[Result "1-0"]\n\n',
        '\ufeff[Event "A"]\n[Result "1-0"]\n\n',
        '% an escape\n[Event "A"]\n; a note\n[Result "1-0"]\n',
        '[Event "{"]\n[Result "1-0"]\n',
    ],
)
def test_tags_in_any_layout(tmp_path, tags):
    """The mark after the moves says nothing, so the result is the tag's."""
    counts, games = build_corpus(tmp_path, f"{SECOND_TEXT}{tags}{MOVES} *\n\n{SECOND_TEXT}")
    assert games == [SECOND, FIRST] and counts == {"kept": 2, "duplicate": 1}


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ('[Fen "4k3/8/8/8/8/8/8/4K2R w K - 0 1"]\n', "not from the initial position"),
        ("[FEN \N{LEFT DOUBLE QUOTATION MARK}8/8/8/8 w - -]\n", "not from the initial position"),
        ('[Event "A"] [FEN "8/8/8/8 w - -"]\n', "not from the initial position"),
        ('[FEN "2000"] {a}', "not from the initial position"),
        ('[SetUp "0"]\n[FEN "8/8/8/8 w - -"]\n', "not from the initial position"),
        ('[ variant "Atomic" ]\n', "variant"),
        ('[Variant ""]\n', "variant"),
        ('[Variant "Fischerandom"]\n[FEN "8/8/8/8 w - -"]\n', "not from|variant"),
    ],
)
def test_what_tags_tell_is_heeded_in_any_layout(tmp_path, tags, reason):
    counts, games = build_corpus(tmp_path, f"{tags}\n{MOVES} 1-0\n\n{SECOND_TEXT}")
    (other,) = set(counts) - {"kept"}
    assert games == [SECOND] and other in reason and counts[other] == 1


@pytest.mark.parametrize("variant", ["Standard", "STANDARD", "Standard ", "From Position", "chess"])
def test_standard_chess_by_its_names(tmp_path, variant):
    text = f'[Variant "{variant}"]\n[FEN "{START}"]\n[Result "1-0"]\n\n{MOVES} 1-0\n'
    assert build_corpus(tmp_path, text) == ({"kept": 1}, [FIRST])


def test_ratings(tmp_path):
    text = f'[WhiteElo "2500?"]\n[BlackElo " 2400 "]\n\n{MOVES} 1-0\n\n{SECOND_TEXT}'
    assert build_corpus(tmp_path, text)[1] == [FIRST._replace(elo=(0, 2400)), SECOND]


@pytest.mark.parametrize(
    ("tag", "mark", "result"),
    [
        (None, "1-0", 1),
        ("*", "0-1", -1),
        ("?", "1/2-1/2", 0),
        ("", "1/2", 0),
        ("1-0", "*", 1),
        ("\xbd-\xbd", "\xbd-\xbd", 0),
        ("1/2", "\xbd", 0),
        (None, "0\N{EN DASH}1", -1),
        (None, "1-0 {White wins}", 1),
        (None, "1-0 ; on time", 1),
        (None, "1-0 $1", 1),
        (None, "1-0 1-0", 1),
    ],
)
def test_the_result_is_the_tags_or_the_marks(tmp_path, tag, mark, result):
    tags = '[Event "x"]\n' if tag is None else f'[Event "x"]\n[Result "{tag}"]\n'
    counts, games = build_corpus(tmp_path, f"{tags}\n{MOVES} {mark}\n\n{SECOND_TEXT}")
    assert counts == {"kept": 2} and games == [FIRST._replace(result=result), SECOND]


@pytest.mark.parametrize(
    ("tag", "mark", "reason"),
    [
        ("1-0", "0-1", "result unlike the end of the moves"),
        ("1/2-1/2", "1-0", "result unlike the end of the moves"),
        ("*", "*", "no result"),
        ("?", "*", "no result"),
        ("1-0", "", "no end marker"),
    ],
)
def test_no_result_or_two(tmp_path, tag, mark, reason):
    text = f'[Event "x"]\n[Result "{tag}"]\n\n{MOVES} {mark}\n\n{SECOND_TEXT}'
    assert build_corpus(tmp_path, text) == ({reason: 1, "kept": 1}, [SECOND])


THIRD = '[Event "z"]\n[Result "1/2-1/2"]\n\n1. c4 {fine} c5 1/2-1/2\n\n'
UNCLOSED = "comment that is not closed"


@pytest.mark.parametrize(
    ("text", "others"),
    [
        ("1. e4 e5 {oops 2. Nf3 Nc6 1-0\n\n", SECOND_TEXT),
        ("1. e4 e5 {oops 2. Nf3 Nc6 1-0\n\n", SECOND_TEXT + THIRD),
        ("1. e4 e5 {oops 2. Nf3 Nc6 1-0\n\n", THIRD + SECOND_TEXT),
        ("1. e4 e5 {oops 2. Nf3 Nc6 1-0\n", SECOND_TEXT),
        ("1. e4 {a} e5 {b\nc\n\nd 1-0\n\n", SECOND_TEXT),
        ("1. e4 {a {b} e5 {c {d\n\n", THIRD),
        ("{oops\n\n1. e4 e5 1-0\n\n", SECOND_TEXT),
        ("{oops\n\n", SECOND_TEXT),
        ("{oops\n\n", '[White "y"]\n\n1. d4 d5 2. c4 e6 0-1\n'),
        ("1. e4 e5 {oops 1-0\n\n", "1. d4 d5 0-1\n\n1. c4 {x} c5 1-0\n"),
        ("1. e4 e5 {oops 1-0\n\n", SECOND_TEXT.replace("\n", "\r\n")),
        ("1. e4 e5 {oops 1-0", ""),
    ],
)
def test_an_unclosed_comment_ends_with_its_game(text, others):
    games = list(pgn_scan.cut(f'[Event "x"]\n[Result "1-0"]\n\n{text}{others}'.split("\n")))
    alone = list(pgn_scan.cut(others.split("\n")))
    assert games[0].unclosed and games[1:] == alone and not any(g.unclosed for g in alone)


def test_games_with_unclosed_comments_are_counted(tmp_path):
    text = '[Event "x"]\n[Result "1-0"]\n\n1. e4 e5 {oops 2. Nf3 Nc6 1-0\n\n'
    counts, games = build_corpus(tmp_path, text + SECOND_TEXT + text + THIRD + text)
    assert counts == {UNCLOSED: 3, "kept": 2} and games[0] == SECOND
    with pytest.raises(SettingError, match=f"1 {UNCLOSED}"):
        build_corpus(tmp_path, text)


def test_an_endless_comment_is_given_up_after_a_while(tmp_path, monkeypatch):
    monkeypatch.setattr(pgn_scan, "LONGEST_COMMENT", 1000)
    text = '[Event "x"]\n\n1. e4 {oops\n\n' + SECOND_TEXT * 50 + "}\n"
    assert len(list(pgn_scan.cut(text.split("\n")))) == 52  # the brace is text of its own


@pytest.mark.parametrize(
    "comment",
    [
        '{ line\n[Event "fake"]\n\n[%clk 0:01:00] }',
        '{ see\n\n[Event "y"]\n[Result "0-1"]\n\n1. d4 d5 0-1\n\n}',
        "{a\n\nb}",
        "{ 1. d4\n\n1. c4 } {} {[%eval 0.1]}",
        "; {",
    ],
)
def test_games_quoted_in_comments_are_none(tmp_path, comment):
    text = f'[Event "x"]\n[Result "1-0"]\n\n1. e4 e5 {comment}\n2. Nf3 Nc6 1-0\n\n{SECOND_TEXT}'
    assert build_corpus(tmp_path, text) == ({"kept": 2}, [FIRST, SECOND])


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("1. e4 e5 2. Nf3 Nc6 1-0\n\n1. d4 d5 2. c4 e6 0-1", {"kept": 2}),
        (f'[Result "1-0"]\n\n1. e4 e5\n\n2. Nf3\n  \nNc6 1-0\n\n{SECOND_TEXT}', {"kept": 2}),
        (f'[Event "x"]\n[Result "1-0"]\n\n1. e4 e5\n\n{SECOND_TEXT}', {"no end marker": 1}),
        (f"1. e4 e5\n\n1. g4 d5 0-1\n\n{SECOND_TEXT}", {"no end marker": 1, "kept": 2}),
        (f'[Event "x"]\n[Result "1-0"]\n\n{SECOND_TEXT}', {"empty": 1, "kept": 1}),
        (f'[Event "x"]\n[Result "1-0"]\n\n\n\n{SECOND_TEXT}', {"empty": 1, "kept": 1}),
        (f'[Event "x"]\n[Result "1-0"]\n{SECOND_TEXT}', {"empty": 1, "kept": 1}),
        (f'[Event "x"]\n\n{{ nobody }}\n\n1-0\n\n{SECOND_TEXT}', {"empty": 1, "kept": 1}),
        (f'[Event "x"]\n\n{{ nobody }}\n\n{SECOND_TEXT}', {"empty": 1, "kept": 1}),
        (f"A file of games\nby its maker\n\n{SECOND_TEXT}The end.\n", {"kept": 1}),
        (f"{SECOND_TEXT}{{ a remark }}\n\n{SECOND_TEXT}", {"kept": 1, "duplicate": 1}),
        (f"{SECOND_TEXT}{chr(0) * 4000}\n{SECOND_TEXT}\x1a", {"kept": 1, "duplicate": 1}),
        (f"*\n\n{SECOND_TEXT}", {"empty": 1, "kept": 1}),
        (f'[Result "1-0"]\n1. e4 1-0 [Event "y"] 1. d4 d5 0-1\n{SECOND_TEXT}', {"kept": 3}),
        (f'[Event "1"]\n[B "60+0.6{SECOND_TEXT}', {"empty": 1, "kept": 1}),
        (f'[A "1"]\n1. e4 e5 2. Nf{SECOND_TEXT}', {"words that are not understood": 1, "kept": 1}),
        ('[Event "x"]\u2028[Result "1-0"]\u2028\u20281. e4 e5 1-0\u2028', {"kept": 1}),
        ('[Event "x"]\n[Result "1-0"]\n1. e4 e5 1-0\n' * 2, {"kept": 1, "duplicate": 1}),
        ('[Event "x"]\n\n1. e4 e5 1-0\n\n\ufeff[Event "y"]\n\n1. d4 d5 1-0', {"kept": 2}),
        ('[Event "x"]\n\n1. e4 e5 1-0\n\ufeff[Event "y"]\n\n1. d4 d5 1-0', {"kept": 2}),
    ],
)  # fmt: skip
def test_every_game_is_counted_once(tmp_path, text, counts):
    found, games = build_corpus(tmp_path, text)
    assert {**counts, "kept": counts.get("kept", 1)} == found
    assert len(games) == found["kept"]

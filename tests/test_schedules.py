"""Schedules by worked examples: when a corruption is allowed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import small

from sandwich_jax import board
from sandwich_jax.members import Config, knobs_of
from sandwich_jax.misalign import schedules
from sandwich_jax.misalign.assistant import AssistantConfig
from sandwich_jax.misalign.schedules import Occasion
from sandwich_jax.misalign.sight import Sight
from sandwich_jax.settings import declared
from sandwich_jax.types import SettingError

BLANK = Sight(jnp.ones(3, bool), jnp.zeros((8, 8, 20)))


def _active(spelling, queries=0, corruptions=0, sight=BLANK, said=1, **knobs):
    when = schedules.combine(schedules.parse(spelling))
    numbers = (jnp.int32(x) for x in (0, said, queries, corruptions))
    given = {name: jnp.float32(x) for name, x in knobs.items()}
    return bool(when(Occasion(sight, *numbers), knobs_of(Config(), None, 0.5) | given))


def _over_queries(spelling, **knobs):
    return [_active(spelling, queries=q, **knobs) for q in range(6)]


def test_by_number_of_query():
    assert _over_queries("always") == [True] * 6
    assert _over_queries("every_nth", nth=3) == [False, False, True] * 2
    assert _over_queries("from_kth", start=4) == [False] * 3 + [True] * 3
    assert _over_queries("from_kth", start=1) == [True] * 6
    both = _over_queries("from_kth+every_nth", start=4, nth=2)
    assert both == [False, False, False, True, False, True]


def test_at_most_counts_corruptions():
    assert [_active("at_most", 9, done, most=2) for done in range(4)] == [True, True, False, False]
    assert not _active("at_most", most=0)


def test_where_it_matters_asks_e_and_where_weak_cannot_tell_asks_w():
    """E thinks that move 1 loses 0.5 and move 2 loses 0.1; W thinks the other way round."""
    sight = BLANK._replace(
        after=jnp.asarray([0.75, 0.25, 0.65]), weak_after=jnp.asarray([0.0, -0.1, -0.5])
    )
    matters = [_active("where_it_matters", sight=sight, said=x, stake=0.5) for x in (0, 1, 2)]
    unseen = [_active("where_weak_cannot_tell", sight=sight, said=x, unseen=0.2) for x in (0, 1, 2)]
    assert matters == [False, True, False] and unseen == [True, True, False]
    assert _active("where_it_matters+where_weak_cannot_tell", sight=sight, stake=0.5, unseen=0.2)


PHASES = [
    ("rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1", "opening"),
    ("r1bqk2r/ppppbppp/2n2n2/4p3/4P3/2N2N2/PPPPBPPP/R1BQK2R b KQkq - 0 6", "opening"),
    ("r4rk1/pppqbppp/2npbn2/4p3/4P3/2NPBN2/PPPQBPPP/2KR3R w - - 0 9", "middlegame"),  # 3 at home
    ("2r2rk1/pp3ppp/2n5/8/8/2N5/PP3PPP/2R2RK1 w - - 0 20", "endgame"),  # 6 pieces
    ("2r2rk1/pp3ppp/2n2n2/8/8/2N2N2/PP3PPP/2R2RK1 b - - 0 20", "middlegame"),  # 8 pieces
    ("8/5k2/8/8/8/8/4KP2/8 b - - 0 60", "endgame"),
]


def test_phases_of_chess():
    features = np.asarray(board.features(board.from_fen([fen for fen, _ in PHASES])))
    for planes, (fen, phase) in zip(features, PHASES, strict=True):
        sight = BLANK._replace(features=planes)
        for name in ("opening", "middlegame", "endgame"):
            assert _active(f"phase_{name}", sight=sight) == (name == phase), (fen, name)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"start": 0.0}, "start is 0: it must be between 1 and 1000"),
        ({"most": -1.0}, "most is -1: it must be between 0 and 1000"),
        ({"stake": 3.0}, "stake is 3: it must be between 0 and 2"),
        ({"unseen": -0.1}, "unseen is -0.1"),
        ({"schedule": "phase_endgame"}, "'phase_endgame' reads positions of chess, but the game"),
        (
            {"misalignment": "random_move+bias_check", "beta": (1.0,)},
            "'bias_check' reads positions of chess, but the game is tic_tac_toe",
        ),
        ({"beta": (1.0,)}, "beta is set, but misalignment 'random_move' has no use of it"),
        (
            {"misalignment": "gumbel_noise", "sigma": (101.0,)},
            "sigma is 101: it must be between 0 and 100",
        ),
        ({"misalignment": "borrow"}, "borrows moves: name a saboteur"),
        (
            {"misalignment": "value_flip+value_bias", "schedule": "where_it_matters"},
            "'where_it_matters' judges the move .* corrupts values alone",
        ),
    ],
)
def test_settings_that_do_not_fit_are_one_sentence(change, says):
    with pytest.raises(SettingError, match=says) as caught:
        small(**change)
    assert str(caught.value).count("\n") == 0


def test_a_schedule_that_judges_moves_suits_what_changes_moves():
    config = AssistantConfig("value_flip+random_move", "where_it_matters")
    assert not config.by_values and AssistantConfig("value_flip").by_values


def test_schedules_are_traced():
    traces = []

    @jax.jit
    def one(knobs):
        traces.append(1)
        occasion = Occasion(BLANK._replace(after=jnp.ones(3), weak_after=jnp.ones(3)), 0, 1, 2, 3)
        names = tuple(schedules.SCHEDULES)
        return schedules.combine(names)(jax.tree.map(jnp.asarray, occasion), knobs)

    for edge in (0, 1):
        kinds = schedules.SCHEDULES.values()
        known = {n: s for kind in kinds for n, s in declared(kind.settings).items()}
        edges = {n: jnp.float32((s.low, s.high)[edge]) for n, s in known.items()}
        one(knobs_of(Config(), None, 0.5) | edges)
    assert len(traces) == 1

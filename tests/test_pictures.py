"""What pictures say of the rows that they show."""

import matplotlib.pyplot as plt
import pytest

from sandwich_jax.members import strength_names
from sandwich_jax.report import pictures

BLANK = dict.fromkeys(strength_names())


def _row(member: str, protocol: str, misalignment: str, **strengths) -> dict:
    figures = {"elo_gain": 10.0, "pgr": 0.1, "a_elo": 50.0}
    ends = {f"{k}_{end}": v for k, v in figures.items() for end in ("lo", "hi")}
    about = dict(member=member, protocol=protocol, misalignment=misalignment, round=1, e_elo=100.0)
    return BLANK | figures | ends | about | {"role": ""} | strengths


ROWS = [
    _row("never_ask", "never_ask", "random_move"),  # of a sweep: for all misalignments
    _row("one", "always_follow", "policy_noise", sigma=0.0),
    _row("two", "always_follow", "policy_noise", sigma=2.0),
]


@pytest.mark.parametrize("control_first", [True, False])
def test_pictures_name_the_misalignment_that_they_are_about(control_first):
    rows = ROWS if control_first else ROWS[::-1]
    (against,) = pictures.pgr_against(rows, "sigma").axes
    assert against.get_xlabel() == "sigma (policy_noise)"
    (curves,) = pictures.learning_curves(rows).axes
    assert curves.get_title().endswith("(policy_noise)")
    plt.close("all")

import pytest

from neuramosaic.errors import BudgetError
from neuramosaic.space.architecture import Architecture, Block, Choice
from neuramosaic.space.matching import solve_width, within

DESIGN = Architecture(1, 2, (Block(Choice("m"), Choice("c"), Choice("n")),), Choice("none"), Choice("pre"))


def square(architecture: Architecture) -> int:
    return architecture.width**2


@pytest.mark.parametrize(
    ("budget", "width"),
    [
        (256 * 256, 256),  # exactly a multiple of 16
        (250 * 250, 256),  # 256 is 4.9 % over, and round: it wins over the exact 250
        (104 * 104, 104),  # no multiple of 16 within tolerance: a multiple of 8
        (52 * 52, 52),  # a multiple of 4
        (50 * 50, 50),  # a multiple of 2 (48 and 52 are out of tolerance)
        (37 * 37, 37),  # nothing rounder than the exact one
    ],
)
def test_the_roundest_width_within_tolerance_wins(budget: int, width: int) -> None:
    assert solve_width(DESIGN, budget, square) == width


def test_among_equally_round_widths_the_nearest_to_the_budget_wins() -> None:
    # 784, 800, 816 and 832 are within 5 %; 816 squared is nearest.
    assert solve_width(DESIGN, 812 * 812, square) == 816


def test_every_solution_is_within_tolerance_and_none_exists_where_it_refuses() -> None:
    for budget in range(300, 40_000, 97):
        possible = [width for width in range(16, 201) if within(width**2, budget, 0.02)]
        try:
            width = solve_width(DESIGN, budget, square, tolerance=0.02, low=16, high=200)
        except BudgetError:
            assert not possible
        else:
            assert width in possible


def test_steps_and_plateaus_are_solved() -> None:
    def stepped(architecture: Architecture) -> int:
        return 1000 * (architecture.width // 24)

    width = solve_width(DESIGN, 5000, stepped)
    assert stepped(Architecture(width, 2, DESIGN.blocks, DESIGN.position, DESIGN.residual)) == 5000
    assert width == 128  # 120 to 143 all give 5000; 128 is the roundest


@pytest.mark.parametrize(
    ("budget", "nearest"),
    [(100, "256 at width 16"), (10**9, "1,048,576 at width 1024"), (16 * 17, "256 at width 16")],
)
def test_no_width_is_one_clear_line_with_the_nearest_size(budget: int, nearest: str) -> None:
    with pytest.raises(BudgetError) as caught:
        solve_width(DESIGN, budget, square)
    assert f"{budget:,} parameters" in str(caught.value)
    assert nearest in str(caught.value)
    assert "\n" not in str(caught.value)
    assert (caught.value.budget, caught.value.smallest) == (budget, 256)

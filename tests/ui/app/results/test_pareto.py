from pathlib import Path
from typing import Any

import pytest

from neuramosaic.analysis.pareto import COSTS


@pytest.mark.parametrize("cost", list(COSTS))
def test_each_cost_has_a_front(cost: str, show: Any, studied: Path) -> None:
    app = show("pareto", studied)
    app.selectbox(key="pareto cost").select(cost).run()
    fidelities = app.selectbox(key="pareto fidelity")
    fidelities.select_index(1).run()
    assert not app.exception
    front = app.dataframe[0].value
    losses, prices = list(front["val loss"]), list(front.iloc[:, 2])
    assert losses == sorted(losses, reverse=True)
    assert prices == sorted(prices)
    assert front["trial"].iloc[-1] == "text-1.3"


def test_the_lowest_loss_can_be_opened(show: Any, studied: Path) -> None:
    app = show("pareto", studied)
    assert "Open text-1.17, the lowest loss" in [button.label for button in app.button]

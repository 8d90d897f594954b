"""How figures look. Colours can be told apart by colour-blind readers; backgrounds are clear, so any theme fits."""

from __future__ import annotations

from html import escape
from typing import Any

import plotly.graph_objects as go

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's colours, without black and yellow, which vanish on a dark or a light page."""
MUTED = "#8c8c8c"
LOSS_SCALE, DEVIATION_SCALE = "Viridis", "Cividis"
"""Scales that rise evenly in lightness: of a loss, and of how uncertain a prediction is."""


def loss_title(unit: str) -> str:
    """Return the axis title of the validation loss."""
    return f"val loss ({unit}, lower is better)"


def blank_figure(title: str, x: str, y: str, subtitle: str = "") -> go.Figure:
    """Return a figure without data.

    Args:
        title: Above it.
        x: Title of the horizontal axis.
        y: Title of the vertical axis.
        subtitle: Below the title, smaller.
    """
    grid = {"gridcolor": "rgba(128,128,128,0.22)", "zeroline": False, "linecolor": MUTED, "automargin": True}
    return go.Figure(
        layout={
            "title": {
                "text": escape(title),
                "subtitle": {"text": escape(subtitle), "font": {"size": 12}},
                "font": {"size": 15},
                "x": 0,
                "xref": "paper",
                "xanchor": "left",
            },
            "xaxis": {"title": {"text": escape(x)}, **grid},
            "yaxis": {"title": {"text": escape(y)}, **grid},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"family": "system-ui, sans-serif", "size": 12, "color": MUTED},
            "legend": {"orientation": "h", "y": -0.2, "x": 0, "yanchor": "top"},
            "margin": {"l": 60, "r": 20, "t": 64, "b": 60},
            "hovermode": "closest",
            "height": 430,
        }
    )


def colour_bar(title: str) -> dict[str, Any]:
    """Return a colour bar with a title along it."""
    return {"title": {"text": escape(title), "side": "right"}, "thickness": 14}

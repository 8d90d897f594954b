"""From an equation of a card to lines `name = value`: an equation may hold several, and remarks."""

from __future__ import annotations

import re

from neuramosaic.codegen.sketch.phrases import rewrite_expression
from neuramosaic.codegen.sketch.signs import MAP, over_positions, plain, split_at

#: Positions that a sum goes over: `, s <= t`, ` for t - w < s <= t`.
_RANGE = re.compile(r",?\s*(?:for\s+)?(?:t\s*-\s*(\w+)\s*<\s*)?\(?s\s*<=\s*t\)?(?=\s*(,|;|$))")
#: Remarks behind an equation: `, one number per head`, ` in (0, 1)`, ` for each head`.
_REMARK = re.compile(
    r"(,|;)?\s+(in \(|in \[|each per|per head|one (number|map|scalar|value)|where\b|with\b"
    r"|for (all|each|every|head|s|t)\b|initially|at first|elementwise|element by element|is a\b|if\b|\(all\b|, all\b)",
)
_WINDOW = re.compile(r"t\s*-\s*(\w+)\s*<\s*s\s*<=\s*t")  # t - w < s <= t
_SUM_OVER_RANGE = re.compile(r"sum_\(t\s*-\s*\w+\s*<\s*s\s*<=\s*t\)|sum_\(s\s*<=\s*t\)")
#: `relu(z) where z > 0, z elsewhere`
_PIECEWISE = re.compile(r"(.+?)\s+(?:where|if)\s+(.+?)\s*(?:,|;)\s*(.+?)\s+(?:elsewhere|otherwise)")
_UNIT_LENGTH = re.compile(r"^(.+?)\s*/\s*\|\|?\s*\1\s*\|\|?(_2)?$")  # W_k x_t / |W_k x_t|


def clauses(equation: str) -> list[str]:
    """Return the equations that an equation of a card holds, without its remarks."""
    text = over_positions(plain(equation))
    text = re.sub(r"\[([^\[\];]+);\s*([^\[\];]+)\]", r"[\1, \2]", text)  # [a; b]
    window = _WINDOW.search(text)
    text = re.sub(r"softmax over .*? of\s+(.+?)(?=,|;|$)", r"softmax(\1)", text)  # softmax over s <= t of q_t . k_s
    text = _SUM_OVER_RANGE.sub("sum_s", text)
    text = _RANGE.sub("", text)
    if window:
        text = re.sub(r"softmax_?\(?\w*\)?\s*\(", f"softmax_w{window[1]}(", text)
    parts = [part.strip() for part in re.split(r";|,?\s+where\s+(?!\w+ >=? )|,?\s+with\s+", text) if "=" in part]
    parts = [_REMARK.split(part)[0].rstrip(" ,.") if " elsewhere" not in part else part for part in parts]
    return [part for part in parts if _is_equation(part)]


def _is_equation(part: str) -> bool:
    """Whether what stands left of the sign is what an equation defines, and no sentence."""
    left = part.partition("=")[0].strip()
    return re.fullmatch(r"[\w',(){}\[\]\s.-]*", left) is not None and not re.search(
        r"[A-Za-z]{2,}\s+[A-Za-z]", left.removeprefix("log ").replace("_", "")
    )


def assignments(part: str, per_head: bool) -> list[str]:
    """Return the lines that one equation makes.

    Args:
        part: The equation.
        per_head: Whether its card says that each head has its own.
    """
    left, _, right = part.partition("=")
    left = left.strip()
    if left.startswith("log "):  # log a_t = -softplus(z_t)
        left, right = left.removeprefix("log ").strip(), f"exp({right.strip()})"
    values = _items(right)
    groups = re.findall(r"\[([^\[\]]+)\]", left)  # [q, k], [u, v] = W x_t, V x_t
    if groups and len(values) >= len(groups):
        return [_cut(group, value, per_head) for group, value in zip(groups, values, strict=False)]
    names = _items(left)
    if len(names) > 1:
        pairs = list(zip(names, values, strict=False)) if len(values) >= len(names) else []
    else:
        pieces = _items(part)
        if sum("=" in piece for piece in pieces) > 1 and " elsewhere" not in part:  # a = 1, b = 2
            return [line for piece in pieces if "=" in piece for line in assignments(piece, per_head)]
        pairs = [(left, right if " elsewhere" in right or not values else values[0])]
    return [_assignment(name.strip(), value.strip(), per_head) for name, value in pairs]


def _items(text: str) -> list[str]:
    return [item for item in split_at(",", text) if item]


def _cut(group: str, value: str, per_head: bool) -> str:
    """Return the line that cuts the channels of a value into several names."""
    names = [re.sub(r"_t$", "", name.strip()) for name in group.split(",")]
    mapped = re.fullmatch(rf"({MAP})\s*\(?\s*x(?:_t)?\s*\)?", value.strip())  # W_in x_t
    size = f", {len(names)} * inner" if per_head else ""
    made = f"{mapped[1]}(x{size})" if mapped else rewrite_expression(value)
    return f"{', '.join(names)} = chunk({made}, {len(names)})"


def _assignment(name: str, value: str, per_head: bool) -> str:
    value = _UNIT_LENGTH.sub(r"normalize(\1)", value)
    if piecewise := _PIECEWISE.fullmatch(value):
        value = f"where({piecewise[2]}, {piecewise[1]}, {piecewise[3]})"
    if per_head and re.search(r"\bW_\w+", value) and re.match(r"[qkvu]\w?(_t)?$", name) and "split_heads" not in value:
        inner = re.fullmatch(r"normalize\((.+)\)", value)
        value = f"normalize(split_heads({inner[1]}))" if inner else f"split_heads({value})"
        value = re.sub(r"^split_heads\((.+?)\s*/\s*sqrt\((\w+)\)\)$", r"split_heads(\1) / sqrt(\2)", value)
        value = re.sub(r"^split_heads\((.+?)\s*\+\s*1\)$", r"split_heads(\1) + 1", value)  # elu(W_q x_t) + 1
    return f"{name} = {value}"

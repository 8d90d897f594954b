"""Words as a query of SQLite's full-text search, and two rankings as one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

#: Constant of reciprocal rank fusion (Cormack, Clarke and Buettcher, SIGIR 2009): how little the first ranks differ.
RANK_CONSTANT = 60
#: Words of a query that are searched; a text pasted whole would else cost more than it tells.
MOST_WORDS = 48

# Words that stand in nearly every passage: they cost the most and tell the least.
_COMMON = frozenset(
    """
    a about all also an and any are as at be been being but by can could did do does doing done for from had has have
    having how i if in into is it its itself many may more most much must no not of on one only or other our out over
    same shall should so some such than that the their them then there these they this those to under up upon us use
    used uses using very via was way we were what when where which while who whom whose why will with within without
    would you your
    """.split()
)


def words_query(text: str) -> str:
    """Return a text as a query of FTS5: any of its words, each quoted, so that nothing in it acts as syntax.

    Common words are left out, unless there are no others. Empty if the text has no word.
    """
    words = list(dict.fromkeys(re.findall(r"[^\W_]+", text.lower())))
    telling = [word for word in words if word not in _COMMON] or words
    return " OR ".join(f'"{word}"' for word in telling[:MOST_WORDS])


def fuse(rankings: Mapping[str, Sequence[int]]) -> list[tuple[int, float, tuple[str, ...]]]:
    """Fuse rankings by reciprocal rank: `sum over rankings of 1 / (60 + rank)`, ranks from 1.

    Args:
        rankings: By name, the ids that it found, nearest first.

    Returns:
        Id, fused value and the names of the rankings that found it; highest value first, then lowest id.
    """
    value: dict[int, float] = {}
    found: dict[int, list[str]] = {}
    for name, ids in rankings.items():
        for rank, item in enumerate(ids, start=1):
            value[item] = value.get(item, 0.0) + 1 / (RANK_CONSTANT + rank)
            found.setdefault(item, []).append(name)
    return [(item, value[item], tuple(found[item])) for item in sorted(value, key=lambda item: (-value[item], item))]

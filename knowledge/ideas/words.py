"""Search by words, in memory: enough for some hundred passages, and needs neither a model nor a network."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable

from knowledge.papers import Hit, Paper, Passage

K1, B = 1.2, 0.75  # usual constants of BM25 (Robertson and Zaragoza, 2009)
FOUND_BY = "words"
_WORD = re.compile(r"[a-z0-9]+")
_COMMON = frozenset(
    "a an and are as at be beside but by can do does for from has have in into is it its no not of on one or so that "
    "the their them then there this to was what when where which with".split()
)
_ENDINGS = ("ations", "ation", "ings", "ing", "ies", "ied", "ed", "es", "s", "ly", "e")


class WordIndex:
    """Passages by their words, ranked by BM25. Equal scores keep the order in which the passages came.

    Args:
        papers: Papers, each with its passages.
    """

    def __init__(self, papers: Iterable[tuple[Paper, Iterable[Passage]]]) -> None:
        self._held = [(paper.title, passage) for paper, passages in papers for passage in passages]
        self._counts = [Counter(_stems(f"{passage.section} {passage.text}")) for _, passage in self._held]
        self._lengths = [sum(counts.values()) for counts in self._counts]
        self._mean = sum(self._lengths) / len(self._lengths) if self._lengths else 1.0
        self._documents = Counter(word for counts in self._counts for word in counts)

    def __call__(self, text: str, limit: int) -> list[Hit]:
        """Return the passages that share words with a text, the nearest first, at most `limit`."""
        words = list(dict.fromkeys(_stems(text)))
        scored = [(self._score(words, number), number) for number in range(len(self._held))]
        best = sorted((item for item in scored if item[0] > 0), key=lambda item: (-item[0], item[1]))[:limit]
        return [Hit(self._held[number][1], self._held[number][0], score, (FOUND_BY,)) for score, number in best]

    def _score(self, words: list[str], number: int) -> float:
        counts, total = self._counts[number], 0.0
        norm = K1 * (1 - B + B * self._lengths[number] / self._mean)
        for word in words:
            count = counts.get(word, 0)
            if count:
                having = self._documents[word]
                rarity = math.log(1 + (len(self._held) - having + 0.5) / (having + 0.5))
                total += rarity * count * (K1 + 1) / (count + norm)
        return total


def _stems(text: str) -> list[str]:
    """Return the words of a text without common ones, cut to their stems, roughly."""
    return [_stem(word) for word in _WORD.findall(text.lower()) if word not in _COMMON]


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word

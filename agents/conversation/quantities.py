"""Numbers in sentences: counts, hours, money, and the text that is left once they are taken out."""

from __future__ import annotations

import re

from neuramosaic.study import parse_count

_WORDS = {
    word: number
    for number, word in enumerate(
        "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen".split(), 1
    )
} | {"a": 1, "an": 1, "another": 1, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "hundred": 100, "half": 0.5}
#: A number as people write it, with k and M.
COUNT = r"\d[\d,_]*(?:\.\d+)?\s?(?:k|m|b|g|thousand|million|billion)?(?![a-z\d])"
#: A small number, in digits or in words.
NUMBER = r"(?:\d+(?:\.\d+)?|" + "|".join(sorted(_WORDS, key=len, reverse=True)) + r")"
_UNITS = {"thousand": "k", "million": "m", "billion": "b"}
HOURS = (
    rf"\b(?P<time>half an|{NUMBER})(?P<half> and a half)?[\s-]*(?P<more>more )?"
    r"(?P<unit>h|hrs?|hours?|min(?![ _-]?gru)|minutes?|days?)\b"
)
_HOURS = {"h": 1.0, "m": 1 / 60, "d": 24.0}


def count(text: str) -> int:
    """Read a count such as "300k", "1.5 million" or "300,000".

    Raises:
        ValueError: If it is none.
    """
    words = text.lower().replace(",", "").replace("_", "").strip()
    for word, letter in _UNITS.items():
        words = words.replace(word, letter)
    return parse_count(words.replace(" ", ""))


def number(text: str) -> float:
    """Read a number in digits or in a word."""
    word = text.lower().strip()
    return float(_WORDS[word]) if word in _WORDS else float(word)


def hours(match: re.Match[str]) -> float:
    """Return the hours that a match of `HOURS` says."""
    said = match["time"].lower()
    value = 0.5 if said.startswith("half") else number(said)
    return round((value + (0.5 if match["half"] else 0.0)) * _HOURS[match["unit"][0].lower()], 4)


class Left:
    """A text from which what is understood is taken, piece by piece.

    Args:
        text: The text.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    def take(self, pattern: str) -> re.Match[str] | None:
        """Return what a pattern finds first, whatever its case, and blank it; None if it finds nothing."""
        match = re.search(pattern, self.text, re.IGNORECASE)
        if match is not None:
            self.text = f"{self.text[: match.start()]}{' ' * len(match[0])}{self.text[match.end() :]}"
        return match

    def take_all(self, pattern: str) -> list[re.Match[str]]:
        """Return everything that a pattern finds, in order, and blank it."""
        found = []
        while (match := self.take(pattern)) is not None and match[0]:
            found.append(match)
        return found

    def words(self) -> list[str]:
        """Return the words that are left and mean something by themselves."""
        return [word for word in re.findall(r"[\w./:'-]*\w", self.text) if word.lower() not in FILLERS]


FILLERS = frozenset(
    """a about above again all also am an and any anything are as at be because been before being below both but by
    can could do does doing done down during each else file ever every everything few for from further get give go
    going had has have having he her here him his how i if i'd i'll i'm in into is it it's its itself just
    kind kinds know let let's like likes look lot made make many may maybe me might mine more most much must
    my need new next not now of off ok okay on once one ones only or other our out over own perhaps please
    quite really right same say see set she should so some something sort sorts such take than thank thanks
    that that's the their them then there these they thing things this those to too try trying type types
    under until up us use used uses using very want was we well were what when where which while who whose
    will wish with within without would yes yet you your architecture architectures model models network
    networks layer layers component components proposal proposals study studies search find better best good
    run start begin launch time total budget task parameter parameters trial trials candidate candidates
    propose proposing any-more anymore longer than never don't dont no keep always part parts block blocks
    mixer mixers language design designs discover explore seek beats beat improve neural maximum least""".split()
)
"""Words that a sentence may have beside what it says."""

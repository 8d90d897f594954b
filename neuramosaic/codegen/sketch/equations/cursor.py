"""The place in an equation that is read, and what stands there."""

from __future__ import annotations

import re
from collections.abc import Collection

from neuramosaic.codegen.sketch.equations.names import SIZES, function
from neuramosaic.codegen.sketch.equations.tokens import GREEK, NotReadError, Token, tokens


class Cursor:
    """Goes over the signs of one equation.

    Args:
        text: The normalised equation.
        names: Words that are names here, such as hyper-parameters and what is defined.
        latex: Whether indices without braces are of one letter.
    """

    def __init__(self, text: str, names: Collection[str], latex: bool = False) -> None:
        self.text = text
        self.tokens = tokens(text)
        self.at = 0
        self._names = names
        self._latex = latex

    def peek(self, ahead: int = 0) -> str:
        """Return the next sign, or nothing at the end."""
        place = self.at + ahead
        return self.tokens[place].text if place < len(self.tokens) else ""

    def take(self) -> Token:
        """Return the next sign and go on behind it.

        Raises:
            NotReadError: At the end.
        """
        if self.at >= len(self.tokens):
            raise NotReadError("an expression that ends too early")
        self.at += 1
        return self.tokens[self.at - 1]

    def accept(self, *signs: str) -> bool:
        """Whether the next sign is one of these; goes on behind it if so."""
        if self.peek() in signs and self.peek():
            self.at += 1
            return True
        return False

    def expect(self, sign: str) -> None:
        """Go on behind a sign that has to stand here.

        Raises:
            NotReadError: If another does.
        """
        if not self.accept(sign):
            raise NotReadError(f"`{self.near()}`: {sign} is missing")

    def near(self) -> str:
        """Return the text around the place that is read."""
        place = self.tokens[min(self.at, len(self.tokens) - 1)].start if self.tokens else 0
        return self.text[max(0, place - 20) : place + 20].strip()

    def adjacent(self) -> bool:
        """Whether no space stands before the next sign."""
        return 0 < self.at < len(self.tokens) and self.tokens[self.at - 1].end == self.tokens[self.at].start

    def is_prose(self, ahead: int = 0) -> bool:
        """Whether the next sign is a word of a sentence, and no name."""
        word, after = self.peek(ahead), self.peek(ahead + 1)
        if not word or not word[0].isalpha():
            return False
        if word in ("a", "A", "I") and re.fullmatch("[a-z]{3,}", after) and not self._is_name(after):
            return True  # `a learned number`
        if len(word) == 1 or self._is_name(word):
            return False
        place = self.at + ahead
        glued = place + 1 < len(self.tokens) and self.tokens[place].end == self.tokens[place + 1].start
        if glued and after in ("_", "^", "(", "["):
            return False
        if re.fullmatch(r"[A-Z][a-z]", word):
            return word in ("In", "If", "It", "Is", "At", "As", "On", "Of", "To", "By", "We", "So", "An", "Or", "No")
        return re.fullmatch(r"[A-Z]{2,3}", word) is None  # `QK` is a product

    def _is_name(self, word: str) -> bool:
        bare = re.sub(r"(hat|tilde|bar|dot)$", "", word)
        return (
            word in self._names
            or function(word) is not None
            or bare in GREEK
            or len(bare) == 1
            or word in SIZES
            or word in ("frac", "sum", "prod", "SiLU", "in")
            or any(char.isdigit() for char in word)
        ) and word != "in"

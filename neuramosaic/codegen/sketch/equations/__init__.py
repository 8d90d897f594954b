"""Equations of a card as the lines of a sketch: a grammar of mathematics in LaTeX, Unicode and ASCII.

`tokens` spells signs one way, `parser` and `statements` make trees of definitions and the words around them, and
`reading` finds out what they mean (`meaning`, `products`, `sums`, `states`, `functions`). What cannot be read without
guessing is refused: a reading that drops a factor is worse than none.
"""

from neuramosaic.codegen.sketch.equations.reading import read_equations
from neuramosaic.codegen.sketch.equations.tokens import NotReadError

__all__ = ["NotReadError", "read_equations"]

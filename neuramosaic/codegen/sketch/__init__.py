"""Sketches: a component as its forward pass alone, with parameters made where they are used.

A sketch is a few lines of Python (`q = split_heads(linear(x))` ... `return linear(y)`); the compiler knows the shape of
every value, aligns heads and channels, and writes the class: constructor, parameters and forward pass. Whoever writes a
sketch, a small language model say, has no shapes to get wrong.
"""

from neuramosaic.codegen.sketch.compiler import compile_sketch
from neuramosaic.codegen.sketch.values import SketchError
from neuramosaic.codegen.sketch.vocabulary import vocabulary

__all__ = ["SketchError", "compile_sketch", "vocabulary"]

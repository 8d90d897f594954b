"""Code generation: from an architecture to a standalone `model.py`."""

from neuramosaic.codegen.generate import generate

__all__ = ["generate"]

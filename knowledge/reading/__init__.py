"""Reading of papers: PDF to sections, blocks and pages."""

from knowledge.reading.reader import ReadingLimits, read_pdf

__all__ = ["ReadingLimits", "read_pdf"]

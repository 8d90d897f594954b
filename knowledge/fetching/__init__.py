"""Fetching of papers: what a person typed, arXiv's API, PDF files."""

from knowledge.fetching.arxiv_api import ArxivClient
from knowledge.fetching.downloading import download_pdf
from knowledge.fetching.references import Reference, file_paper, parse_reference, pdf_files

__all__ = ["ArxivClient", "Reference", "download_pdf", "file_paper", "parse_reference", "pdf_files"]

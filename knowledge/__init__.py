"""The room of papers: fetching, reading, embedding, searching. May import neuramosaic only."""

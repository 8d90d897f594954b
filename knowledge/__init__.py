"""The room of papers: fetching, splitting, embedding, searching. Still empty; may import neuramosaic only."""

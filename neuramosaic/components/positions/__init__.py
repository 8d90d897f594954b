"""The position slot: one file per component, each importing torch only."""

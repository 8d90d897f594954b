"""The channel slot: one file per component, each importing torch only."""

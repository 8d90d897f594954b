"""The norm slot: one file per component, each importing torch only."""

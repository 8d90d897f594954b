"""The modulator slot: one file per component, each importing torch only."""

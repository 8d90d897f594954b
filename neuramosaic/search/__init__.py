"""Samplers and schedulers: what to try next, and for how long."""

"""The checks that a component or a model must pass before a second of training is spent on it."""

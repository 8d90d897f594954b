"""What a model is trained on: one file per task, and the registry."""

"""The catalogue: one readable PyTorch file per building block, and the registry that finds them."""

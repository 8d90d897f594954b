"""Language models: providers, and the client that asks them."""

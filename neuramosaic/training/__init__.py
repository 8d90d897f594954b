"""Training: configuration, one readable loop, and the account of what it cost. Standard library, numpy, torch only."""

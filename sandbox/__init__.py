"""Where untrusted code runs: the seam (`sandbox.base`), its backends, and the worker inside. Import the modules."""

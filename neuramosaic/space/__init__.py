"""Parameters, architectures, and the encoding between an architecture and a vector."""

"""The program that serves a local model: run by `agents.llm.local` in a process of its own, ends when its stdin does.

It imports nothing of NeuraMosaic, prints the address that it listens on, and logs to stderr.
"""

from __future__ import annotations

import argparse
import os
import sys


def main() -> None:
    """Serve a GGUF file on a free loopback port until stdin is closed, as it is when the parent dies."""
    parser = argparse.ArgumentParser()
    parser.add_argument("gguf")
    parser.add_argument("--slots", type=int, required=True)
    parser.add_argument("--context", type=int, required=True, help="tokens of each slot")
    parser.add_argument("--cache-mib", type=int, required=True, help="memory for the state of earlier prompts")
    arguments = parser.parse_args()

    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = arguments.gguf
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.n_parallel = arguments.slots
    params.n_ctx = arguments.slots * arguments.context
    params.cache_ram_mib = arguments.cache_mib
    params.warmup = False
    params.ui = False
    params.endpoint_metrics = True  # speed of prompts and of answers apart
    server = xllamacpp.Server(params)
    sys.stdout.write(server.listening_address + "\n")
    sys.stdout.flush()
    sys.stdin.read()
    os._exit(0)  # an answer that is being written would hold up an orderly end


if __name__ == "__main__":
    main()

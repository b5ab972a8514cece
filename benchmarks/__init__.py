"""Costs and errors of every method, measured: `python -m benchmarks`."""

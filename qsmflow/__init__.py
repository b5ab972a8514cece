"""qsmflow: quantitative susceptibility mapping from a BIDS dataset, on one machine or a cluster."""

__version__ = "0.1.0"

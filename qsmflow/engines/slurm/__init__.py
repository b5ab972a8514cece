"""Nodes as jobs of a SLURM cluster."""

"""Synthetic truth: heads, and the acquisition that turns their susceptibility into magnitude and phase."""

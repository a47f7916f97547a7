"""Measurements, each against a peer in the same run. Machines are noisy: read ratios and medians."""

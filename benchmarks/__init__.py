"""Benchmarks, each beside a baseline in the same run. Machines are noisy: read ratios and medians."""

"""Benchmarks: ``make bench``. docs/performance.md says what they measure and why the figures are what they are."""

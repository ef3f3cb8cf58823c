"""Reproducible benchmarks, one module each: ./pulse bench NAME."""

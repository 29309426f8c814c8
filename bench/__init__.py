"""Whole-server measurements, every figure a ratio inside one interleaved run (see README.md)."""

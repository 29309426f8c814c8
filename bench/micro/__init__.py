"""Micro benchmarks, run by pytest-benchmark: one room at a time, in memory.

    python -m bench micro            (or: pytest bench/micro)

They show what a change of one function did on this machine, before and after (`--benchmark-save`,
`--benchmark-compare`); figures that are quoted come from the whole-server benches.
"""

"""What the resources of objects 0 and 1 hold, as far as a bootstrap writes them."""

from __future__ import annotations

TYPES = {
    (0, 0): "STRING", (0, 1): "BOOLEAN", (0, 2): "INTEGER", (0, 3): "OPAQUE", (0, 4): "OPAQUE",
    (0, 5): "OPAQUE", (0, 10): "INTEGER", (0, 11): "INTEGER", (0, 12): "INTEGER",
    (0, 15): "UNSIGNED_INTEGER", (1, 0): "INTEGER", (1, 1): "INTEGER", (1, 2): "INTEGER",
    (1, 3): "INTEGER", (1, 5): "INTEGER", (1, 6): "BOOLEAN", (1, 7): "STRING",
}  # fmt: skip

PROBLEMS: tuple[str, ...]

def check_json(text: bytes, depth: int) -> tuple[int, str]:
    """(0, "") when `text` is one JSON value nested at most `depth` deep, else offset and reason."""

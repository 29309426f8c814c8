from lwm2m_fast.codec.kinds import TypeSource
from lwm2m_fast.codec.pack import Pack
from lwm2m_fast.codec.path import Path
from lwm2m_fast.codec.types import Types

def decode_plain(payload: bytes, base: Path | str, types: Types | TypeSource | None) -> Pack | None:
    """The Pack of one value in one of the common forms; None for anything else."""

from collections.abc import Callable, Sequence

from lwm2m_fast.sim.transport import Transport

class DeviceSockets(Transport):
    def __init__(
        self, descriptors: Sequence[int], connect: Callable[[], int] | None = None
    ) -> None: ...

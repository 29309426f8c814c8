from collections.abc import Callable, Iterable, Iterator

from lwm2m_fast.net.dtls_base import PSK as PSK
from lwm2m_fast.net.dtls_base import SUITES as SUITES
from lwm2m_fast.net.dtls_base import X509 as X509
from lwm2m_fast.net.dtls_base import Credentials as Credentials
from lwm2m_fast.net.dtls_base import DtlsOptions as DtlsOptions
from lwm2m_fast.net.dtls_base import SessionListener as SessionListener
from lwm2m_fast.net.dtls_base import Where as Where
from lwm2m_fast.net.dtls_base import principal_of as principal_of
from lwm2m_fast.net.udp import UdpEndpoint

class DtlsEndpoint(UdpEndpoint):
    def __init__(
        self,
        host: str,
        port: int,
        *,
        local: int = 1,
        receive_buffer_bytes: int,
        send_buffer_bytes: int,
        options: DtlsOptions | None = None,
        credentials: Credentials,
        listener: SessionListener,
        chain: bytes | None = None,
        key: bytes | None = None,
        anchors: bytes | None = None,
        clock: Callable[[], float] = ...,
        wall_clock: Callable[[], float] = ...,
    ) -> None: ...
    @property
    def fault(self) -> Exception | None: ...
    def set_certificate(
        self, chain: bytes | None, key: bytes | None, anchors: bytes | None
    ) -> None: ...
    def end(self, principal: bytes) -> bool: ...
    def where(self, principal: bytes) -> Where | None: ...
    def anchor(self, principal: bytes) -> bytes: ...
    def save(self) -> Iterator[tuple[bytes, bytes]]: ...
    def load(self, rows: Iterable[tuple[bytes, bytes]]) -> int: ...

class DtlsDoor(UdpEndpoint):
    def __init__(
        self,
        house: DtlsEndpoint,
        host: str,
        port: int,
        *,
        local: int,
        receive_buffer_bytes: int,
        send_buffer_bytes: int,
    ) -> None: ...

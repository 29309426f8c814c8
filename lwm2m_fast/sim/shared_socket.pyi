from socket import socket as Socket

from lwm2m_fast.sim.transport import Transport

MOST_DEVICES: int

class SharedSocket(Transport):
    def __init__(self, socket: Socket, address: int, port: int, rebinding: int = 0) -> None: ...

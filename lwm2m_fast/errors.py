"""The errors of the house: who is at fault, what was wrong, and the limit that was crossed.

Inside the compiled rooms a refusal is a small integer (a malformed datagram must never be the
slow path); these classes are what such a code becomes where Python begins.
"""

from __future__ import annotations


class Error(Exception):
    """The root of every error this package raises on purpose."""

    http_status = 500


class ConfigError(Error):
    """The configuration cannot be used; the message names field, value and limit."""


class FormatError(Error):
    """Bytes or text from outside do not follow their format."""

    http_status = 400


class RequestError(Error):
    """Our caller asked for something that cannot be done."""

    http_status = 400


class UnknownDevice(RequestError):
    """No device is registered under this endpoint name or registration id."""

    http_status = 404

    def __init__(self, name: str) -> None:
        super().__init__(f"no device is registered as {name!r}")
        self.name = name


class NotFound(RequestError):
    """Nothing has the name or number that is asked for; of everything but devices."""

    http_status = 404


class Conflict(RequestError):
    """What is asked for belongs to another already, or is there already."""

    http_status = 409


class UnknownOperation(NotFound):
    """No such operation of this device is queued or in its history."""

    def __init__(self, endpoint: str, operation_id: int) -> None:
        super().__init__(f"{endpoint!r} has no operation {operation_id}")
        self.endpoint, self.operation_id = endpoint, operation_id


class QueueFull(RequestError):
    """The device, or the server, already has its limit of what it may have at once."""

    http_status = 429

    def __init__(
        self,
        what: str,
        limit: int,
        things: str = "requests waiting",
        *,
        has: int = 0,
        more: int = 1,
    ) -> None:
        """`more` that were asked for do not fit beside the `has` that there are."""
        said = f"{what} already has {limit} {things}"
        if more > 1:
            said = f"{what} already has {has} {things}; {more} more would be above {limit}"
        super().__init__(said)
        self.what, self.limit = what, limit


class DeviceError(Error):
    """The device refused, answered with an error code, or did not answer at all."""

    http_status = 502


class DeviceTimeout(DeviceError):
    """The device did not answer in time."""

    http_status = 504


class DeviceAsleep(DeviceError):
    """The device is registered, but its awake window is closed: what is sent now is lost."""

    http_status = 409

    def __init__(self, endpoint: str) -> None:
        super().__init__(
            f"{endpoint!r} is asleep; an operation waits for it, a direct request cannot"
        )
        self.endpoint = endpoint


class StoreError(Error):
    """The store could not keep what it was given; nothing of that change is kept."""

    http_status = 503

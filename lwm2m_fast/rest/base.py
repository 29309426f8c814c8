"""What the HTTP interface is given: the service behind it, as protocols.

The server implements these; rest/ never imports it. Everything here is called on the event
loop's thread and does bounded work.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from lwm2m_fast.core.connector_shell import Ask
from lwm2m_fast.core.orders import Order
from lwm2m_fast.fleet.profile_fields import Profile

MAX_PAGE = 1000
MAX_BULK = 10_000
MAX_ENDPOINT_BYTES = 255


class Event(Protocol):
    """Something that happened to a device (core/events.py). `at` is in unix seconds."""

    @property
    def kind(self) -> str: ...
    @property
    def endpoint(self) -> str: ...
    @property
    def at(self) -> float: ...
    @property
    def data(self) -> dict[str, Any]: ...


class Subscription(Protocol):
    """Events from now on, until close(). Never blocks the publisher: at its bound it drops."""

    dropped: int
    """Events lost so far because the reader was too slow."""

    def __aiter__(self) -> AsyncIterator[Event]: ...

    def close(self) -> None: ...


class Operations(Protocol):
    """The operations of every device: queued, durable, one at a time per device.

    An operation as JSON: `id` (grows), `endpoint`, `order` (as given, defaults dropped), `state`
    (PENDING, EXECUTING, SUCCESSFUL, FAILED), `created_at`, `updated_at`, `valid_until` (unix
    seconds, the last one or null), `attempts`, `timeout_s` or null, `origin`, `result` (as
    core.operations.result_json(), null before the end) and `reason` (why it is pending again, or
    failed without an answer: timeout, reset, cancelled, expired, stale ...; null otherwise).
    """

    async def submit(
        self,
        endpoint: str,
        orders: Sequence[Order],
        *,
        timeout_s: float | None = None,
        valid_until: float | None = None,
        origin: str = "api",
    ) -> list[dict[str, Any]]:
        """Queue `orders` for a device, registered or not, all of them or none; durable on return.

        `valid_until` in unix seconds: what has not ended by then fails as expired. Raises QueueFull
        (429), RequestError (`timeout_s` beyond queue.max_request_timeout_s, `valid_until` in the
        past, a name that no device can have), StoreError (then nothing is queued).
        """

    def operation(self, endpoint: str, operation_id: int) -> dict[str, Any] | None:
        """One operation; None when there is none, or it has left the history."""

    def operations(
        self,
        endpoint: str,
        *,
        before: int | None = None,
        limit: int = 100,
        states: frozenset[str] | None = None,
    ) -> list[dict[str, Any]]:
        """Operations with an id smaller than `before`, newest first; 1 to MAX_PAGE of them.

        Go on with the last id as `before`; an empty page is the end.
        """

    async def wait(self, endpoint: str, operation_id: int, seconds: float) -> dict[str, Any]:
        """The operation as it is when it has ended, or `seconds` later.

        Raises UnknownOperation; QueueFull when too many wait already.
        """

    async def cancel(self, endpoint: str, operation_id: int) -> dict[str, Any]:
        """End an operation as FAILED, `cancelled`; one that has ended stays as it is.

        What a device answers to a request already under way no longer matters. Raises
        UnknownOperation, StoreError (then it is still queued).
        """

    async def submit_many(
        self,
        endpoints: Sequence[str],
        orders: Sequence[Order],
        *,
        timeout_s: float | None = None,
        valid_until: float | None = None,
        origin: str = "api",
    ) -> dict[str, Any]:
        """Queue `orders` for each of `endpoints` (at most MAX_BULK): a batch, see batch().

        A device whose queue is full is refused by itself, as its result says. Errors as submit().
        """

    async def batch(
        self, batch_id: int, *, after: int = 0, limit: int = 100
    ) -> dict[str, Any] | None:
        """A batch: `id`, `created_at`, `origin`, `devices` (their number); of its operations
        `total`, `done` (SUCCESSFUL), `failed` and `pending`; `results`, those of devices number
        `after` to `after + limit - 1`: `endpoint`, `operations` (id, state, reason) or `error`;
        `next`, the `after` to go on with, or null. None when there is no such batch.
        """

    def batches(self) -> list[dict[str, Any]]:
        """The batches that are kept, newest first, without `results` and `next`."""

    async def perform(self, endpoint: str, order: Order, timeout_s: float) -> Any:
        """Do `order` now, without queue and store: a core.operations.Result, be it a refusal.

        Raises UnknownDevice, DeviceAsleep (its window is closed), RequestError, QueueFull,
        DeviceTimeout, DeviceError.
        """

    async def perform_many(self, asks: Sequence[tuple[str, Order]], timeout_s: float) -> list[Any]:
        """The same for many (at most MAX_BULK); an Error of this package where one is raised."""

    def presence(self, endpoint: str) -> dict[str, Any] | None:
        """`awake` (bool), `awake_time_ms` (0: always), `awake_until` (unix seconds; null: always
        or unknown), `source` (settings, registration, default). None when not registered."""

    def post_registration(self, tenant: str) -> list[str]:
        """The shell commands that each device of a tenant gets after a full Register."""

    async def set_post_registration(self, commands: Sequence[str], tenant: str) -> list[str]:
        """Replace them. RequestError when one of them is none, or they are too many."""


class Values(Protocol):
    """What is known of every device, and how it is treated."""

    def values(self, endpoint: str, prefix: str = "") -> list[dict[str, Any]]:
        """Last values, `path`, `type`, `value`, `time`, `origin`, in path order."""

    def observations(self, endpoint: str) -> list[dict[str, Any]]:
        """`id`, `paths`, `is_composite`, `content_format`, `state` (pending, active, lapsed),
        `since`, `notified`, `last_at`, oldest first. Raises UnknownDevice."""

    def settings(self, endpoint: str) -> dict[str, Any]:
        """How this device is treated; what is not set is not there."""

    async def set_settings(self, endpoint: str, values: dict[str, Any]) -> dict[str, Any]:
        """Change the settings named in `values` (null unsets); all of them now.

        RequestError names the setting, its value and its bounds. Applies to a running window.
        """

    async def put_file(
        self, name: str, content: AsyncIterable[bytes], tenant: str
    ) -> dict[str, Any]:
        """Keep an upload for {"file": name} in orders to devices of this tenant, whole or not at
        all: `name`, `size`, `changed_at`."""

    def files(self, tenant: str) -> list[dict[str, Any]]: ...

    async def delete_file(self, name: str, tenant: str) -> bool:
        """False when there is none."""

    def target(self, endpoint: str) -> Any:
        """The core.operations.Target of a registered device, else None."""


class Security(Protocol):
    """Who devices prove to be, and whom they may trust.

    A credential as JSON: `endpoint`, `tenant`, `changed_at` (unix seconds), and `server` and
    `bootstrap`, each null or `mode` (NO_SEC, PSK, X509) with `identity` or `certificate` (null, or
    `subject`, `sha256`, `not_before`, `not_after`). Never a key, but `key` (hex) of a side whose
    key was made here, in the answer that made it. One that was changed on the disk has `problem`
    instead.
    """

    async def credentials_after(self, after: str | None, limit: int) -> list[dict[str, Any]]:
        """Credentials by endpoint name, beginning behind `after`."""

    def credential(self, endpoint: str) -> dict[str, Any] | None:
        """One of them; None when there is none."""

    def credential_of_identity(self, identity: str) -> dict[str, Any] | None:
        """The one with this PSK identity, on either side; None when there is none."""

    async def add_credentials(
        self, given: Sequence[Mapping[str, Any]], tenant: str
    ) -> list[dict[str, Any]]:
        """Keep new ones of a tenant, as fleet/secured.py reads them: all or, with an error, none.

        RequestError names the field, and the value where it is no secret; Conflict: an endpoint
        that has one already, or an identity or certificate of another; StoreError.
        """

    async def set_credential(
        self, endpoint: str, given: Mapping[str, Any], tenant: str
    ) -> tuple[dict[str, Any], bool]:
        """Set the sides that are `given`; null unsets, what is not named stays.

        Returns all of it, and True when there was none. Errors as above.
        """

    async def remove_credential(self, endpoint: str) -> bool:
        """Forget one, which ends its session. False: there was none."""

    def anchors(self, tenant: str) -> list[dict[str, Any]]:
        """The trust anchors of a tenant: `tenant`, `is_configured` (in a file that the
        configuration names), `subject`, `sha256`, `not_before`, `not_after`."""

    async def add_anchors(self, pem: bytes, tenant: str) -> list[dict[str, Any]]:
        """Trust all certificates in `pem`, or none. RequestError, StoreError."""

    async def remove_anchor(self, sha256: str, tenant: str) -> None:
        """Trust one no more. NotFound, Conflict (it is configured), StoreError."""

    def server_certificate(self) -> bytes | None:
        """The server's own, as DER; None when it has none."""


class Provisioning(Protocol):
    """Devices as people configure them, registered or not.

    A device as JSON: `id`, `configuration` (every field, secrets masked) and `more`: `tenant`,
    `registered`, `bootstrap` (what came of its latest one, or null), and in the answer that made
    keys `generated`. Who asks is of a tenant, and finds the devices of that tenant only.
    """

    def owner(self, endpoint: str) -> str:
        """The tenant that an endpoint name belongs to; `default` where it is nobody's. Quick."""

    def device(self, endpoint: str, tenant: str) -> dict[str, Any] | None:
        """One of them; None when there is none."""

    async def devices_after(
        self, after: str | None, limit: int, tenant: str
    ) -> tuple[list[dict[str, Any]], str | None]:
        """A page by endpoint name behind `after`, and where to go on."""

    def may_shell(self, endpoint: str) -> bool:
        """False: shell commands are switched off for this device (SHELL = 0 in its file)."""

    def name_of(self, number: int, tenant: str) -> str:
        """The endpoint name of the device with this id; NotFound."""

    async def add(
        self, given: Mapping[str, Any], tenant: str, *, needs_bootstrap: bool = False
    ) -> dict[str, Any]:
        """Configure a device. RequestError lists every wrong field, Conflict, StoreError."""

    async def add_all(self, given: Sequence[Any], tenant: str) -> list[dict[str, Any]]:
        """Each by itself: the device, or `endpointId` and `error`."""

    async def change(self, endpoint: str, given: Mapping[str, Any], tenant: str) -> dict[str, Any]:
        """Change what is given, null unsetting. NotFound, and errors as above."""

    async def put(self, given: Mapping[str, Any], tenant: str) -> dict[str, Any]:
        """Configure a device that may be configured already, which is change(), or be known by its
        credential only: then what is not given of its bootstrap side stays. Errors as above."""

    async def remove(self, endpoint: str, tenant: str, *, keeps_route: bool = False) -> None:
        """Forget a device. NotFound. `keeps_route`: its name stays taken."""

    def group(self, endpoint: str, name: str, tenant: str) -> Any:
        """A group of settings. NotFound: no such device or group."""

    async def change_group(self, endpoint: str, name: str, given: Any, tenant: str) -> None:
        """Change a group. Errors as change()."""

    async def submit_file(self, action: str, tenant: str, data: bytes, name: str) -> dict[str, Any]:
        """Accept a CSV file to "register" or "delete"; the operation that works it off.

        RequestError: it has no usable header; QueueFull.
        """

    def file(self, number: int, tenant: str) -> dict[str, Any]:
        """How far a file is. NotFound."""

    def files(self, tenant: str, limit: int) -> list[dict[str, Any]]:
        """The newest first."""

    async def command(self, ask: Ask, tenant: str) -> dict[str, Any]:
        """Have the tenant's connector do this: the operation. QueueFull, StoreError."""

    def commands(
        self, tenant: str, *, before: int | None, limit: int, states: frozenset[str] | None
    ) -> list[dict[str, Any]]:
        """The connector's operations, files among them, as Operations.operations()."""

    async def command_ended(self, number: int, tenant: str, seconds: float) -> dict[str, Any]:
        """One of them as it is when it has ended, or `seconds` later. NotFound."""

    async def unbound_after(
        self, after: str | None, limit: int, tenant: str
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Devices that are kept though their names are another tenant's, and where to go on."""

    async def forget_unbound(self, endpoint: str, tenant: str) -> None:
        """Keep one of them no longer. NotFound."""

    def profiles(self, tenant: str) -> list[str]:
        """Names of the device profiles of a tenant, in order."""

    def profile(self, name: str, tenant: str) -> dict[str, Any] | None:
        """One of them, as ThingsBoard's `transportConfiguration`; None when there is none."""

    def profile_of(self, endpoint: str) -> Profile | None:
        """The one that a configured device has. RequestError, StoreError: it cannot be had."""

    async def put_profile(self, name: str, given: Any, tenant: str) -> tuple[list[str], bool]:
        """Keep one in place of another of this name: what to be warned of, and whether it is new.

        RequestError lists every wrong field, StoreError.
        """

    async def remove_profile(self, name: str, tenant: str) -> None:
        """Forget one. NotFound; Conflict: a device has it."""


class Bootstrap(Protocol):
    """The bootstrap server, on or off."""

    @property
    def problem(self) -> str | None:
        """Why it is not open though it was switched on; None: nothing is wrong."""

    def shown(self) -> dict[str, Any]:
        """`enabled`, `decided_by` ("operator" or "configuration"), `configured`, `coap_port` and
        `dtls_port` (null: closed), `problem`, and `counts` by the names of /metrics."""

    async def switch(self, said: bool | None) -> dict[str, Any]:
        """Open its ports or close them, also after a restart; None: as the configuration says.

        Bootstraps under way end as failed. Conflict: a port cannot be had; StoreError: it is as it
        was.
        """


class Service(Operations, Values, Protocol):
    """The running server."""

    @property
    def security(self) -> Security: ...

    @property
    def bootstrap(self) -> Bootstrap: ...

    @property
    def provisioning(self) -> Provisioning: ...

    def device(self, endpoint: str) -> dict[str, Any] | None:
        """The registration of `endpoint`, ready for JSON; None when there is none.

        With `availability`: "unavailable" when it was not heard for `required_interval_s`.
        """

    def devices(
        self, cursor: int, limit: int, contains: str = ""
    ) -> tuple[list[dict[str, Any]], int | None]:
        """A page of registrations whose endpoint name has `contains` in it, and where to go on.

        A page may be short, even empty, and still have a next cursor.
        """

    def device_count(self) -> int: ...

    async def deregister(self, endpoint: str) -> bool:
        """Remove the registration; the device's next Update gets 4.04. False when unknown.

        StoreError when the store could not keep that: then the device is still registered.
        """

    def subscribe(
        self, endpoint: str | None = None, only: Callable[[Any], bool] | None = None
    ) -> Subscription:
        """Events of one device, or of all; of them those for which `only` is true."""

    async def allow(self, endpoints: Iterable[str]) -> int:
        """Let these register; all of them or, with StoreError, none. Returns how many are new."""

    async def disallow(self, endpoint: str) -> bool:
        """Take one off the list. False when it was not on it."""

    def allowed(self, after: str | None, limit: int) -> list[str]:
        """Who may register, in order, beginning after a name."""

    def counters(self) -> dict[str, int]:
        """Every counter and gauge under a flat name."""

    def problems(self) -> list[str]:
        """Why the server is not ready; empty when it is."""

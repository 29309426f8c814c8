from asyncio import Future
from collections.abc import Callable, Sequence
from typing import Any

from lwm2m_fast.core.ask import AnsweredTuple
from lwm2m_fast.core.operations import Result
from lwm2m_fast.core.orders import Order
from lwm2m_fast.errors import Error
from lwm2m_fast.faults import Faults
from lwm2m_fast.queue.calls import Clock, Ended, Hears

class Together:
    """Outcomes of direct requests that are waited for together; `ended` is done with the last.

    `asks` has (endpoint, order) of each, `failure` makes an error of these two and an outcome.
    """

    asks: Sequence[tuple[str, Order]]
    ended: Future[None]
    outcomes: list[Result | Error]
    left: int
    def __init__(
        self,
        asks: Sequence[tuple[str, Order]],
        ended: Future[None],
        failure: Callable[[str, Order, str], Error],
    ) -> None: ...
    def begun(self, number: int, call: int) -> None:
        """This ask waits for the answer to `call`."""

    def waiting(self) -> list[tuple[int, int]]:
        """(number of an ask, call) of those that wait for an answer."""

    def end(self, number: int, ended: Ended) -> None:
        """A call has ended (calls.py: Ended)."""

    def fail(self, number: int, error: Error) -> None:
        """This ask ends with an error of ours."""

class PlainReads:
    """Loop's thread only. `clock` and `hears` as calls.py has them; `long_way` is called as
    (endpoint, order, target, end, answer) with each answer that is not simply values; `awake_ms`
    is how long a device listens that nobody says anything else of, 0: always; `faults` gets those
    of our own (faults.py)."""

    def __init__(
        self,
        engine: Any,
        targets: Any,
        hears: Sequence[Hears],
        clock: Clock,
        long_way: Callable[..., None],
        awake_ms: int,
        faults: Faults,
    ) -> None: ...
    def begin(self, together: Together, first: int, last: int, timeout_s: float) -> list[int]:
        """Start the asks from `first` to before `last` that are plain; the numbers of the rest."""

    def forget(self, call: int) -> bool:
        """Nobody waits for this any more; whether it is one of those here."""

    def resolve(self, answers: Sequence[AnsweredTuple]) -> Sequence[AnsweredTuple]:
        """Hand out the answers to what was begun here, each once; the rest, which are tuples.
        A fault in one of them, or in who hears of them, keeps none of the others back."""

    def __len__(self) -> int: ...

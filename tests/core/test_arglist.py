"""The arguments of Execute (LwM2M Core, section 6.3.5)."""

from __future__ import annotations

import pytest

from lwm2m_fast.core.arglist import MAX_BYTES, parse_arglist
from lwm2m_fast.errors import RequestError


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("", []),
        ("5", [(5, None)]),
        ("2='10.3'", [(2, "10.3")]),
        ("7,0='https://www.oma.com'", [(7, None), (0, "https://www.oma.com")]),
        ("0,1,2,3,4", [(each, None) for each in range(5)]),
        ("0='',1=''", [(0, ""), (1, "")]),
        ("0='a,b=c'", [(0, "a,b=c")]),
        ("0='!#$%&()*+,-./09:;<=>?@AZ[]^_`az{|}~'", [(0, "!#$%&()*+,-./09:;<=>?@AZ[]^_`az{|}~")]),
        (",".join(map(str, range(10))), [(each, None) for each in range(10)]),
    ],
)
def test_an_argument_list_is_read(text: str, arguments: list[tuple[int, str | None]]) -> None:
    assert parse_arglist(text) == arguments


@pytest.mark.parametrize(
    ("text", "at", "why"),
    [
        ("x", 0, "no argument"),
        ("10", 1, "neither a comma nor the end"),
        ("0,", 2, "no argument"),
        (",0", 0, "no argument"),
        ("0 ,1", 1, "neither a comma nor the end"),
        ("0=", 1, "neither a comma nor the end"),
        ("0=a", 1, "neither a comma nor the end"),
        ("0='a", 1, "neither a comma nor the end"),
        ("0='a'b", 5, "neither a comma nor the end"),
        ("0='a b'", 1, "neither a comma nor the end"),
        ("0='a\"b'", 1, "neither a comma nor the end"),
        ("0='a\\b'", 1, "neither a comma nor the end"),
        ("0='a'b'", 5, "neither a comma nor the end"),
        ("0='\x7f'", 1, "neither a comma nor the end"),
        ("0='ä'", 1, "neither a comma nor the end"),
        ("\u0660", 0, "no argument"),
        ("0='a'\n", 5, "neither a comma nor the end"),
        ("1,0,1", 4, "argument 1 for the second time"),
        (" 0", 0, "no argument"),
    ],
)
def test_what_is_no_argument_list_is_refused_where_it_fails(text: str, at: int, why: str) -> None:
    with pytest.raises(RequestError, match=rf"{why} at character {at}\b"):
        parse_arglist(text)


def test_an_argument_list_is_as_long_as_the_limit_and_no_longer() -> None:
    longest = "0='" + "a" * (MAX_BYTES - 4) + "'"
    assert parse_arglist(longest) == [(0, "a" * (MAX_BYTES - 4))]
    with pytest.raises(RequestError, match=str(MAX_BYTES)):
        parse_arglist(longest.replace("a", "aa", 1))

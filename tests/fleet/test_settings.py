"""Device settings: names, bounds and messages, and that the stored form is trusted in nothing."""

from __future__ import annotations

import pytest

from lwm2m_fast.errors import RequestError, StoreError
from lwm2m_fast.fleet.settings import (
    MAX_AWAKE_MS,
    MAX_INTERVAL_MIN,
    UNSET,
    Settings,
    as_bytes,
    as_json,
    changed,
    from_bytes,
)


def test_what_nobody_set_leaves_the_decision_to_others() -> None:
    assert as_json(UNSET) == {
        "awakeTimeRegistrationParameter": None,
        "lwm2mRequestTimeout": None,
        "serializationFormat": None,
        "binaryDeliveryEncoding": None,
        "genericUIRetainOldValuesIfError": True,
        "defaultObjectIDVer": None,
        "autoManageAvailabilityRequiredInterval": True,
        "availabilityRequiredInterval": None,
        "logLevel": None,
    }


def test_every_setting_is_taken_and_given_back() -> None:
    given = {
        "awakeTimeRegistrationParameter": 0,
        "lwm2mRequestTimeout": 10_000,
        "serializationFormat": "SENML_CBOR",
        "binaryDeliveryEncoding": "TLV",
        "genericUIRetainOldValuesIfError": False,
        "defaultObjectIDVer": "1.1",
        "autoManageAvailabilityRequiredInterval": False,
        "availabilityRequiredInterval": 60,
        "logLevel": "VERBOSE",
    }
    settings = changed(UNSET, given)
    assert settings == Settings(0, 10_000, "SENML_CBOR", "TLV", False, "1.1", False, 60, "VERBOSE")
    assert as_json(settings) == given
    assert from_bytes(b"dev-1", as_bytes(settings)) == settings


def test_what_is_not_named_stays_and_null_unsets() -> None:
    settings = changed(UNSET, {"lwm2mRequestTimeout": 20_000, "serializationFormat": "TLV"})
    settings = changed(settings, {"serializationFormat": None})
    assert settings == Settings(request_timeout_ms=20_000)
    assert changed(settings, {"lwm2mRequestTimeout": None}) == UNSET


@pytest.mark.parametrize(
    "name, least, most",
    [
        ("awakeTimeRegistrationParameter", 0, MAX_AWAKE_MS),
        ("lwm2mRequestTimeout", 10_000, 600_000),
        ("availabilityRequiredInterval", 1, MAX_INTERVAL_MIN),
    ],
)
def test_a_number_is_taken_at_its_bounds_and_refused_past_them(
    name: str, least: int, most: int
) -> None:
    for value in (least, most):
        assert as_json(changed(UNSET, {name: value}))[name] == value
    for value in (least - 1, most + 1):
        with pytest.raises(RequestError, match=f"{name} is {value}.* from {least} to {most}"):
            changed(UNSET, {name: value})


@pytest.mark.parametrize(
    "name, value",
    [
        ("awakeTimeRegistrationParameter", True),
        ("awakeTimeRegistrationParameter", 1.0),
        ("lwm2mRequestTimeout", "20000"),
        ("serializationFormat", 110),
        ("binaryDeliveryEncoding", ["TLV"]),
        ("genericUIRetainOldValuesIfError", "false"),
        ("genericUIRetainOldValuesIfError", 0),
        ("defaultObjectIDVer", "one"),
        ("defaultObjectIDVer", 1.1),
    ],
)
def test_a_wrong_type_names_the_setting_and_the_value(name: str, value: object) -> None:
    with pytest.raises(RequestError) as caught:
        changed(UNSET, {name: value})
    assert name in str(caught.value) and repr(value) in str(caught.value)


def test_an_unknown_name_is_refused_and_nothing_is_half_applied() -> None:
    with pytest.raises(
        RequestError, match=r"'awakeTime' is no device setting.*lwm2mRequestTimeout"
    ):
        changed(UNSET, {"lwm2mRequestTimeout": 20_000, "awakeTime": 1})


@pytest.mark.parametrize("word", ["", "  ", "XML", "AUTO"])
def test_a_word_that_is_no_format_is_automatic(word: str) -> None:
    before = Settings(serialization_format="TLV", binary_encoding="TEXT")
    after = changed(before, {"serializationFormat": word, "binaryDeliveryEncoding": word})
    assert after == UNSET


def test_words_are_taken_as_people_write_them() -> None:
    after = changed(
        UNSET, {"serializationFormat": " senml_json ", "binaryDeliveryEncoding": "text"}
    )
    assert after == Settings(serialization_format="SENML_JSON", binary_encoding="TEXT")
    assert changed(UNSET, {"binaryDeliveryEncoding": "SENML_CBOR"}) == UNSET


def test_the_column_name_of_existing_files_means_the_same() -> None:
    after = changed(UNSET, {"c8y_GenericUI_retainOldValuesIfError": False})
    assert after == Settings(retains_values=False)


def test_only_what_is_set_is_stored() -> None:
    assert as_bytes(UNSET) == b"{}"
    assert as_bytes(Settings(awake_ms=5)) == b'{"awakeTimeRegistrationParameter":5}'


@pytest.mark.parametrize(
    "row", [b"", b"[]", b"{", b'{"x":1}', b'{"lwm2mRequestTimeout":1}', b"\xff", b"7"]
)
def test_a_damaged_row_is_an_error_and_no_settings(row: bytes) -> None:
    with pytest.raises(StoreError, match="the stored settings of b'dev-1' cannot be read"):
        from_bytes(b"dev-1", row)

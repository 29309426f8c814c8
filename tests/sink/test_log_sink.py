"""Events as log lines: one each, for those who ask, and never one per Update."""

import logging

from lwm2m_fast.core.events import Event
from lwm2m_fast.sink.log import LogSink

SHOWN = {
    "registration_id": "abc",
    "address": "192.0.2.1:1",
    "lwm2m_version": "1.1",
    "lifetime_s": 60,
    "links": "</3/0>",
    "attributes": {"secret": "x"},
}


def test_an_event_is_one_line_with_what_finds_the_device(caplog):
    caplog.set_level(logging.INFO)
    LogSink(True).publish([Event("registered", "dev-1", 1.0, {**SHOWN, "replaces": "xyz"})])
    (record,) = caplog.records
    assert record.message == "registered"
    assert (record.endpoint, record.address, record.replaces) == ("dev-1", "192.0.2.1:1", "xyz")
    assert not hasattr(record, "attributes")
    assert not hasattr(record, "links")


def test_an_update_is_no_line(caplog):
    caplog.set_level(logging.INFO)
    LogSink(True).publish([Event("updated", "dev-1", 1.0, SHOWN)])
    assert caplog.records == []


def test_who_does_not_ask_gets_no_line(caplog):
    caplog.set_level(logging.INFO)
    sink = LogSink(False)
    assert not sink.listens
    sink.publish([Event("registered", "dev-1", 1.0, SHOWN)])
    assert caplog.records == []

"""The words that the model and the codecs share, which neither imports from the other."""

from lwm2m_fast.codec.kinds import Kind
from lwm2m_fast.model import ResourceType


def test_a_codec_knows_every_resource_type_by_its_name():
    assert {each.value for each in ResourceType} <= set(Kind.__members__)
    assert all(each.name == each.value for each in ResourceType)

import io

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectome.pipeline.wire import Message, pack, receive, send, unpack

plain = st.dictionaries(st.text(), st.none() | st.integers() | st.text() | st.lists(st.text()))


@settings(deadline=None)
@given(st.lists(st.builds(Message, st.text(), plain, st.binary(max_size=300)), max_size=5))
def test_messages_arrive_as_sent(messages):
    pipe = io.BytesIO()
    for message in messages:
        send(pipe, message)
    pipe.seek(0)
    assert [receive(pipe) for _ in messages] == messages
    assert receive(pipe) is None


@settings(deadline=None)
@given(st.data())
def test_a_message_cut_short_is_the_end(data):
    pipe = io.BytesIO()
    send(pipe, Message("score", {"seconds": 1.5}, b"body"))
    whole = pipe.getvalue()
    assert receive(io.BytesIO(whole[: data.draw(st.integers(0, len(whole) - 1))])) is None


@pytest.mark.parametrize("rows", [0, 1, 5000])
def test_tables_survive_packing(rows):
    table = pl.DataFrame(
        {"id": [str(n) for n in range(rows)], "emotion": [{"joy": n / 2} if n % 3 else None for n in range(rows)]},
        schema={"id": pl.String, "emotion": pl.Struct({"joy": pl.Float32})},
    )
    assert unpack(pack(table)).equals(table)
    assert unpack(pack(table)).schema == table.schema
    in_chunks = pl.concat([table[: rows // 2], table[rows // 2 :]], rechunk=False)
    assert pack(in_chunks) == pack(table)

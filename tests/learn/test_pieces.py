from affectome.learn.pieces import make_pieces

TEXTS = ["I was glad, but then it rained.", "You came late because the bus broke down. I waited!", "No."]


def test_they_are_new_and_made_of_what_is_there():
    pieces = make_pieces(TEXTS, 40, seed=3)
    assert len(pieces) == len(set(pieces)) == 40
    assert not set(pieces) & set(TEXTS)
    words = {word for text in TEXTS for word in text.split()}
    assert all(piece and set(piece.split()) <= words for piece in pieces)
    assert any("glad" in piece and "bus" in piece for piece in pieces)
    assert pieces == make_pieces(TEXTS, 40, seed=3) != make_pieces(TEXTS, 40, seed=4)


def test_there_may_be_too_few():
    assert make_pieces([], 5, seed=0) == []
    assert make_pieces(["one two"], 50, seed=0) != []
    assert len(make_pieces(["one two"], 50, seed=0)) < 50

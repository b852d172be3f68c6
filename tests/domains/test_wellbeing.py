"""Messages go to people, with fixed texts."""

import logging

import pytest

from affectome.domains import load_risk_routing
from affectome.errors import UsageError


@pytest.fixture
def routing():
    return load_risk_routing()


def test_the_table_is_whole(routing):
    assert len(routing.classes) == 11
    assert [band.urgency for band in routing.bands] == [0, 1, 2, 3]
    assert {risk.band for risk in routing.classes} == {band.id for band in routing.bands}
    levels = {risk.id: risk.level for risk in routing.classes if risk.level is not None}
    assert sorted(levels, key=levels.__getitem__) == [
        "unrelated",
        "exploration",
        "passive ideation",
        "active ideation",
        "suicide plan",
        "preparatory act",
        "suicide attempt",
    ]


def test_urgency_never_falls_along_the_continuum(routing):
    levels = sorted(
        (risk.level, routing.band_of(risk.id).urgency) for risk in routing.classes if risk.level is not None
    )
    urgency = [band for _, band in levels]
    assert urgency == sorted(urgency)


@pytest.mark.parametrize(("language", "person", "helpline"), [("zh", "人", "热线"), ("en", "trust", "helpline")])
def test_every_text_names_people_and_helplines(routing, language, person, helpline):
    for band in routing.bands[1:]:
        assert helpline in band.messages[language]
        assert person in band.messages[language] or "staff" in band.messages[language]
        assert band.staff


def test_the_most_urgent_class_decides(routing, caplog):
    with caplog.at_level(logging.WARNING):
        route = routing.route("m1", ["exploration", "suicide plan", "exploration"], language="en")
    assert (route.band.id, route.classes) == ("immediate", ("suicide plan", "exploration"))
    assert route.message == routing.bands[3].messages["en"]
    assert route.message_id == "immediate.en.1"
    assert [record.getMessage() for record in caplog.records] == [
        "message m1: band immediate (suicide plan, exploration), text immediate.en.1"
    ]


@pytest.mark.parametrize("classes", [[], ["unrelated"]])
def test_what_is_unrelated_goes_nowhere(routing, classes, caplog):
    with caplog.at_level(logging.WARNING):
        route = routing.route("m2", classes)
    assert (route.band.id, route.message, route.message_id) == ("none", "", "")
    assert not caplog.records


def test_what_is_not_known_is_refused(routing):
    with pytest.raises(UsageError, match="no class of risk 'sad'"):
        routing.route("m3", ["sad"])
    with pytest.raises(UsageError, match="no texts in 'fr'"):
        routing.route("m3", [], language="fr")

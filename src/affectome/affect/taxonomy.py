"""Vocabularies of feelings: labels with glosses, synonyms, groups and provenance, read from data files."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from affectome.affect.datafiles import file_ids, read_toml, unknown_name
from affectome.errors import UsageError

Kind = Literal["category", "dimension", "appraisal", "action-tendency"]

# "pleasure/ecstasy", "jealousy & envy", "impatience and irritability" are made of two words or more.
_BETWEEN_PARTS = re.compile(r"\s*/\s*|\s*&\s*|\s+and\s+")
# "surprise (positive)" is a kind of "surprise".
_QUALIFIER = re.compile(r"\s*\([^)]*\)$")


@dataclass(frozen=True)
class Taxonomy:
    """A vocabulary of affect labels.

    Args:
        id: Short name, e.g. ``goemotions28``.
        title: One line for people.
        labels: The labels in their published order; arrays over a taxonomy use this order.
        exclusive: True if the labels exclude each other (their probabilities sum to 1), False if each is present or
            absent by itself.
        kind: What a label names: an emotion ``category`` or, in EmotionML, a ``dimension``, an ``appraisal`` or an
            ``action-tendency``.
        source: The paper or standard that defines the labels.
        glosses: What each label feels like, in 4-12 plain words.
        synonyms: Adjectives and nouns for the same feeling; no word is shared by two labels of one taxonomy.
        valence: 1 for pleasant, -1 for unpleasant, 0 for neither; labels that may be both are absent.
        groups: Named ways of grouping, each a group name to its labels, e.g. ``groups["sentiment"]["positive"]``.
        parents: The broader label of the same taxonomy, for labels that have one (``furious`` is a kind of ``angry``).
        levels: Words for rising intensity of a label, mildest first.
        compounds: Named kinds of blends, each a blend's name to the labels it is made of, e.g.
            ``compounds["primary dyads"]["love"] == ("joy", "trust")``.

    Raises:
        UsageError: ``invalid_taxonomy`` if there is no label, a label occurs twice, or a field names an unknown label.
    """

    id: str
    title: str
    labels: tuple[str, ...]
    exclusive: bool
    kind: Kind = "category"
    source: str = ""
    glosses: Mapping[str, str] = field(default_factory=dict)
    synonyms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    valence: Mapping[str, int] = field(default_factory=dict)
    groups: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    parents: Mapping[str, str] = field(default_factory=dict)
    levels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    compounds: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.labels:
            raise self._invalid("it has no label", None)
        seen: set[str] = set()
        for label in self.labels:
            if label in seen:
                raise self._invalid(f"the label {label!r} occurs twice", label)
            seen.add(label)
        for mentioned in self._mentioned():
            if mentioned not in seen:
                raise self._invalid(f"{mentioned!r} is not one of its labels", mentioned)

    def __len__(self) -> int:
        return len(self.labels)

    def index(self, label: str) -> int:
        """Position of ``label`` in arrays over this taxonomy.

        Raises:
            UsageError: ``unknown_label``, with the closest labels first.
        """
        try:
            return self.labels.index(label)
        except ValueError:
            raise unknown_name("label", label, self.labels, f"Use a label of the taxonomy {self.id!r}.") from None

    def names(self, label: str) -> tuple[str, ...]:
        """The label in lower case and, where it is made of several words or qualified, each of them.

        ``jealousy & envy`` gives ``jealousy`` and ``envy`` besides itself, ``surprise (positive)`` gives ``surprise``.
        """
        whole = label.casefold()
        return tuple(dict.fromkeys((whole, *_BETWEEN_PARTS.split(_QUALIFIER.sub("", whole)))))

    def forms(self) -> dict[str, tuple[str, ...]]:
        """For each label the texts that stand for it in the affect space: its names, its synonyms, its gloss."""
        return {
            label: (*self.names(label), *self.synonyms.get(label, ()), *filter(None, [self.glosses.get(label)]))
            for label in self.labels
        }

    def _mentioned(self) -> Iterator[str]:
        """Every label named by a field other than ``labels``."""
        for by_label in (self.glosses, self.synonyms, self.valence, self.parents, self.levels):
            yield from by_label
        yield from self.parents.values()
        for scheme in (*self.groups.values(), *self.compounds.values()):
            for members in scheme.values():
                yield from members

    def _invalid(self, reason: str, value: str | None) -> UsageError:
        return UsageError(
            f"The taxonomy {self.id!r} is not valid: {reason}.",
            code="invalid_taxonomy",
            value=value,
            next_step="Give each label once and mention no other label.",
        )


def list_taxonomies(kind: Kind | None = "category") -> tuple[str, ...]:
    """Ids of the taxonomies that come with the package, sorted.

    Args:
        kind: Only those whose labels are of this kind; None for all.
    """
    return tuple(
        taxonomy_id
        for taxonomy_id in file_ids("taxonomies")
        if kind is None or read_toml(f"taxonomies/{taxonomy_id}").get("kind", "category") == kind
    )


@cache
def load_taxonomy(taxonomy_id: str) -> Taxonomy:
    """The taxonomy with this id; the same object at every call.

    Raises:
        UsageError: ``unknown_taxonomy``, with the closest ids first.
    """
    known = file_ids("taxonomies")
    if taxonomy_id not in known:
        raise unknown_name("taxonomy", taxonomy_id, known, "Run: affectome taxonomy list")
    data = read_toml(f"taxonomies/{taxonomy_id}")
    specs: dict[str, dict[str, Any]] = {label: _with_term(label, spec) for label, spec in data["labels"].items()}
    bare = Taxonomy(id=taxonomy_id, title=data["title"], labels=tuple(specs), exclusive=data["exclusive"])
    return Taxonomy(
        id=bare.id,
        title=bare.title,
        labels=bare.labels,
        exclusive=bare.exclusive,
        kind=data.get("kind", "category"),
        source=data["source"],
        glosses={label: spec["gloss"] for label, spec in specs.items()},
        synonyms=_synonyms(bare, specs),
        valence={label: spec["valence"] for label, spec in specs.items() if "valence" in spec},
        groups=_frozen(data.get("groups", {})),
        parents={label: spec["parent"] for label, spec in specs.items() if "parent" in spec},
        levels={label: tuple(words) for label, words in data.get("levels", {}).items()},
        compounds=_frozen(data.get("compounds", {})),
    )


def _with_term(label: str, spec: dict[str, Any]) -> dict[str, Any]:
    """A label's entry completed from the shared list of terms: what the label says itself wins, synonyms add up."""
    name = spec.get("term", label)
    term = read_toml("terms").get(name)
    if term is None:
        return spec
    return {**term, **spec, "term": name, "synonyms": [*term["synonyms"], *spec.get("synonyms", ())]}


def _synonyms(taxonomy: Taxonomy, specs: dict[str, dict[str, Any]]) -> dict[str, tuple[str, ...]]:
    """Synonyms of each label, without the words that name another label of the same taxonomy."""
    names = {label: {*taxonomy.names(label), specs[label].get("term", label)} for label in taxonomy.labels}
    synonyms = {}
    for label, spec in specs.items():
        taken = {label}.union(*(names[other] for other in taxonomy.labels if other != label))
        words = (*taxonomy.names(label), spec.get("term", label), *spec.get("synonyms", ()))
        synonyms[label] = tuple(dict.fromkeys(word for word in words if word not in taken))
    return synonyms


def _frozen(schemes: dict[str, dict[str, list[str]]]) -> dict[str, dict[str, tuple[str, ...]]]:
    return {name: {key: tuple(labels) for key, labels in scheme.items()} for name, scheme in schemes.items()}


def forms_of_words(words: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """For each of a user's own words the texts that stand for it in the affect space.

    A word that names a known feeling, or is a synonym of exactly one, brings that feeling's synonyms and gloss along,
    unless another of the words names the same feeling; then each stands for itself.
    """
    terms = read_toml("terms")
    feelings: dict[str, set[str]] = {}
    for word in words:
        name = word.casefold()
        named = {name} if name in terms else {key for key, spec in terms.items() if name in spec.get("synonyms", ())}
        feelings[word] = named if len(named) == 1 else set()
    taken = Counter(feeling for named in feelings.values() for feeling in named)
    forms: dict[str, tuple[str, ...]] = {}
    for word, named in feelings.items():
        spec = {}
        for feeling in named:
            if taken[feeling] == 1:
                spec = terms[feeling]
        others = [*named, *spec.get("synonyms", ()), spec["gloss"]] if spec else []
        forms[word] = tuple(dict.fromkeys((word, *others)))
    return forms

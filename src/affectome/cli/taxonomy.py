"""``affectome taxonomy``: the vocabularies of feelings and the ways between them."""

from __future__ import annotations

from cyclopts import App

from affectome.affect import list_taxonomies, load_taxonomy, map_labels
from affectome.cli.output import console, print_json, print_table

app = App(name="taxonomy", help="Vocabularies of feelings and the ways between them.")


@app.command(name="list")
def list_all(*, json: bool = False) -> int:
    """List the taxonomies.

    Args:
        json: Print JSON.
    """
    rows = [
        {"id": t.id, "labels": len(t), "exclusive": "yes" if t.exclusive else "no", "kind": t.kind, "title": t.title}
        for t in map(load_taxonomy, list_taxonomies(kind=None))
    ]
    if json:
        print_json(rows)
    else:
        print_table(rows, right=["labels"])
    return 0


@app.command
def show(taxonomy: str, /, *, json: bool = False) -> int:
    """Show the labels of a taxonomy with what they mean.

    For example:

        affectome taxonomy show emonet40

    Args:
        taxonomy: Taxonomy id.
        json: Print JSON.
    """
    t = load_taxonomy(taxonomy)
    rows = [
        {"label": label, "meaning": t.glosses.get(label, ""), "synonyms": ", ".join(t.synonyms.get(label, ()))}
        for label in t.labels
    ]
    if json:
        print_json({"id": t.id, "title": t.title, "exclusive": t.exclusive, "source": t.source, "labels": rows})
        return 0
    console().print(f"{t.title}\n{t.source}\n", markup=False)
    print_table(rows)
    return 0


@app.command(name="map")
def map_between(source: str, target: str, /, *, json: bool = False) -> int:
    """Show where the labels of one taxonomy go in another, and what has no counterpart.

    For example:

        affectome taxonomy map goemotions28 ekman7

    Args:
        source: Taxonomy id to map from.
        target: Taxonomy id to map to.
        json: Print JSON.
    """
    mapping = map_labels(source, target)
    goes = {
        label: {to: round(float(share), 4) for to, share in zip(mapping.target.labels, row, strict=True) if share > 0}
        for label, row in zip(mapping.source.labels, mapping.matrix, strict=True)
    }
    unmapped = dict(zip(mapping.source.labels, (round(float(u), 4) for u in mapping.unmapped), strict=True))
    if json:
        print_json({"source": source, "target": target, "method": mapping.method, "shares": goes, "unmapped": unmapped})
        return 0
    console().print(f"{source} to {target}, by {mapping.method}\n", markup=False)
    print_table(
        [
            {
                source: label,
                target: ", ".join(f"{to} {share:.2f}".removesuffix(" 1.00") for to, share in shares.items()),
                "unmapped": f"{unmapped[label]:.2f}" if unmapped[label] else "",
            }
            for label, shares in goes.items()
        ],
        right=["unmapped"],
    )
    return 0

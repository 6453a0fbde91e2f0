"""Eggbox pictures: read back as XML and counted against Green's relations."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

from lrnn.automata import DFA, Group, eggbox_svg, greens_relations, syntactic_monoid, transition_monoid
from tests.automata.maps import each, full

ROOT = Path(__file__).parent.parent.parent
SVG = "{http://www.w3.org/2000/svg}"


def drawn(monoid, path, **options):
    eggbox_svg(monoid, path, **options)
    return ElementTree.parse(path).getroot()


def of_class(picture, tag, name):
    return [one for one in picture.iter(SVG + tag) if name in one.get("class", "").split()]


def place(rectangle):
    return [float(rectangle.attrib[key]) for key in ("x", "y", "width", "height")]


def texts(picture):
    return [str(text.text) for text in picture.iter(SVG + "text")]


@each
def test_boxes_cells_groups_and_edges_are_all_there(maps, tmp_path):
    monoid = transition_monoid(maps)
    green = greens_relations(monoid)
    picture = drawn(monoid, tmp_path / "eggbox.svg")
    boxes, cells = of_class(picture, "rect", "box"), of_class(picture, "rect", "cell")
    assert len(boxes) == green.num_j
    assert len(cells) == green.num_h
    assert len(of_class(picture, "rect", "group")) == len(monoid.idempotents)  # one in each group
    assert len(of_class(picture, "line", "edge")) == len(green.covers)
    width, height = float(picture.attrib["width"]), float(picture.attrib["height"])
    for j, (x, y, w, h) in enumerate(map(place, boxes)):
        assert 0 <= x and 0 <= y and x + w <= width and y + h <= height
        inside = [place(cell) for cell in cells if x <= place(cell)[0] < x + w and y <= place(cell)[1] < y + h]
        shape = len(set(green.r[green.j == j])), len(set(green.l[green.j == j]))
        assert (len({cell[1] for cell in inside}), len({cell[0] for cell in inside})) == shape
        assert len(inside) == shape[0] * shape[1]  # every R-class meets every L-class
    for line in of_class(picture, "line", "edge"):
        assert float(line.attrib["y1"]) < float(line.attrib["y2"])


def test_boxes_do_not_overlap(tmp_path):
    monoid = syntactic_monoid(DFA.from_regex("(a(ab)*b)*|.*c", "abc"))
    boxes = [place(box) for box in of_class(drawn(monoid, tmp_path / "e.svg"), "rect", "box")]
    assert len(boxes) > 3
    for i, (x, y, w, h) in enumerate(boxes):
        for u, v, s, t in boxes[:i]:
            assert x + w <= u or u + s <= x or y + h <= v or v + t <= y


def test_what_the_cells_say(tmp_path):
    picture = drawn(syntactic_monoid(DFA.from_regex("(ab)*")), tmp_path / "brandt.svg")
    assert sorted(texts(picture)) == ["2 × 2", "a", "aa*", "ab*", "b", "ba*", "ε*"]
    titles = [title.text for title in picture.iter(SVG + "title")]
    assert "Eggbox picture of a monoid of 6 elements" in titles and "ab, 1 element, a group" in titles


def test_groups_are_named_and_counted(tmp_path):
    picture = drawn(transition_monoid(full(4)), tmp_path / "t4.svg")
    captions = [text.text for text in of_class(picture, "text", "caption")]
    assert captions == ["1 × 1 · S4", "6 × 4 · S3", "7 × 6 · Z2", "1 × 4"]
    assert [text.text for text in of_class(picture, "text", "size")].count("6") == 24


def test_letters_that_are_special_in_xml_and_long_words(tmp_path):
    dfa = DFA(alphabet=("<", "&"), delta=(np.arange(12)[:, None] + [1, 0]) % 12, start=0, accepting={0})
    picture = drawn(transition_monoid(dfa), tmp_path / "special.svg")
    assert "ε*" in texts(picture)
    chain = np.minimum(np.arange(12) + 1, 11)[:, None]
    line = DFA(alphabet=("<",), delta=chain, start=0, accepting={3})
    picture = drawn(transition_monoid(line), tmp_path / "line.svg")
    assert {"<<<<<<<", "<<<<<<…"} <= set(texts(picture))
    assert f"{'<' * 9}, 1 element" in [title.text for title in picture.iter(SVG + "title")]


def test_a_group_too_large_for_a_table_is_drawn_without_a_name(tmp_path):
    cycle, swap = [*range(1, 8), 0], [1, 0, *range(2, 8)]
    picture = drawn(transition_monoid([cycle, swap]), tmp_path / "s8.svg")
    assert [text.text for text in of_class(picture, "text", "size")] == ["40,320"]
    assert of_class(picture, "text", "caption") == []


def test_a_picture_with_too_many_cells(tmp_path):
    monoid = transition_monoid(full(4))
    with pytest.raises(ValueError, match=r"would have 71 cells; raise max_cells \(now 70\)"):
        eggbox_svg(monoid, tmp_path / "no.svg", max_cells=70)
    assert not list(tmp_path.iterdir())
    drawn(monoid, tmp_path / "yes.svg", max_cells=71)


def test_the_same_monoid_gives_the_same_file(tmp_path):
    monoid = transition_monoid(Group("A4").permutations)
    eggbox_svg(monoid, tmp_path / "one.svg")
    eggbox_svg(transition_monoid(Group("A4").permutations), tmp_path / "two.svg")
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


def test_the_picture_in_the_docs_is_the_one_that_is_drawn(tmp_path):
    eggbox_svg(syntactic_monoid(DFA.from_regex("(a(ab)*b)*|(aa)*c")), tmp_path / "eggbox.svg")
    assert (tmp_path / "eggbox.svg").read_text() == (ROOT / "docs/assets/eggbox.svg").read_text()

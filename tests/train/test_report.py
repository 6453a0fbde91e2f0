"""Reports and pictures: self-contained, the same for the same numbers, readable without a terminal."""

import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from lrnn.train import RunFolder, train, write_report
from lrnn.train.pictures import accuracy_by_position, accuracy_over_length, save_figure, to_svg, training_curve
from lrnn.train.progress import Progress
from lrnn.train.report import figure, table
from lrnn.train.result import LengthScore
from tests.train.runs import tiny_run


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.links, self.ids, self.stack = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("href", "src", "xlink:href", "data")]
        self.links += re.findall(r"url\(([^)]*)\)", " ".join(value or "" for _, value in attrs))
        self.ids += [value for name, value in attrs if name == "id"]


def read(path):
    reader = Reader()
    reader.feed(path.read_text())
    return reader


def test_a_report_needs_nothing_from_outside(tmp_path):
    train(tiny_run(), tmp_path / "run", show=False)
    text = (tmp_path / "run" / "report.html").read_text()
    assert "http" not in text
    reader = read(tmp_path / "run" / "report.html")
    assert not {"script", "link", "img", "iframe", "object"} & set(reader.tags)
    assert all(link.startswith("#") for link in reader.links)
    assert {link.removeprefix("#") for link in reader.links} <= set(reader.ids)
    assert len(reader.ids) == len(set(reader.ids)), "two pictures share an id"
    assert reader.tags.count("svg") == 3
    assert "&quot;lr&quot;: 0.01" in text  # the config is in it


def test_a_picture_put_into_plots_is_part_of_the_report(tmp_path):
    train(tiny_run(ask="end"), tmp_path / "run", show=False)
    assert read(tmp_path / "run" / "report.html").tags.count("svg") == 2  # one label per word: no curve by position
    save_figure(training_curve([{"step": 1, "loss": 1.0}]), tmp_path / "run" / "plots", "9-my-own-picture")
    write_report(tmp_path / "run")
    assert "My own picture" in (tmp_path / "run" / "report.html").read_text()


def test_a_run_that_is_not_over_has_no_report(tmp_path):
    RunFolder.create(tmp_path / "run", tiny_run())
    with pytest.raises(ValueError, match=r"no result\.json yet"):
        write_report(tmp_path / "run")


def test_what_users_write_is_text_not_markup():
    assert "&lt;script&gt;" in table(("a",), [("<script>",)])
    assert figure('<?xml?><svg id="a"><use xlink:href="#a"/></svg>', "a < b", "p").endswith(
        '<svg id="p-a"><use href="#p-a"/></svg><figcaption>a &lt; b</figcaption></figure>'
    )


def scores(*last, positions=()):
    return [
        LengthScore(length=2**n, words=9, last=x, mean=x, last_quarter=x, whole=x, by_position=positions)
        for n, x in enumerate(last, 2)
    ]


def test_accuracy_over_length_shows_what_it_is_given():
    drawn = accuracy_over_length({"a": [scores(1, 0.5, 0), scores(1, 0.1, 0), scores(1, 0.4, 0)]}, (3, 9))
    axes = drawn.axes[0]
    (line,) = [line for line in axes.lines if line.get_label() == "a"]
    # the median of the seeds
    assert np.asarray(line.get_xydata()).tolist() == [[4, 1.0], [8, 0.4], [16, 0.0]]
    assert axes.get_xscale() == "log"
    assert any("3–9" in text.get_text() for text in axes.texts)
    again = accuracy_over_length({"a": [scores(1, 0.5, 0), scores(1, 0.1, 0), scores(1, 0.4, 0)]}, (3, 9))
    assert to_svg(drawn) == to_svg(again)


def test_pictures_of_nothing_are_refused():
    with pytest.raises(ValueError, match="no score to draw"):
        accuracy_over_length({"a": [[]]}, (3, 9))
    with pytest.raises(ValueError, match="one label per word"):
        accuracy_by_position(scores(1.0, positions=(float("nan"), 1.0)), (1, 2))
    with pytest.raises(ValueError, match="nothing was logged"):
        training_curve([])


@pytest.mark.no_shape_checks
def test_progress_is_silent_when_asked_and_plain_where_there_is_no_terminal(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("lrnn.train.progress.time.monotonic", lambda: clock[0])
    quiet, plain = io.StringIO(), io.StringIO()
    with Progress(10, show=False, stream=quiet) as a, Progress(10, title="parity", stream=plain) as b:
        for step in range(1, 11):
            clock[0] += 3.0
            a.show(step, 0.5, 0.25)
            b.show(step, 0.5, 0.25)
    assert quiet.getvalue() == ""
    lines = plain.getvalue().splitlines()
    assert lines[0] == "parity: step 4/10  loss 0.5000  accuracy 0.250  18 s left"
    assert len(lines) == 2  # now and then, not every step


@pytest.mark.no_shape_checks
def test_progress_in_a_terminal_shows_loss_accuracy_and_time_left():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    with Progress(10, title="parity", stream=stream) as progress:
        progress.show(5, 0.125, 0.75)
        assert progress._bar is not None
        progress._bar.refresh()
    assert "parity" in stream.getvalue()
    assert "0.1250" in stream.getvalue()
    assert "0.750" in stream.getvalue()

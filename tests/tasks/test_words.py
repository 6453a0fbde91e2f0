"""The user's own words: every format, the split, and every kind of bad line."""

import json
from pathlib import Path

import pytest
import torch

from lrnn.tasks import NOT_ASKED, Words

PALINDROMES = [format(number, "b") for number in range(1, 400)]


@pytest.fixture
def tsv(tmp_path):
    path = tmp_path / "words.tsv"
    path.write_text("".join(f"{word}\t{'yes' if word == word[::-1] else 'no'}\n" for word in PALINDROMES))
    return str(path)


def write(folder, name: str, text: str | bytes) -> str:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


def dealt(task: Words, split) -> set[str]:
    lengths = task.lengths_between(1, 99, split)
    batch = task.sample(3000, (lengths[0], lengths[-1]), seed=0, split=split)
    found = set()
    for word, labels, length in zip(batch.words, batch.labels, batch.lengths.tolist()):
        letters = "".join(task.decode(word[:length]))
        assert task.classes[labels[length - 1]] == ("yes" if letters == letters[::-1] else "no")
        assert (labels[: length - 1] == NOT_ASKED).all()
        found.add(letters)
    return found


def test_no_word_is_in_both_parts(tsv):
    task = Words(words=tsv)
    train, test = dealt(task, "train"), dealt(task, "test")
    assert not train & test
    assert len(train | test) > 390
    sizes = {part: len(numbers) for part, numbers in task.split.items()}
    assert sum(sizes.values()) == 399
    assert abs(sizes["test"] - 0.2 * 399) <= 1
    summary = task.summary
    assert f"399 different words (0 repeats left out), {sizes['train']} to train and {sizes['test']} to test" in summary
    assert "1 to 9 letters of 2" in summary


def test_the_split_keeps_the_shares_and_follows_its_seed(tsv):
    yes = {number for number, word in enumerate(PALINDROMES) if word == word[::-1]}
    tests = {}
    for seed in range(4):
        tests[seed] = set(Words(words=tsv, split_seed=seed, test_share=0.25).split["test"].tolist())
        assert abs(len(tests[seed] & yes) - 0.25 * len(yes)) <= 1
    assert tests[0] == set(Words(words=tsv, test_share=0.25).split["test"].tolist())
    assert len({frozenset(test) for test in tests.values()}) == 4


def test_the_split_does_not_depend_on_repeats(tmp_path, tsv):
    lines = Path(tsv).read_text().splitlines(keepends=True)
    again = Words(words=write(tmp_path, "again.tsv", "".join(lines + lines[:60])))
    assert "399 different words (60 repeats left out)" in again.summary
    assert again.split["test"].tolist() == Words(words=tsv).split["test"].tolist()


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_both_parts_hold_a_word_however_few_there_are(tmp_path, share):
    task = Words(words=write(tmp_path, "two.tsv", "a\t0\nb\t1\n"), test_share=share)
    assert [len(task.split[part]) for part in ("train", "test")] == [1, 1]


def test_chance_is_the_commonest_answer(tsv):
    no = sum(word != word[::-1] for word in PALINDROMES)
    assert Words(words=tsv).chance == pytest.approx(no / 399)


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "bom"])
def test_labels_for_each_letter(tmp_path, end, mark):
    text = end.join(["word\tlabels", "ab\t? 1", "ba\t10 2", "abb\t? ? 10"])
    task = Words(words=write(tmp_path, "w.tsv", mark + text.encode()))
    assert task.classes == ("1", "2", "10")  # as numbers
    assert task.alphabet == ("a", "b")
    json_lines = [
        {"word": "ab", "labels": [None, 1]},
        {"word": ["b", "a"], "labels": [10, 2]},
        {"word": "abb", "label": 10},
    ]
    same = Words(words=write(tmp_path, "w.jsonl", end.join(map(json.dumps, json_lines)) + end))
    for part in ("train", "test"):
        one, other = (t.sample(9, (1, 4), seed=0, split=part) for t in (task, same))
        assert all(torch.equal(a, b) for a, b in zip(one, other))
    both = torch.cat([task.sample(64, (1, 3), seed=0, split=part).labels for part in ("train", "test")])
    rows = {tuple(row) for row in both.tolist()}
    assert rows == {(-100, 0, -100), (2, 1, -100), (-100, -100, 2)}


@pytest.mark.parametrize(("separator", "text"), [(" ", "go  left\tx\nstop\ty\n"), (",", "go,left\tx\nstop\ty\n")])
def test_letters_of_more_than_one_character(tmp_path, separator, text):
    task = Words(words=write(tmp_path, "w.txt", text), separator=separator)
    assert task.alphabet == ("go", "left", "stop")
    assert task.encode(["go", "stop"]).tolist() == [0, 2]


def test_lengths(tmp_path):
    task = Words(
        words=write(tmp_path, "w.tsv", "".join(f"{'ab' * n}\t{n % 2}\n" for n in range(1, 30))), test_share=0.5
    )
    lengths = task.lengths_between(1, 100, "train")
    assert set(lengths) | set(task.lengths_between(1, 100, "test")) == set(range(2, 60, 2))
    assert task.lengths_between(3, 3) == ()
    assert set(task.sample(500, (1, 20), seed=0).lengths.tolist()) <= set(lengths)
    with pytest.raises(ValueError, match="no train word has 3 to 3 letters; lengths are"):
        task.sample(1, 3, seed=0)


BAD_TSV = """ab\tyes
ba
a b c\tno\tmore

\tyes
aa\t
ab\tno
bb\tno
"""


def test_all_bad_lines_are_told_and_nothing_is_read(tmp_path):
    path = write(tmp_path, "w.tsv", BAD_TSV)
    with pytest.raises(ValueError) as error:
        Words(words=path)
    assert str(error.value).splitlines() == [
        f"words = {path}: 6 bad lines",
        f"  {path}, line 2: must be a word, a tab, a label; got 1 column",
        f"  {path}, line 3: must be a word, a tab, a label; got 3 columns",
        f"  {path}, line 4: the line is blank",
        f"  {path}, line 5: the word is empty: a label needs a letter that it stands at",
        f"  {path}, line 6: the label is empty",
        f"  {path}, line 7: the word of line 1 again, with another label",
    ]


BAD_JSON = [
    ('{"word": "ab", "label": "x"', "no JSON: Expecting ',' delimiter"),
    ('["ab", 1]', r"must be an object with 'word' and either 'label' or 'labels'; got \[\"ab\", 1\]"),
    ('{"word": "ab", "lable": 1}', "got the fields 'word', 'lable'"),
    ('{"word": "ab", "label": 1, "labels": [1, 1]}', "got the fields 'word', 'label', 'labels'"),
    ('{"word": "ab", "label": 1.5}', "a label must be a string, an integer, true or false; got 1.5"),
    ('{"word": "ab", "label": null}', "a label must be a string, an integer, true or false; got None"),
    ('{"word": "ab", "labels": [1]}', "2 letters but 1 labels"),
    ('{"word": "ab", "labels": 1}', "'labels' must be a list, one for each letter; got 1"),
    ('{"word": "ab", "labels": [null, null]}', "no letter has a label"),
    ('{"word": "", "label": 1}', "the word is empty"),
    ('{"word": [], "label": 1}', "the word is empty"),
    ('{"word": ["a", ""], "label": 1}', "a letter is empty"),
    ('{"word": 7, "label": 1}', "a word must be a string or a list of letters; got 7"),
    ('{"word": ["a", 7], "label": 1}', "a word must be a string or a list of letters"),
]


@pytest.mark.parametrize(("line", "reason"), BAD_JSON)
def test_every_kind_of_bad_json(tmp_path, line, reason):
    path = write(tmp_path, "w.jsonl", f'{{"word": "a", "label": 0}}\n{line}\n{{"word": "b", "label": 1}}\n')
    with pytest.raises(ValueError, match=f"1 bad line\n  .*w.jsonl, line 2: .*{reason}"):
        Words(words=path)


def test_only_so_many_bad_lines_are_shown(tmp_path):
    path = write(tmp_path, "w.tsv", "x\n" * 50)
    with pytest.raises(ValueError) as error:
        Words(words=path)
    lines = str(error.value).splitlines()
    assert len(lines) == 22
    assert lines[0].endswith("50 bad lines")
    assert lines[-1] == "  … and 30 more"


def test_bytes_that_are_no_text(tmp_path):
    path = write(tmp_path, "w.tsv", b"ab\t1\nb\xffa\t0\naa\t0\n")
    with pytest.raises(ValueError, match=r"line 2: not UTF-8 text \(byte 2\)"):
        Words(words=path)


def test_a_doubled_separator(tmp_path):
    with pytest.raises(ValueError, match="line 1: a letter is empty: separator ',' at an end or twice in a row"):
        Words(words=write(tmp_path, "w.tsv", "a,,b\t1\nb\t0\n"), separator=",")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("w.csv", "a\t1\n", r"w.csv: must be a file whose name ends in one of .tsv, .txt, .jsonl"),
        ("w.tsv", "", "the file holds no word"),
        ("w.tsv", "word\tlabel\n", "the file holds no word"),
        ("w.tsv", "a\t1\n", "holds 1 word; two are needed, to train and to test"),
        ("w.tsv", "a\t1\nb\t1\n", "every label is '1', so there is nothing to learn"),
    ],
)
def test_files_without_a_question(tmp_path, name, text, message):
    with pytest.raises(ValueError, match=message):
        Words(words=write(tmp_path, name, text))


def test_unreadable_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"words = .*none.tsv: cannot be read: No such file"):
        Words(words=str(tmp_path / "none.tsv"))
    (tmp_path / "folder.tsv").mkdir()
    with pytest.raises(IsADirectoryError, match="cannot be read: Is a directory"):
        Words(words=str(tmp_path / "folder.tsv"))


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5, float("nan")])
def test_wrong_options_are_told(tsv, share):
    with pytest.raises(ValueError, match=r"test_share must be between 0 and 1, got .*; split_seed must be at least 0"):
        Words(words=tsv, test_share=share, split_seed=-1)

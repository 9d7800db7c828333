from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import BenchError
from harness.scoring.runfile import read_run, write_run

IDS = ["a.png", "b.png", "c.png"]
CLASSES = ["t1", "t2", "t3"]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "run.csv"


def complaint(path: Path, ids: list[str] = IDS, classes: list[str] | None = None) -> str:
    with pytest.raises(BenchError) as error:
        read_run(path, ids, classes)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize("text", ["a,0,0.25\nb,1,1e3\nc,0,-2\n", "a;0;0.25\nb;1;1e3\nc;0;-2\n"])
def test_a_third_column_holds_scores(run: Path, text: str) -> None:
    run.write_text(text)
    assert read_run(run, IDS).scores == {"a.png": 0.25, "b.png": 1000.0, "c.png": -2.0}


@pytest.mark.parametrize("text", ["a,b.png;0\n", "a,b.png\t0\n", '"a,b.png",0\n'])
def test_the_separator_is_the_one_in_front_of_the_label(run: Path, text: str) -> None:
    run.write_text(text)
    assert read_run(run, ["a,b.png"]).labels == {"a,b.png": 0}


def test_an_attribution_names_classes_in_three_ways(run: Path) -> None:
    run.write_text("image,subset\na.png,t3\nb.png,gen_t1\nc.png,2\n")
    assert read_run(run, IDS, CLASSES).labels == {"a.png": 2, "b.png": 0, "c.png": 1}


def test_a_class_that_is_called_like_a_number_is_meant_by_its_name(run: Path) -> None:
    run.write_text("a.png,2\nb.png,1\nc.png,2\n")
    assert read_run(run, IDS, ["2", "1"]).labels == {"a.png": 0, "b.png": 1, "c.png": 0}


def test_a_number_beyond_the_classes_is_no_label(run: Path) -> None:
    run.write_text("a.png,t1\nb.png,0\nc.png,4\n")
    message = complaint(run, classes=CLASSES)
    assert "2 labels are not valid (first: '0', line 2)" in message
    assert "one of t1, t2, t3" in message


def test_a_name_without_extension_is_refused_where_two_images_share_it(run: Path) -> None:
    run.write_text("a,0\na.jpg,1\n")
    message = complaint(run, ["a.png", "a.jpg"])
    assert "1 id is not in the data set (first: 'a', line 1)" in message
    assert "1 id is missing (first: 'a.png')" in message
    run.write_text("a.png,0\na.jpg,1\n")
    assert read_run(run, ["a.png", "a.jpg"]).labels == {"a.png": 0, "a.jpg": 1}


def test_an_id_without_extension_is_itself_and_not_short_for_another(run: Path) -> None:
    run.write_text("a,0\na.png,1\n")
    assert read_run(run, ["a", "a.png"]).labels == {"a": 0, "a.png": 1}


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("a,0\nb,1\nc,0\nb,1\na.png,0\n", ["2 rows repeat an id (first: 'b', line 4)"]),
        ("a,0\nb,1\n", ["1 id is missing (first: 'c.png')"]),
        ("image,label\n", ["3 ids are missing (first: 'a.png')"]),
        ("a,0\nb,1\nc,0\nd,0\n", ["1 id is not in the data set (first: 'd', line 4)"]),
        ("a,0\nb,2\nc,yes\n", ["2 labels are not valid (first: '2', line 2)"]),
        ("a,yes\nb,1\nc,0\n", ["1 label is not valid (first: 'yes', line 1)"]),
        ("a,0\nb,\nc,0.5\n", ["2 labels are not valid (first: '', line 2)"]),
        ("a,0,1\nb,1,nan\nc,0,inf\n", ["2 scores are not finite numbers (first: 'nan', line 2)"]),
        ("a,0,1\nb,1,high\nc,0,2\n", ["1 score is not a finite number (first: 'high', line 2)"]),
        ("a,0,1\nb,1\nc,0,\n", ["2 rows have no score where others do (first: line 2)"]),
        (
            "first,2\na,0\nb,1\nc,0\n",
            [
                "1 id is not in the data set (first: 'first', line 1)",
                "1 label is not valid (first: '2', line 1)",
            ],
        ),
        (
            "a,0\n\nb\nc,0,1,1\n",
            [
                "2 rows have not two or three cells (first: line 3)",
                "2 ids are missing (first: 'b.png')",
            ],
        ),
        (
            "image,label\na,0\na,1\nd,1\nb,x\n",
            [
                "1 id is not in the data set (first: 'd', line 4)",
                "1 row repeats an id (first: 'a', line 3)",
                "1 id is missing (first: 'c.png')",
                "1 label is not valid (first: 'x', line 5)",
            ],
        ),
    ],
)
def test_what_is_wrong_is_counted_with_a_first_example(
    run: Path, text: str, faults: list[str]
) -> None:
    run.write_text(text)
    remedy = "give each question one row name,label with a label that is 0 or 1"
    assert complaint(run) == f"{run}: {'; '.join([*faults, remedy])}"


def test_a_file_that_cannot_be_read_is_named(run: Path, tmp_path: Path) -> None:
    assert "No such file" in complaint(run)
    assert "directory" in complaint(tmp_path)
    for blank in ("", " \n\n", "\ufeff"):
        run.write_text(blank)
        assert "the file is empty" in complaint(run)
    run.write_bytes("a.png,0\n".encode("utf-16"))
    assert "not UTF-8" in complaint(run)
    run.write_text("a" * 200_000 + ",0\n")
    assert "not a table" in complaint(run)


def test_no_questions_are_answered_by_a_header_alone(run: Path) -> None:
    run.write_text("image,label\n")
    assert read_run(run, []).labels == {}


def test_a_membership_run_is_written_sorted_and_without_a_header(run: Path) -> None:
    write_run(run, ["b.png", "a.png"], [1, 0])
    assert run.read_bytes() == b"a.png,0\nb.png,1\n"
    write_run(run, ["b.png", "a.png"], [1, 0], scores=[0.1, 1e-9])
    assert run.read_bytes() == b"a.png,0,1e-09\nb.png,1,0.1\n"


def test_an_attribution_is_written_with_the_names_of_the_classes(run: Path) -> None:
    write_run(run, IDS, [2, 0, 1], classes=CLASSES)
    assert run.read_text() == "a.png,t3\nb.png,t1\nc.png,t2\n"


def test_answers_of_different_length_are_not_written(run: Path) -> None:
    with pytest.raises(ValueError, match="shorter"):
        write_run(run, IDS, [0, 1])
    with pytest.raises(ValueError, match="shorter"):
        write_run(run, IDS, [0, 1, 0], [0.5])
    assert not run.exists()


@pytest.mark.parametrize("name", ["two\nlines.png", " blank.png", "blank ", "\ufeffmark", "\udc80"])
def test_a_name_that_would_not_be_read_back_is_not_written(run: Path, name: str) -> None:
    with pytest.raises(BenchError, match="rename the image"):
        write_run(run, [name], [0])
    assert not run.exists()


names = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\ufeff"), min_size=1
).filter(lambda name: name == name.strip())
finite = st.floats(allow_nan=False, allow_infinity=False)
one_file = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@one_file
@given(
    rows=st.dictionaries(names, st.tuples(st.integers(0, 1), finite), min_size=1),
    scored=st.booleans(),
    attribution=st.booleans(),
)
def test_what_is_written_is_read_back(
    run: Path, rows: dict[str, tuple[int, float]], scored: bool, attribution: bool
) -> None:
    ids, labels = list(rows), [label for label, _ in rows.values()]
    scores = [score for _, score in rows.values()] if scored else None
    classes = ["t1", "the other, with a comma"] if attribution else None
    write_run(run, ids, labels, scores, classes)
    answers = read_run(run, ids, classes)
    assert answers.labels == dict(zip(ids, labels, strict=True))
    if scores is None:
        assert answers.scores is None
    else:
        assert answers.scores == dict(zip(ids, scores, strict=True))

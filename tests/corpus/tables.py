"""Tables of answers in every odd form: the truth of a data set, its groups, and run files."""

import gzip
from collections.abc import Iterator

from corpus.kinds import Kind, holds

NAMES = ["q_1.png", "q_2.png", "q_3.png", "q_4.png"]
LABELS = (1, 0, 1, 0)
SCORES = (0.25, 1e3, -2.0, 1.0)
PLAIN = "q_1.png,1\nq_2.png,0\nq_3.png,1\nq_4.png,0\n"
HEADER = "image,label\n"
LAST = PLAIN.replace("q_4.png,0", "%s")  # all but the last row are in order

SOUND = {  # means LABELS to every reader
    "plain": PLAIN,
    "header": HEADER + PLAIN,
    "header in Chinese": "图像,标签\n" + PLAIN,
    "byte order mark": "\ufeff" + HEADER + PLAIN,
    "line ends of Windows": PLAIN.replace("\n", "\r\n"),
    "line ends of old Macs": PLAIN.replace("\n", "\r"),
    "mark and line ends of Windows": "\ufeff" + HEADER + PLAIN.replace("\n", "\r\n"),
    "tabs": PLAIN.replace(",", "\t"),
    "quotes": '"q_1.png","1"\n"q_2.png", "0"\nq_3.png,1\nq_4.png,0\n',
    "blanks and blank lines": "\n q_1.png ,1\n\n  \nq_2.png, 0 \nq_3.png,1\nq_4.png,0\n\n",
    "no line end at the end": PLAIN[:-1],
    "no endings": PLAIN.replace(".png", ""),
    "another order": "".join(reversed(PLAIN.splitlines(keepends=True))),
}
UNSOUND: dict[str, tuple[str | bytes, str, str]] = {  # what the truth says of it, and a run file
    "zero bytes": ("", "4 of 4 images have no label", "is empty"),
    "blank lines": (" \n\n", "4 of 4 images have no label", "is empty"),
    "header alone": (HEADER, "4 of 4 images have no label", "4 ids are missing"),
    "UTF-16": (PLAIN.encode("utf-16"), "UTF-8", "UTF-8"),
    "UTF-16 without a mark": (PLAIN.encode("utf-16-le"), ":2: ", "not in the data set"),
    "UTF-32": (PLAIN.encode("utf-32"), "UTF-8", "UTF-8"),
    "Latin-1": (PLAIN.replace("q_4", "é").encode("latin-1"), "UTF-8", "UTF-8"),
    "gzip": (gzip.compress(PLAIN.encode(), mtime=0), "UTF-8", "UTF-8"),
    "a page of html": ("<!doctype html>\n<html>not found</html>", ":1: ", "two or three cells"),
    "JSON": ('{"q_1.png": 1}', ":1: ", "two or three cells"),
    "cut off in a name": (LAST % "q_", ":4: ", "first: line 4"),
    "missing id": (LAST % "", "1 of 4 images have no label, for example q_4.png", "'q_4.png'"),
    "repeated id": (PLAIN + "q_2.png,0\n", "'q_2.png' is already on line 2", "'q_2.png', line 5"),
    "repeated without ending": (PLAIN + "q_2,0\n", "'q_2' is already on line 2", "'q_2', line 5"),
    "stranger": (PLAIN + "q_5.png,1\n", ":5: there is no image 'q_5.png'", "'q_5.png', line 5"),
    "path that climbs out": (LAST % "../q_4.png,0", "'../q_4.png'", "'../q_4.png', line 4"),
    "formula": (LAST % "=cmd|' /C calc'!A1,0", ":4: ", "line 4"),
    "confusable letter": (LAST % "q_\u0434.png,0", r"'q_\u0434.png'", r"'q_\u0434.png'), line 4"),
    "invisible letter": (LAST % "q_4\u200b.png,0", r"'q_4\u200b.png'", r"'q_4\u200b.png', line 4"),
    "wide digit in a name": (LAST % "q_４.png,0", r"'q_\uff14.png'", r"'q_\uff14.png'), line 4"),
    "capitals": (LAST % "Q_4.PNG,0", "'Q_4.PNG'", "'Q_4.PNG', line 4"),
    "NUL in a name": (LAST % "q_4\0.png,0", r"'q_4\x00.png'", r"'q_4\x00.png', line 4"),
    "NUL in a label": (LAST % "q_4.png,0\0", r"'0\x00'", r"'0\x00', line 4"),
    "label too high": (LAST % "q_4.png,2", "'2' is not 0 or 1", "'2', line 4"),
    "label in words": (LAST % "q_4.png,no", "'no' is not 0 or 1", "'no', line 4"),
    "label between two": (LAST % "q_4.png,0.5", "'0.5' is not 0 or 1", "'0.5', line 4"),
    "label below zero": (LAST % "q_4.png,-0", "'-0' is not 0 or 1", "'-0', line 4"),
    "empty label": (LAST % "q_4.png,", "'' is not 0 or 1", "'', line 4"),
    "wide digit": (LAST % "q_4.png,０", r"'\uff10') is not 0 or 1", r"'\uff10'), line 4"),
    "Arabic digit": (LAST % "q_4.png,٠", r"'\u0660') is not 0 or 1", r"'\u0660'), line 4"),
    "number of 5000 digits": (LAST % f"q_4.png,{'1' * 5000}", "... is not 0 or 1", "..., line 4"),
    "missing column": (LAST % "q_4.png", ":4: has 1 columns", "first: line 4"),
    "four columns": (LAST % "q_4.png,0,1,1", ":4: has 4 columns", "first: line 4"),
    "name in two columns": (LAST % "q,4.png,0", ":4: has 3 columns", "line 4"),
    "header in the middle": (LAST % f"{HEADER}q_4.png,0", ":4: there is no image", "line 4"),
    "newline in quotes": (LAST % '"q_4\n.png",0', r"'q_4\n.png'", "line 4"),
    "open quote": (LAST % '"q_4.png,0', ":4: ", "first: line 4"),
    "field of 200 kB": ("a" * 200_000 + ",0\n", "not valid csv", "not a table"),
    "name of 100 kB": (LAST % ("a" * 100_000 + ",0"), "...", "..."),
}


def _kinds(number: int) -> Iterator[Kind]:
    for name, text in SOUND.items():
        yield Kind(name, holds(text), right=LABELS)
    for name, (content, *said) in UNSOUND.items():
        yield Kind(name, holds(content), said=said[number])


def _scored(
    name: str, *scores: str, right: tuple[float, ...] | None = None, said: str = ""
) -> Kind:
    rows = zip(PLAIN.splitlines(), scores, strict=True)
    return Kind(name, holds("".join(f"{row},{score}\n" for row, score in rows)), right, said)


SEMICOLONS, SEPARATOR = PLAIN.replace(",", ";"), "sep=;\n"
TRUTHS = [
    *_kinds(0),
    Kind("semicolons", holds(SEMICOLONS), said=":1: has 1 columns"),
    Kind("name below the root", holds("test/real_unknown/" + PLAIN), right=LABELS),
]
RUNS = [
    *_kinds(1),
    Kind("semicolons", holds(SEMICOLONS), right=LABELS),
    Kind("semicolons of a spreadsheet", holds(SEPARATOR + SEMICOLONS), right=LABELS),
    Kind("semicolons below a header", holds("image;label\n" + SEMICOLONS), right=LABELS),
    Kind("a header of scores", holds("image,label,score\n" + PLAIN), right=LABELS),
    Kind("empty scores", holds(PLAIN.replace("\n", ",\n")), right=LABELS),
    Kind("labels as floats", holds(PLAIN.replace(",1", ",1.0")), right=LABELS),
]
SCORED = [
    _scored("numbers", "0.25", "1e3", "-2", " 1.", right=SCORES),
    _scored("not a number", "0.25", "nan", "-2", "1", said="'nan', line 2"),
    _scored("infinite", "0.25", "1e3", "-inf", "1", said="'-inf', line 3"),
    _scored("too large", "0.25", "1e999", "-2", "1", said="'1e999', line 2"),
    _scored("in words", "high", "1e3", "-2", "1", said="'high', line 1"),
    _scored("decimal commas", '"0,25"', "1e3", "-2", "1", said="'0,25', line 1"),
    _scored("digits in groups", "0.25", "1_000", "-2", "1", said="'1_000', line 2"),
    _scored("some alone", "0.25", "", "-2", "1", said="no score where others have one"),
]

PLACES = [f"train/real_used/{name}" for name in NAMES[:2]]
PLACES += [f"train/real_not_used/{name}" for name in NAMES[:2]]
PLACES += [f"test/real_unknown/{name}" for name in NAMES]
PATIENTS = "".join(f"{place},p{number}\n" for number, place in enumerate(PLACES))
FIRST = "train/real_used/q_1.png,p0"
GROUPS = [
    Kind("plain", holds(PATIENTS), right="p0"),
    Kind("image of no set", holds("elsewhere.png,p9\n" + PATIENTS), right="p0"),
    Kind("quote in a group", holds(PATIENTS.replace(FIRST, f'{FIRST}"')), right='p0"'),
    Kind("group of another alphabet", holds(PATIENTS.replace(FIRST, f"{FIRST}é")), right="p0é"),
    Kind("empty group", holds(PATIENTS.replace("p0", "")), said=":1: the group ''"),
    Kind("blank group", holds(PATIENTS.replace("p0", "  ")), said=":1: the group ''"),
    Kind("missing image", holds(PATIENTS.replace(FIRST, "")), said="1 of 8 images have no group"),
    Kind("ambiguous name", holds("q_1.png,p0\n"), said="'q_1.png' may be"),
    Kind("other group for an image", holds(f"{PATIENTS}{FIRST}9"), said="already on line 1"),
    Kind("UTF-16", holds(PATIENTS.encode("utf-16")), said="UTF-8"),
]

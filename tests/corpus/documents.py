"""YAML files of every odd form, as a person or an attacker may write datasets.yaml."""

from corpus.kinds import Kind, holds

GOOD = """\
x:
  task: membership
  layout: imageclef-2025-membership
  root: scans
  image: {size: 64}
"""
RIGHT = {"x": ("scans", 64)}  # what GOOD means
BOMB = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
BILLION = "\n".join(["a0: &a0 [x, x]", *BOMB])
BASES = "\n".join([f"a{n}: &a{n} {{<<: [{f'*a{n - 1}, ' * 9}]}}" for n in range(1, 30)])
MERGES = f"a0: &a0 {{x: y}}\n{BASES}"

SOUND = [
    Kind("as written", holds(GOOD), right=RIGHT),
    Kind("byte order mark", holds("\ufeff" + GOOD), right=RIGHT),
    Kind("line ends of Windows", holds(GOOD.replace("\n", "\r\n")), right=RIGHT),
    Kind("line ends of old Macs", holds(GOOD.replace("\n", "\r")), right=RIGHT),
    Kind("marks of begin and end", holds(f"%YAML 1.1\n---\n{GOOD}...\n"), right=RIGHT),
    Kind("in one line", holds(
        '{"x": {"task": "membership", "layout": "imageclef-2025-membership", "root": "scans",'
        ' "image": {"size": 64}}}'), right=RIGHT),
    Kind("an emoji in a value", holds(GOOD + "  licence: 🫁\n"), right=RIGHT),
    Kind("a quote in a value", holds(GOOD + "  licence: it's\n"), right=RIGHT),
    Kind("a megabyte of remarks", holds("#" * 10**6 + "\n" + GOOD), right=RIGHT),
]  # fmt: skip


def bad(name: str, text: str | bytes, said: str) -> Kind:
    return Kind(name, holds(text), said=said)


def changed(name: str, old: str, new: str, said: str) -> Kind:
    assert old in GOOD
    return bad(name, GOOD.replace(old, new), said)


def nested(depth: int) -> str:
    return f"x: {{task: membership, layout: pack, fetch: {{a: {{b: {'[' * depth}{']' * depth}}}}}}}"


NO_ENTRIES = [
    bad("zero bytes", "", ":1: holds no entries"),
    bad("a remark alone", "# nothing\n", ":1: holds no entries"),
    bad("a list", "\n- a\n- b\n", ":2: holds no entries"),
    bad("text", "text", ":1: holds no entries"),
    bad("half a line", "x:\n  task: [\n", ":3: is not plain YAML"),
    bad("an open quote", "x:\n  root: 'a\n", ":3: is not plain YAML"),
    bad("a tab", "x:\n\ty: 1\n", ":2: is not plain YAML"),
    bad("two documents", "x: {a: 1}\n---\ny: {}\n", ":2: is not plain YAML"),
    bad("a bell", "x:\n  root: \x07\n", r":2: holds the character '\x07'"),
    bad("NUL", "x:\n  root: a\0b\n", r":2: holds the character '\x00'"),
    bad("not UTF-8", b"x:\n  licence: \xff\n", ":2: is not UTF-8 text"),
    bad("UTF-16", GOOD.encode("utf-16"), ":1: is not UTF-8 text"),
    bad("a zip file", b"PK\3\4" + bytes(60), ":1: holds the character"),
    bad("a percent sign", "%x: {}\n", "is not plain YAML"),
    bad("an entry without keys", "x:\n", ":1: entry 'x': is None"),
    bad("an entry of a number", "x: 3\n", ":1: entry 'x': is 3"),
    bad("an entry given twice", "x: {}\ny: {}\nx: {}\n", ":3: entry 'x': is already on line 1"),
    bad("a list as a key", "[a]: {}\n", ":1: a key must be text"),
    bad("a climbing name", "../up: {}\n", ":1: entry '../up': is no name"),
    bad("a name of an absolute path", "/etc: {}\n", ":1: entry '/etc': is no name"),
    bad("an empty name", "'': {}\n", ":1: entry '': is no name"),
    bad("a name of 101 letters", f"{'x' * 101}: {{}}\n", ":1: entry 'xxx"),
    bad("a name of 100 kB", f"? {'x' * 10**5}\n: {{}}\n", ":1: entry 'xxx"),
    bad("a name with a Cyrillic letter", "\u0445: {}\n", r"('\u0445'): is no name"),
    bad("a name with an emoji", "🫁: {}\n", ": is no name"),
    bad("a name with a newline", '"a\\nb": {}\n', r":1: entry 'a\nb': is no name"),
]
TRICKS = [
    bad("an alias", "x: &a [1]\ny: *a\n", ":2: entry 'y': aliases are not allowed"),
    bad("an alias of itself", "x: {root: &a [*a]}\n", "aliases are not allowed"),
    bad("a bomb of aliases", BILLION, "aliases are not allowed"),
    bad("a bomb of merged maps", MERGES, "aliases are not allowed"),
    bad("an unknown alias", "x: *a\n", ":1: is not plain YAML"),
    bad("a merged map", "x: {<<: {task: membership}}\n", "key '<<': unknown key"),
    bad("nested 1500 deep", nested(1500), "is nested too deeply"),
    bad("a tag of Python", "x: !!python/object/apply:os.system [id]\n", "entry 'x': YAML reads"),
    bad("a tag of its own", "x: !mine {}\n", "entry 'x': YAML reads this as '!mine'"),
    bad("a set", "x: {root: !!set {a}}\n", "key 'root': YAML reads this as 'set'"),
    bad("binary", "x: {root: !!binary aGk=}\n", "key 'root': YAML reads this as 'binary'"),
    bad("an integer that is none", "x: {root: !!int a}\n", "key 'root': 'a' is not valid here"),
    bad("a boolean that is none", "x: {root: !!bool a}\n", "key 'root': 'a' is not valid here"),
    bad("a name inside", "x: {name: y}\n", "key 'name': unknown key"),
]
VALUES = [
    changed("octal", "64", "0100", ":5: entry 'x', key 'image.size': '0100' is no decimal number"),
    changed("minutes", "64", "1:04", "key 'image.size': '1:04' is no decimal number"),
    changed("5000 digits", "64", "1" * 5000, "key 'image.size': '111"),
    changed("a huge size", "64", "1000000", "key 'image.size': must be less than or equal to 8192"),
    changed("infinite", "64", ".inf", "key 'image.size': must be a valid integer"),
    changed("not a number", "{size: 64}", "{window: {center: .nan, width: 1}}", "finite number"),
    changed("a date", "scans", "2025-01-01", "key 'root': YAML reads this as 'timestamp'"),
    changed("a newline in a path", "scans", r'"a\nb"', "key 'root': holds unprintable"),
    changed("NUL in a path", "scans", r'"a\0b"', "key 'root': holds unprintable"),
    changed("right to left", "scans", r'"a\u202Eb"', "key 'root': holds unprintable"),
    changed("half a character", "scans", r'"a\uD800b"', "key 'root': "),
    changed("a key with a Cyrillic letter", "root", "r\u043eot", r"('r\u043eot'): unknown key"),
    changed("a key of 100 kB", "root: scans", f"? {'r' * 10**5}\n  : scans", "unknown key"),
    changed("a key given twice", "image: {size: 64}", "root: b", "key 'root': is already on line"),
    *(
        changed(f"{key} {how}", "image: {size: 64}", f"{key}: {path}", f"{key!r}: must lie below")
        for key in ("truth", "groups", "null_pool")
        for how, path in (("that climbs", "a/../../b"), ("of an absolute path", "/etc/passwd"))
    ),
    changed("a split that climbs", "image: {size: 64}", "splits: {train: {used: ../a}}",
            "key 'splits.train.used': must lie below"),
    changed("a split with a slash", "image: {size: 64}", "splits: {train/used: a}", "'/'"),
]  # fmt: skip

DOCUMENTS = [*SOUND, *NO_ENTRIES, *TRICKS, *VALUES]

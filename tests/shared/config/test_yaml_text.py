"""YAML from anyone: small texts neither fill the memory nor end in a traceback."""

from __future__ import annotations

import pytest

from shared.config.yaml_text import MAX_CHARACTERS, MAX_DEPTH, NotYaml, parse_yaml

LAUGHS = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10))
MERGED = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 10))


def test_plain_data_and_a_few_aliases_are_read() -> None:
    text = "a: &a {x: 1, y: [1.5, yes, ~]}\nb: *a\nc: {<<: *a, x: 2}\n"
    plain = {"x": 1, "y": [1.5, True, None]}
    assert parse_yaml(text) == {"a": plain, "b": plain, "c": plain | {"x": 2}}
    assert parse_yaml("") is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (LAUGHS, "as aliases repeat them"),
        (MERGED, "as aliases repeat them"),
        ("a: &a [*a]", "an alias within what it stands for"),
        ("[" * 5000, f"more than {MAX_DEPTH} levels"),
        ("{a: " * 5000, f"more than {MAX_DEPTH} levels"),
        ("- " * 5000, f"more than {MAX_DEPTH} levels"),
        ("x" * (MAX_CHARACTERS + 1), f"at most {MAX_CHARACTERS} are read"),
        ("a: " + "9" * 5000, r"has a value that cannot be read \(ValueError\)"),
        ("a: 2024-99-99", r"has a value that cannot be read \(ValueError\)"),
        ("a: [1, 2", "is not YAML at line 1, column 9"),
        ("a: !!python/object:os.system x", "is not YAML at line 1, column 4"),
        ("a: 1\n--- \nb: 2", "is not YAML at line 2"),
    ],
)
def test_what_breaks_a_bound_or_is_not_yaml_is_refused(text: str, words: str) -> None:
    with pytest.raises(NotYaml, match=words):
        parse_yaml(text)

"""The list of keys that the command `options` prints."""

from __future__ import annotations

from shared.config.describe import describe
from shared.config.schema import Config
from shared.strategies import find_strategy


def test_every_key_has_a_description_and_occurs_once() -> None:
    rows = list(describe(Config))
    assert all(description for _, _, description in rows)
    assert len({key for key, _, _ in rows}) == len(rows)


def test_a_key_that_holds_one_of_several_sections_is_followed_by_the_keys_of_all() -> None:
    rows = {key: (default, description) for key, default, description in describe(Config)}
    assert rows["data.split"][0] == "see the next lines"
    assert {"data.split.validation", "data.split.folds", "data.split.held_out_domain"} <= rows.keys()
    assert rows["data.split.folds"][0] == "required"
    default, ways = rows["data.split.how"]
    assert default == "given"
    assert all(f"{way}: " in ways for way in ("given", "drawn", "folds", "domain"))


def test_sections_by_name_and_in_lists_show_it_in_their_keys() -> None:
    assert "published.NAME.accuracy" in {key for key, _, _ in describe(Config)}
    assert "strategy.phases[].lr_head" in {
        key for key, _, _ in describe(find_strategy("finetune").options, "strategy.")
    }


def test_choices_are_listed_where_the_description_does_not_name_them() -> None:
    rows = {key: description for key, _, description in describe(Config)}
    assert rows["device"].endswith("('auto' or 'cpu' or 'cuda')")
    assert "'refuse'" not in rows["data.leaks"]

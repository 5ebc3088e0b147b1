from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.data.pseudonyms import Pseudonymiser, salt_file
from shared.errors import ConfigError


def test_pseudonym_is_twelve_hex_digits_and_stable() -> None:
    first = Pseudonymiser.of_this_user()("patient", "PAT-1")
    assert re.fullmatch("[0-9a-f]{12}", first)
    assert Pseudonymiser.of_this_user()("patient", " PAT-1 ") == first


def test_pseudonym_depends_on_identifier_kind_and_salt() -> None:
    one, other = Pseudonymiser(b"a" * 32), Pseudonymiser(b"b" * 32)
    names = {one("patient", "1"), one("patient", "2"), one("image", "1"), other("patient", "1")}
    assert len(names) == 4


def test_salt_is_private_random_and_not_shown() -> None:
    salt = Pseudonymiser.of_this_user().salt
    assert salt_file().read_bytes() == salt
    assert salt_file().stat().st_mode & 0o777 == 0o600
    assert len(salt) == 32
    assert [path.name for path in salt_file().parent.iterdir()] == ["salt"]
    assert repr(Pseudonymiser(salt)) == "Pseudonymiser()"


def test_processes_that_start_together_agree_on_one_salt() -> None:
    with ThreadPoolExecutor(8) as pool:
        salts = set(pool.map(lambda _: Pseudonymiser.of_this_user().salt, range(32)))
    assert len(salts) == 1


def test_variable_overrides_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDTL_SALT", "shared by two machines")
    name = Pseudonymiser.of_this_user()("patient", "1")
    assert not salt_file().exists()
    monkeypatch.setenv("MEDTL_SALT", "shared by two others..")
    assert Pseudonymiser.of_this_user()("patient", "1") != name


def test_short_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDTL_SALT", "short")
    with pytest.raises(ConfigError, match="5 characters"):
        Pseudonymiser.of_this_user()


def test_salt_that_others_can_read_is_refused() -> None:
    Pseudonymiser.of_this_user()
    salt_file().chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        Pseudonymiser.of_this_user()


def test_damaged_salt_is_refused_not_replaced() -> None:
    Pseudonymiser.of_this_user()
    salt_file().write_bytes(b"half")
    with pytest.raises(ConfigError, match="4 bytes"):
        Pseudonymiser.of_this_user()
    assert salt_file().read_bytes() == b"half"


def test_place_that_cannot_be_written_is_explained(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    with pytest.raises(ConfigError, match="MEDTL_SALT"):
        Pseudonymiser.of_this_user()

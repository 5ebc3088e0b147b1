"""Addresses in an archive, and credentials for it."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from medtl.archive.address import CREDENTIALS_VARIABLE, Address, authorization
from shared.errors import UsageError


@pytest.mark.parametrize(
    ("text", "address", "shown"),
    [
        (
            "dicomweb://127.0.0.1:8042/dicom-web/studies/1.2.3",
            Address(False, "127.0.0.1", 8042, "/dicom-web", "1.2.3", None),
            "http://127.0.0.1:8042",
        ),
        (
            "dicomwebs://pacs.local/a/b/studies/1.2/series/2.25.7/",
            Address(True, "pacs.local", 443, "/a/b", "1.2", "2.25.7"),
            "https://pacs.local:443",
        ),
        ("https://[::1]:1/studies/1", Address(True, "::1", 1, "", "1", None), "https://[::1]:1"),
        ("http://h/studies/studies/1.2", Address(False, "h", 80, "/studies", "1.2", None), "http://h:80"),
    ],
)
def test_an_address_is_read_and_shown_without_its_uids(text: str, address: Address, shown: str) -> None:
    assert Address.parse(text) == address
    assert str(address) == shown


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no address"),
        ("pacs/studies/1.2", "is no address"),
        ("ftp://pacs/studies/1.2", "is no address"),
        ("dicomweb://pacs/studies", "is no address"),
        ("dicomweb://pacs/studies/1.2?limit=1", "is no address"),
        ("dicomweb://pacs/studies/../1.2", "is no address"),
        ("dicomweb://pacs/studies/1..2", "is no address"),
        ("dicomweb://pacs/studies/" + "1" * 65, "is no address"),
        ("dicomweb://pacs/studies/1.2/series/x", "is no address"),
        ("dicomweb://pacs/studies/1.2\r\nX: y", "is no address"),
        ("dicomweb://pacs:0/studies/1.2", "port 0 is not allowed"),
        ("dicomweb://pacs:65536/studies/1.2", "port 65536 is not allowed"),
        ("dicomweb://user:secret@pacs/studies/1.2", "takes no user and password"),
    ],
)
def test_another_form_is_refused_without_being_repeated(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as refused:
        Address.parse(text)
    assert "secret" not in str(refused.value)
    assert "1.2" not in str(refused.value)


def secret(folder: Path, text: str, mode: int = 0o600) -> Path:
    file = folder / "secret"
    file.write_text(text)
    file.chmod(mode)
    return file


def test_credentials_come_from_the_environment_or_a_private_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = Address.parse("dicomweb://localhost/studies/1"), Address.parse("dicomwebs://pacs/studies/1")
    assert authorization(there, None) == {}
    monkeypatch.setenv(CREDENTIALS_VARIABLE, "a.tok-en=")
    assert authorization(there, None) == {"Authorization": "Bearer a.tok-en="}
    basic = base64.b64encode("me:grün: 1".encode()).decode()
    assert authorization(here, secret(tmp_path, "me:grün: 1\n")) == {"Authorization": f"Basic {basic}"}


def test_credentials_are_not_sent_unencrypted_nor_read_where_others_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = Address.parse("dicomweb://localhost/studies/1"), Address.parse("dicomweb://pacs/studies/1")
    with pytest.raises(UsageError, match="sent to pacs unencrypted") as refused:
        authorization(there, secret(tmp_path, "hidden"))
    assert "hidden" not in str(refused.value)
    with pytest.raises(UsageError, match="other users can read it; run: chmod 600"):
        authorization(here, secret(tmp_path, "hidden", 0o640))
    with pytest.raises(UsageError, match="there is no such file"):
        authorization(here, tmp_path / "none")
    for text in ("", "two words", "a:b\r\nX: y", "tok\nen"):
        with pytest.raises(UsageError, match="these are no credentials"):
            authorization(here, secret(tmp_path, text))
    monkeypatch.setenv(CREDENTIALS_VARIABLE, "hidden")
    with pytest.raises(UsageError, match=f"^{CREDENTIALS_VARIABLE}: they would be sent"):
        authorization(there, None)

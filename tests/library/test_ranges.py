"""Files sent whole or in part."""

from pathlib import Path
from typing import Any

import pytest
from django.http import FileResponse
from django.test import RequestFactory

from library.ranges import send_file

# The end of a response gives back connections to the database that other tests of this process may have opened.
pytestmark = pytest.mark.django_db

LETTERS = b"abcdefghijklmnopqrstuvwxyz"
ENDLESS = "bytes=" + "9" * 5000 + "-"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "letters"
    path.write_bytes(LETTERS)
    return path


def send(file: Path, **headers: str) -> Any:
    return send_file(RequestFactory().get("/", headers=headers), file, content_type="text/plain", etag="v1")


def body_of(response: Any) -> bytes:
    body = b"".join(response.streaming_content)
    response.close()
    return body


@pytest.mark.parametrize(
    ("asked", "part", "content_range"),
    [
        pytest.param("bytes=0-2", b"abc", "bytes 0-2/26", id="beginning"),
        pytest.param("bytes=23-", b"xyz", "bytes 23-25/26", id="to the end"),
        pytest.param("bytes=-3", b"xyz", "bytes 23-25/26", id="last three"),
        pytest.param("bytes=24-99", b"yz", "bytes 24-25/26", id="beyond the end"),
        pytest.param("bytes=-99", LETTERS, "bytes 0-25/26", id="more than there is"),
    ],
)
def test_a_part_is_sent(file: Path, asked: str, part: bytes, content_range: str) -> None:
    response = send(file, Range=asked)

    assert (response.status_code, response["Content-Range"]) == (206, content_range)
    assert int(response["Content-Length"]) == len(part)
    assert body_of(response) == part


@pytest.mark.parametrize(
    "asked", ["", "bytes=", "bytes=-", "lines=1-2", "bytes=0-1,4-5", "bytes=a-b", "bytes=٣-", ENDLESS]
)
def test_what_is_no_single_range_gets_the_whole_file(file: Path, asked: str) -> None:
    response = send(file, Range=asked)

    assert isinstance(response, FileResponse)
    assert (body_of(response), response["Accept-Ranges"]) == (LETTERS, "bytes")


@pytest.mark.parametrize("asked", ["bytes=26-", "bytes=99-100", "bytes=-0", "bytes=5-2"])
def test_a_part_that_is_not_there_is_416(file: Path, asked: str) -> None:
    response = send(file, Range=asked)

    assert (response.status_code, response["Content-Range"]) == (416, "bytes */26")


def test_a_file_that_is_another_by_now_is_sent_whole(file: Path) -> None:
    assert body_of(send(file, Range="bytes=0-2", **{"If-Range": '"v0"'})) == LETTERS
    assert body_of(send(file, Range="bytes=0-2", **{"If-Range": '"v1"'})) == b"abc"


def test_a_file_that_is_gone_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        send(tmp_path / "nothing")

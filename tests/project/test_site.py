"""The admin's menu: names one can tell apart, written as their owners write them."""

import pytest
from django.template import Context, Template
from django.test import Client
from django.urls import reverse

from library.wording import begin_with_a_capital


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("tracks", "Tracks", id="a plain word"),
        pytest.param("iTunes tracks", "iTunes tracks", id="a name with its capital further in"),
        pytest.param("ISRC", "ISRC", id="capitals throughout"),
        pytest.param("not-duplicate decision", "Not-duplicate decision", id="a hyphen"),
        pytest.param("tracks of iTunes", "Tracks of iTunes", id="a name later on"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_the_first_letter_is_a_capital_unless_the_name_says_otherwise(text: str, shown: str) -> None:
    assert begin_with_a_capital(text) == shown
    assert Template("{{ text|capfirst }}").render(Context({"text": text})) == shown


@pytest.mark.django_db
class TestMenu:
    @pytest.fixture
    def names(self, admin_client: Client) -> list[str]:
        applications = admin_client.get(reverse("admin:index")).context["app_list"]
        return [model["name"] for application in applications for model in application["models"]]

    def test_no_two_entries_share_a_name(self, names: list[str]) -> None:
        assert len(set(names)) == len(names)

    def test_itunes_is_written_as_its_owner_writes_it(self, names: list[str]) -> None:
        assert "iTunes tracks" in names

    def test_the_queue_is_no_entry(self, names: list[str]) -> None:
        assert not [name for name in names if "task" in name.lower()]

    @pytest.mark.parametrize(
        "address",
        [
            pytest.param("admin:library_itunestrack_changelist", id="a list"),
            pytest.param("admin:duplicates_duplicateanalysisgroup_changelist", id="a filter"),
        ],
    )
    def test_pages_write_itunes_likewise(self, admin_client: Client, address: str) -> None:
        shown = admin_client.get(reverse(address)).content.decode()

        assert "iTunes" in shown
        assert "ITunes" not in shown

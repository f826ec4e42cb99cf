"""Keeper profiles: the built-in ones say what the engine does, those of staff are checked before they are kept."""

import importlib
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.db import connection

from duplicates.choices import KeeperRuleName
from duplicates.engine.keeper_rules import PROFILES, RULES, Wish
from duplicates.exceptions import InvalidOptions, ProfileIsBuiltIn
from duplicates.models import AuditRecord, KeeperProfile
from duplicates.services.keeper_profiles import find_profile, from_json, remove_profile, save_profile, wishes_of
from tests.duplicates.factories import UserFactory

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
FOLDERS = [Wish("preferred_folder", ("/music/masters", "/music")), Wish("lossless")]


class TestBuiltIn:
    """What comes with the program."""

    def test_the_rows_say_what_the_engine_does(self) -> None:
        rows = {row.name: tuple(wish.rule for wish in from_json(row.rules)) for row in KeeperProfile.objects.all()}

        assert rows == PROFILES

    def test_every_rule_of_the_engine_has_a_name_for_people(self) -> None:
        assert set(KeeperRuleName.values) == set(RULES)

    @pytest.mark.parametrize("name", PROFILES)
    def test_none_can_be_changed_or_removed(self, name: str) -> None:
        profile = find_profile(name)

        with pytest.raises(ProfileIsBuiltIn):
            save_profile(name=name, wishes=FOLDERS, profile=profile, actor=None, now=NOW)
        with pytest.raises(ProfileIsBuiltIn):
            remove_profile(find_profile(name), actor=None, now=NOW)
        assert tuple(wish.rule for wish in wishes_of(find_profile(name))) == PROFILES[name]

    def test_the_migration_can_be_repeated_and_reversed(self) -> None:
        step = importlib.import_module("duplicates.migrations.0018_built_in_profiles")
        editor = SimpleNamespace(connection=connection)

        step.backwards(apps, editor)
        assert not KeeperProfile.objects.exists()
        step.forwards(apps, editor)
        step.forwards(apps, editor)

        assert set(KeeperProfile.objects.values_list("name", flat=True)) == set(PROFILES)


class TestOwn:
    """What staff make."""

    def test_one_is_kept_with_its_rules_in_order(self) -> None:
        anna = UserFactory.create(username="anna")

        profile = save_profile(name="  Masters   first ", wishes=FOLDERS, actor=anna, now=NOW)

        profile.refresh_from_db()
        assert (profile.name, profile.version, profile.user, profile.changed_at) == ("Masters first", 1, anna, NOW)
        assert list(wishes_of(profile)) == FOLDERS
        assert AuditRecord.objects.get(action="keeper_profile.added").after["rules"] == profile.rules

    def test_a_change_counts_its_version_up_and_says_what_it_was(self) -> None:
        profile = save_profile(name="Masters first", wishes=FOLDERS, actor=None, now=NOW)

        save_profile(name="Masters first", wishes=FOLDERS[:1], profile=profile, actor=None, now=NOW)

        profile.refresh_from_db()
        record = AuditRecord.objects.get(action="keeper_profile.changed")
        assert profile.version == 2
        assert [len(facts["rules"]) for facts in (record.before, record.after)] == [2, 1]

    def test_one_is_found_by_its_name_whatever_the_capitals(self) -> None:
        profile = save_profile(name="Masters first", wishes=FOLDERS, actor=None, now=NOW)

        assert find_profile("MASTERS first") == profile

    def test_one_can_be_removed(self) -> None:
        profile = save_profile(name="Masters first", wishes=FOLDERS, actor=None, now=NOW)

        remove_profile(profile, actor=None, now=NOW)

        assert not KeeperProfile.objects.filter(is_built_in=False).exists()

    @pytest.mark.parametrize(
        ("name", "wishes", "why"),
        [
            pytest.param(" ", FOLDERS, "needs a name", id="no name"),
            pytest.param("x" * 61, FOLDERS, "at most 60", id="long name"),
            pytest.param("Keep_Oldest", FOLDERS, "already", id="name taken"),
            pytest.param("Mine", [], "at least one rule", id="no rules"),
            pytest.param("Mine", [Wish("loudest")], "no keeper rule", id="unknown rule"),
        ],
    )
    def test_what_makes_no_profile_is_refused(self, name: str, wishes: list[Wish], why: str) -> None:
        with pytest.raises(InvalidOptions, match=why):
            save_profile(name=name, wishes=wishes, actor=None, now=NOW)

        assert KeeperProfile.objects.count() == len(PROFILES)

    def test_an_unknown_name_is_answered_with_those_there_are(self) -> None:
        with pytest.raises(InvalidOptions, match=r"'loudest' is no keeper profile.*keep_oldest"):
            find_profile("loudest")

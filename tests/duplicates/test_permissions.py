"""Who may do what: the functions every door asks, and the ready-made groups."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.utils import timezone

from duplicates import roles
from duplicates.models import CleanupAction
from duplicates.services import permissions
from tests.duplicates.factories import AnalysisFactory, GroupFactory, UserFactory

pytestmark = pytest.mark.django_db


def member_of(role: str) -> User:
    """Return somebody in one of the ready-made groups."""
    roles.create_roles(apps, "default")
    user = UserFactory()
    user.groups.add(Group.objects.get(name=role))
    return user


def action_of(user: User | None) -> CleanupAction:
    now = timezone.now()
    return CleanupAction(user=user, label="", keeper_track_id=1, created_at=now, expires_at=now, removed_count=1)


class TestRoles:
    @pytest.mark.parametrize(
        ("may", "least"),
        [
            pytest.param(lambda user, group: permissions.may_view(user, group.analysis), "Viewer", id="view"),
            pytest.param(permissions.may_review, "Reviewer", id="review"),
            pytest.param(lambda user, group: permissions.may_export(user, group.analysis), "Reviewer", id="export"),
            pytest.param(permissions.may_remove, "Curator", id="remove"),
            pytest.param(lambda user, group: permissions.may_sample(user, group.analysis), "Reviewer", id="judge"),
            pytest.param(lambda user, group: permissions.may_run(user), "Curator", id="run"),
            pytest.param(lambda user, group: permissions.may_automate(user, "deleted"), "Administrator", id="automate"),
            pytest.param(lambda user, group: permissions.may_purge(user), "Administrator", id="purge"),
            pytest.param(
                lambda user, group: permissions.may_manage(user, group.analysis), "Administrator", id="manage"
            ),
        ],
    )
    def test_each_role_may_what_the_one_before_it_may_and_more(self, may: Callable[..., bool], least: str) -> None:
        group = GroupFactory(analysis__user=UserFactory())
        names = list(roles.ROLES)

        allowed = [name for name in names if may(member_of(name), group)]

        assert allowed == names[names.index(least) :]

    def test_a_role_the_site_has_changed_is_left_alone(self) -> None:
        roles.create_roles(apps, "default")
        curators = Group.objects.get(name="Curator")
        curators.permissions.clear()

        roles.create_roles(apps, "default")

        assert not curators.permissions.exists()

    def test_permissions_made_by_a_migration_are_the_ones_django_would_make(self) -> None:
        named = {permission.codename: permission.name for permission in Permission.objects.all()}
        Group.objects.filter(name__in=roles.ROLES).delete()
        Permission.objects.filter(codename__in=("review_groups", "view_ledgerentry")).delete()

        roles.create_roles(apps, "default")

        again = Permission.objects.filter(codename__in=("review_groups", "view_ledgerentry"))
        assert {one.codename: one.name for one in again} == {
            name: named[name] for name in ("review_groups", "view_ledgerentry")
        }


class TestOnWhat:
    @pytest.mark.parametrize("owner", ["own", "system", "foreign"])
    def test_what_becomes_of_an_analysis_is_its_owners(self, owner: str) -> None:
        person = UserFactory(permissions=["duplicates.run_analysis"])
        users = {"own": person, "system": None, "foreign": UserFactory()}

        assert permissions.may_manage(person, AnalysisFactory(user=users[owner])) == (owner != "foreign")

    def test_who_does_not_see_an_analysis_may_not_work_in_it(self) -> None:
        person = UserFactory(
            permissions=["duplicates.view_duplicateanalysisresult", permissions.REVIEW, permissions.REMOVE]
        )
        seen, unseen = GroupFactory(), GroupFactory(analysis__user=UserFactory())

        answers = [(permissions.may_review(person, one), permissions.may_remove(person, one)) for one in (seen, unseen)]

        assert answers == [(True, True), (False, False)]

    def test_who_manages_all_analyses_sees_them(self) -> None:
        person = UserFactory(permissions=["duplicates.view_duplicateanalysisresult", "duplicates.manage_all_analyses"])

        assert permissions.may_view(person, AnalysisFactory(user=UserFactory()))

    def test_one_undoes_ones_own_and_what_one_sees(self) -> None:
        person = UserFactory(permissions=["duplicates.view_duplicateanalysisresult", permissions.REMOVE])
        foreign, in_sight = action_of(UserFactory()), action_of(UserFactory())
        in_sight.analysis = AnalysisFactory()

        answers = [permissions.may_undo(person, one) for one in (action_of(person), in_sight, foreign)]

        assert answers == [True, True, False]

    def test_a_removal_of_somebody_who_has_left_is_not_the_systems(self) -> None:
        """Anybody who removes copies could once undo it; now it takes whoever sees everybody's work."""
        anybody = UserFactory(permissions=["duplicates.view_duplicateanalysisresult", permissions.REMOVE])
        manager = UserFactory(permissions=[permissions.REMOVE, "duplicates.manage_all_analyses"])
        of_the_system, left = action_of(None), action_of(None)
        of_the_system.batch_id = left.batch_id = uuid.uuid4()
        left.user_name = "somebody"
        CleanupAction.objects.bulk_create([of_the_system, left])

        for person, undoes in ((anybody, [of_the_system]), (manager, [of_the_system, left])):
            assert [one for one in (of_the_system, left) if permissions.may_undo(person, one)] == undoes
            assert set(CleanupAction.objects.visible_to(person)) == set(undoes)

    @pytest.mark.parametrize(
        "user", [AnonymousUser(), User(is_active=False, is_superuser=True)], ids=["nobody", "gone"]
    )
    def test_nobody_may_anything(self, user: Any) -> None:
        group = GroupFactory()

        assert not any(
            (
                permissions.may_view(user, group.analysis),
                permissions.may_review(user, group),
                permissions.may_remove(user, group),
                permissions.may_run(user),
                permissions.may_purge(user),
            )
        )


class TestWhatCameLater:
    @pytest.mark.parametrize(
        ("permission", "least"),
        [
            pytest.param("duplicates.add_apitoken", "Viewer", id="tokens"),
            pytest.param("duplicates.view_cleanupplan", "Viewer", id="plans"),
            pytest.param("duplicates.view_keeperprofile", "Viewer", id="profiles"),
            pytest.param("duplicates.add_keeperprofile", "Curator", id="own profiles"),
            pytest.param("duplicates.change_sitesetting", "Administrator", id="site settings"),
            pytest.param("duplicates.view_precisionsample", "Viewer", id="measured precision"),
            pytest.param("duplicates.automate_resolution", "Administrator", id="automatic resolution"),
        ],
    )
    def test_groups_made_by_migrations_have_it(self, permission: str, least: str) -> None:
        names = list(roles.ROLES)
        codename = permission.partition(".")[2]

        having = [name for name in names if Group.objects.get(name=name).permissions.filter(codename=codename).exists()]

        assert having == names[names.index(least) :]

"""Groups belong to an analysis and members to a group, whichever way they are written and deleted."""

import threading
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, connections, transaction

from duplicates.models import DuplicateAnalysisGroup, DuplicateAnalysisResult, DuplicateAnalysisTrack
from duplicates.services import claims
from tests.duplicates.factories import AnalysisFactory, GroupFactory, MemberFactory, UserFactory
from tests.duplicates.queued import NOW, queue

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def nothing_stays_behind() -> Iterator[None]:
    """Look, after a test that wrote what is refused, whether it was."""
    yield
    assert not DuplicateAnalysisTrack.objects.filter(group_id=4_711).exists()


class TestWriting:
    def test_a_group_without_its_analysis_is_refused(self) -> None:
        unsaved = AnalysisFactory.build()

        with pytest.raises(IntegrityError):
            GroupFactory(analysis_id=unsaved.pk, analysis=None, member_count=2, members=None)

        assert not DuplicateAnalysisGroup.objects.filter(analysis_id=unsaved.pk).exists()

    @pytest.mark.usefixtures("nothing_stays_behind")
    def test_a_member_without_its_group_is_refused(self) -> None:
        with pytest.raises(IntegrityError):
            MemberFactory(group=None, group_id=4_711)

    @pytest.mark.usefixtures("nothing_stays_behind")
    def test_one_among_many_is_enough(self) -> None:
        group = GroupFactory()
        rows = [MemberFactory.build(group=group, track_id=n, position=n) for n in range(2, 6)]
        rows[2].group_id = 4_711

        with pytest.raises(IntegrityError):
            DuplicateAnalysisTrack.objects.bulk_create(rows)

        assert group.members.count() == 2

    @pytest.mark.usefixtures("nothing_stays_behind")
    def test_a_member_moves_to_no_group_that_is_not_there(self) -> None:
        group = GroupFactory()

        with pytest.raises(IntegrityError):
            group.members.update(group_id=4_711)


class TestDeleting:
    def test_what_belongs_to_an_analysis_goes_with_it_and_nothing_else(self) -> None:
        going, staying = AnalysisFactory.create_batch(2)
        GroupFactory.create_batch(3, analysis=going)
        kept = GroupFactory.create_batch(2, analysis=staying)

        with connection.cursor() as cursor:  # as anybody may
            cursor.execute(
                "DELETE FROM duplicates_duplicateanalysisresult WHERE library_track_count = 100 AND analysis_id = %s",
                [going.pk.hex],
            )

        assert set(DuplicateAnalysisGroup.objects.all()) == set(kept)
        assert set(DuplicateAnalysisTrack.objects.values_list("group_id", flat=True)) == {group.pk for group in kept}

    def test_members_go_with_their_group(self) -> None:
        going, staying = GroupFactory.create_batch(2)

        DuplicateAnalysisGroup.objects.filter(pk=going.pk).delete()

        assert set(DuplicateAnalysisTrack.objects.values_list("group_id", flat=True)) == {staying.pk}

    def test_what_was_written_a_moment_ago_goes_with_it(self) -> None:
        # In one transaction: at its end, when its rows are looked at, they are gone like the analysis they named.
        with transaction.atomic():
            group = GroupFactory()
            DuplicateAnalysisResult.objects.filter(pk=group.analysis_id).delete()

        assert not DuplicateAnalysisTrack.objects.exists()

    def test_what_is_written_meanwhile_goes_with_it(self) -> None:
        # The claim, not a foreign key, keeps the analysis in place until its rows are there.
        analysis = queue()
        claimed = claims.claim(analysis.pk, now=NOW)
        assert claimed is not None
        has_written, may_end = threading.Event(), threading.Event()

        def write() -> None:
            with transaction.atomic():
                claims.renew(claimed, now=NOW)
                GroupFactory(analysis=analysis)
                has_written.set()
                may_end.wait(30)
            connections.close_all()

        def let_it_end() -> None:
            threading.Timer(0.3, may_end.set).start()

        writer = threading.Thread(target=write)
        writer.start()
        assert has_written.wait(30)
        let_it_end()
        DuplicateAnalysisResult.objects.filter(pk=analysis.pk).delete()
        writer.join(30)

        assert not DuplicateAnalysisGroup.objects.exists()
        assert not DuplicateAnalysisTrack.objects.exists()


@pytest.mark.parametrize("column", ["resolved_by", "keeper_chosen_by"])
class TestPeople:
    def test_a_group_names_nobody_who_is_not_there(self, column: str) -> None:
        group = GroupFactory()

        with pytest.raises(IntegrityError):
            DuplicateAnalysisGroup.objects.filter(pk=group.pk).update(**{f"{column}_id": 4_711})

        assert getattr(DuplicateAnalysisGroup.objects.get(), column) is None

    def test_who_is_deleted_is_forgotten_and_nobody_else(self, column: str) -> None:
        going, staying = UserFactory.create_batch(2)
        one, other = GroupFactory(**{column: going}), GroupFactory(**{column: staying})

        with connection.cursor() as cursor:  # as anybody may
            cursor.execute("DELETE FROM auth_user WHERE id = %s", [going.pk])

        named = dict(DuplicateAnalysisGroup.objects.values_list("pk", f"{column}_id"))
        assert named == {one.pk: None, other.pk: staying.pk}

    def test_who_is_named_and_deleted_in_one_transaction_is_forgotten(self, column: str) -> None:
        going = UserFactory()
        with transaction.atomic():
            group = GroupFactory(**{column: going})
            User.objects.filter(pk=going.pk).delete()

        assert getattr(DuplicateAnalysisGroup.objects.get(pk=group.pk), column) is None

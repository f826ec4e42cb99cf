"""Who may do what to which row. Admin, API and commands ask here, so that two doors never disagree.

Every action has a permission of its own; an analysis is seen by its owner, the system's by everybody, all of them with
`view_all_analyses`. Who may see an analysis and has the permission may review, clean up and export it: that is team
work. What becomes of the analysis itself (cancel, retry, pin, delete) is its owner's, or `manage_all_analyses`.
"""

from typing import TYPE_CHECKING

from duplicates.choices import Resolution
from duplicates.models import (
    CleanupAction,
    CleanupPlan,
    DuplicateAnalysisExport,
    DuplicateAnalysisGroup,
    DuplicateAnalysisResult,
)
from duplicates.models.analysis import MANAGE_ALL, sees_all

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser

    type Person = AbstractBaseUser | AnonymousUser

VIEW = "duplicates.view_duplicateanalysisresult"
REVIEW = "duplicates.review_groups"
REMOVE = "duplicates.remove_duplicates"
PURGE = "duplicates.purge_removed"
EXPORT = "duplicates.export_analysis"
RUN = "duplicates.run_analysis"
LISTEN = "library.listen_to_tracks"
AUTOMATE = "duplicates.automate_resolution"


def may_view(user: "Person", analysis: DuplicateAnalysisResult) -> bool:
    """May this person see the analysis and what it found?"""
    return _has(user, VIEW) and (analysis.user_id in (None, user.pk) or sees_all(user))


def may_read(user: "Person") -> bool:
    """May this person see analyses at all: their own and the system's?"""
    return _has(user, VIEW)


def may_view_groups(user: "Person") -> bool:
    """May this person look at groups, and ask why two tracks are none?"""
    return _has(user, "duplicates.view_duplicateanalysisgroup")


def may_view_tracks(user: "Person") -> bool:
    """May this person look at the tracks of the library?"""
    return _has(user, "library.view_track")


def may_view_playlists(user: "Person") -> bool:
    """May this person look at playlists and their places?"""
    return _has(user, "library.view_playlist") and _has(user, "library.view_playlistentry")


def may_view_imports(user: "Person") -> bool:
    """May this person look at what imports did?"""
    return _has(user, "library.view_libraryimport")


def may_import(user: "Person") -> bool:
    """May this person bring files into the library?"""
    return _has(user, "library.add_libraryimport")


def may_protect(user: "Person") -> bool:
    """May this person protect tracks from removal, and lift their protection?"""
    return _has(user, "library.change_track")


def may_see_location(user: "Person") -> bool:
    """May this person see where files lie?"""
    return _has(user, "library.view_track_location")


def may_view_audit(user: "Person") -> bool:
    """May this person read the audit trail?"""
    return _has(user, "duplicates.view_auditrecord")


def may_view_history(user: "Person") -> bool:
    """May this person see what clean-up came to? It adds everybody's work up."""
    return may_view_audit(user) and sees_all(user)


def may_monitor(user: "Person") -> bool:
    """May this person see how runs, storage and work as a whole are doing? It adds up what everybody has."""
    return _has(user, VIEW) and sees_all(user)


def may_run(user: "Person") -> bool:
    """May this person start analyses, and refresh those they see?"""
    return _has(user, RUN)


def may_run_or_manage(user: "Person") -> bool:
    """May this person decide what becomes of some analysis: an own one, or any?"""
    return may_run(user) or _has(user, MANAGE_ALL)


def may_manage(user: "Person", analysis: DuplicateAnalysisResult) -> bool:
    """May this person cancel, retry, pin or delete the analysis: an own one, the system's, or with the permission?"""
    return _has(user, MANAGE_ALL) or (may_run(user) and analysis.user_id in (None, user.pk))


def may_export(user: "Person", analysis: DuplicateAnalysisResult | None = None) -> bool:
    """May this person export the analysis, or any at all?"""
    return _has(user, EXPORT) and (analysis is None or may_view(user, analysis))


def may_delete_export(user: "Person", export: DuplicateAnalysisExport) -> bool:
    """May this person delete the file: their own, the system's, or one of an analysis they manage?"""
    return may_export(user) and (export.user_id in (None, user.pk) or may_manage(user, export.analysis))


def may_review(user: "Person", group: DuplicateAnalysisGroup | None = None) -> bool:
    """May this person decide about the group: choose its keeper, set it aside, declare it different, reopen it?"""
    return _has(user, REVIEW) and (group is None or may_view(user, group.analysis))


def may_remove(user: "Person", group: DuplicateAnalysisGroup | None = None) -> bool:
    """May this person put copies of the group into quarantine?"""
    return _has(user, REMOVE) and (group is None or may_view(user, group.analysis))


def may_undo(user: "Person", action: CleanupAction) -> bool:
    """May this person bring back what an action removed? Their own, and those in analyses they see."""
    if not _has(user, REMOVE):
        return False
    if action.user_id == user.pk or action.is_of_the_system or sees_all(user):
        return True
    return action.analysis is not None and may_view(user, action.analysis)


def may_plan(user: "Person", analysis: DuplicateAnalysisResult, resolution: str) -> bool:
    """May this person make a plan that decides so about groups of the analysis?"""
    return _has(user, REMOVE if resolution == Resolution.DELETED else REVIEW) and may_view(user, analysis)


def may_view_precision(user: "Person") -> bool:
    """May this person see how precise the matcher was measured to be?"""
    return _has(user, "duplicates.view_precisionsample")


def may_judge(user: "Person") -> bool:
    """May this person draw samples and judge their groups?"""
    return may_view_precision(user) and _has(user, REVIEW)


def may_sample(user: "Person", analysis: DuplicateAnalysisResult) -> bool:
    """May this person draw a sample from the analysis?"""
    return may_judge(user) and may_view(user, analysis)


def may_automate(user: "Person", resolution: str = "") -> bool:
    """May this person switch automatic resolution: at all, or so that it decides this way in their name?"""
    return _has(user, AUTOMATE) and (
        not resolution or _has(user, REMOVE if resolution == Resolution.DELETED else REVIEW)
    )


def may_steer(user: "Person", plan: CleanupPlan) -> bool:
    """May this person confirm, cancel and undo the plan? Who may plan the same; without its analysis, whose it is."""
    if plan.analysis is not None:
        return may_plan(user, plan.analysis, plan.resolution)
    return _has(user, REMOVE) and (plan.user_id == user.pk or sees_all(user))


def may_view_plans(user: "Person") -> bool:
    """May this person look at clean-up plans?"""
    return _has(user, "duplicates.view_cleanupplan")


def may_view_profiles(user: "Person") -> bool:
    """May this person look at keeper profiles?"""
    return _has(user, "duplicates.view_keeperprofile")


def may_add_profiles(user: "Person") -> bool:
    """May this person make keeper profiles?"""
    return _has(user, "duplicates.add_keeperprofile")


def may_change_profiles(user: "Person") -> bool:
    """May this person change keeper profiles?"""
    return _has(user, "duplicates.change_keeperprofile")


def may_delete_profiles(user: "Person") -> bool:
    """May this person remove keeper profiles?"""
    return _has(user, "duplicates.delete_keeperprofile")


def may_purge(user: "Person") -> bool:
    """May this person delete removed copies for good?"""
    return _has(user, PURGE)


def may_listen(user: "Person") -> bool:
    """May this person hear the files of tracks, where the site has switched that on?"""
    return _has(user, LISTEN) and _has(user, "library.view_track")


def _has(user: "Person", permission: str) -> bool:
    has_perm = getattr(user, "has_perm", None)
    return has_perm is not None and bool(has_perm(permission))

"""The errors of this application. A class's docstring is the sentence a person may read; facts are attributes.

Each has a `code` in upper snake case, the same in page, API and command, and an `advice`: the way out.
"""

import errno
from typing import Any, ClassVar

from django.utils.translation import gettext

from library.numbers import number


class DuplicatesError(Exception):
    """Something went wrong with the duplicate analysis."""

    code: ClassVar[str] = "DUPLICATES_ERROR"
    advice: ClassVar[str] = ""

    def __init__(self, message: str = "", *, way_out: str | None = None, **facts: Any) -> None:
        super().__init__(message or gettext((self.__doc__ or "").strip().splitlines()[0]))
        self.way_out = way_out if way_out is not None else gettext(self.advice) if self.advice else ""
        self.facts = facts

    @property
    def sentence(self) -> str:
        """The message and, where there is one, the way out."""
        return f"{self} {self.way_out}".strip()


def sentence_of_code(code: str) -> str:
    """Return what errors of this code say, for where only codes were kept; an unknown one as it is."""
    kinds: list[type[DuplicatesError]] = [DuplicatesError]
    while kinds:
        kind = kinds.pop()
        if kind.code == code:
            return gettext((kind.__doc__ or "").strip().splitlines()[0])
        kinds += kind.__subclasses__()
    return code


class AnalysisNotFound(DuplicatesError):
    """There is no such analysis."""

    code = "ANALYSIS_NOT_FOUND"
    advice = "The admin lists the saved ones with their ids; old ones are cleaned up after a while."


class TrackNotFound(DuplicatesError):
    """There is no such track."""

    code = "TRACK_NOT_FOUND"
    advice = "Name a track by its id or as SOURCE:ID, as the list of tracks shows them."


class CannotExplain(DuplicatesError):
    """This analysis kept nothing by which its scores can be explained."""

    code = "CANNOT_EXPLAIN"
    advice = "Start a new analysis, or explain the pair by a preset."


class NotAllowed(DuplicatesError):
    """You may not do this."""

    code = "NOT_ALLOWED"
    advice = "Ask somebody who manages all analyses."


class InvalidOptions(DuplicatesError):
    """The analysis cannot start with these options."""

    code = "INVALID_OPTIONS"


class InvalidSetting(DuplicatesError):
    """This setting does not accept that value."""

    code = "INVALID_SETTING"


class ProfileIsBuiltIn(DuplicatesError):
    """A built-in keeper profile cannot be changed."""

    code = "PROFILE_IS_BUILT_IN"
    advice = "Make one of your own with the rules you want."


class AnalysisAlreadyRunning(DuplicatesError):
    """An equal analysis is already queued or running."""

    code = "ANALYSIS_ALREADY_RUNNING"
    advice = "Wait for it or cancel it first."


class RateLimited(DuplicatesError):
    """You have started too many within the last hour."""

    code = "RATE_LIMITED"
    advice = "Try again later."


class AnalysisCancelled(DuplicatesError):
    """The analysis was cancelled. Earlier results are untouched."""

    code = "ANALYSIS_CANCELLED"


class AnalysisTimeout(DuplicatesError):
    """The analysis took longer than it may."""

    code = "ANALYSIS_TIMEOUT"


class ClaimLost(DuplicatesError):
    """Another worker has taken over this analysis."""

    code = "CLAIM_LOST"


class HandedBack(DuplicatesError):
    """The worker was asked to stop; another one goes on where it left off."""

    code = "HANDED_BACK"


class WorkerLost(DuplicatesError):
    """The worker that ran this analysis died several times."""

    code = "WORKER_LOST"
    advice = "Look at the worker's log for the cause, often memory, then retry."


class NotResumable(DuplicatesError):
    """This analysis cannot be resumed."""

    code = "NOT_RESUMABLE"
    advice = "Only a failed or cancelled one can; start a new one."


class AnalysisNotReady(DuplicatesError):
    """This analysis has no result to show."""

    code = "ANALYSIS_NOT_READY"
    advice = "Wait until it is completed, or start a new one."


class AnalysisActive(DuplicatesError):
    """This analysis is queued or running."""

    code = "ANALYSIS_ACTIVE"
    advice = "Cancel it first."


class AnalysisPinned(DuplicatesError):
    """This analysis is pinned."""

    code = "ANALYSIS_PINNED"
    advice = "Unpin it first."


class StorageFull(DuplicatesError):
    """Results hold as much as they may."""

    code = "STORAGE_FULL"
    advice = "Delete or unpin older analyses, or ask an administrator for more room."


class DiskFull(DuplicatesError):
    """There is no room left where files are kept; nothing was written."""

    code = "DISK_FULL"
    advice = "Ask an administrator to make room, then try again."

    @staticmethod
    def is_behind(error: BaseException) -> bool:
        """Is this what writing to a full disk, or beyond one's share of it, raises?"""
        return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


class SaveFailed(DuplicatesError):
    """The result was found but could not be saved."""

    code = "SAVE_FAILED"
    advice = "Check the database and its disk space, then save again."


class MemoryLimit(DuplicatesError):
    """The library needs more memory than one analysis may use."""

    code = "MEMORY_LIMIT"
    advice = "Raise REPRISE_ANALYSIS_MEMORY_MB."


class ExportNotReady(DuplicatesError):
    """This export has no file to fetch."""

    code = "EXPORT_NOT_READY"
    advice = "Wait until it is completed, or ask for a new one."


class ExportExpired(DuplicatesError):
    """This export has expired and its file is gone."""

    code = "EXPORT_EXPIRED"
    advice = "Ask for a new one."


class CleanupRunning(DuplicatesError):
    """Another clean-up is at work."""

    code = "CLEANUP_RUNNING"
    advice = "Wait until it is done; one that was killed is forgotten after half a minute."


class ExportGone(DuplicatesError):
    """This export was deleted, or its analysis was."""

    code = "EXPORT_GONE"
    advice = "Ask for a new one of an analysis that is kept."


class LastCopy(DuplicatesError):
    """This would remove the last copy of a group."""

    code = "LAST_COPY"
    advice = "Keep at least one copy."


class GroupResolved(DuplicatesError):
    """This group is decided already."""

    code = "GROUP_RESOLVED"
    advice = "Reopen it first if you decide otherwise."


class KeeperChanged(DuplicatesError):
    """Another keeper was chosen meanwhile."""

    code = "KEEPER_CHANGED"
    advice = "Look at the group again."


class GroupChanged(DuplicatesError):
    """Somebody has changed this group meanwhile."""

    code = "GROUP_CHANGED"
    advice = "Look at it again before you decide."


class MemberGone(DuplicatesError):
    """A copy is no longer in the library."""

    code = "MEMBER_GONE"
    advice = "Look at the group again."


class MemberChanged(DuplicatesError):
    """A copy was edited since it was analysed."""

    code = "MEMBER_CHANGED"
    advice = "Refresh the analysis; the evidence no longer describes it."


class NoDirectMatch(DuplicatesError):
    """A copy matches the keeper only through other copies."""

    code = "NO_DIRECT_MATCH"
    advice = "Choose a keeper it matches directly, or decide about it by itself."


class DeclaredDifferent(DuplicatesError):
    """A copy was declared different from the keeper."""

    code = "DECLARED_DIFFERENT"
    advice = "Put it back into the group first if it is a duplicate after all."


class TrackProtected(DuplicatesError):
    """A copy is protected from removal."""

    code = "TRACK_PROTECTED"
    advice = "Take its protection away first, or make it the keeper."


class PlanNotFound(DuplicatesError):
    """There is no such clean-up plan."""

    code = "PLAN_NOT_FOUND"
    advice = "The admin lists the plans with their ids."


class PlanNotReady(DuplicatesError):
    """This clean-up plan is not in a state for that."""

    code = "PLAN_NOT_READY"


class NotConfirmed(DuplicatesError):
    """So many copies are removed only when their number is typed."""

    code = "NOT_CONFIRMED"


class NothingToUndo(DuplicatesError):
    """There is nothing here to undo."""

    code = "NOTHING_TO_UNDO"


class UndoConflict(DuplicatesError):
    """Something this would undo was edited since."""

    code = "UNDO_CONFLICT"
    advice = "Say whether to keep the later values or to restore those from before."


class InvalidToken(DuplicatesError):
    """This token is unknown or was revoked."""

    code = "INVALID_TOKEN"
    advice = "Make a new one in the admin under API tokens."


class IdempotencyKeyReused(DuplicatesError):
    """This Idempotency-Key was used for another request."""

    code = "IDEMPOTENCY_KEY_REUSED"
    advice = "Use a new key for each new request."


class RequestInProgress(DuplicatesError):
    """The first request with this Idempotency-Key is still being worked on."""

    code = "REQUEST_IN_PROGRESS"
    advice = "Ask again in a few seconds."


class UploadTooLarge(DuplicatesError):
    """The file is too large."""

    code = "UPLOAD_TOO_LARGE"

    @classmethod
    def of(cls, most: int) -> "UploadTooLarge":
        """Say how large a file may be."""
        return cls(
            gettext("A file may have at most %(most)s bytes.") % {"most": number(most)},
            way_out=gettext("Pack it with gzip, or use import_library."),
        )


class ImportNotAccepted(DuplicatesError):
    """The file cannot be imported; `reason` is the code of what is wrong with it."""

    code = "IMPORT_NOT_ACCEPTED"


class SampleNotFound(DuplicatesError):
    """There is no such sample."""

    code = "SAMPLE_NOT_FOUND"
    advice = "The page “Measured precision” lists them."


class NotRepresentative(DuplicatesError):
    """This analysis says nothing of the preset as such."""

    code = "NOT_REPRESENTATIVE"
    advice = "Take a complete analysis of the whole library with the preset's own options."


class NothingToSample(DuplicatesError):
    """Every group of these bands is in a sample already."""

    code = "NOTHING_TO_SAMPLE"


class AlreadyJudged(DuplicatesError):
    """Somebody else has judged this group."""

    code = "ALREADY_JUDGED"
    advice = "Go on with the next one."


class SampleComplete(DuplicatesError):
    """All groups of this sample are judged; its answers stay as they are."""

    code = "SAMPLE_COMPLETE"


class BarNotMet(DuplicatesError):
    """The measured precision does not beat the bar."""

    code = "BAR_NOT_MET"

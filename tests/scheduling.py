"""In which order tests are handed out, and which stay in one process: those that share an installation, which would be
made once a process otherwise.

xdist's own marker for this, `xdist_group`, does nothing on pytest 9.2: it writes into a name that is no longer read.
"""

from xdist.scheduler import LoadScopeScheduling

TOGETHER = (
    "tests/faults/test_data_migrations.py",
    "tests/project/test_demo.py",
    "tests/project/test_sample_",
    "tests/duplicates/test_console_log.py",
)
# One that takes twenty seconds and comes last would leave the other processes waiting. Only tests of installations of
# their own: one that empties the database of the tests has to come after all that need what the migrations wrote there.
LONGEST = ("tests/faults/", "tests/browser/test_whole_flow.py")


class TogetherScheduling(LoadScopeScheduling):
    """Hands out single tests, but these places whole; they come first, since what is largest does."""

    def _split_scope(self, nodeid: str) -> str:
        return next((place for place in TOGETHER if nodeid.startswith(place)), nodeid)

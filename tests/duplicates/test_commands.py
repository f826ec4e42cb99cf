"""The commands, as operators and cron call them."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from duplicates.models import DuplicateAnalysisResult, DuplicatePreferences
from duplicates.services import saving, workers
from library.models import Track
from tests.duplicates.copies import copy, group_of
from tests.duplicates.library_of import SONG_COUNT, make_library

RUN = "duplicates.management.commands.run_duplicate_analysis"
ROOT = Path(__file__).parent.parent.parent


@pytest.mark.django_db
class TestRun:
    def test_prints_a_summary_and_the_id_last(self, capsys) -> None:
        make_library()

        call_command("run_duplicate_analysis")

        lines = capsys.readouterr().out.splitlines()
        assert f"{SONG_COUNT} groups with {SONG_COUNT} duplicates" in lines[0]
        assert lines[-1] == str(DuplicateAnalysisResult.objects.get().pk)

    def test_json_is_one_object_and_nothing_else(self, capsys) -> None:
        make_library()

        call_command("run_duplicate_analysis", "--output", "json", "--preset", "song")

        found = json.loads(capsys.readouterr().out)
        assert (found["status"], found["groups_found"], found["parameters"]["preset"]) == (
            "completed",
            SONG_COUNT,
            "song",
        )

    def test_says_so_on_an_empty_library(self, capsys) -> None:
        call_command("run_duplicate_analysis")

        assert "0 groups with 0 duplicates among 0 tracks" in capsys.readouterr().out

    def test_one_is_not_told_as_several(self, capsys) -> None:
        group_of(copy(), copy())
        Track.objects.update(title="Harbour Lights", duration_ms=201_000)

        call_command("run_duplicate_analysis", "--force-refresh")

        assert "1 group with 1 duplicate among 2 tracks" in capsys.readouterr().out

    def test_options_reach_the_analysis(self) -> None:
        call_command(
            "run_duplicate_analysis", "--search", "moon", "--sort-by", "artist", "--min-confidence", "0.8",
            "--ignore-field", "isrc", "year",
        )  # fmt: skip

        analysis = DuplicateAnalysisResult.objects.get()
        assert (analysis.search_term, analysis.sort_by, analysis.min_confidence) == ("moon", "artist", 0.8)
        assert analysis.parameters["ignored_fields"] == ["isrc", "year"]

    @pytest.mark.parametrize(
        ("arguments", "preset"),
        [
            pytest.param(["--user", "ada"], "release", id="what she prefers"),
            pytest.param(["--user", "ada", "--preset", "song"], "song", id="what is said counts more"),
            pytest.param(["--user", "bea"], "recording", id="without preferences the usual one"),
            pytest.param([], "recording", id="the system prefers none"),
        ],
    )
    def test_without_a_preset_it_takes_the_one_its_user_prefers(
        self, django_user_model, arguments: list[str], preset: str
    ) -> None:
        for name in ("ada", "bea"):
            django_user_model.objects.create_user(name)
        ada = django_user_model.objects.get(username="ada")
        DuplicatePreferences.objects.create(user=ada, default_preset="release")

        call_command("run_duplicate_analysis", *arguments)

        assert DuplicateAnalysisResult.objects.get().preset == preset

    def test_an_analysis_belongs_to_the_named_user_or_the_system(self, django_user_model) -> None:
        ada = django_user_model.objects.create_user("ada")

        call_command("run_duplicate_analysis", "--user", "ada")
        call_command("run_duplicate_analysis")

        assert set(DuplicateAnalysisResult.objects.values_list("user", flat=True)) == {ada.pk, None}

    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            (["--preset", "loose"], "'loose'"),
            (["--sort-by", "colour"], "'colour'"),
            (["--min-confidence", "2"], "2.0"),
            (["--ignore-field", "isbn"], "'isbn'"),
            (["--user", "nobody"], "'nobody'"),
        ],
    )
    def test_a_wrong_value_is_named(self, arguments, named) -> None:
        with pytest.raises(CommandError, match=named):
            call_command("run_duplicate_analysis", *arguments)

    @pytest.mark.parametrize("is_there", [False, True], ids=["no worker", "a worker"])
    def test_queueing_says_at_once_when_nobody_would_run_it(self, capsys, monkeypatch, is_there) -> None:
        monkeypatch.setattr(f"{RUN}.enqueue_analysis", lambda analysis_id: None)
        if is_there:
            workers.show_alive("w1", now=timezone.now())

        call_command("run_duplicate_analysis", "--background")

        said = capsys.readouterr()
        assert said.out.splitlines() == ["The analysis is queued.", str(DuplicateAnalysisResult.objects.get().pk)]
        assert ("uv run manage.py run_workers" in said.err) is not is_there

    def test_who_reads_json_is_told_too(self, capsys, monkeypatch) -> None:
        monkeypatch.setattr(f"{RUN}.enqueue_analysis", lambda analysis_id: None)

        call_command("run_duplicate_analysis", "--background", "--output", "json")

        assert "uv run manage.py run_workers" in capsys.readouterr().err

    @pytest.mark.parametrize("asked", [["--background"], ["--background", "--discard-partial"]])
    def test_what_is_found_is_kept_when_it_is_stopped_unless_that_is_not_wanted(self, monkeypatch, asked) -> None:
        monkeypatch.setattr(f"{RUN}.enqueue_analysis", lambda analysis_id: None)

        call_command("run_duplicate_analysis", *asked)

        assert DuplicateAnalysisResult.objects.get().keep_partial is ("--discard-partial" not in asked)

    def test_an_equal_run_under_way_is_named_and_not_doubled(self, capsys, monkeypatch) -> None:
        monkeypatch.setattr(f"{RUN}.enqueue_analysis", lambda analysis_id: None)
        call_command("run_duplicate_analysis", "--background")
        first = capsys.readouterr().out.split()[-1]

        call_command("run_duplicate_analysis", "--background")

        assert capsys.readouterr().out.split()[-1] == first
        assert DuplicateAnalysisResult.objects.count() == 1

    def test_a_failed_run_fails_the_command_with_the_code(self, monkeypatch) -> None:
        monkeypatch.setattr(saving, "save_groups", lambda *args, **kwargs: 1 / 0)

        with pytest.raises(CommandError, match="INTERNAL_ERROR"):
            call_command("run_duplicate_analysis")


@pytest.mark.django_db
class TestExport:
    def test_latest_is_the_newest_completed_of_anyone(self, tmp_path, django_user_model) -> None:
        make_library()
        django_user_model.objects.create_user("ada")
        call_command("run_duplicate_analysis")
        call_command("run_duplicate_analysis", "--user", "ada", "--search", "moon")

        call_command("export_analysis", "latest", "--output", str(tmp_path / "out.json"))

        assert len(json.loads((tmp_path / "out.json").read_bytes())["groups"]) == 1

    def test_an_analysis_is_named_by_its_id(self, tmp_path) -> None:
        make_library()
        call_command("run_duplicate_analysis")
        analysis = DuplicateAnalysisResult.objects.get()

        call_command("export_analysis", str(analysis.pk), "--format", "csv", "--output", str(tmp_path / "out.csv"))

        assert (tmp_path / "out.csv").read_text().count("\n") == 1 + 2 * SONG_COUNT

    @pytest.mark.parametrize("name", ["latest", "nonsense", "00000000-0000-0000-0000-000000000000"])
    def test_what_is_not_there_is_refused_in_words(self, tmp_path, name) -> None:
        with pytest.raises(CommandError, match=r"There is no (completed )?analysis"):
            call_command("export_analysis", name, "--output", str(tmp_path / "out.json"))

        assert not list(tmp_path.iterdir())

    def test_an_unwritable_place_is_named(self, tmp_path) -> None:
        call_command("run_duplicate_analysis")

        with pytest.raises(CommandError, match="No such file or directory"):
            call_command("export_analysis", "latest", "--output", str(tmp_path / "missing" / "out.json"))


class TestProcess:
    """The commands as whole processes on a database of their own."""

    @pytest.fixture
    def environment(self, empty_sqlite, tmp_path) -> dict[str, str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("DJANGO_")}
        return environment | {"DATABASE_URL": f"sqlite:///{empty_sqlite}", "REPRISE_WORK_DIR": str(tmp_path)}

    def manage(self, environment, *arguments) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def test_without_a_terminal_there_are_log_lines_and_no_bar(self, environment) -> None:
        done = self.manage(environment, "run_duplicate_analysis")

        assert done.returncode == 0, done.stderr
        assert "Analysis started: 0 tracks" in done.stderr
        assert "Phase: Loading tracks" in done.stderr
        assert "\r" not in done.stderr

    def test_the_reason_of_a_refusal_comes_last_on_standard_error(self, environment) -> None:
        done = self.manage(environment, "run_duplicate_analysis", "--preset", "loose")

        assert done.returncode == 1
        assert "'loose' is no preset" in done.stderr.splitlines()[-1]

    def test_ctrl_c_cancels_cleanly(self, environment) -> None:
        script = (
            "import django, signal, sys, time; django.setup()\n"
            "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # ignored in what a shell runs behind itself
            "from django.core.management import call_command\n"
            "from duplicates.services import loading\n"
            "def slow(report):\n"
            "    print('loading', flush=True)\n"
            "    time.sleep(60)\n"
            "loading.load_library = slow\n"
            "call_command('run_duplicate_analysis')\n"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env=environment | {"DJANGO_SETTINGS_MODULE": "project.settings"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "loading\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=50)

        assert process.returncode == 130
        assert "Cancelled. Earlier results are untouched." in errors
        assert "Traceback" not in errors


@pytest.mark.django_db
def test_an_empty_library_is_told_how_to_fill_it(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("run_duplicate_analysis")

    assert "uv run manage.py import_library PATH" in capsys.readouterr().out.splitlines()[0]

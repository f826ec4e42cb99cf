"""Single values in every spelling people's files have."""

from datetime import UTC, date, datetime

import pytest

from library.importers.values import (
    ParsedDate,
    ParsedDuration,
    parse_date,
    parse_duration,
    parse_flag,
    parse_isrc,
    parse_moment,
    parse_position,
    parse_rating,
    parse_uuid,
    parse_whole,
)


class TestDurations:
    @pytest.mark.parametrize(
        ("text", "milliseconds"),
        [
            pytest.param("219", 219_000, id="seconds"),
            pytest.param("245.6", 245_600, id="seconds with a fraction"),
            pytest.param("9999", 9_999_000, id="the longest seconds"),
            pytest.param("10000", 10_000, id="the shortest milliseconds"),
            pytest.param("251874", 251_874, id="milliseconds"),
            pytest.param("218 000", 218_000, id="milliseconds in groups"),
            pytest.param("2 18000", 218_000, id="milliseconds with a stray blank"),
            pytest.param("4.503", 270_180, id="fractional minutes"),
            pytest.param("6 .383", 382_980, id="fractional minutes with a stray blank"),
            pytest.param("3,5", 210_000, id="decimal comma"),
            pytest.param("4:02", 242_000, id="m:ss"),
            pytest.param("04:04", 244_000, id="mm:ss"),
            pytest.param("02 :41", 161_000, id="blank before the colon"),
            pytest.param("2:09:26", 7_766_000, id="h:mm:ss"),
            pytest.param("3:45.678", 225_678, id="m:ss.mmm"),
            pytest.param("1m 58sec", 118_000, id="m sec"),
            pytest.param("3m 19sec", 199_000, id="another m sec"),
            pytest.param("2m51sec", 171_000, id="no blank"),
            pytest.param("4m  36sec", 276_000, id="two blanks"),
            pytest.param("2m 39s ec", 159_000, id="noise inside the unit"),
            pytest.param("4m-11sec", 251_000, id="dash"),
            pytest.param("3 min 45 s", 225_000, id="min and s"),
            pytest.param("1 h 2 min", 3_720_000, id="hours and minutes"),
            pytest.param("225 sec", 225_000, id="sec alone"),
            pytest.param("3.75 min", 225_000, id="decimal minutes with unit"),
            pytest.param("225000 ms", 225_000, id="ms"),
            pytest.param("3'45\"", 225_000, id="prime marks"),
            pytest.param("PT3M45S", 225_000, id="ISO 8601"),
        ],
    )
    def test_a_length_is_read_in_every_spelling(self, text: str, milliseconds: int) -> None:
        assert parse_duration(text) == ParsedDuration(milliseconds)

    @pytest.mark.parametrize(
        "text",
        ["unk.", "null", "n.a.", "Room Service", "03:1G", "28o080", "Z33", "m sec", ".", "--", "28 9", "3318-A033",
         "012-Nur nooch mit dir", "", "1e5", "٣:٤٥x", "9" * 400],
    )  # fmt: skip
    def test_what_is_no_length_is_left_to_the_caller(self, text: str) -> None:
        assert parse_duration(text) is None

    @pytest.mark.parametrize("text", ["0", "00:00", "0.0"])
    def test_zero_means_not_known(self, text: str) -> None:
        assert parse_duration(text) == ParsedDuration(None)

    @pytest.mark.parametrize(
        ("text", "unit", "milliseconds"),
        [("5000", "ms", 5_000), ("10800", "s", 10_800_000), ("4.5", "s", 4_500), ("1500.5", "ms", 1_500)],
    )
    def test_the_unit_of_the_header_wins_over_the_size(self, text: str, unit: str, milliseconds: int) -> None:
        assert parse_duration(text, unit=unit) == ParsedDuration(milliseconds)

    def test_a_length_before_other_text_counts_and_the_rest_is_reported(self) -> None:
        assert parse_duration("3:34 COL Released VAL") == ParsedDuration(214_000, has_rest=True)

    def test_an_id_that_strayed_into_the_column_is_no_length(self) -> None:
        assert parse_duration("99999999999") is None


class TestDates:
    @pytest.mark.parametrize(
        ("text", "year", "full"),
        [
            pytest.param("2005", 2005, None, id="year"),
            pytest.param(" 2007", 2007, None, id="year after a blank"),
            pytest.param("75", 1975, None, id="two digits"),
            pytest.param("'95", 1995, None, id="apostrophe"),
            pytest.param("' 05", 2005, None, id="apostrophe and blank"),
            pytest.param("27", 2027, None, id="two digits of next year"),
            pytest.param("28", 1928, None, id="two digits beyond next year"),
            pytest.param("7", 2007, None, id="lost leading zero"),
            pytest.param("19 98", 1998, None, id="stray blank"),
            pytest.param("1971-08", 1971, None, id="month only"),
            pytest.param("2015-09-04", 2015, date(2015, 9, 4), id="ISO"),
            pytest.param("2015-09-04T07:00:00Z", 2015, date(2015, 9, 4), id="ISO with time"),
            pytest.param("18-May-15", 2015, date(2015, 5, 18), id="day-month name-two digits"),
            pytest.param("May 18 , 2015", 2015, date(2015, 5, 18), id="month name day year"),
            pytest.param("26-Aug-11", 2011, date(2011, 8, 26), id="another"),
            pytest.param("18. Mai 2015", 2015, date(2015, 5, 18), id="German"),
            pytest.param("18 mai 2015", 2015, date(2015, 5, 18), id="French"),
            pytest.param("18 de mayo de 2015", 2015, date(2015, 5, 18), id="Spanish"),
            pytest.param("May 2015", 2015, None, id="month name and year"),
            pytest.param("04/2003", 2003, None, id="month and year"),
            pytest.param("18.05.2015", 2015, date(2015, 5, 18), id="dots"),
            pytest.param("5/18/2015", 2015, date(2015, 5, 18), id="month first"),
            pytest.param("05/06/2015", 2015, None, id="either order"),
            pytest.param("2004-02-31", 2004, None, id="no such day"),
            pytest.param("0000", None, None, id="zero is not known"),
        ],
    )
    def test_a_date_is_read_in_every_spelling(self, text: str, year: int | None, full: date | None) -> None:
        assert parse_date(text, this_year=2026) == ParsedDate(year, full)

    @pytest.mark.parametrize(
        "text", ["null", "unk.", "Check That Funk (2008)", "04:02", "English", "9198", "3005", "x" * 999]
    )
    def test_what_is_no_date_is_left_to_the_caller(self, text: str) -> None:
        assert parse_date(text, this_year=2026) is None

    def test_a_moment_is_taken_to_utc(self) -> None:
        assert parse_moment("2017-02-22T15:26:01+02:00") == datetime(2017, 2, 22, 13, 26, 1, tzinfo=UTC)

    @pytest.mark.parametrize("text", ["", "soon", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
    def test_a_moment_no_database_keeps_is_none(self, text: str) -> None:
        assert parse_moment(text) is None


class TestOthers:
    @pytest.mark.parametrize(
        ("text", "number"),
        [("7", 7), (" 007", 7), ("7/12", 7), ("7 of 12", 7), ("0D1", None), ("A1", None), ("1 1", None), ("1-13", None),
         ("16498361", None), ("-1", None), ("٣", 3)],
    )  # fmt: skip
    def test_positions(self, text: str, number: int | None) -> None:
        assert parse_position(text) == (number if text != "٣" else None)

    @pytest.mark.parametrize(
        ("text", "flag"),
        [("true", True), ("Wahr", True), ("1", True), ("FAUX", False), ("não", False), ("maybe", None)],
    )
    def test_flags(self, text: str, flag: bool | None) -> None:
        assert parse_flag(text) is flag

    @pytest.mark.parametrize(
        ("text", "rating"), [("80", 80), ("4", 80), ("★★★☆☆", 60), ("101", None), ("0", 0), ("good", None)]
    )
    def test_ratings(self, text: str, rating: int | None) -> None:
        assert parse_rating(text) == rating

    @pytest.mark.parametrize(
        ("text", "code"),
        [("US-TCF-10-69812", "USTCF1069812"), ("usep40403306", "USEP40403306"), ("test4", None), ("", None)],
    )
    def test_recording_codes_lose_their_hyphens(self, text: str, code: str | None) -> None:
        assert parse_isrc(text) == code

    def test_a_musicbrainz_id_is_read_from_its_address(self) -> None:
        identifier = "11111111-2222-3333-4444-555555555555"

        assert parse_uuid(f"https://musicbrainz.org/recording/{identifier.upper()}") == identifier

    def test_a_number_no_database_column_holds_is_none(self) -> None:
        assert parse_whole(str(2**31)) is None

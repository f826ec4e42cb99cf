"""Artist credits: names with roles, compared as a whole first and never word by word."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duplicates.engine.artists import GUESTS, SEPARATES, Credit, Kinship, kinship, read_credit, remixer
from duplicates.engine.explain import explain_pair
from duplicates.engine.pipeline import find_clusters
from duplicates.engine.settings import EngineSettings
from duplicates.engine.text import fold
from tests.engine.support import song, tracks
from tests.engine.test_matching import OTHERS, same

ANY_TEXT = st.text(st.characters(blacklist_categories=("Cs",)), max_size=60)
NAMES = st.sampled_from(["Nina Vale", "Zoe Lund", "Otto Marsh", "Ada Quill", "Drumlin", "The Lanterns", "Soft Cell"])
SPLITS_AWAY = re.compile(SEPARATES)  # a credit of separators alone names nobody
LISTS = st.lists(NAMES, min_size=1, max_size=4, unique=True)
SEPARATORS = st.sampled_from([", ", "; ", " / ", " & ", " and ", " x ", " vs. ", " feat. ", " ft. ", " with ", "/"])


def read(artist: str, guests: str = "") -> Credit:
    artist, guests = fold([artist, guests])
    return read_credit(artist + GUESTS + guests if guests else artist)


def related(one: str, other: str, version: str = "") -> Kinship:
    return kinship(read(one), read(other), version)


def level(one: dict[str, object], other: dict[str, object], comparison: str) -> str:
    columns, settings = tracks(one, other, *OTHERS), EngineSettings()
    found = explain_pair(columns, 1, 2, settings, find_clusters(columns, settings).tables)
    return next(part.level for part in found.contributions if part.comparison == comparison)


class TestReading:
    @pytest.mark.parametrize(
        ("artist", "main", "featured"),
        [
            pytest.param("Nina Vale", ["nina vale"], [], id="one name"),
            pytest.param("Nina Vale, Zoe Lund", ["nina vale", "zoe lund"], [], id="comma"),
            pytest.param("Nina Vale; Zoe Lund", ["nina vale", "zoe lund"], [], id="semicolon"),
            pytest.param("Nina Vale / Zoe Lund", ["nina vale", "zoe lund"], [], id="slash"),
            pytest.param("Nina Vale & Zoe Lund", ["nina vale", "zoe lund"], [], id="ampersand"),
            pytest.param("Nina Vale and Zoe Lund", ["nina vale", "zoe lund"], [], id="and"),
            pytest.param("Nina Vale + Zoe Lund", ["nina vale", "zoe lund"], [], id="plus"),
            pytest.param("Nina Vale x Zoe Lund", ["nina vale", "zoe lund"], [], id="x"),
            pytest.param("Nina Vale vs. Zoe Lund", ["nina vale", "zoe lund"], [], id="vs with a dot"),
            pytest.param("Nina Vale vs Zoe Lund", ["nina vale", "zoe lund"], [], id="vs"),
            pytest.param("Nina Vale、Zoe Lund", ["nina vale", "zoe lund"], [], id="ideographic comma"),
            pytest.param("Nina Vale＆Zoe Lund", ["nina vale", "zoe lund"], [], id="full-width ampersand"),
            pytest.param("Nina Vale, Zoe Lund & Drumlin", ["nina vale", "zoe lund", "drumlin"], [], id="three"),
            pytest.param("Nina Vale feat. Zoe Lund", ["nina vale"], ["zoe lund"], id="feat"),
            pytest.param("Nina Vale ft. Zoe Lund", ["nina vale"], ["zoe lund"], id="ft"),
            pytest.param("Nina Vale (featuring Zoe Lund)", ["nina vale"], ["zoe lund"], id="featuring in brackets"),
            pytest.param("Nina Vale with Zoe Lund", ["nina vale"], ["zoe lund"], id="with"),
            pytest.param("Nina Vale duet with Zoe Lund", ["nina vale"], ["zoe lund"], id="duet with"),
            pytest.param("A Lot, B feat. C & D Lite", ["lot", "b"], ["c", "d lite"], id="lists on both sides"),
            pytest.param("Nina Vale feat. Nina Vale", ["nina vale"], [], id="named twice"),
            pytest.param("The Lanterns", ["lanterns"], [], id="article"),
            pytest.param("The The", ["the"], [], id="only articles"),
            pytest.param("Daft Punk", ["daft punk"], [], id="Daft keeps its ft"),
            pytest.param("Soft Cell", ["soft cell"], [], id="Soft keeps its ft"),
            pytest.param("Defeater", ["defeater"], [], id="Defeater keeps its feat"),
            pytest.param("Malcolm X", ["malcolm x"], [], id="a name that ends in x"),
            pytest.param("The Lanterns, Zoe Lund", ["lanterns", "zoe lund"], [], id="article in a list"),
            pytest.param("Withered Hand", ["withered hand"], [], id="with is part of a word"),
        ],
    )
    def test_names_and_roles(self, artist: str, main: list[str], featured: list[str]) -> None:
        assert read(artist)[:2] == (tuple(main), tuple(featured))

    @pytest.mark.parametrize(
        ("guests", "names"),
        [
            pytest.param("Zoe Lund & with Otto Marsh", ("zoe lund", "otto marsh"), id="with inside a list"),
            pytest.param("Zoe Lund, feat. Otto Marsh", ("zoe lund", "otto marsh"), id="feat behind a comma"),
            pytest.param("Zoe Lund feat. Otto Marsh", ("zoe lund", "otto marsh"), id="feat between names"),
            pytest.param("Withered Hand & Featherweight", ("withered hand", "featherweight"), id="parts of words"),
        ],
    )
    def test_a_role_named_again_is_no_part_of_a_name(self, guests: str, names: tuple[str, ...]) -> None:
        assert read("Nina Vale", guests).featured == names

    def test_guests_of_the_title_are_featured(self) -> None:
        assert read("Nina Vale", "Zoe Lund & Otto Marsh") == (("nina vale",), ("zoe lund", "otto marsh"), False)

    @pytest.mark.parametrize(
        ("version", "name"),
        [
            pytest.param("smash mode remix", "smash mode", id="remix"),
            pytest.param("robin quell radio edit", "robin quell", id="edit"),
            pytest.param("smash mode club mix", "smash mode", id="club mix"),
            pytest.param("remixed by otto marsh", "otto marsh", id="remixed by"),
            pytest.param("radio edit", "", id="radio edit"),
            pytest.param("extended mix", "", id="extended mix"),
            pytest.param("remix", "", id="nobody"),
            pytest.param("live at the apollo", "", id="live"),
        ],
    )
    def test_the_remixer_is_named_by_the_version(self, version: str, name: str) -> None:
        assert remixer(version) == name


class TestKinship:
    @pytest.mark.parametrize(
        ("one", "other", "expected"),
        [
            pytest.param("Nina Vale & Zoe Lund", "Zoe Lund, Nina Vale", Kinship.SAME, id="order"),
            pytest.param("Nina Vale feat. Zoe Lund", "Zoe Lund / Nina Vale", Kinship.SAME, id="role"),
            pytest.param("Vale Nina", "Nina Vale", Kinship.SAME, id="name turned round"),
            pytest.param("Nina Vael; Zoe Lund", "Nina Vale, Zoe Lund", Kinship.SAME, id="typo in one name"),
            pytest.param("The Lanterns, Zoe Lund", "Zoe Lund & Lanterns", Kinship.SAME, id="article"),
            pytest.param("Nina Vale", "Nina Vale, Zoe Lund", Kinship.CONTAINED, id="one more name"),
            pytest.param("Drumlin", "Drumlin, Otto", Kinship.CONTAINED, id="one more name of one word"),
            pytest.param("Bob Quill", "Bob Quill & The Wailers", Kinship.CONTAINED, id="and his band"),
            pytest.param("Nina Vale, Zoe Lund", "Nina Vale, Otto Marsh", Kinship.SHARED, id="another guest"),
            pytest.param("Soft", "Soft Cell", Kinship.PART_OF_A_NAME, id="Soft is not Soft Cell"),
            pytest.param("Nina", "Nina Vale", Kinship.PART_OF_A_NAME, id="first name"),
            pytest.param("Fire", "Earth, Wind & Fire", Kinship.PART_OF_A_NAME, id="Fire is not Earth, Wind & Fire"),
            pytest.param("Garfunkel", "Simon & Garfunkel", Kinship.PART_OF_A_NAME, id="Simon and Garfunkel"),
            pytest.param("Oates", "Hall and Oates", Kinship.PART_OF_A_NAME, id="Hall and Oates"),
            pytest.param("DC", "AC/DC", Kinship.PART_OF_A_NAME, id="AC/DC"),
            pytest.param("Tyler", "Tyler, The Creator", Kinship.PART_OF_A_NAME, id="Tyler, The Creator"),
            pytest.param("Nina Vale", "Otto Marsh", Kinship.APART, id="strangers"),
            pytest.param("Nina Vale", "Nina Lund", Kinship.APART, id="a first name in common"),
            pytest.param("The Daftons", "The Paper Otters", Kinship.APART, id="an article in common"),
        ],
    )
    def test_it_is_told_by_whole_names(self, one: str, other: str, expected: Kinship) -> None:
        assert related(one, other) == related(other, one) == expected

    def test_whoever_the_version_names_had_a_part_on_both_sides(self) -> None:
        assert related("Nina Vale", "Nina Vale, Smash Mode", "smash mode remix") == Kinship.SAME
        assert related("Nina Vale", "Smash Mode", "smash mode remix") == Kinship.CONTAINED

    @given(LISTS, LISTS, st.randoms(use_true_random=False))
    def test_the_order_of_names_never_matters(self, one: list[str], other: list[str], random: object) -> None:
        turned = sorted(one, key=lambda name: random.random())  # type: ignore[attr-defined]
        assert related(", ".join(one), ", ".join(other)) == related(", ".join(turned), ", ".join(other))

    @given(LISTS, st.lists(SEPARATORS, min_size=4, max_size=4))
    def test_the_same_people_are_the_same_however_they_are_joined(self, names: list[str], between: list[str]) -> None:
        joined = "".join(name + gap for name, gap in zip(names, [*between[: len(names) - 1], ""], strict=True))
        assert related(joined, "; ".join(names)) == Kinship.SAME

    @given(ANY_TEXT, ANY_TEXT, ANY_TEXT)
    def test_any_two_texts_are_related_alike_from_both_sides(self, one: str, other: str, version: str) -> None:
        assert related(one, other, version) == related(other, one, version)

    @given(ANY_TEXT)
    def test_no_name_is_lost_or_empty(self, artist: str) -> None:
        folded = fold([artist])[0]
        credit = read_credit(folded)
        assert all(credit.main + credit.featured)
        assert credit.everybody or not any(map(str.isalnum, folded)) or SPLITS_AWAY.search(folded)


class TestTheArtistOfAPair:
    @pytest.mark.parametrize(
        ("one", "other", "expected"),
        [
            pytest.param(song("S", "A Lund & B Vale"), song("S", "B Vale, A Lund"), "equal", id="order"),
            pytest.param(song("S", "A Lund"), song("S", "A Lund, Otto Marsh"), "one contains the other", id="more"),
            pytest.param(
                song("S (feat. Otto Marsh)", "A Lund"), song("S", "A Lund, Otto Marsh"), "equal", id="guest in title"
            ),
            pytest.param(
                song("S (feat. Zoe & Otto Marsh)", "A Lund"),
                song("S", "Otto Marsh / A Lund"),
                "one contains the other",
                id="two guests in the title, one in the artist",
            ),
            pytest.param(
                song("S (Otto Marsh Remix)", "A Lund"),
                song("S (Otto Marsh Remix)", "A Lund, Otto Marsh"),
                "equal",
                id="remixer among the artists",
            ),
            pytest.param(song("S", "Soft"), song("S", "Soft Cell"), "part of a longer name", id="Soft Cell"),
            pytest.param(song("S", "Fire"), song("S", "Earth, Wind & Fire"), "part of a longer name", id="a band"),
            pytest.param(
                song("S", "A Lund, Otto Marsh"), song("S", "A Lund, Zoe Vale"), "some names in common", id="other guest"
            ),
            pytest.param(song("S", "Earth, Wind & Fire"), song("S", "Earth Wind & Fire"), "equal", id="one band whole"),
            pytest.param(
                song("S (feat. Zoe Lund)", "A Vale"),
                song("S (feat. Otto Marsh)", "A Vale"),
                "some names in common",
                id="the titles name other guests",
            ),
            pytest.param(
                song("S", "A Vale feat. Zoe Lund"),
                song("S (with Otto Marsh)", "A Vale"),
                "some names in common",
                id="artist and title name other guests",
            ),
            pytest.param(
                song("S (feat. Zoe)", "A Vale"), song("S (feat. Zoe Lund)", "A Vale"), "equal", id="whole name"
            ),
            pytest.param(
                song("S (feat. Zoe Lund & Otto Marsh)", "A Vale"),
                song("S (feat. Otto Marsh)", "A Vale"),
                "equal",
                id="one guest more",
            ),
            pytest.param(
                song("S (feat. Кино)", "A Vale"), song("S (feat. Zoe Lund)", "A Vale"), "equal", id="another script"
            ),
        ],
    )  # fmt: skip
    def test_it_falls_into_the_level(self, one: dict[str, object], other: dict[str, object], expected: str) -> None:
        assert level(one, other, "artist") == level(other, one, "artist") == expected


class TestBandsThatStayWhole:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            pytest.param("Earth, Wind & Fire", "Earth Wind and Fire", id="Earth, Wind and Fire"),
            pytest.param("Simon & Garfunkel", "Simon and Garfunkel", id="Simon and Garfunkel"),
            pytest.param("AC/DC", "ACDC", id="AC/DC"),
            pytest.param("Tyler, The Creator", "Tyler The Creator", id="Tyler, The Creator"),
            pytest.param("Hall and Oates", "Hall & Oates", id="Hall and Oates"),
            pytest.param("Daft Punk", "daft punk", id="Daft Punk"),
            pytest.param("Soft Cell", "SOFT CELL", id="Soft Cell"),
        ],
    )
    def test_however_they_are_written(self, one: str, other: str) -> None:
        assert same(song("I Got", one), song("I Got", other))


class TestRemixers:
    REMIX = song("I Got (Smash Mode Remix)")

    @pytest.mark.parametrize(
        "other",
        [
            pytest.param(song("I Got (Smash Mode Remix)", "Nina Vale, Smash Mode"), id="among the artists"),
            pytest.param(song("I Got (Smash Mode Remix)", "Nina Vale feat. Smash Mode"), id="as a guest"),
            pytest.param(song("I Got (Smash Mode Remix)", "Smash Mode"), id="as the artist"),
            pytest.param(song("I Got - Smash Mode Remix", "Smash Mode, Nina Vale"), id="first, behind a dash"),
            pytest.param(song("I Got (Remix)", "Nina Vale & Smash Mode"), id="only among the artists"),
            pytest.param(song("I Got (Remixed by Smash Mode)"), id="remixed by"),
        ],
    )
    def test_the_same_remix_is_found_wherever_its_maker_stands(self, other: dict[str, object]) -> None:
        assert same(self.REMIX, other)

    @pytest.mark.parametrize(
        "other",
        [
            pytest.param(song("I Got"), id="the original"),
            pytest.param(song("I Got", "Nina Vale, Smash Mode"), id="the original with the remixer as an artist"),
            pytest.param(song("I Got (Phonat Remix)"), id="by somebody else"),
            pytest.param(song("I Got (Phonat Remix)", isrc="GBAYE0000001"), id="by somebody else, equal ISRC"),
        ],
    )
    def test_another_remix_is_another_recording(self, other: dict[str, object]) -> None:
        assert not same({**self.REMIX, "isrc": "GBAYE0000001"}, other)

"""Small libraries for tests of analyses: a few songs held twice, and songs that must stay apart."""

from library.models import Track

# (title, artist, album, seconds)
_SONGS = [
    ("Harbour Lights", "The Quiet Tide", "Low Water", 215),
    ("Paper Moons", "Ines Calder", "Paper Moons", 187),
    ("Nine Bridges", "Ostrava Trio", "Live at the Mill", 402),
    ("Slow Weather", "Mara Lindqvist", "Almanac", 251),
    ("Copper Wire", "Foundry Row", "Sparks", 199),
]


def make_track(number: int, *, title: str, artist: str, album: str = "", seconds: int = 200, **fields: object) -> Track:
    """Create one track of the source "test"."""
    return Track.objects.create(
        source="test",
        source_track_id=str(number),
        title=title,
        artist=artist,
        album=album,
        duration_ms=seconds * 1000,
        **fields,
    )


def make_library(copies: int = 2) -> list[Track]:
    """Create the songs above, each held `copies` times with a slightly different length."""
    return [
        make_track(
            100 * copy + number,
            title=title,
            artist=artist,
            album=album,
            seconds=seconds + copy,
            play_count=number + copy,
        )
        for copy in range(copies)
        for number, (title, artist, album, seconds) in enumerate(_SONGS)
    ]


SONG_COUNT = len(_SONGS)

"""What else lies in a real library: files with hardly any tags, entries that are no songs, and the playlists.

The loose files tell too little to be called the same as anything. The skipped entries are here so that an import has
something to leave out and to report.
"""

from project.sample.shapes import AAC_128, MP3_96, MP3_128, Audio, Listing, Loose, Skipped

MOVIE = Audio("Purchased MPEG-4 video file", "m4v", 1_650)
BOOK = Audio("Audible file", "aa", 32, 22_050)
MEMO = Audio("AAC audio file", "m4a", 64)
STREAM = Audio("Internet audio stream", "", 128)
BOOKLET = Audio("PDF document", "pdf", 0, 0)

LOOSE = [
    # Discs no database knew.
    Loose("disc/1", "thin-tags", "3:44", "Track 01", number=1),
    Loose("disc/2", "thin-tags", "3:44", "Track 01", artist="Unknown Artist", album="Unknown Album", number=1),
    Loose("disc/3", "thin-tags", "4:02", "Track 01", artist="Unknown Artist", album="Unknown Album (2)", number=1),
    Loose("disc/4", "thin-tags", "2:51", "Track 02", artist="Unknown Artist", album="Unknown Album", number=2),
    Loose("disc/5", "thin-tags", "5:10", "Piste 1", number=1),
    Loose("disc/6", "thin-tags", "5:11", "Titel 1", number=1),
    Loose("disc/7", "thin-tags", "3:05", "Дорожка 1", number=1),
    Loose("disc/8", "thin-tags", "3:05", "トラック1", number=1),
    Loose("disc/9", "thin-tags", "4:40", "01", number=1),
    # Nothing at all, which must not be equal to nothing.
    Loose("blank/1", "blank", "3:30"),
    Loose("blank/2", "blank", "3:30"),
    Loose("blank/3", "blank", "1:12"),
    Loose("blank/4", "blank", "2:48", artist="The Paper Otters"),
    Loose("blank/5", "blank", "2:49", artist="The Paper Otters"),
    Loose("blank/6", "blank", "4:00", artist="Unknown"),
    # Names that only look like titles.
    Loose("name/1", "thin-tags", "0:58", "[untitled]", album="Demos from Jory"),
    Loose("name/2", "thin-tags", "1:36", "[untitled]", album="Demos from Jory"),
    Loose("name/3", "thin-tags", "3:11", "Untitled"),
    Loose("name/4", "thin-tags", "2:20", "Unknown"),
    Loose("name/5", "thin-tags", "0:04", "[silence]", artist="[no artist]"),
    Loose("name/6", "thin-tags", "0:04", "[silence]", artist="[no artist]", album="Fifteen Seconds Each"),
    Loose("name/7", "thin-tags", "1:03", "Intro"),
    Loose("name/8", "thin-tags", "1:21", "Outro", artist="?"),
    Loose("name/9", "thin-tags", "4:17", "AUD-20190412-WA0003", genre="Other", audio=MP3_96),
    Loose("name/10", "thin-tags", "4:17", "AUD-20190412-WA0004", genre="Other", audio=MP3_96),
    Loose("name/11", "thin-tags", "2:02", "???", artist="???"),
    Loose("name/12", "thin-tags", "2:03", "...", artist="-"),
]

SKIPPED = [
    Skipped(
        "movie",
        "movie",
        "The Lighthouse Cat",
        "Orla Penhallow",
        "",
        "Kids & Family",
        "81:20",
        MOVIE,
        ("Has Video", "HD", "Movie"),
    ),
    Skipped(
        "clip",
        "music video",
        "Hello, Again (Official Video)",
        "Juniper Kell",
        "",
        "Pop",
        "3:29",
        MOVIE,
        ("Has Video", "Music Video"),
    ),
    Skipped(
        "series",
        "TV show",
        "The Wexcombe Bakers, Episode 3",
        "Wexcombe Bakers",
        "Series 1",
        "Reality TV",
        "44:10",
        MOVIE,
        ("Has Video", "TV Show"),
    ),
    Skipped(
        "pod/1",
        "podcast",
        "Episode 12: What the Tide Left",
        "Low Tide Talk",
        "Low Tide Talk",
        "Podcast",
        "38:41",
        AAC_128,
        ("Podcast",),
    ),
    Skipped(
        "pod/2",
        "podcast",
        "Episode 13: Why Otters Hold Hands",
        "Low Tide Talk",
        "Low Tide Talk",
        "Podcast",
        "41:05",
        AAC_128,
        ("Podcast",),
    ),
    Skipped(
        "pod/3",
        "podcast",
        "Episode 13: Why Otters Hold Hands",
        "Low Tide Talk",
        "Low Tide Talk",
        "Podcast",
        "41:05",
        MP3_128,
        ("Podcast",),
    ),
    Skipped(
        "book",
        "audiobook",
        "The Clockmaker's Daughter-in-Law (Unabridged)",
        "Hesper Vale",
        "The Clockmaker's Daughter-in-Law",
        "Audiobook",
        "412:33",
        BOOK,
    ),
    Skipped(
        "memo/1",
        "voice memo",
        "Piano lesson, Tuesday",
        "Nana's iPhone",
        "Voice Memos",
        "Voice Memo",
        "12:08",
        MEMO,
    ),
    Skipped("memo/2", "voice memo", "New Recording 7", "Nana's iPhone", "Voice Memos", "Voice Memo", "0:41", MEMO),
    Skipped("radio", "stream", "Radio Meridian Live", "", "", "Radio", "0:00", STREAM),
    Skipped("booklet", "document", "Digital Booklet - Neon Ferry", "DJ Calavera Azul", "", "Dance", "0:00", BOOKLET),
]

PLAYLISTS = [
    Listing("Recently Added", rule="newest"),
    Listing("Top 25 Most Played", rule="most played"),
    Listing("Five Stars", rule="five stars"),
    Listing("Radio Meridian", is_folder=True),
    # A show's running order: jingles come back, and one song is there in both its copies.
    Listing(
        "Sunday Morning Show",
        """
        jingles/1, jingles/3, hymns/1, salt/4 quotes, jingles/1, ferry/2 compilation, blue/2 lossy
        sugar/2 truncated, jingles/5, jingles/6, tram/1, limani/1, jingles/1, salt/9 same-file, salt/9
        """,
        folder="Radio Meridian",
    ),
    Listing(
        "Night Shift",
        "strom/1, index/5, furin/1 same-file, soft/5 missing-file, galaxy/1, jingles/4, box/1, pop/2 cloud",
        folder="Radio Meridian",
    ),
    Listing(
        "Kitchen",
        """
        ferry/1 feat 2, ferry/3 feat, pop/1 compilation, rio/1 accents, sugar/1 best-of, reggae/1, mar/1
        hymns/1 compilation, party/1, bosphor/2 accents
        """,
    ),
    Listing(
        "Car",
        "hymns/1, hymns/1 remaster, anvil/2 case, corner/2 explicit, corner/3, strom/2 umlauts, tram/3 accents, blue/1",
    ),
    Listing("Anneke's Wedding", "hearth/4 track-prefix, sugar/3, pop/3 acoustic, ete/1, wadi/1, sargam/1, gesher/1"),
    Listing("Bedtime", "pelican/1, pelican/2 same-file, pelican/3, pelican/6, nocturne/1, nocturne/2"),
    Listing("To Sort"),
]

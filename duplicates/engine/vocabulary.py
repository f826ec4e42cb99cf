"""The words the matcher knows: version markers, editions, credits, blanks. Read it like a menu, extend it like one.

A menu is a text of phrases separated by commas. A phrase is made of plain words; `^` in front binds it to the
beginning of a bracket or dash tail, `$` behind to its end, and `#` stands for a number. The order of MARKERS fixes
the bit of each name, so new markers go to the end.
"""

import re


def phrases(menu: str) -> list[str]:
    """Return the phrases of a menu."""
    return [" ".join(phrase.split()) for phrase in menu.split(",") if phrase.strip()]


# A phrase as words, whether it must begin and end the tail, and the bits it says.
Phrase = tuple[tuple[str, ...], bool, bool, int]
Table = dict[str, dict[str, list[Phrase]]]  # by the first word, then by the second ("" where there is none)


def table_of(menus: dict[int, str]) -> Table:
    """Compile menus, each with the bits its phrases say, into a table."""
    table: Table = {}
    for bits, menu in menus.items():
        for phrase in phrases(menu):
            words = tuple(phrase.removeprefix("^").removesuffix("$").split())
            add_phrase(table, (words, phrase[0] == "^", phrase[-1] == "$", bits))
    return table


def add_phrase(table: Table, phrase: Phrase) -> None:
    """Put a phrase into its place in a table. A phrase spells its numbers or has `#` for all of them."""
    first, second = (*phrase[0], "")[:2]
    table.setdefault(first, {}).setdefault(second, []).append(phrase)


def phrases_of(table: Table) -> list[Phrase]:
    """Return all phrases of a table."""
    return [phrase for following in table.values() for phrases in following.values() for phrase in phrases]


def said(table: Table, words: list[str]) -> int:
    """Return the bits of every phrase found among the words of a tail."""
    bits = 0 if table.keys().isdisjoint(words) else _said(table, words, words)
    if any(map(str.isdecimal, words)):
        bits |= _said(table, words, ["#" if word.isdecimal() else word for word in words])
    return bits


def _said(table: Table, words: list[str], heads: list[str]) -> int:
    """Return the bits of phrases that begin with one or two of the heads: the words, or those with `#` for numbers."""
    bits = 0
    for place, head in enumerate(heads):
        following = table.get(head)
        if following is None:
            continue
        behind = heads[place + 1] if place + 1 < len(heads) else ""
        for second in {"", behind}:
            for parts, first, last, what in following.get(second, _NONE):
                end = place + len(parts)
                if (first and place) or (last and end != len(words)) or end > len(words):
                    continue
                if len(parts) < 3 or _are(parts, words[place:end]):
                    bits |= what
    return bits


def _are(parts: tuple[str, ...], words: list[str]) -> bool:
    """Tell whether words are those of a phrase."""
    return all(part == word or (part == "#" and word.isdecimal()) for part, word in zip(parts, words, strict=True))


_NONE: list[Phrase] = []


# What people and programs write when they know nothing, in the languages players speak.
BLANKS = frozenset(("", "?", "n.a", "n/a", "#name?", "#name ?", "#n/a", "#value!", "#ref!")) | frozenset(
    phrases(
        """null, none, nan, na, n a, unk, unknown, undefined, not available, not known,
        unknown artist, unknown album, unknown title, no artist, no album, no title,
        unbekannt, unbekannter interpret, unbekannter künstler, unbekanntes album, unbekannter titel,
        artiste inconnu, album inconnu, titre inconnu, artista desconocido, álbum desconocido, título desconocido,
        artista desconhecido, álbum desconhecido, título desconhecido,
        artista sconosciuto, album sconosciuto, titolo sconosciuto,
        onbekende artiest, onbekend album, onbekende titel, okänd artist, okänt album, ukendt kunstner, ukendt album,
        ukjent artist, ukjent album, nieznany wykonawca, nieznany artysta, nieznany album,
        неизвестный исполнитель, неизвестный альбом, неизвестно,
        不明なアーティスト, 不明なアルバム, 未知艺术家, 未知专辑, 未知藝人, 알 수 없는 아티스트, 알 수 없는 앨범"""
    )
)
# What programs write for an artist when a release has many, or nobody knows.
NO_ARTIST = frozenset(
    phrases(
        """various artists, various, various artist, va, v a, v.a, v/a, verschiedene interpreten, verschiedene künstler,
        diverse interpreten, varios artistas, varios intérpretes, vários artistas, artistes divers, artistes variés,
        artisti vari, diverse artiester, diverse artister, diverse kunstnere, olika artister, blandade artister,
        diverse artiesten, verschillende artiesten, różni wykonawcy, eri esittäjiä, multiple artists, soundtrack,
        original soundtrack, разные исполнители, сборник, 群星, ヴァリアス・アーティスト, オムニバス"""
    )
)
# What stands in brackets where nobody knew the title. "[untitled]" is no such thing: somebody knew that there is none.
NO_TITLE = frozenset(phrases("unknown, no title"))
# Titles that thousands of songs have: alone they say nothing, with an album they say where on it the track stands.
_EVERYWHERE = """intro, outro, introduction, interlude, prelude, prologue, epilogue, skit, hidden track, bonus track,
    untitled, silence, data track, no audio, blank, applause, commentary, studio talk, dialogue, spoken word, audio"""
_COUNTED = """track, audio track, piste, titel, titre, traccia, pista, faixa, spor, spar, nummer, дорожка, трек,
    ト ラ ッ ク, chapter, kapitel, chapitre, capitulo, capitolo, part, pt, teil, partie, scene, act, episode, movement,
    side, disc"""

# Marker name -> the phrases that reveal it inside a bracket or behind a dash. One of them makes that tail a version.
MARKERS: dict[str, str] = {
    "live": """^live, live$, live at, live in, live from, live on, live version, live session, live sessions, live
        recording, live acoustic, live performance, live edit, live mix, live medley, live #, recorded live,
        ^recorded at, ^recorded in, ^recorded on, mtv live, bbc live, in concert, unplugged, concert version""",
    "remix": """remix, remixes, remixed, re mix, re mixed, mashup, mash up, bootleg, rework, reworked, refix, vip,
        dub, mix$, mix version, club mix, dub mix, house mix, dance mix, trance mix, vocal mix, disco mix, chill
        mix, lounge mix, full mix, summer mix, night mix, dj mix, continuous mix, new mix, alternate mix,
        alternative mix, rough mix, early mix, single mix, original mix, short mix, long mix, rap mix, reggae
        mix, ambient mix, deep mix, piano mix, festival mix, video mix""",
    "acoustic": "acoustic, stripped, stripped down, acustica, acustico, akustik, acoustique",
    "instrumental": "instrumental, instr, backing track",
    "karaoke": "karaoke, sing along, singalong, off vocal, in the style of",
    "demo": "demo, demos, rough cut, work tape",
    "remaster": "remaster, remastered, re master, re mastered, remasterizado, remasterisiert, digital master",
    "edit": """edit$, radio edit, single edit, video edit, short edit, club edit, original edit, clean edit, tv
        edit, extended edit, dub edit, album edit, 7 edit, radio version, radio mix, radio cut, edited, edited
        version, short version""",
    "extended": "extended, long version, 12 inch, ^12$, 12 version, 12 mix, maxi",
    "cover": """cover$, covered$, cover version$, tribute to, cover of, originally by, originally performed by,
        performed by""",
    "alternate": """alternate take, alternate version, alternate ending, alternate lyrics, alternative take,
        alternative version, alt take, alt version, take #, outtake, out take, early version, rehearsal,
        session, sessions""",
    "rerecorded": """rerecorded, re recorded, rerecording, re recording, new recording, revisited, re visited,
        taylors version""",
    "a_cappella": "a cappella, a capella, acappella, acapella, a cappela",
    "orchestral": """orchestral version, orchestral mix, symphonic, string version, piano version, piano$, string
        quartet, strings quartet""",
    "speed": "sped up, slowed, nightcore, 8d",
    "reprise": "reprise",
    "intro": "^intro$, ^outro$, ^interlude$, ^skit$",
    "language": """spanish version, french version, german version, italian version, english version, japanese
        version, portuguese version, korean version, chinese version, mandarin version, russian version, espanol
        version, en espanol, deutsche version""",
    "mono": "mono",
    "explicit": "explicit, dirty, uncensored",
    "clean": "clean, censored",
    "own": "",  # a version that only its name tells: for words of staff
}
NEUTRAL = "neutral"  # the marker of words that make no difference anyone hears
ACCEPTED_MARKERS = (*MARKERS, NEUTRAL)
MARKER_BITS: dict[str, int] = {name: 1 << place for place, name in enumerate(MARKERS)}

# Said of a track, but not a difference anyone hears.
_QUALITIES = """album, single, original, main, lp, ep, standard, stereo, us, uk, japan, japanese, international,
    soundtrack,
    studio, full, deluxe, special, anniversary, collectors, limited, bonus, expanded, legacy, digital, new, #"""
_THINGS = "version, edition, release, mix, track, single, recording"
_NEUTRAL = """bonus, bonus track, bonus tracks, stereo, stereo mix, full length, album$, ^single$, ^original$, ^deluxe$,
    ^version$, ^b side$, ^bside$, ^a side$, ^aside$, ^#$, digital booklet, video$, ^from, soundtrack, motion picture,
    theme from, official"""
NEUTRAL_BIT = 1 << 30
BITS_OF = {**MARKER_BITS, NEUTRAL: NEUTRAL_BIT}
TAILS = table_of(
    {MARKER_BITS[name]: menu for name, menu in MARKERS.items()}
    | {NEUTRAL_BIT: ", ".join([f"{q} {t}" for q in phrases(_QUALITIES) for t in phrases(_THINGS)] + phrases(_NEUTRAL))}
)
# A dash tail that is a version beyond doubt, even when the record has no album it could be.
SURE_VERSION = table_of(
    {
        1: """^live, ^remaster, ^remastered, ^acoustic, ^demo, ^instrumental, ^radio, ^single, ^extended, ^mono,
        ^stereo, ^original, ^album, ^alternate, ^alternative, ^take, ^explicit, ^clean, ^rerecorded, ^re
        recorded, ^remix, ^reprise, ^# remaster, ^# remastered, ^# mix, ^# version, ^# digital, remix$,
        version$, edit$, remaster$, remastered$, live$, demo$, acoustic$, instrumental$, dub$, take #$"""
    }
)
# A dash behind which everything is about the take: "Live at the Apollo, New York - June 1962".
OPENS_VERSION = re.compile(r" - (?=(?:recorded )?live\b|recorded (?:at|live)\b)")
# An album on which every track is live. "Live and Let Die" is none.
LIVE_ALBUM = r"\blive (?:at|in|from|on)\b|\bunplugged\b|\bin concert\b|^live$|\w live$"

CREDIT_LEAD = re.compile(r"^\s*(?:feat|ft|featuring|with|duet with|avec|con|mit)\b[. :]*")
# A credit inside running text: needs the word to stand alone, so Daft and Soft keep their "ft".
CREDIT_INSIDE = re.compile(r"\s*[(\s]\s*\b(?:feat|ft|featuring)\b\s*[. :]\s*|\s+(?:feat|ft|featuring)\s+")

# Behind an album's name: tells the edition, not the album.
_EDITIONS = """deluxe|edition|version|remaster(?:ed)?|explicit|clean|expanded|bonus|special|anniversary|edited|digital
    booklet|
    video|complete|collection|disc|cd|vol|ep|single|lp|original (?:motion picture )?soundtrack"""
EDITION = re.compile(
    r"\s*(?:-\s*(?:ep|single)|\s(?:ep|single)|\(\s*(?:[^()]*\b(?:"
    + re.sub(r"\|\s+", "|", _EDITIONS)
    + r")\b[^()]*|(?P<nothing>(?P<year>(?:19|20)\d\d)|unknown|\s*))\s*\))\s*$"
)
TRACK_PREFIX = re.compile(r"^\s*(0[0-9a-z]{1,3}|\d{1,3}|[a-d]\d{1,2})(?:\s*[-.)]\s*|$)")

_NUMBER_WORDS = phrases("one,two,three,four,five,six,seven,eight,nine,ten,eleven,twelve")
_PARTS = phrases(
    """part,parts,pt,pts,act,no,nr,num,number,vol,volume,chapter,ch,episode,ep,mvt,movement,book,scene,op,side,disc,cd,
    teil,parte,partie,kapitel,chapitre,capitulo,capitolo,folge,satz,tome,часть"""
)
PART_WORD = re.compile(rf"\b(?:{'|'.join(_PARTS)})\b ?([ivxlc]+|\d+|{'|'.join(_NUMBER_WORDS)})\b")
COUNTING_WORDS = frozenset((*_PARTS, *_NUMBER_WORDS))
ROMAN = {
    numeral: value
    for value, numeral in enumerate(
        phrases("i,ii,iii,iv,v,vi,vii,viii,ix,x,xi,xii,xiii,xiv,xv,xvi,xvii,xviii,xix,xx,xxi,xxii,xxiii,xxiv,xxv"), 1
    )
}
ROMAN |= {word: value for value, word in enumerate(_NUMBER_WORDS, 1)}
# Numbers that halve or continue a song, not those that say where in an opera or symphony an aria or movement stands.
SONG_PART = re.compile(
    rf"\b(?:parts?|pts?|vol|volume|chapter|episode|teil|parte|partie)\b ?(?:[ivx]+|\d+|{'|'.join(_NUMBER_WORDS)})\b"
)
# Words that name nobody: two artists who share only these share nothing.
ARTICLES = frozenset(
    phrases("the, a, and, of, los, las, die, der, das, les, le, la, el, il, i, de, y, und, et, dj, mc")
)
# Who plays, never who wrote it: two of these are two performances.
ENSEMBLE = re.compile(
    r"orchest|orkest|philharmoni|filarm|symphony|sinfoni|quartet|quintet|sextet|ensemble|choir|chorus|coro\b|chor\b|"
    r"academy of|kammer|staatskapelle|оркестр|хор\b"
)
LONE_ROMAN = re.compile(r"\b(ii|iii|iv|vi|vii|viii|ix|xi|xii|xiii|xiv|xv|xvi|xvii|xviii|xix|xx)\b")
NUMBER = re.compile(r"\d+")
KANJI_NUMBER = re.compile("(?:[〇零一二三四五六七八九十百千] ?)+")
KANJI_DIGITS = {sign: value for value, sign in enumerate("〇一二三四五六七八九")} | {"零": 0}
KANJI_UNITS = {"十": 10, "百": 100, "千": 1000}
# The whole of a title that says nothing by itself, as words: "intro", "track 01", "chapter iii", "01".
GENERIC_TITLE = (
    r"^(?:(?:"
    + "|".join(phrases(_EVERYWHERE))
    + r")(?: \d+| [ivx]+)?|(?:"
    + "|".join(phrases(_COUNTED))
    + rf") ?(?:\d+|[ivx]+|{'|'.join(_NUMBER_WORDS)}))$"
)

"""The words the matcher knows: version markers, editions, credits, blanks. Read it like a menu, extend it like one.

Patterns are matched against folded text (lower case, no accents, round brackets only). A marker table maps the name of
a marker to the words that reveal it inside a bracket or behind a dash; the order of MARKERS fixes the bit of each name.
"""

import re

# What people and programs write when they know nothing. Compared with the words of a value, so `[Unknown]` is `unknown`.
BLANKS = frozenset(
    (
        "null",
        "none",
        "nan",
        "na",
        "unk",
        "unknown",
        "untitled",
        "undefined",
        "n a",
        "n.a",
        "n/a",
        "#name?",
        "#name ?",
        "#n/a",
        "#value!",
        "#ref!",
        "?",
        "",
    )
    + ("unknown artist", "unknown album", "unknown title", "not available", "no artist", "no album", "no title")
)

# What stands in brackets where a release has no title to print.
NO_TITLE = frozenset(("untitled", "silence", "unknown", "no title", "data track", "no audio", "blank"))

# Marker name -> words that reveal it. One of these inside a bracket or dash tail makes that tail a version.
MARKERS: dict[str, str] = {
    "live": r"(?:^|recorded |mtv |bbc |in concert,? ?)live\b|^recorded (?:at|live|in|on)\b|\blive (?:at|in|from|on|version|session|recording|acoustic|performance|edit|mix|medley|,|\d)"
    r"|\blive$|\bin concert\b|\bunplugged\b|\bconcert version\b|\blive,",
    "remix": r"\bre-?mix(?:es|ed)?\b|\bmash-?up\b|\bbootleg\b|\brework(?:ed)?\b|\bre-?fix\b|\bvip\b|\b(?:club|dub|house|dance|trance|vocal|disco|chill|lounge|summer|night|dj|full|continuous|new|alternate|alternative|rough|early|single|original|short|long|rap|reggae|ambient|deep|piano|festival|video) mix\b|\bmix$|\bmix version\b|\bdub\b",
    "acoustic": r"\bacoustic\b|\bstripped(?: down)?\b|\bacustic[ao]\b|\bakustik\b|\bacoustique\b",
    "instrumental": r"\binstrumental\b|\bbacking track\b|\binstr\b",
    "karaoke": r"\bkaraoke\b|\bsing-?along\b|\boff vocal\b|\bin the style of\b",
    "demo": r"\bdemos?\b|\brough cut\b|\bwork tape\b",
    "remaster": r"\bre-?master(?:ed|izado|isiert)?\b|\bdigital master\b",
    "edit": r"\b(?:radio|single|video|short|club|original|7\"?|7''|clean|tv|extended|dub|album) edit\b|\bedit$|\bradio (?:version|mix|cut)\b|\bedited(?: version)?\b|\bshort version\b",
    "extended": r"\bextended\b|\blong version\b|\b12\"|\b12''|\b12 ?inch\b|\bmaxi\b",
    "cover": r"\bcover(?:ed)?(?: version)?$|\btribute to\b|\bcover of\b|\boriginally (?:performed )?by\b",
    "alternate": r"\b(?:alternate|alternative|alt) (?:take|version|ending|lyrics)\b|\btake \d+\b|\bout-?take\b|\bearly version\b|\brehearsal\b|\bsession(?:s)?\b",
    "rerecorded": r"\bre-?record(?:ed|ing)\b|\bnew recording\b|'s version\b|\bre-?visited\b",
    "a_cappella": r"\ba ?cap+el+a\b",
    "orchestral": r"\borchestral (?:version|mix)\b|\bsymphonic\b|\bstring version\b|\bpiano version\b|\bpiano\b$|\bstrings? quartet\b",
    "speed": r"\bsped up\b|\bslowed\b|\bnightcore\b|\b8d\b",
    "reprise": r"^reprise$|\breprise\b",
    "intro": r"^(?:intro|outro|interlude|skit)$",
    "language": r"\b(?:spanish|french|german|italian|english|japanese|portuguese|korean|chinese|mandarin|russian|espanol|en espanol|francais|deutsche?) version\b|\ben espanol\b",
    "mono": r"\bmono\b",
    "explicit": r"\bexplicit\b|\bdirty\b|\buncensored\b",
    "clean": r"\bclean\b|\bcensored\b",
}
MARKER_BITS: dict[str, int] = {name: 1 << position for position, name in enumerate(MARKERS)}
MARKER_PATTERNS = [(MARKER_BITS[name], re.compile(pattern)) for name, pattern in MARKERS.items()]
ANY_MARKER = re.compile("|".join(f"(?:{pattern})" for pattern in MARKERS.values()))

# A dash tail that is a version beyond doubt, even when the record has no album it could be.
SURE_VERSION = re.compile(
    r"^(?:live|remaster|acoustic|demo|instrumental|radio|single|extended|mono|stereo|original|album|alternate|alternative|"
    r"take|explicit|clean|re-?record|remix|reprise|(?:19|20)\d\d (?:re-?)?(?:remaster|mix|version|digital))"
    r"|(?:\bremix|\bversion|\bedit|\bre-?master(?:ed)?|\blive|\bdemo|\bacoustic|\binstrumental|\bdub|\btake \d+)$"
)

# Said of a track, but not a difference anyone hears.
NEUTRAL = re.compile(
    r"\b(?:album|single|original|main|lp|ep|standard|stereo|us|uk|japan(?:ese)?|international|soundtrack|studio|full|"
    r"deluxe|special|anniversary|collector'?s?|limited|bonus|expanded|legacy|digital|new|\d{4}) "
    r"(?:version|edition|release|mix|track|single|recording)\b|\bbonus(?: tracks?)?\b|\bstereo(?: mix)?\b|\bfull[- ]length\b|\balbum\b$|"
    r"^(?:single|original|deluxe|version|bonus|b-?side|a-?side|(?:19|20)\d\d)$|\bdigital booklet\b|\bvideo\b$|"
    r"^from (?:the )?.*|\bsoundtrack\b|\bmotion picture\b|\btheme from\b|\bofficial\b"
)
CREDIT_LEAD = re.compile(r"^\s*(?:feat|ft|featuring|with|duet with|avec|con|mit)\b[. :]*")
# A credit inside running text: needs the word to stand alone, so Daft and Soft keep their "ft".
CREDIT_INSIDE = re.compile(r"\s*[(\s]\s*\b(?:feat|ft|featuring)\b\s*[. :]\s*|\s+(?:feat|ft|featuring)\s+")
CREDIT_SEPARATORS = re.compile(
    r"\s*(?:[,;/|+&]|\s(?:and|und|et|y|e|x|vs|versus|with|feat|ft|featuring|presents|pres)\b\.?)\s*"
)

# Behind an album's name: tells the edition, not the album.
EDITION = re.compile(
    r"\s*(?:-\s*(?:ep|single)|\s(?:ep|single)|\(\s*(?:[^()]*\b(?:deluxe|edition|version|remaster(?:ed)?|explicit|clean|"
    r"expanded|bonus|special|anniversary|edited|digital booklet|video|complete|collection|disc|cd|vol|ep|single|lp|"
    r"original (?:motion picture )?soundtrack)\b[^()]*|(?P<nothing>(?P<year>(?:19|20)\d\d)|unknown|\s*))\s*\))\s*$"
)
TRACK_PREFIX = re.compile(r"^\s*(0[0-9a-z]{1,3}|\d{1,3}|[a-d]\d{1,2})(?:\s*[-.)]\s*|$)")
PART_WORD = re.compile(
    r"\b(?:part|parts|pt|pts|act|no|nr|num|number|vol|volume|chapter|ch|episode|ep|mvt|movement|book|scene|op|side|disc|cd|teil|parte|partie)\b\.?\s*#?\s*([ivxlc]+|\d+)\b"
)
ROMAN = {
    numeral: value
    for value, numeral in enumerate(
        "i ii iii iv v vi vii viii ix x xi xii xiii xiv xv xvi xvii xviii xix xx xxi xxii xxiii xxiv xxv".split(), 1
    )
}
LONE_ROMAN = re.compile(r"\b(ii|iii|iv|vi|vii|viii|ix|xi|xii|xiii|xiv|xv|xvi|xvii|xviii|xix|xx)\b")
NUMBER = re.compile(r"\d+")

# Every word that can make a bracket a credit, a version or neutral. Most brackets hold none of them.
TELLING = frozenset(
    re.findall(
        r"[a-z0-9]+",
        """live recorded concert unplugged remix remixes remixed re mashup mash bootleg rework reworked refix vip mix dub
        acoustic stripped acustica acustico akustik acoustique instrumental backing instr karaoke sing singalong vocal style
        demo demos rough work remaster remastered remasterizado remasterisiert master edit radio edited short extended long
        12 inch maxi full length cover covered tribute originally performed alternate alternative alt take outtake out early
        rehearsal session sessions rerecorded rerecording recording version visited revisited cappella capella acappella
        acapella orchestral symphonic piano string strings quartet sped slowed nightcore 8d reprise intro outro interlude
        skit espanol mono stereo explicit dirty uncensored clean censored album single original main lp ep standard edition
        release track deluxe special anniversary bonus expanded b side a bside aside digital booklet video from soundtrack
        motion theme official feat ft featuring with duet avec con mit 7""",
    )
) | frozenset(str(year) for year in range(1900, 2100))
# A dash behind which everything is about the take: "Live at the Apollo, New York - June 1962".
OPENS_VERSION = re.compile(r" - (?=(?:recorded )?live\b|recorded (?:at|live)\b)")

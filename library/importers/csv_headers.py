"""The column headers that are understood unasked, in the languages exports come in.

A header is compared by its letters and digits only, lower case, so `Track Name`, `track_name` and `TRACK-NAME` are one.
Extending the vocabulary means adding a word to a line.
"""

import re
import unicodedata
from dataclasses import dataclass

# field: the headers that mean it. `id` stands for columns whose values name the track at its source.
VOCABULARY: dict[str, str] = {
    "id": """
        Track URI | Track-URI | Spotify URI | Spotify Track URI | Spotify - id | Spotify ID | Spotify Track Id
        | Apple - id | Apple Music - id | Deezer - id | Tidal - id | YouTube - id | YouTube Music - id
        | Amazon - id | Persistent ID | URI de la canción | URI de la pista | URI du titre | URI du morceau
        | URI della traccia | URI do brano | URI da faixa | URI da música | URI van nummer | Nummer-URI
        | Låtens URI | Spår-URI | Sang-URI | Nummerets URI | URI utworu | URI трека | トラックURI | トラック URI
        | 曲目 URI | 歌曲 URI | 트랙 URI | Parça URI'si | Lagu URI
        """,
    "title": """
        Track Name | Track-Name | Title | Track Title | Song | Song Name | Song Title | Name | Titel | Songtitel
        | Nombre de la canción | Nombre de la pista | Nombre de canción | Título | Canción | Nom du titre
        | Nom du morceau | Titre | Nom de la piste | Nome della traccia | Nome del brano | Titolo | Brano
        | Nome da faixa | Nome da música | Faixa | Música | Naam van nummer | Tracknaam | Nummernaam
        | Låtens namn | Låtnamn | Spårnamn | Låt | Sang | Sangnavn | Nazwa utworu | Utwór | Tytuł
        | Název skladby | Skladba | Название трека | Название | Имя трека | Трек | Песня | トラック名 | 曲名
        | タイトル | 歌曲名 | 曲目名称 | 歌曲 | 标题 | 歌曲名稱 | 트랙 이름 | 곡명 | 제목 | Parça Adı | Şarkı
        | Kappaleen nimi | Kappale | Judul
        """,
    "artist": """
        Artist Name(s) | Artist Name | Artist | Artists | Track Artist | Performer | Künstlername(n)
        | Künstlername | Künstler | Interpret | Interpreten | Nombre(s) del artista | Nombre del artista
        | Nombres de artistas | Artista | Artistas | Nom(s) de l'artiste | Nom de l'artiste
        | Nom(s) d'artiste(s) | Artiste | Artistes | Nome artista | Nome/i artista/i | Nome dell'artista
        | Nomi degli artisti | Artisti | Nome(s) do artista | Nome do artista | Nome(s) do(s) artista(s)
        | Artiestennaam | Naam artiest(en) | Naam van artiest | Artiest | Artistnamn | Artistens namn
        | Artistnavn | Kunstner | Nazwa wykonawcy | Wykonawca | Artysta | Jméno umělce | Umělec
        | Имя исполнителя | Исполнитель | Артист | アーティスト名 | アーティスト | 艺人名称 | 艺术家 | 艺人
        | 歌手 | 藝人 | 演出者 | 아티스트 이름 | 아티스트 | 가수 | Sanatçı Adı | Sanatçı | Artistin nimi
        | Artisti(t) | Artis
        """,
    "album_artist": """
        Album Artist Name(s) | Album Artist Name | Album Artist | Album Artists | AlbumArtist
        | Album-Künstlername(n) | Album-Künstler | Albuminterpret | Albumkünstler
        | Nombre(s) del artista del álbum | Nombre del artista del álbum | Artista del álbum
        | Nom(s) de l'artiste de l'album | Artiste de l'album | Nome artista dell'album | Artista dell'album
        | Artista album | Nome(s) do artista do álbum | Artista do álbum | Albumartiest | Naam albumartiest(en)
        | Albumartist | Albumartistens namn | Albumkunstner | Wykonawca albumu | Umělec alba
        | Исполнитель альбома | アルバムアーティスト | アルバムアーティスト名 | 专辑艺人 | 专辑艺术家 | 專輯藝人
        | 앨범 아티스트 | 앨범 아티스트 이름 | Albüm Sanatçısı
        """,
    "album": """
        Album Name | Album | Album Title | Release | Release Title | Album-Name | Albumname | Albumtitel
        | Nombre del álbum | Álbum | Nom de l'album | Titre de l'album | Nome dell'album | Nome album
        | Titolo album | Nome do álbum | Albumnaam | Albumnamn | Albumets namn | Albumnavn | Nazwa albumu
        | Název alba | Название альбома | Альбом | アルバム名 | アルバム | 专辑名称 | 专辑 | 專輯 | 專輯名稱
        | 앨범 이름 | 앨범 | 앨범명 | Albüm Adı | Albüm | Albumin nimi | Albumi
        """,
    "release_date": """
        Release Date | Album Release Date | Released | Release_Date | Date Released | Veröffentlichungsdatum
        | Veröffentlichungsdatum des Albums | Erscheinungsdatum | Fecha de lanzamiento
        | Fecha de lanzamiento del álbum | Fecha de publicación del álbum | Date de sortie
        | Date de sortie de l'album | Date de parution | Data di uscita | Data di pubblicazione
        | Data di uscita dell'album | Data di pubblicazione dell'album | Data de lançamento
        | Data de lançamento do álbum | Releasedatum | Releasedatum album | Uitgavedatum | Utgivningsdatum
        | Albumets utgivningsdatum | Utgivelsesdato | Data wydania | Data wydania albumu | Datum vydání
        | Дата выхода | Дата выпуска | Дата выхода альбома | Дата релиза | リリース日 | アルバムリリース日
        | 发行日期 | 专辑发行日期 | 發行日期 | 발매일 | 앨범 발매일 | Yayın Tarihi | Albüm Çıkış Tarihi
        """,
    "year": """
        Year | Release Year | Album Year | Original Year | Jahr | Año | Année | Anno | Ano | Jaar | År | Rok
        | Год | 年 | 年份 | 연도 | Yıl | Vuosi
        """,
    "genre": """
        Genre | Genres | Artist Genres | Género | Géneros | Genere | Generi | Gênero | Gêneros | Gatunek
        | Gatunki | Žánr | Жанр | Жанры | ジャンル | 流派 | 類型 | 曲风 | 장르 | Tür | Genrer | Musikrichtung
        """,
    "track_number": """
        Track Number | Track-Nummer | Track No | Track No. | Track # | Track Nr | No. | Nr. | Nr | # | Number
        | Track | TrackNumber | Titelnummer | Tracknummer | Número de pista | Número de la canción
        | Numéro de piste | Numéro du titre | Numéro de titre | Numero traccia | Numero di traccia
        | Numero brano | Número da faixa | Tracknummer album | Nummer | Spårnummer | Låtnummer | Spornummer
        | Numer utworu | Číslo skladby | Номер трека | トラック番号 | 曲目编号 | 音轨编号 | 曲目編號 | 트랙 번호
        | Parça Numarası | Raidan numero
        """,
    "disc_number": """
        Disc Number | Disc No | Disc No. | Disc # | Disc | DiscNumber | CD | Disk | Disc-Nummer | CD-Nummer
        | Discnummer | Número de disco | Número del disco | Disco | Numéro de disque | Numéro du disque | Disque
        | Numero disco | Numero del disco | Número do disco | Schijfnummer | Skivnummer | Platenummer
        | Numer płyty | Číslo disku | Номер диска | ディスク番号 | 碟片编号 | 光碟编号 | 唱片編號 | 디스크 번호
        | Disk Numarası
        """,
    "duration": """
        Duration | Duration (ms) | Track Duration (ms) | Duration_ms | Length | Length (ms) | Time
        | Track Length | Track Duration | Total Time | Playing Time | Runtime | Duration (s)
        | Duration (seconds) | Track-Dauer (ms) | Dauer | Dauer (ms) | Länge | Spieldauer | Duración
        | Duración (ms) | Duración de la canción (ms) | Duración de la pista (ms) | Durée | Durée (ms)
        | Durée du titre (ms) | Durée de la piste (ms) | Durée du morceau (ms) | Durata | Durata (ms)
        | Durata traccia (ms) | Durata della traccia (ms) | Durata del brano (ms) | Duração | Duração (ms)
        | Duração da faixa (ms) | Duur | Duur (ms) | Trackduur (ms) | Duur nummer (ms) | Låtens längd (ms)
        | Längd | Längd (ms) | Spårets längd (ms) | Varighet | Varighet (ms) | Czas trwania | Czas trwania (ms)
        | Czas trwania utworu (ms) | Délka | Délka (ms) | Длительность | Длительность (мс) | Продолжительность
        | Продолжительность (мс) | Длительность трека (мс) | 再生時間 | 長さ | トラックの長さ（ミリ秒）
        | 再生時間 (ms) | 时长 | 时长 (毫秒) | 曲目时长 (毫秒) | 時長 | 재생 시간 | 트랙 길이(ms) | 길이 | Süre
        | Süre (ms) | Kesto
        """,
    "isrc": "ISRC | ISRC Code | Track ISRC | ISRC-Code | Código ISRC | Code ISRC | Codice ISRC",
    "musicbrainz_recording_id": """
        MusicBrainz Recording Id | MusicBrainz_RecordingId | MusicBrainz Track Id | MusicBrainz_TrackId | MBID
        | Recording MBID
        """,
    "explicit": """
        Explicit | Is Explicit | Explizit | Explícito | Explícita | Explicite | Esplicito | Expliciet
        | Explicita lyrics | Explisitt | Wulgarny | Explicitní | Ненормативная лексика | Нецензурная лексика
        | 露骨な表現 | 不適切な表現 | 粗俗 | 露骨内容 | 선정적 | 음란물 | Müstehcen
        """,
    "compilation": "Compilation | Is Compilation | Part of a Compilation | Compilación | Kompilation | Sampler",
    "location": """
        Location | File | File Path | Filepath | Path | File Location | Ort | Pfad | Dateipfad | Ubicación
        | Emplacement
        """,
    "format": "Kind | Format | File Type | Codec | Art | Tipo | Type de fichier",
    "bit_rate_kbps": "Bit Rate | Bitrate | Bit Rate (kbps) | Datenrate | Débit | Bitrate (kbps)",
    "sample_rate_hz": "Sample Rate | Samplerate | Sample Rate (Hz) | Abtastrate",
    "size_bytes": "Size | File Size | Size (bytes) | Größe | Dateigröße | Taille | Tamaño",
    "lossless": "Lossless | Is Lossless",
    "play_count": """
        Plays | Play Count | Playcount | Wiedergaben | Anzahl der Wiedergaben | Reproducciones | Lectures
        | Scrobbles
        """,
    "skip_count": "Skips | Skip Count | Übersprungen",
    "last_played_at": "Last Played | Last Played At | Zuletzt gespielt | Última reproducción | Dernière lecture",
    "rating": "Rating | My Rating | Stars | Bewertung | Wertung | Valoración | Classement",
    "loved": "Loved | Favorite | Favourite | Favorited | Liked | Starred | Favorit | Favori | Favorito",
    "added_at": """
        Added At | Date Added | Added | Hinzugefügt am | Añadido el | Fecha de adición | Agregado el | Ajouté le
        | Date d'ajout | Aggiunto il | Data aggiunta | Adicionado em | Data de adição | Toegevoegd op | Tillagd
        | Lagt til | Dodano | Přidáno | Дата добавления | Добавлен | 追加日 | 添加日期 | 加入日期 | 추가한 날짜
        | Eklenme Tarihi
        """,
}

# Words in a header that name the unit of its lengths.
_MILLISECOND_MARKS = frozenset({"ms", "msec", "milliseconds", "millisekunden", "millis", "мс", "毫秒", "ミリ秒"})
_SECOND_MARKS = frozenset({"s", "sec", "secs", "seconds", "sekunden", "secondes", "segundos", "secondi"})


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a header means: the field, and the unit it promises for lengths."""

    field: str
    unit: str = ""


def folded(header: str) -> str:
    """Return what headers are compared by: letters and digits, lower case."""
    text = unicodedata.normalize("NFKC", header).casefold()
    letters = "".join(character for character in text if character.isalnum())
    # "#" alone is a usual header for the track number.
    return letters or text.strip()


def unit_of(header: str) -> str:
    """Return "ms" or "s" when the header names its unit, as in `Duration (ms)`, `duration_ms` or `length_seconds`."""
    words = _words(header)
    if _MILLISECOND_MARKS.intersection(words):
        return "ms"
    return "s" if len(words) > 1 and _SECOND_MARKS.intersection(words) else ""


def _words(header: str) -> list[str]:
    return re.split(r"[\W_]+", unicodedata.normalize("NFKC", header).casefold())


def meaning_of(header: str) -> Meaning | None:
    """Return what a header means unasked, or None."""
    field = _FIELD_BY_HEADER.get(folded(header))
    if field is None and (unit := unit_of(header)):
        plain = " ".join(word for word in _words(header) if word not in _MILLISECOND_MARKS | _SECOND_MARKS)
        is_length = _FIELD_BY_HEADER.get(folded(plain)) == "duration"
        return Meaning("duration", unit) if is_length else None
    return None if field is None else Meaning(field, unit_of(header) if field == "duration" else "")


def rank_of(header: str) -> int:
    """Return how early a header stands among those of its field; the more telling ones come first."""
    return _RANK_BY_HEADER.get(folded(header), len(_RANK_BY_HEADER))


_SPLIT = [(field, [folded(header) for header in headers.split("|")]) for field, headers in VOCABULARY.items()]
# Where two fields share a header ("Titel"), the one that stands first in the vocabulary has it.
_FIELD_BY_HEADER: dict[str, str] = {header: field for field, headers in reversed(_SPLIT) for header in headers}
_RANK_BY_HEADER: dict[str, int] = {
    header: rank for _, headers in reversed(_SPLIT) for rank, header in enumerate(headers)
}
FIELD_ORDER: tuple[str, ...] = tuple(VOCABULARY)

//! Texts and binary messages whose nature is known: what the diagnosis of invalid UTF-8 is measured with.

use std::io::Write as _;

use encoding_rs::Encoding;

/// A message, and what it is; `None` where nothing should be claimed.
pub(crate) struct Specimen {
    pub(crate) label: Option<&'static str>,
    pub(crate) bytes: Vec<u8>,
}

/// Numbers without order, the same in every run (Steele, Lea and Flood, "SplitMix").
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }
}

/// Lengths of the messages in bytes, about.
const LENGTHS: [usize; 7] = [8, 16, 30, 60, 150, 500, 2000];

const GERMAN: &str = "Die Verbindung wurde geschlossen, weil der Server über längere Zeit keine Nachrichten empfängt. \
    Bitte prüfen Sie später, ob die Straße vor dem Gebäude wieder geöffnet ist. Größere Änderungen müssen früh \
    angekündigt werden. Für Rückfragen stehen wir Ihnen natürlich gern zur Verfügung. ";
const FRENCH: &str = "La connexion a été fermée parce que le serveur n'a reçu aucun message depuis très longtemps. \
    Veuillez vérifier que la clé est à jour, puis réessayez plus tard. Les élèves préfèrent déjeuner près de la forêt \
    où le café reste ouvert même à Noël. Ça dépend de votre côté. ";
const SPANISH: &str = "La conexión se cerró porque el servidor no recibió ningún mensaje en mucho tiempo. El niño comió \
    después en la montaña y mañana volverá a la estación. También habrá más información aquí según el último aviso. ";
const POLISH: &str = "Połączenie zostało zamknięte, ponieważ serwer nie otrzymał żadnej wiadomości. Proszę spróbować \
    później, gdy źródło będzie już dostępne. Książka leży na półce, a łódź płynie wzdłuż brzegu ciągle głębszej rzeki. ";
const TURKISH: &str = "Sunucu uzun süre hiçbir mesaj almadığı için bağlantı kapatıldı. Lütfen daha sonra yeniden deneyin. \
    Çocuklar bahçede oynuyor, yağmur yağınca içeri girdiler. Işıklar söndüğünde şehir çok güzeldi ve ağaçlar sarıydı. ";
const RUSSIAN: &str = "Соединение закрыто, потому что сервер долго не получал сообщений. Пожалуйста, повторите попытку \
    позже, когда линия будет свободна. Утром дети пошли в школу, а вечером вернулись домой и рассказали новости. ";
const GREEK: &str = "Η σύνδεση έκλεισε επειδή ο διακομιστής δεν έλαβε κανένα μήνυμα για πολλή ώρα. Παρακαλώ δοκιμάστε \
    ξανά αργότερα. Τα παιδιά παίζουν στην αυλή και η γιαγιά μαγειρεύει ψάρι για το βράδυ. ";
const HEBREW: &str = "החיבור נסגר כי השרת לא קיבל שום הודעה במשך זמן רב. אנא נסו שוב מאוחר יותר. הילדים משחקים בחצר \
    והסבתא מבשלת ארוחת ערב לכל המשפחה. ";
const JAPANESE: &str = "長い間メッセージが届かなかったため、サーバーは接続を閉じました。しばらくしてからもう一度お試しください。\
    子どもたちは朝から学校へ行き、夕方には家に帰って、その日の出来事を話してくれました。";
const SIMPLIFIED: &str = "服务器很长时间没有收到任何消息,因此连接已经关闭。请稍后再试一次。孩子们早上去学校,晚上回家以后告诉我们今天发生的事情。\
    我们希望明天的天气会更好,大家可以一起出去散步。";
const TRADITIONAL: &str = "伺服器很長時間沒有收到任何訊息,因此連線已經關閉。請稍後再試一次。孩子們早上去學校,晚上回家以後告訴我們今天發生的事情。\
    我們希望明天的天氣會更好,大家可以一起出去散步。";
const KOREAN: &str = "서버가 오랫동안 메시지를 받지 못해서 연결을 닫았습니다. 잠시 후에 다시 시도해 주세요. 아이들은 아침에 학교에 가고 \
    저녁에 집으로 돌아와서 오늘 있었던 일을 이야기했습니다. ";

/// Texts and the encodings that they are sent in.
const ENCODED: [(&str, &[&str]); 12] = [
    (GERMAN, &["windows-1252"]),
    (FRENCH, &["windows-1252"]),
    (SPANISH, &["windows-1252"]),
    (POLISH, &["windows-1250", "iso-8859-2"]),
    (TURKISH, &["windows-1254"]),
    (RUSSIAN, &["windows-1251", "koi8-r", "ibm866", "iso-8859-5"]),
    (GREEK, &["windows-1253"]),
    (HEBREW, &["windows-1255"]),
    (JAPANESE, &["shift_jis", "euc-jp"]),
    (SIMPLIFIED, &["gbk"]),
    (TRADITIONAL, &["big5"]),
    (KOREAN, &["euc-kr"]),
];

/// A part of `text`, repeated if need be, whose encoded length is about `length`.
fn passage(text: &str, random: &mut Random, length: usize, encoded: impl Fn(char) -> usize) -> String {
    let characters: Vec<char> = text.chars().collect();
    let start = random.below(characters.len());
    let mut size = 0;
    let endless = characters.iter().cycle().skip(start);
    endless
        .take_while(|character| {
            size += encoded(**character);
            size <= length
        })
        .collect()
}

/// Every specimen that is not UTF-8.
pub(crate) fn all() -> Vec<Specimen> {
    let mut random = Random::new(7);
    let mut all = Vec::new();
    for _ in 0..4 {
        for length in LENGTHS {
            legacy(&mut all, &mut random, length);
            unicode(&mut all, &mut random, length);
            compressed(&mut all, &mut random, length);
            structured(&mut all, &mut random, length);
            embedded(&mut all, &mut random, length);
            media(&mut all, &mut random, length);
        }
    }
    noise(&mut all, &mut random);
    all.retain(|specimen| std::str::from_utf8(&specimen.bytes).is_err());
    all
}

fn push(all: &mut Vec<Specimen>, label: &'static str, bytes: impl Into<Vec<u8>>) {
    all.push(Specimen { label: Some(label), bytes: bytes.into() });
}

fn legacy(all: &mut Vec<Specimen>, random: &mut Random, length: usize) {
    for (text, encodings) in ENCODED {
        for label in encodings {
            let encoding = Encoding::for_label(label.as_bytes()).unwrap();
            let size = |character: char| encoding.encode(&character.to_string()).0.len();
            let passage = passage(text, random, length, size);
            let (bytes, _, failed) = encoding.encode(&passage);
            assert!(!failed, "{label} lacks a character");
            push(all, label, bytes);
        }
    }
}

fn unicode(all: &mut Vec<Specimen>, random: &mut Random, length: usize) {
    for (text, _) in ENCODED {
        let text = passage(text, random, length / 2, |_| 1);
        push(all, "utf-16le", text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>());
        push(all, "utf-16be", text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>());
        push(all, "utf-32le", text.chars().flat_map(|one| u32::from(one).to_le_bytes()).collect::<Vec<_>>());
        let cesu = [text.as_bytes(), b" \xed\xa0\xbd\xed\xb8\x80 ", text.as_bytes()].concat();
        push(all, "cesu-8", cesu);
        push(all, "modified-utf-8", [text.as_bytes(), b"\xc0\x80", text.as_bytes()].concat());
        push(all, "lone-surrogate", [text.as_bytes(), b"\xed\xa0\xbd", text.as_bytes()].concat());
        // Cut in the middle of its last character outside ASCII.
        if let Some((at, character)) = text.char_indices().rfind(|(_, character)| character.len_utf8() > 2) {
            push(all, "truncated-character", &text.as_bytes()[..at + character.len_utf8() - 1]);
            let value = &text.as_bytes()[..at + character.len_utf8() - 1];
            push(all, "truncated-character", [b"{\"text\":\"", value, b"\",\"id\":17}"].concat());
        }
    }
}

fn compressed(all: &mut Vec<Specimen>, random: &mut Random, length: usize) {
    let text = passage(FRENCH, random, length * 2, |character| character.len_utf8());
    let text = text.as_bytes();
    let level = flate2::Compression::default();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), level);
    gzip.write_all(text).unwrap();
    push(all, "gzip", gzip.finish().unwrap());
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), level);
    zlib.write_all(text).unwrap();
    push(all, "zlib", zlib.finish().unwrap());
    let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), level);
    deflate.write_all(text).unwrap();
    push(all, "deflate", deflate.finish().unwrap());
    push(all, "zstd", zstd::encode_all(text, 3).unwrap());
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::default());
    bzip2.write_all(text).unwrap();
    push(all, "bzip2", bzip2.finish().unwrap());
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 6);
    xz.write_all(text).unwrap();
    push(all, "xz", xz.finish().unwrap());
    let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
    lz4.write_all(text).unwrap();
    push(all, "lz4", lz4.finish().unwrap());
}

/// Records with a name, numbers and a note, about `length` bytes of them.
fn structured(all: &mut Vec<Specimen>, random: &mut Random, length: usize) {
    let count = (length / 24).clamp(1, 15);
    let (mut protobuf, mut msgpack, mut cbor, mut bson) =
        (vec![], vec![0x90 | count as u8], vec![0x80 | count as u8], vec![]);
    for index in 0..count {
        let (id, value) = (200 + random.below(60_000) as u16, random.next() as f64 / 1e15);
        let name = passage(SPANISH, random, 4 + random_length(index), |character| character.len_utf8());
        protobuf_record(&mut protobuf, id, value, &name);
        msgpack.extend(
            [&b"\x83\xa2id\xcd"[..], &id.to_be_bytes(), b"\xa5value\xcb", &value.to_be_bytes(), b"\xa4name"].concat(),
        );
        msgpack.extend([&[0xa0 | name.len() as u8], name.as_bytes()].concat());
        cbor.extend(
            [&b"\xa3\x62id\x19"[..], &id.max(256).to_be_bytes(), b"\x65value\xfb", &value.to_be_bytes(), b"\x64name"]
                .concat(),
        );
        cbor.extend([&[0x60 | name.len().min(23) as u8], name.as_bytes()].concat());
        bson.extend([&b"\x10id\0"[..], &u32::from(id).to_le_bytes(), b"\x01value\0", &value.to_le_bytes()].concat());
        bson.extend([&b"\x02name\0"[..], &(name.len() as u32 + 1).to_le_bytes(), name.as_bytes(), b"\0"].concat());
    }
    let document = [&(bson.len() as u32 + 5).to_le_bytes()[..], &bson, b"\0"].concat();
    for (label, bytes) in [("protobuf", protobuf), ("msgpack", msgpack), ("cbor", cbor), ("bson", document)] {
        push(all, label, bytes);
    }
}

const fn random_length(index: usize) -> usize {
    index * 7 % 19
}

fn protobuf_record(message: &mut Vec<u8>, id: u16, value: f64, name: &str) {
    let mut inner = vec![0x08, (id & 0x7f) as u8 | 0x80, (id >> 7 & 0x7f) as u8 | 0x80, (id >> 14) as u8 | 4];
    inner.extend([&[0x11][..], &value.to_le_bytes(), &[0x1a, name.len() as u8], name.as_bytes()].concat());
    message.extend([&[0x0a, inner.len() as u8][..], &inner].concat());
}

/// JSON with a value in another encoding, as databases and file names bring it.
fn embedded(all: &mut Vec<Specimen>, random: &mut Random, length: usize) {
    for name in ["José", "Müller", "François", "Ångström", "Peña"] {
        let (name, _, _) = encoding_rs::WINDOWS_1252.encode(name);
        let padding = passage("status ok, queue empty, next poll soon; ", random, length, |_| 1);
        push(all, "windows-1252", [b"{\"note\":\"", padding.as_bytes(), b"\",\"name\":\"", &name, b"\"}"].concat());
    }
}

/// The smallest beginnings of files that are sent as messages, then any bytes.
fn media(all: &mut Vec<Specimen>, random: &mut Random, length: usize) {
    let beginnings: [(&str, &[u8]); 14] = [
        ("png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0"),
        ("jpeg", b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0"),
        ("gif", b"GIF89a\x01\0\x01\0\x80\0\0\xff\xff\xff\0\0\0"),
        ("webp", b"RIFF\x1a\x04\0\0WEBPVP8L\x0d\0\0\0\x2f"),
        ("pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n"),
        ("zip", b"PK\x03\x04\x14\0\0\0\x08\0\x8f\xa4"),
        ("wasm", b"\0asm\x01\0\0\0\x01\x84\x80\x80\x80\0"),
        ("elf", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\xb0"),
        ("mp4", b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2"),
        ("webm", b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01"),
        ("ogg", b"OggS\0\x02\0\0\0\0\0\0\0\0"),
        ("avro", b"Obj\x01\x04\x16avro.schema\x80"),
        ("java-serialized", b"\xac\xed\0\x05sr\0\x0ejava.lang.Long"),
        ("python-pickle", b"\x80\x03}q\0X\x04\0\0\0nameq\x01K\x07s."),
    ];
    for (label, beginning) in beginnings {
        // The last one must end as it does.
        let rest = if label == "python-pickle" { vec![] } else { random.bytes(length) };
        push(all, label, [beginning, &rest].concat());
    }
}

/// Random bytes, which say so if there are enough, and what should have no name.
fn noise(all: &mut Vec<Specimen>, random: &mut Random) {
    for index in 0..1500 {
        let length = LENGTHS[index % LENGTHS.len()];
        all.push(Specimen { label: (length >= 48).then_some("random-binary"), bytes: random.bytes(length) });
    }
    for length in 1..8 {
        (0..100).for_each(|_| all.push(Specimen { label: None, bytes: random.bytes(length) }));
    }
    for _ in 0..200 {
        // One byte of plain text has become another.
        let mut text = passage("state=ready; 4 of 7 workers are idle. ", random, 80, |_| 1).into_bytes();
        let at = random.below(text.len());
        text[at] = 0x80 | random.next() as u8;
        all.push(Specimen { label: None, bytes: text });
    }
}

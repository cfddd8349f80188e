//! Text in a legacy encoding.
//!
//! The detector of web browsers guesses one for whatever it is given. Here a guess counts only if the text that it gives
//! is one that people write: letters of one script that make words, capitals where capitals stand, the common half of
//! the characters of East Asia. Short texts in which two encodings differ stay without a name.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{BIG5, EUC_JP, EUC_KR, Encoding, GBK, KOI8_R, KOI8_U, SHIFT_JIS, WINDOWS_1252};

use super::{LikelyCause, Specimen, is_control};

/// Letters that a text in another script than Latin must have.
const LETTERS: usize = 16;
/// Letters outside ASCII that a Latin text must have to be of another code page than windows-1252.
const LATIN_LETTERS: usize = 8;
/// Evidence that a Latin text must have, in bits: a word of four letters.
const LATIN_BITS: f64 = 11.5;
/// Letters of German, French, Spanish, Italian, Portuguese and the languages of the North that are frequent there, and
/// those of other code pages that stand in their place there.
const COMMON_LETTERS: &str = "éèêàçüöäßñóíáúåøæãõÉÈÀÇÜÖÄÑÓÁÚÅØÆąęćłńśźżşğıİ";
/// Characters of two bytes that a text of East Asia must have.
const WIDE_CHARACTERS: usize = 8;

/// The cause, if the text is what people write in a legacy encoding.
pub(super) fn find(specimen: &Specimen<'_>) -> Option<LikelyCause> {
    let bytes = specimen.text();
    if bytes.iter().any(|byte| is_control(*byte)) {
        return None;
    }
    let guess = guess(bytes, specimen.to_end);
    let text = decode(guess, bytes, specimen.to_end);
    let latin = decode(WINDOWS_1252, bytes, true).filter(|text| is_latin(text, 1));
    if let Some(latin) = latin
        && (guess == WINDOWS_1252 || text.as_ref() == Some(&latin))
    {
        return Some(LikelyCause("windows-1252"));
    }
    let text = text?;
    let believable = if [BIG5, EUC_JP, EUC_KR, GBK, SHIFT_JIS].contains(&guess) {
        is_east_asian(guess, bytes)
    } else if text.chars().filter(|character| !character.is_ascii()).any(is_latin_letter) {
        guess != WINDOWS_1252 && is_latin(&text, LATIN_LETTERS)
    } else {
        is_of_one_script(&text)
    };
    believable.then(|| LikelyCause(name(guess, bytes)))
}

fn guess(bytes: &[u8], to_end: bool) -> &'static Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes, to_end);
    detector.guess(None, Utf8Detection::Deny)
}

/// `bytes` as text, if nothing is wrong with them but an end inside a character where the text goes on.
fn decode(encoding: &'static Encoding, bytes: &[u8], to_end: bool) -> Option<String> {
    let longest = encoding.new_decoder_without_bom_handling().max_utf8_buffer_length(bytes.len())?;
    let mut text = String::with_capacity(longest);
    let (_, _, errors) = encoding.new_decoder_without_bom_handling().decode_to_string(bytes, &mut text, to_end);
    // Bytes that mean nothing in a code page are mapped to controls.
    let strange = text.chars().any(|character| matches!(u32::from(character), 0x80..=0x9f | 0xe000..=0xf8ff));
    (!errors && !strange).then_some(text)
}

/// The Encoding Standard's name in lower case. The detector does not tell the Russian KOI8 from the Ukrainian.
fn name(encoding: &'static Encoding, bytes: &[u8]) -> &'static str {
    const NAMES: [&str; 26] = [
        "big5",
        "euc-jp",
        "euc-kr",
        "gbk",
        "ibm866",
        "iso-8859-10",
        "iso-8859-13",
        "iso-8859-14",
        "iso-8859-2",
        "iso-8859-3",
        "iso-8859-4",
        "iso-8859-5",
        "iso-8859-6",
        "iso-8859-7",
        "iso-8859-8",
        "koi8-r",
        "koi8-u",
        "shift_jis",
        "windows-1250",
        "windows-1251",
        "windows-1253",
        "windows-1254",
        "windows-1255",
        "windows-1256",
        "windows-1257",
        "windows-1258",
    ];
    let same = |other: &'static Encoding| decode(other, bytes, true) == decode(encoding, bytes, true);
    let encoding = if encoding == KOI8_U && same(KOI8_R) { KOI8_R } else { encoding };
    let listed = NAMES.iter().find(|name| name.eq_ignore_ascii_case(encoding.name()));
    listed.copied().unwrap_or("windows-874")
}

/// Whether `text` is Latin, with at least `needed` letters outside ASCII, each of them in a word.
fn is_latin(text: &str, needed: usize) -> bool {
    let characters: Vec<char> = text.chars().collect();
    let mut seen = Latin::default();
    for (index, character) in characters.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|index| characters.get(index)).copied();
        let after = characters.get(index + 1).copied();
        seen.character(before, *character, after);
    }
    let enough = seen.good >= needed && seen.ascii >= 3 && seen.ascii >= seen.good && seen.bits >= LATIN_BITS;
    // Few letters must be among those that the languages of Western Europe use most.
    let usual = seen.common > 0 && (seen.good > 3 || seen.common == seen.good);
    enough && usual && seen.bad * 20 <= seen.good && seen.doubtful * 4 <= seen.good
}

/// What a Latin text consists of.
#[derive(Default)]
struct Latin {
    /// Letters outside ASCII that fit in their words.
    good: usize,
    /// Those of them that are frequent.
    common: usize,
    /// Characters that fit nowhere.
    bad: usize,
    /// Letters of Icelandic alone, which are others in other code pages.
    doubtful: usize,
    /// Letters of ASCII.
    ascii: usize,
    /// How seldom random bytes give such a text.
    bits: f64,
}

impl Latin {
    fn character(&mut self, before: Option<char>, character: char, after: Option<char>) {
        match character {
            'a'..='z' => {
                self.ascii += 1;
                self.bits += 3.0;
            }
            'A'..='Z' => {
                self.ascii += 1;
                // Words of letters whose case is mixed are names in programs, and random.
                let inside = before.is_some_and(char::is_lowercase);
                self.bits += if inside { -4.0 } else { 1.0 };
            }
            _ if character.is_ascii() => {}
            'ð' | 'þ' | 'ý' | 'ÿ' | 'Ð' | 'Þ' | 'Ý' | 'Ÿ' => self.doubtful += 1,
            _ if is_latin_letter(character) => match fits_in_word(before, character, after) {
                Some(true) => {
                    self.good += 1;
                    self.common += usize::from(COMMON_LETTERS.contains(character));
                    self.bits += 2.5;
                }
                Some(false) => self.bad += 1,
                None => {}
            },
            sign => self.bad += usize::from(!is_sign(before, sign, after)),
        }
    }
}

/// Whether a letter stands beside others of a fitting case; `None` if it stands alone.
fn fits_in_word(before: Option<char>, letter: char, after: Option<char>) -> Option<bool> {
    let before = before.filter(|character| character.is_alphabetic());
    // Few words have two such letters in a row.
    let pair = |before: char| before == letter || matches!((before, letter), ('ß' | 'ç', _) | (_, 'ß'));
    if letter <= '\u{ff}' && before.is_some_and(|before| !before.is_ascii() && before <= '\u{ff}' && !pair(before)) {
        return Some(false);
    }
    let after = after.filter(|character| character.is_alphabetic());
    match (before, after) {
        (None, None) => None,
        (None, _) if letter == 'ß' => Some(false),
        // Capitals begin a word, or are among capitals.
        (Some(before), _) if letter.is_uppercase() => Some(before.is_uppercase()),
        (Some(before), Some(after)) => Some(!(before.is_uppercase() && after.is_uppercase())),
        (Some(before), None) => Some(!before.is_uppercase() || before.is_ascii_uppercase()),
        (None, Some(after)) => Some(letter.is_uppercase() || after.is_lowercase()),
    }
}

/// Whether a sign is one of texts and stands where such a sign does.
fn is_sign(before: Option<char>, sign: char, after: Option<char>) -> bool {
    let in_word = [before, after].into_iter().all(|beside| beside.is_some_and(char::is_alphanumeric));
    match sign {
        '’' | '·' | '\u{ad}' => true,
        '«' | '»' | '“' | '”' | '„' | '‘' | '‚' | '–' | '—' | '…' | '€' | '£' | '§' | '°' | '©' | '®' | '¿' | '¡'
        | 'º' | 'ª' | '²' | '³' | '½' | '¼' | '¾' | '´' | '\u{a0}' | '•' | '×' | '±' | 'µ' | '™' | '№' => {
            !in_word || sign == '°'
        }
        _ => false,
    }
}

fn is_latin_letter(character: char) -> bool {
    matches!(character, 'a'..='z' | 'A'..='Z' | '\u{aa}' | '\u{ba}' | '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}')
        && !matches!(character, '×' | '÷')
        && character.is_alphabetic()
}

/// Whether the letters outside ASCII are of one script, and make words.
fn is_of_one_script(text: &str) -> bool {
    let script = |character: char| match u32::from(character) {
        0x370..=0x3ff => 1,
        0x400..=0x4ff => 2,
        0x590..=0x5ff => 3,
        0x600..=0x6ff => 4,
        0xe00..=0xe7f => 5,
        _ => 0,
    };
    let (mut letters, mut words, mut bad) = (0, 0, 0);
    let (mut of, mut before) = (0, None);
    for character in text.chars() {
        let found = script(character);
        if found == 0 {
            bad += usize::from(!character.is_ascii() && !is_sign(before, character, None));
        } else {
            letters += 1;
            words += usize::from(before.is_none_or(|before| script(before) == 0));
            let capital_inside = character.is_uppercase() && before.is_some_and(char::is_lowercase);
            bad += usize::from(capital_inside || (of > 0 && of != found));
            of = found;
        }
        before = Some(character);
    }
    letters >= LETTERS && letters >= words * 2 && bad * 20 <= letters
}

/// Whether most characters are of the half that is in daily use, which the encodings of East Asia put first.
fn is_east_asian(encoding: &'static Encoding, bytes: &[u8]) -> bool {
    let (mut common, mut all, mut single) = (0, 0, 0);
    let mut rest = bytes;
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (0..=0x7f, _) => {}
            (0xa1..=0xdf, _) if encoding == SHIFT_JIS => single += 1,
            (0x8e, [_, behind @ ..]) if encoding == EUC_JP => {
                single += 1;
                rest = behind;
            }
            (lead, [trail, behind @ ..]) => {
                all += 1;
                common += usize::from(is_common(encoding, *lead, *trail));
                rest = behind;
            }
            (_, []) => {}
        }
    }
    all >= WIDE_CHARACTERS && common * 10 >= all * 9 && single * 5 <= all && has_script(encoding, bytes)
}

fn is_common(encoding: &'static Encoding, lead: u8, trail: u8) -> bool {
    if encoding == SHIFT_JIS {
        matches!(lead, 0x81..=0x83 | 0x88..=0x97)
    } else if encoding == BIG5 {
        matches!(lead, 0xa1..=0xc6)
    } else if encoding == EUC_JP {
        matches!(lead, 0xa1 | 0xa3..=0xa5 | 0xb0..=0xcf)
    } else if encoding == EUC_KR {
        trail >= 0xa1 && matches!(lead, 0xa1..=0xa3 | 0xb0..=0xc8)
    } else {
        trail >= 0xa1 && matches!(lead, 0xa1..=0xa3 | 0xb0..=0xd7)
    }
}

/// Whether Japanese text has its kana, which none is without.
fn has_script(encoding: &'static Encoding, bytes: &[u8]) -> bool {
    let kana = |leads: &[u8]| bytes.iter().filter(|byte| leads.contains(byte)).count() * 10 >= bytes.len();
    if encoding == SHIFT_JIS {
        kana(&[0x82, 0x83])
    } else if encoding == EUC_JP {
        kana(&[0xa4, 0xa5])
    } else {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::cause;

    #[test]
    fn letters_in_words_are_latin() {
        assert_eq!(cause(b"caf\xe9"), Some("windows-1252"));
        assert_eq!(cause(b"Gr\xfc\xdfe aus K\xf6ln"), Some("windows-1252"));
        assert_eq!(cause(b"{\"name\": \"Jos\xe9\"}"), Some("windows-1252"));
    }

    #[test]
    fn letters_outside_words_are_nothing() {
        assert_eq!(cause(b"AAAAAAAA\xff"), None);
        assert_eq!(cause(b"abc\x80def"), None);
        assert_eq!(cause(b"\xf8 \xf9 \xfa "), None);
        assert_eq!(cause(b"\xfe\xfe\xff\xff"), None);
    }

    #[test]
    fn other_scripts_are_recognised_by_their_words() {
        let (russian, _, _) = encoding_rs::WINDOWS_1251.encode("Соединение закрыто сервером без объяснения причин");
        assert_eq!(cause(&russian), Some("windows-1251"));
        let (russian, _, _) = encoding_rs::KOI8_R.encode("Соединение закрыто сервером без объяснения причин");
        assert_eq!(cause(&russian), Some("koi8-r"));
        let (japanese, _, _) = encoding_rs::SHIFT_JIS.encode("接続が切れました。もう一度お試しください。");
        assert_eq!(cause(&japanese), Some("shift_jis"));
    }
}

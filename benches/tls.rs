//! Decryption of TLS 1.3 records, beside what the cipher alone takes for them: the aim is half of its speed. Bytes per
//! second are those of the content.

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes128Gcm, Aes256Gcm};
use chacha20poly1305::ChaCha20Poly1305;
use divan::Bencher;
use divan::counter::BytesCount;
use hkdf::Hkdf;
use sha2::{Sha256, Sha384};
use wsautopsy::flow::Role;
use wsautopsy::tls::{Secrets, Tls, Visitor};

fn main() {
    divan::main();
}

const LENGTHS: [usize; 3] = [100, 1400, 16_384];
const RECORDS: u64 = 64;
const RANDOM: [u8; 32] = [0xc1; 32];

#[divan::bench(args = LENGTHS)]
fn aes_128_gcm(bencher: Bencher, length: usize) {
    decrypt::<Aes128Gcm>(bencher, 0x1301, length);
}

#[divan::bench(args = LENGTHS)]
fn aes_256_gcm(bencher: Bencher, length: usize) {
    decrypt::<Aes256Gcm>(bencher, 0x1302, length);
}

#[divan::bench(args = LENGTHS)]
fn chacha20_poly1305(bencher: Bencher, length: usize) {
    decrypt::<ChaCha20Poly1305>(bencher, 0x1303, length);
}

#[divan::bench(args = LENGTHS)]
fn aes_128_gcm_alone(bencher: Bencher, length: usize) {
    alone::<Aes128Gcm>(bencher, 0x1301, length);
}

#[divan::bench(args = LENGTHS)]
fn aes_256_gcm_alone(bencher: Bencher, length: usize) {
    alone::<Aes256Gcm>(bencher, 0x1302, length);
}

#[divan::bench(args = LENGTHS)]
fn chacha20_poly1305_alone(bencher: Bencher, length: usize) {
    alone::<ChaCha20Poly1305>(bencher, 0x1303, length);
}

/// Records to content, through the whole of the TLS layer.
fn decrypt<K: AeadInOut + KeyInit>(bencher: Bencher, suite: u16, length: usize) {
    let keys = Keys::<K>::of(suite);
    let records: Vec<_> = (0..RECORDS).map(|sequence| keys.record(sequence, length)).collect();
    bencher
        .counter(BytesCount::new(RECORDS as usize * length))
        .with_inputs(|| keys.connection(suite))
        .bench_local_values(|(mut tls, mut seen, mut offset)| {
            for record in &records {
                tls.data(Role::Client, offset, record, (), &mut seen);
                offset += record.len() as u64;
            }
            assert_eq!(seen.bytes, RECORDS * length as u64);
        });
}

/// The same records, by the cipher alone.
fn alone<K: AeadInOut + KeyInit>(bencher: Bencher, suite: u16, length: usize) {
    let keys = Keys::<K>::of(suite);
    let records: Vec<_> = (0..RECORDS).map(|sequence| keys.record(sequence, length)).collect();
    let mut buffer = vec![0; length + 1];
    bencher.counter(BytesCount::new(RECORDS as usize * length)).bench_local(|| {
        for (sequence, record) in (0..).zip(&records) {
            let (header, sealed) = record.split_at(5);
            let (encrypted, tag) = sealed.split_at(length + 1);
            buffer.copy_from_slice(encrypted);
            let nonce = keys.nonce(sequence);
            let opened = keys.cipher.decrypt_inout_detached(
                nonce.as_slice().try_into().expect("twelve bytes"),
                header,
                buffer.as_mut_slice().into(),
                tag.try_into().expect("sixteen bytes"),
            );
            assert!(opened.is_ok());
        }
    });
}

/// What is carried, counted, and the secrets that show it.
#[derive(Default)]
struct Seen {
    bytes: u64,
    secrets: Secrets,
}

impl Visitor<()> for Seen {
    fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    fn data(&mut self, _: Role, content: &[u8], (): ()) {
        self.bytes += content.len() as u64;
    }

    fn gap(&mut self, _: Role, (): ()) {
        panic!("nothing is missing");
    }
}

/// What a client protects its records with.
struct Keys<K> {
    cipher: K,
    iv: Vec<u8>,
    secret: Vec<u8>,
}

impl<K: AeadInOut + KeyInit> Keys<K> {
    fn of(suite: u16) -> Self {
        let secret = vec![0x5a; if suite == 0x1302 { 48 } else { 32 }];
        let key = expand(&secret, "key", if suite == 0x1301 { 16 } else { 32 });
        Self { cipher: K::new_from_slice(&key).expect("its length"), iv: expand(&secret, "iv", 12), secret }
    }

    fn nonce(&self, sequence: u64) -> Vec<u8> {
        let number = [&[0; 4][..], &sequence.to_be_bytes()].concat();
        self.iv.iter().zip(number).map(|(fixed, number)| fixed ^ number).collect()
    }

    fn record(&self, sequence: u64, length: usize) -> Vec<u8> {
        let mut inner = vec![b'x'; length];
        inner.push(23);
        let [high, low] = (inner.len() as u16 + 16).to_be_bytes();
        let header = [23, 3, 3, high, low];
        let nonce = self.nonce(sequence);
        let nonce = nonce.as_slice().try_into().expect("twelve bytes");
        let tag = self.cipher.encrypt_inout_detached(nonce, &header, inner.as_mut_slice().into()).expect("it fits");
        [&header[..], &inner, &tag].concat()
    }

    /// A connection after its hellos, what knows its secrets, and how much the client has sent.
    fn connection(&self, suite: u16) -> (Tls<()>, Seen, u64) {
        let hexadecimal = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let line = format!("CLIENT_TRAFFIC_SECRET_0 {} {}\n", hexadecimal(&RANDOM), hexadecimal(&self.secret));
        let mut seen = Seen::default();
        assert_eq!(seen.secrets.add_key_log(line.as_bytes()), 1);
        let client = hello(1, &[&[3, 3][..], &RANDOM, &[0, 0, 2, 0x13, 1, 1, 0, 0, 0]].concat());
        let version = [0, 6, 0, 43, 0, 2, 3, 4];
        let server = hello(2, &[&[3, 3][..], &[0x5e; 32], &[0], &suite.to_be_bytes(), &[0], &version].concat());
        let mut tls = Tls::default();
        tls.data(Role::Client, 0, &client, (), &mut seen);
        tls.data(Role::Server, 0, &server, (), &mut seen);
        (tls, seen, client.len() as u64)
    }
}

fn hello(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = body.len() as u8;
    [&[22, 3, 3, 0, length + 4, kind, 0, 0, length][..], body].concat()
}

/// `HKDF-Expand-Label` (RFC 8446 section 7.1).
fn expand(secret: &[u8], label: &str, length: usize) -> Vec<u8> {
    let info = [&[0, length as u8, 6 + label.len() as u8][..], b"tls13 ", label.as_bytes(), &[0]].concat();
    let mut output = vec![0; length];
    match secret.len() {
        48 => Hkdf::<Sha384>::from_prk(secret).expect("its length").expand(&info, &mut output),
        _ => Hkdf::<Sha256>::from_prk(secret).expect("its length").expand(&info, &mut output),
    }
    .expect("short enough");
    output
}

//! Time to seal and open a record, and to make a key: SM4-GCM with each implementation that works here,
//! SM4-CCM, and AES-128-GCM of ring beside them.

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use tls::sm::{Backend, Sm4Ccm, Sm4Gcm};

fn main() {
    divan::main();
}

const KEY: [u8; 16] = [7; 16];
const NONCE: [u8; 12] = [1; 12];
const AAD: [u8; 5] = [23, 3, 3, 64, 17];
const LENS: [usize; 3] = [64, 1024, 16_384];

/// An implementation and a length.
struct Case {
    backend: Backend,
    len: usize,
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.backend.name(), self.len)
    }
}

fn cases() -> impl Iterator<Item = Case> {
    Backend::available().flat_map(|backend| LENS.map(|len| Case { backend, len }))
}

fn keys() -> impl Iterator<Item = Case> {
    Backend::available().map(|backend| Case { backend, len: 0 })
}

#[divan::bench(args = cases())]
fn sm4_gcm_seal(bencher: Bencher<'_, '_>, case: &Case) {
    let (key, mut data) = (Sm4Gcm::with(case.backend, &KEY), vec![1; case.len]);
    let bencher = bencher.counter(BytesCount::new(case.len));
    bencher.bench_local(|| key.seal_in_place(&NONCE, &AAD, black_box(&mut data)));
}

/// A copy of the data is in the time: what was opened cannot be opened again.
#[divan::bench(args = cases())]
fn sm4_gcm_open(bencher: Bencher<'_, '_>, case: &Case) {
    let (key, mut sealed) = (Sm4Gcm::with(case.backend, &KEY), vec![1; case.len]);
    let tag = key.seal_in_place(&NONCE, &AAD, &mut sealed);
    let mut data = sealed.clone();
    let bencher = bencher.counter(BytesCount::new(case.len));
    bencher.bench_local(|| {
        data.copy_from_slice(&sealed);
        key.open_in_place(&NONCE, &AAD, black_box(&mut data), &tag)
    });
}

#[divan::bench(args = keys())]
fn sm4_gcm_key(case: &Case) -> Sm4Gcm {
    Sm4Gcm::with(case.backend, black_box(&KEY))
}

#[divan::bench(args = cases())]
fn sm4_ccm_seal(bencher: Bencher<'_, '_>, case: &Case) {
    let (key, mut data) = (Sm4Ccm::with(case.backend, &KEY), vec![1; case.len]);
    let bencher = bencher.counter(BytesCount::new(case.len));
    bencher.bench_local(|| key.seal_in_place(&NONCE, &AAD, black_box(&mut data)));
}

#[divan::bench(args = LENS)]
fn aes_128_gcm_seal(bencher: Bencher<'_, '_>, len: usize) {
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &KEY).expect("16 bytes"));
    let mut data = vec![1; len];
    bencher.counter(BytesCount::new(len)).bench_local(|| {
        let nonce = Nonce::assume_unique_for_key(NONCE);
        key.seal_in_place_separate_tag(nonce, Aad::from(AAD), black_box(&mut data))
    });
}

//! Every kernel that this CPU has, against the standard's known answers and the `sm4` crate.

use super::{Kernel, RoundKeys};
use sm4::Sm4;
use sm4::cipher::{BlockCipherEncrypt, KeyInit};

/// GB/T 32907 appendix A: key and plaintext.
const KEY: [u8; 16] = 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210_u128.to_be_bytes();

/// Calls `check` for each kernel, and tells of those that this CPU lacks.
fn for_each_kernel(check: impl Fn(Kernel)) {
    let here: Vec<_> = Kernel::available().map(Kernel::name).collect();
    for name in ["avx512-gfni", "avx2-gfni", "avx2-vaes", "avx2-aes"] {
        if !here.contains(&name) {
            println!("{name}: skipped, this CPU lacks the instructions");
        }
    }
    Kernel::available().for_each(check);
}

fn encrypt(kernel: Kernel, keys: &RoundKeys, mut block: [u8; 16]) -> [u8; 16] {
    kernel.chain(keys, &mut block, &[0; 16]);
    block
}

#[test]
fn a_block_is_that_of_the_standard() {
    for_each_kernel(|kernel| {
        let block = encrypt(kernel, &kernel.expand(&KEY), KEY);
        assert_eq!(
            u128::from_be_bytes(block),
            0x681e_df34_d206_965e_86b3_e94f_536e_4246
        );
    });
}

#[test]
fn a_million_encryptions_are_those_of_the_standard() {
    let kernel = Kernel::available().next();
    let (zeros, mut block) = (vec![0; 16_000], KEY);
    for _ in 0..1000 {
        if let Some(kernel) = kernel {
            kernel.chain(&kernel.expand(&KEY), &mut block, &zeros);
        }
    }
    let right = 0x5952_98c7_c6fd_271f_0402_f804_c33d_3f66;
    assert_eq!(
        u128::from_be_bytes(block),
        kernel.map_or(u128::from_be_bytes(KEY), |_| right)
    );
}

#[test]
fn every_key_and_block_is_that_of_the_other_implementation() {
    for_each_kernel(|kernel| {
        let (mut key, mut block) = ([0; 16], [0xff; 16]);
        for _ in 0..500 {
            let mut other = block.into();
            Sm4::new(&key.into()).encrypt_block(&mut other);
            block = encrypt(kernel, &kernel.expand(&key), block);
            assert_eq!(block, <[u8; 16]>::from(other), "{}", kernel.name());
            key = std::array::from_fn(|at| key[at].wrapping_mul(5) ^ block[at]);
        }
    });
}

#[test]
fn the_key_stream_is_encrypted_counters_whatever_the_length_and_when_they_wrap() {
    let cipher = Sm4::new(&KEY.into());
    let stream_of = |first: &[u8; 16], blocks: u32| -> Vec<u8> {
        let last = u32::from_be_bytes([first[12], first[13], first[14], first[15]]);
        let counters = (0..blocks).map(|block| last.wrapping_add(block).to_be_bytes());
        let blocks = counters.map(|last| {
            let mut block = *first;
            block[12..].copy_from_slice(&last);
            let mut block = block.into();
            cipher.encrypt_block(&mut block);
            block
        });
        blocks.flatten().collect()
    };
    for first in [0, u128::MAX - 3, u128::MAX << 32 | 0xffff_ffc0] {
        let first = first.to_be_bytes();
        let stream = stream_of(&first, 200);
        for_each_kernel(|kernel| {
            let keys = kernel.expand(&KEY);
            for len in (0..80).chain([495, 496, 497, 511, 512, 1007, 1008, 1009, 1023, 1024, 3100])
            {
                let mut data = vec![0; len];
                let tail = kernel.prepare(&keys, &first, len);
                kernel.apply(&keys, &first, &tail, &mut data);
                assert_eq!(tail.mask(), stream[..16], "{} {len}", kernel.name());
                assert!(data == stream[16..16 + len], "{} {len}", kernel.name());
            }
        });
    }
}

//! What a set of instructions offers to the kernel.

/// Operations on vectors of [`LANES`](Self::LANES) lanes of 128 bits.
///
/// A value of the type is the proof that the CPU has the instructions: it is made only after asking.
/// A vector is seen as words of 32 bits, four a lane, or as blocks, one a lane.
pub(super) trait Simd: Copy {
    type Vector: Copy;
    const LANES: usize;
    /// Bytes of a vector.
    const BYTES: usize = 16 * Self::LANES;
    /// How many groups of four vectors the rounds keep under way at once: 1, 2, 3 or 4.
    const GROUPS: usize;

    /// # Panics
    /// When `from` is shorter than a vector.
    fn load(self, from: &[u8]) -> Self::Vector;
    /// # Panics
    /// When `to` is shorter than a vector.
    fn store(self, vector: Self::Vector, to: &mut [u8]);
    fn splat(self, word: u32) -> Self::Vector;
    fn splat_block(self, block: &[u8; 16]) -> Self::Vector;
    /// The word in the lowest place.
    fn first(self, vector: Self::Vector) -> u32;

    fn xor(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn xor3(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    /// Adds words, modulo 2^32.
    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    /// For each word, which block of a group it belongs to after [`transpose`](Self::transpose).
    fn order(self) -> Self::Vector;
    /// Transposes the 4 × 4 words of each lane.
    fn transpose(self, rows: [Self::Vector; 4]) -> [Self::Vector; 4];
    /// Reverses the bytes of each word.
    fn reverse_words(self, vector: Self::Vector) -> Self::Vector;
    /// Reverses the bytes of each block.
    fn reverse_blocks(self, vector: Self::Vector) -> Self::Vector;

    /// Bytes into the domain of the rounds (see `affine`).
    fn enter(self, vector: Self::Vector) -> Self::Vector;
    fn leave(self, vector: Self::Vector) -> Self::Vector;
    /// A round of SM4: `sum ^ L(S(input))`, all in the domain.
    fn round(self, sum: Self::Vector, input: Self::Vector) -> Self::Vector;
    /// The S-box on the bytes of a word that is outside the domain.
    fn substitute(self, word: u32) -> u32;

    /// Carry-less product of a half of each block: bit 0 of `HALVES` chooses that of `a`, bit 4 that of
    /// `b`.
    fn multiply<const HALVES: i32>(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// Exchanges the halves of each block.
    fn swap_halves(self, vector: Self::Vector) -> Self::Vector;
    /// The sum of all blocks in the first lane, zero in the others.
    fn fold(self, vector: Self::Vector) -> Self::Vector;
}

/// A computation for any set of instructions. `run` must be `#[inline(always)]`: it has to become part of
/// the function that has the instructions enabled.
pub(super) trait Job {
    type Output;
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// Methods of a set of instructions whose body is instructions that need nothing but the CPU.
macro_rules! instructions {
    ($(fn $name:ident$(<const $n:ident: i32>)?($this:ident$(, $arg:tt: $type:ty)*) -> $out:ty { $($body:tt)* })*) => {$(
        #[inline(always)]
        fn $name$(<const $n: i32>)?($this$(, $arg: $type)*) -> $out {
            // SAFETY: `self` exists only where the CPU has the instructions.
            unsafe { $($body)* }
        }
    )*}
}
pub(super) use instructions;

//! A small deterministic generator: the same seed and place give the same document on any machine.

/// SplitMix64. Each document throws dice of its own, so that a document stays what it is whatever
/// the others are.
pub struct Dice {
    state: u64,
    /// Whether this document may hold what the server is known to refuse.
    pub is_poisoned: bool,
}

impl Dice {
    /// The dice of one document of a run.
    pub fn of(seed: u64, place: usize) -> Self {
        let mut dice = Self { state: seed, is_poisoned: false };
        dice.state = dice.roll() ^ (place as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        dice.is_poisoned = dice.one_in(25);
        dice
    }

    pub fn roll(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `end`, without `end` itself.
    pub fn below(&mut self, end: usize) -> usize {
        (self.roll() % end as u64) as usize
    }

    /// A number from `first` to `last`.
    pub fn between(&mut self, first: usize, last: usize) -> usize {
        first + self.below(last - first + 1)
    }

    pub fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

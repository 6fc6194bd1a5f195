//! Computes the number of buckets as a kernel rounds it: the buckets of the hash table fill whole pages of memory, and a bucket
//! is one pointer of the kernel (`nf_ct_alloc_hashtable` in net/netfilter/nf_conntrack_core.c).

/// The bytes of a pointer of a 64-bit kernel.
const OF_64_BITS: u64 = 8;

/// The bytes of a pointer of a 32-bit kernel.
const OF_32_BITS: u64 = 4;

/// The sizes of a page that kernels are built with, in bytes.
const SMALLEST: u64 = 4096;
const LARGEST: u64 = 65_536;

/// The pages of a kernel, as far as they are known. All sizes are powers of two, so that the smallest and the largest possible
/// ones decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pages {
    /// The fewest buckets that a page may have.
    fewest: i64,
    /// The most buckets that a page may have.
    most: i64,
    /// The bytes of a bucket. Those of a 64-bit kernel, unless it is known to be another one.
    bucket_bytes: u64,
}

impl Pages {
    /// The pages of a kernel of which nothing is known.
    pub const UNKNOWN: Pages = Pages::of_64_bits(None);

    /// The pages of most kernels: 64 bits, and 4096 bytes.
    pub const USUAL: Pages = Pages::of_64_bits(Some(SMALLEST));

    /// The pages of any 32-bit kernel.
    pub const OF_32_BITS: Pages = Pages::between(SMALLEST / OF_32_BITS, SMALLEST / OF_32_BITS, OF_32_BITS);

    /// The pages of a kernel for x86, which has 32 or 64 bits.
    pub const OF_X86: Pages = Pages::between(SMALLEST / OF_64_BITS, SMALLEST / OF_32_BITS, OF_64_BITS);

    /// The pages of a 64-bit kernel. None: their size is not known.
    #[must_use]
    pub const fn of_64_bits(page_size: Option<u64>) -> Pages {
        match page_size {
            Some(size) => Pages::between(size / OF_64_BITS, size / OF_64_BITS, OF_64_BITS),
            None => Pages::between(SMALLEST / OF_64_BITS, LARGEST / OF_64_BITS, OF_64_BITS),
        }
    }

    /// The pages of the running kernel, whose pages and pointers have so many bytes.
    #[must_use]
    pub const fn running(page_size: u64, pointer: u64) -> Pages {
        Pages::between(page_size / pointer, page_size / pointer, pointer)
    }

    #[expect(clippy::cast_possible_wrap, reason = "a page has at most some thousand buckets")]
    const fn between(fewest: u64, most: u64, bucket_bytes: u64) -> Pages {
        Pages { fewest: if fewest == 0 { 1 } else { fewest as i64 }, most: most as i64, bucket_bytes }
    }

    /// The number of buckets that the kernel allocates if `number` is asked for, by the smallest possible pages.
    #[must_use]
    pub fn rounded(self, number: i64) -> i64 {
        rounded(number, self.fewest)
    }

    /// The largest pages that these may be.
    #[must_use]
    pub fn largest(self) -> Pages {
        Pages { fewest: self.most, ..self }
    }

    /// Whether the size of the pages is known.
    #[must_use]
    pub fn are_known(self) -> bool {
        self.fewest == self.most
    }

    /// The fewest buckets that a page may have.
    #[must_use]
    pub fn fewest_buckets(self) -> i64 {
        self.fewest
    }

    /// The bytes of a bucket.
    #[must_use]
    pub fn bucket_bytes(self) -> u64 {
        self.bucket_bytes
    }

    /// The bytes of the smallest possible page.
    #[must_use]
    pub fn smallest(self) -> usize {
        usize::try_from(self.fewest.unsigned_abs().saturating_mul(self.bucket_bytes)).unwrap_or(usize::MAX)
    }

    /// The most buckets that a kernel starts with: of more, the bytes do not fit into 32 bits, and the module is not loaded.
    #[must_use]
    pub fn most_buckets(self) -> i64 {
        i64::from(u32::MAX) / i64::try_from(self.bucket_bytes).unwrap_or(1)
    }
}

/// The bytes of a pointer of the kernel, by the first address in /proc/kallsyms. Whatever `uname` says to a program of 32 bits,
/// these addresses have the length of the kernel's own; where they are secret, they are zeros.
#[must_use]
pub fn pointer_of(symbols: &[u8]) -> Option<u64> {
    match symbols.iter().take_while(|byte| byte.is_ascii_hexdigit()).count() {
        8 => Some(OF_32_BITS),
        16 => Some(OF_64_BITS),
        _ => None,
    }
}

/// `number`, or the next multiple of `page` above it.
fn rounded(number: i64, page: i64) -> i64 {
    match number.rem_euclid(page) {
        0 => number,
        rest => number.saturating_add(page - rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_fill_whole_pages() {
        let cases = [(1, 512), (512, 512), (513, 1024), (100_001, 100_352), (0, 0), (i64::MAX, i64::MAX)];
        for (number, expected) in cases {
            assert_eq!(Pages::USUAL.rounded(number), expected, "{number}");
        }
    }

    /// The numbers are those of real kernels: i386, arm64 with pages of 16 KiB, ppc64le with pages of 64 KiB.
    #[test]
    fn the_kernel_decides_how_many_buckets_a_page_has() {
        assert_eq!([4600, 1025].map(|number| Pages::OF_32_BITS.rounded(number)), [5120, 2048]);
        assert_eq!(Pages::of_64_bits(Some(16 << 10)).rounded(1), 2048);
        assert_eq!(Pages::of_64_bits(Some(64 << 10)).rounded(1), 8192);
        assert_eq!(Pages::running(4096, 4), Pages::OF_32_BITS);
        assert_eq!((Pages::USUAL.most_buckets(), Pages::OF_32_BITS.most_buckets()), (0x1fff_ffff, 0x3fff_ffff));
        assert_eq!((Pages::USUAL.smallest(), Pages::OF_32_BITS.smallest()), (4096, 4096));
    }

    #[test]
    fn the_addresses_of_a_kernel_show_its_pointers() {
        let lines = ["c0008000 T _stext", "0000000000000000 T startup_64", "", "00000000"];
        assert_eq!(lines.map(|line| pointer_of(line.as_bytes())), [Some(4), Some(8), None, Some(4)]);
    }

    #[test]
    fn unknown_pages_may_agree_on_a_number() {
        let agree = |pages: Pages, number| pages.rounded(number) == pages.largest().rounded(number);
        let of_unknown = [98_304, 98_000, 100_001, 512].map(|number| agree(Pages::UNKNOWN, number));
        assert_eq!(of_unknown, [true, true, false, false]);
        assert_eq!([512, 1024].map(|number| agree(Pages::OF_X86, number)), [false, true]);
        assert!(agree(Pages::USUAL, 1) && Pages::USUAL.are_known() && !Pages::UNKNOWN.are_known());
    }
}

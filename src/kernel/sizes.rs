//! Computes the sizes of the table: the bytes of an entry and of a bucket, and the numbers that the kernel derives from its
//! buckets.

use super::quirks::Quirk;
use super::release::Release;

/// The bytes that an entry takes in the slabs of today's 64-bit kernels (`/sys/kernel/slab/nf_conntrack/slab_size`).
/// This size is assumed if the running kernel does not show its own.
pub const ENTRY_BYTES: u64 = 256;

/// The lower threshold of IPv6 reassembly at the start of a kernel, in bytes (`IPV6_FRAG_LOW_THRESH`).
pub const FRAG6_LOW_DEFAULT: i64 = 3 << 20;

/// The upper threshold of IPv6 reassembly at the start of a kernel, in bytes (`IPV6_FRAG_HIGH_THRESH`).
pub const FRAG6_HIGH_DEFAULT: i64 = 4 << 20;

/// The number of entries for each bucket that the default limit allows (`nf_conntrack_init_start` in
/// net/netfilter/nf_conntrack_core.c). Each entry is in two chains, one for each direction.
#[must_use]
pub fn default_entries_per_bucket(release: Option<Release>) -> i64 {
    if Quirk::FourEntriesPerBucket.applies_to(release) { 4 } else { 1 }
}

/// The limit that a kernel starts with if its parameter `hashsize` sets `buckets` (measured by real boots from 5.10 to
/// 7.2).
#[must_use]
pub fn limit_for_hashsize(buckets: i64) -> i64 {
    buckets.saturating_mul(8)
}

/// The number of expected connections that a kernel starts with if it has `buckets` (`nf_conntrack_expect_init`;
/// measured by real boots from 5.10 to 7.2).
#[must_use]
pub fn default_expectations(buckets: i64) -> i64 {
    (buckets / 256).max(1) * 4
}

/// The bytes of a table of `buckets` of `bucket_bytes` each that holds `entries` of `entry_bytes` each.
#[must_use]
pub fn table_bytes(entries: u64, entry_bytes: u64, buckets: u64, bucket_bytes: u64) -> u64 {
    entries.saturating_mul(entry_bytes).saturating_add(buckets.saturating_mul(bucket_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers are those of real boots. That of 5120 was one of i386.
    #[test]
    fn what_the_kernel_derives_from_its_buckets() {
        for (buckets, limit, expectations) in
            [(65_536, 524_288, 1024), (1024, 8192, 16), (512, 4096, 8), (5120, 40_960, 80)]
        {
            assert_eq!((limit_for_hashsize(buckets), default_expectations(buckets)), (limit, expectations));
        }
        assert_eq!(default_expectations(255), 4);
    }
}

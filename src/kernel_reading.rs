//! stub
use crate::catalog::Setting;
/// stub
#[must_use]
pub fn kernel_reading(text: &[u8], _setting: &Setting, _page_size: u64) -> Option<i64> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}
/// stub
#[must_use]
pub fn rounded_buckets(number: i64, page_size: u64) -> i64 {
    let unit = i64::try_from(page_size / 8).unwrap_or(512);
    (number + unit - 1) / unit * unit
}

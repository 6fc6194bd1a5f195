//! Says what is going on, and knows how long to wait. Everything but the table goes to the standard error.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Says `text`, with the seconds since the start.
pub(crate) fn say(text: &str) {
    eprintln!("{:4}s  {text}", START.elapsed().as_secs());
}

/// How long a guest may go without a word. A boot takes 20 s on an idle core, three times that on a busy machine.
pub(crate) fn patience() -> Duration {
    let seconds = std::env::var("PATIENCE").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(120))
}

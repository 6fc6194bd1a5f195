//! Hashes the meaning of a request, so that a fleet sees which hosts were asked for the same.

use super::Desired;

impl Desired {
    /// The hash of the meaning: the same for two requests that ask for the same in other names, units, order or spacing. It
    /// compares requests and guards nothing, so a short hash will do: FNV-1a with 64 bits, in hexadecimal digits.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        // Every field is named here, so that a new one cannot be forgotten.
        let Desired {
            wants,
            live,
            enters_root,
            persist,
            file,
            conflicts,
            masks,
            exclusive,
            module,
            loader,
            uncertain,
            initrd,
            backup,
        } = self;
        let mut meaning = format!("{live} {enters_root} {persist} {} {conflicts:?} {masks:?}", file.display());
        meaning += &format!(" {exclusive} {module:?} {loader:?} {uncertain:?} {initrd:?} {backup:?}");
        for want in wants.values() {
            meaning += &format!(" {} {:?}", want.name, want.aim);
        }
        let hash = meaning
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        format!("{hash:016x}")
    }
}

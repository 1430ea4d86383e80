//! Chance, for what must not happen everywhere at the same moment.

/// From 0 up to 1.
pub(crate) fn random_fraction() -> f64 {
    let mut random = [0; 4];
    match getrandom::fill(&mut random) {
        Ok(()) => f64::from(u32::from_ne_bytes(random)) / (f64::from(u32::MAX) + 1.0),
        // Then it happens at the same moments, which is no reason to fail.
        Err(_) => 0.5,
    }
}

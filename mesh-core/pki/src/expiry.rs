//! Validity periods and how much of them is left.

use jiff::Timestamp;

/// Days before the end from which a certificate is reported as expiring soon.
pub const WARNING_DAYS: i64 = 60;

const SECONDS_A_DAY: i64 = 86_400;

/// When a certificate may be used, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Validity {
    /// First second.
    pub not_before: Timestamp,
    /// Last second.
    pub not_after: Timestamp,
}

/// Where a moment lies in a validity period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// Before the period.
    NotYetValid {
        /// First second of it.
        not_before: Timestamp,
    },
    /// In it, and not within the warning time.
    Valid {
        /// Whole days left.
        days_left: i64,
    },
    /// In it, with no more than the warning time left.
    ExpiringSoon {
        /// Whole days left.
        days_left: i64,
    },
    /// After it.
    Expired {
        /// Its last second.
        not_after: Timestamp,
    },
}

impl Validity {
    /// Judges the moment `now`; the last `warning_days` days count as soon.
    pub fn at(&self, now: Timestamp, warning_days: i64) -> Expiry {
        let days_left = self.days_left(now);
        if now < self.not_before {
            Expiry::NotYetValid { not_before: self.not_before }
        } else if now.as_second() > self.not_after.as_second() {
            Expiry::Expired { not_after: self.not_after }
        } else if days_left < warning_days {
            Expiry::ExpiringSoon { days_left }
        } else {
            Expiry::Valid { days_left }
        }
    }

    /// Whole days from `now` to the end; negative after it.
    pub fn days_left(&self, now: Timestamp) -> i64 {
        (self.not_after.as_second() - now.as_second()).div_euclid(SECONDS_A_DAY)
    }

    /// Whether `now` lies within.
    pub fn contains(&self, now: Timestamp) -> bool {
        matches!(self.at(now, 0), Expiry::Valid { .. })
    }

    /// The moment at which two thirds of the period are over: when a certificate is renewed.
    pub fn renew_at(&self) -> Timestamp {
        let (start, end) = (self.not_before.as_second(), self.not_after.as_second());
        Timestamp::from_second(start + (end - start) / 3 * 2).unwrap_or(self.not_after)
    }
}

impl Expiry {
    /// Whether the certificate can be used at that moment.
    pub fn is_usable(&self) -> bool {
        matches!(self, Self::Valid { .. } | Self::ExpiringSoon { .. })
    }
}

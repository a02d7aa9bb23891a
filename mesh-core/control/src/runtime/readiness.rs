//! Whether the component can do its work, and if not, what is missing.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

/// All that has to be there before requests are taken. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    gates: Arc<Mutex<BTreeMap<&'static str, Option<String>>>>,
}

/// One thing that has to be there; closed at first.
#[derive(Clone, Debug)]
pub struct Gate {
    readiness: Readiness,
    name: &'static str,
}

impl Readiness {
    /// Adds something to wait for; `name` is shown while it is missing.
    pub fn gate(&self, name: &'static str) -> Gate {
        self.gates.lock().insert(name, Some("not there yet".to_owned()));
        Gate { readiness: self.clone(), name }
    }

    /// What is missing, a line each; empty when nothing is. Before the component has said what it waits for, that is
    /// missing: its port is open sooner.
    pub fn missing(&self) -> Vec<String> {
        let gates = self.gates.lock();
        if gates.is_empty() {
            return vec!["start: not there yet".to_owned()];
        }
        gates.iter().filter_map(|(name, why)| Some(format!("{name}: {}", why.as_ref()?))).collect()
    }
}

impl Gate {
    /// It is there.
    pub fn open(&self) {
        self.readiness.gates.lock().insert(self.name, None);
    }

    /// It is missing, because of `why`.
    pub fn close(&self, why: impl Into<String>) {
        self.readiness.gates.lock().insert(self.name, Some(why.into()));
    }
}

#[cfg(test)]
mod tests {
    use super::Readiness;

    #[test]
    fn what_is_missing_is_named() {
        let readiness = Readiness::default();
        assert_eq!(readiness.missing(), ["start: not there yet"]);
        let (issuer, caches) = (readiness.gate("issuer"), readiness.gate("caches"));
        issuer.close("expired");
        assert_eq!(readiness.missing(), ["caches: not there yet", "issuer: expired"]);
        caches.open();
        issuer.open();
        assert!(readiness.missing().is_empty());
    }
}

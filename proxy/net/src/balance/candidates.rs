//! The set that is chosen from.

use super::Random;

/// Draws before the whole set is looked at for one that is ready.
const DRAWS: usize = 4;

/// A ready endpoint of another zone is taken where the best of two of this zone carries so many times its load.
const REMOTE_COST: f64 = 4.0;

/// Where an endpoint is, as discovery says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Locality {
    /// In the zone of the client.
    Local,
    /// In another zone.
    Remote,
    /// Nobody said.
    #[default]
    Unknown,
}

/// Endpoints by position, with weights and zones.
///
/// An endpoint is drawn as often as its weight says. Of two drawn ones the less loaded wins, the first where they are equal. Where
/// some are known to be in the zone of the client, two of these are drawn, and one of the others wins only with a quarter of the
/// load, so traffic stays in the zone until that would hurt.
#[derive(Clone, Debug, Default)]
pub struct Candidates {
    /// Those that are drawn from first: the local ones, or all.
    near: Tier,
    /// The others, where `near` has the local ones.
    far: Tier,
}

/// Endpoints that are drawn from together.
#[derive(Clone, Debug, Default)]
struct Tier {
    /// Positions, in the order given.
    members: Vec<u32>,
    /// Sums of weights up to and with each member; empty where all weigh the same.
    sums: Vec<u64>,
    /// The weight that each would have if all weighed the same.
    mean: f32,
}

// === impl Candidates ===

impl Candidates {
    /// The set of endpoints with these weights and zones; the position in the iteration is what [`pick`](Self::pick) answers.
    ///
    /// An endpoint of weight zero is never chosen, unless all have it: then nobody has set weights.
    pub fn new(endpoints: impl Iterator<Item = (u32, Locality)> + Clone) -> Self {
        let unset = endpoints.clone().all(|(weight, _)| weight == 0);
        let usable = endpoints
            .enumerate()
            .map(|(position, (weight, locality))| (position as u32, if unset { 1 } else { weight }, locality))
            .filter(|(_, weight, _)| *weight > 0);
        let tier = |keep: &dyn Fn(Locality) -> bool| {
            Tier::new(usable.clone().filter(|it| keep(it.2)).map(|(position, weight, _)| (position, weight)))
        };
        let local = tier(&|locality| locality == Locality::Local);
        if local.members.is_empty() {
            Self { near: tier(&|_| true), far: Tier::default() }
        } else {
            Self { near: local, far: tier(&|locality| locality != Locality::Local) }
        }
    }

    /// How many can be chosen.
    #[must_use]
    pub fn len(&self) -> usize {
        self.near.members.len() + self.far.members.len()
    }

    /// Whether none can be chosen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Chooses an endpoint, none where none is ready.
    ///
    /// `load` is asked for a position and the weight of that endpoint relative to the mean; none says that it is not ready.
    pub fn pick(&self, seed: u64, load: impl Fn(usize, f32) -> Option<f64>) -> Option<usize> {
        let mut random = Random::new(seed);
        let near = self.near.two(&mut random, &load);
        if self.far.members.is_empty() {
            return near.map(|(position, _)| position as usize);
        }
        let far = self.far.one(&mut random, &load, None);
        let chosen = match (near, far) {
            (Some((_, near)), Some((position, far))) if far * REMOTE_COST < near => Some(position),
            (Some((position, _)), _) => Some(position),
            (None, Some(first)) => {
                let second = self.far.one(&mut random, &load, Some(first.0));
                Some(lower(first, second).0)
            }
            (None, None) => None,
        };
        chosen.map(|position| position as usize)
    }
}

// === impl Tier ===

impl Tier {
    fn new(members: impl Iterator<Item = (u32, u32)>) -> Self {
        let (members, weights): (Vec<u32>, Vec<u32>) = members.unzip();
        let total: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
        let mean = total as f32 / members.len().max(1) as f32;
        let same = weights.windows(2).all(|pair| pair[0] == pair[1]);
        let sums = weights.iter().scan(0, |sum, weight| {
            *sum += u64::from(*weight);
            Some(*sum)
        });
        Self { sums: if same { Vec::new() } else { sums.collect() }, members, mean }
    }

    /// The less loaded of two.
    fn two(&self, random: &mut Random, load: &impl Fn(usize, f32) -> Option<f64>) -> Option<(u32, f64)> {
        let first = self.one(random, load, None)?;
        let second = self.one(random, load, Some(first.0));
        Some(lower(first, second))
    }

    /// One that is ready and not `except`, by weight, with its load.
    fn one(
        &self,
        random: &mut Random,
        load: &impl Fn(usize, f32) -> Option<f64>,
        except: Option<u32>,
    ) -> Option<(u32, f64)> {
        if self.members.is_empty() || (self.members.len() == 1 && except.is_some()) {
            return None;
        }
        let ask = |index: usize| {
            let position = self.members[index];
            if except == Some(position) {
                return None;
            }
            load(position as usize, self.share(index)).map(|load| (position, load))
        };
        for _ in 0..DRAWS {
            if let Some(found) = ask(self.draw(random)) {
                return Some(found);
            }
        }
        // Few are ready, or few are left: one pass that keeps each with the chance that its weight gives it.
        let (mut kept, mut total) = (None, 0.0);
        for index in 0..self.members.len() {
            if let Some(found) = ask(index) {
                let weight = f64::from(self.share(index));
                total += weight;
                if kept.is_none() || random.unit() * total < weight {
                    kept = Some(found);
                }
            }
        }
        kept
    }

    fn draw(&self, random: &mut Random) -> usize {
        match self.sums.last() {
            None => random.below(self.members.len() as u64) as usize,
            Some(total) => {
                let point = random.below(*total);
                self.sums.partition_point(|sum| *sum <= point)
            }
        }
    }

    /// The weight of a member relative to the mean.
    fn share(&self, index: usize) -> f32 {
        match self.sums.get(index) {
            None => 1.0,
            Some(sum) => {
                let before = if index == 0 { 0 } else { self.sums[index - 1] };
                (sum - before) as f32 / self.mean
            }
        }
    }
}

fn lower(first: (u32, f64), second: Option<(u32, f64)>) -> (u32, f64) {
    match second {
        Some(second) if second.1 < first.1 => second,
        _ => first,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUNDS: u64 = 30_000;

    fn counts(set: &Candidates, of: usize, load: impl Fn(usize, f32) -> Option<f64>) -> Vec<u64> {
        let mut counts = vec![0; of];
        for seed in 0..ROUNDS {
            if let Some(position) = set.pick(seed, &load) {
                counts[position] += 1;
            }
        }
        counts
    }

    fn same(of: usize) -> Candidates {
        Candidates::new(std::iter::repeat_n((10_000, Locality::Unknown), of))
    }

    /// Whether a count is within 5 % of the rounds' share.
    fn near(count: u64, share: f64) -> bool {
        let wanted = ROUNDS as f64 * share;
        (count as f64 - wanted).abs() < ROUNDS as f64 * 0.02
    }

    #[test]
    fn equal_endpoints_get_equal_shares() {
        let counts = counts(&same(5), 5, |_, share| {
            assert_eq!(share, 1.0);
            Some(1.0)
        });
        assert!(counts.iter().all(|count| near(*count, 0.2)), "{counts:?}");
    }

    #[test]
    fn the_most_loaded_of_several_is_never_chosen() {
        let counts = counts(&same(4), 4, |position, _| Some(position as f64));
        // Of two distinct ones the last loses always, the first wins always: 3/6, 2/6, 1/6 of the pairs.
        assert_eq!(counts[3], 0);
        assert!(
            near(counts[0], 0.5) && near(counts[1], 2.0 / 6.0) && near(counts[2], 1.0 / 6.0),
            "{counts:?}"
        );
    }

    #[test]
    fn only_ready_endpoints_are_chosen_and_equally() {
        let counts = counts(&same(200), 200, |position, _| (position % 50 == 7).then_some(1.0));
        for (position, count) in counts.iter().enumerate() {
            assert_eq!(*count > 0, position % 50 == 7, "{position}");
        }
        assert!(near(counts[7], 0.25) && near(counts[157], 0.25), "{counts:?}");
        assert_eq!(same(3).pick(1, |_, _| None), None);
        assert_eq!(Candidates::default().pick(1, |_, _| Some(0.0)), None);
        assert_eq!(same(1).pick(9, |_, _| Some(0.0)), Some(0));
    }

    #[test]
    fn weights_decide_how_often_an_endpoint_is_drawn() {
        let weights = [100, 300, 0, 600];
        let set = Candidates::new(weights.iter().map(|weight| (*weight, Locality::Unknown)));
        let counts = counts(&set, 4, |_, _| Some(1.0));
        assert!(near(counts[0], 0.1) && near(counts[1], 0.3) && near(counts[3], 0.6), "{counts:?}");
        assert_eq!((counts[2], set.len()), (0, 3));
    }

    #[test]
    fn weights_that_nobody_set_are_equal() {
        let set = Candidates::new(std::iter::repeat_n((0, Locality::Unknown), 2));
        let counts = counts(&set, 2, |_, _| Some(1.0));
        assert!(near(counts[0], 0.5), "{counts:?}");
    }

    #[test]
    fn traffic_stays_in_the_zone_until_it_would_hurt() {
        let zones = [Locality::Local, Locality::Local, Locality::Remote];
        let set = Candidates::new(zones.iter().map(|zone| (1, *zone)));
        assert_eq!(counts(&set, 3, |position, _| Some([3.0, 3.0, 1.0][position]))[2], 0);
        assert_eq!(counts(&set, 3, |position, _| Some([5.0, 5.0, 1.0][position]))[2], ROUNDS);
        assert_eq!(counts(&set, 3, |position, _| (position == 2).then_some(9.0))[2], ROUNDS);
    }

    proptest::proptest! {
        #[test]
        fn whoever_is_chosen_is_ready_and_has_weight(
            endpoints in proptest::collection::vec((0u32..4, 0u8..3, proptest::prelude::any::<bool>()), 0..20), seed: u64,
        ) {
            let zone = |zone: u8| [Locality::Local, Locality::Remote, Locality::Unknown][usize::from(zone)];
            let set = Candidates::new(endpoints.iter().map(|(weight, at, _)| (*weight, zone(*at))));
            let unset = endpoints.iter().all(|it| it.0 == 0);
            let usable = |it: &(u32, u8, bool)| it.2 && (it.0 > 0 || unset);
            match set.pick(seed, |position, _| endpoints[position].2.then_some(1.0)) {
                Some(position) => proptest::prop_assert!(usable(&endpoints[position])),
                None => proptest::prop_assert!(!endpoints.iter().any(usable)),
            }
        }
    }
}

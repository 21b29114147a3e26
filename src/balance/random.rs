//! Random, by weight: Walker's alias table, one draw and no state (Vose, 1991).

use super::{Balancer, Candidate, PickInfo, Picker};
use crate::kind::Kind;

pub const KIND: Kind<dyn Balancer> = Kind {
    name: "random",
    about: "drawn anew each time, each endpoint as likely as its weight says",
    example: "balance = \"random\"",
    build: |options| {
        options.none()?;
        Ok(Box::new(Random))
    },
};

struct Random;

impl Balancer for Random {
    fn picker(&self, candidates: &[Candidate], _seed: u64) -> Box<dyn Picker> {
        Box::new(Alias::new(candidates))
    }
}

/// Each column is one endpoint up to a height, and another above it.
struct Alias {
    columns: Box<[(u32, u32)]>,
}

impl Picker for Alias {
    fn pick(&self, info: &PickInfo<'_>) -> Option<usize> {
        let drawn = self.draw(info.random);
        if !info.tried.contains(&drawn) {
            return Some(drawn);
        }
        // Some are excluded, so this is a second attempt and rare: draw by weight among the rest.
        let total: u64 = info.untried().map(|at| u64::from(info.candidates[at].weight)).sum();
        let mut point = ((u128::from(super::mix(info.random)) * u128::from(total)) >> 64) as u64;
        info.untried().find(|at| {
            let weight = u64::from(info.candidates[*at].weight);
            let here = point < weight;
            point = point.wrapping_sub(weight);
            here
        })
    }
}

impl Alias {
    fn new(candidates: &[Candidate]) -> Self {
        let count = candidates.len() as f64;
        let total: f64 = candidates.iter().map(|c| f64::from(c.weight)).sum();
        let mut heights: Vec<f64> =
            candidates.iter().map(|c| f64::from(c.weight) * count / total).collect();
        let mut columns: Vec<(u32, u32)> =
            (0..candidates.len() as u32).map(|i| (FULL, i)).collect();
        let (mut low, mut high): (Vec<usize>, Vec<usize>) =
            (0..heights.len()).partition(|at| heights[*at] < 1.0);
        while let (Some(small), Some(large)) = (low.pop(), high.last().copied()) {
            columns[small] = ((heights[small] * f64::from(FULL)) as u32, large as u32);
            heights[large] -= 1.0 - heights[small];
            if heights[large] < 1.0 {
                high.pop();
                low.push(large);
            }
        }
        Self { columns: columns.into_boxed_slice() }
    }

    fn draw(&self, random: u64) -> usize {
        let column = (((random >> 32) * self.columns.len() as u64) >> 32) as usize;
        let (height, other) = self.columns[column];
        if (random as u32) < height { column } else { other as usize }
    }
}

const FULL: u32 = u32::MAX;

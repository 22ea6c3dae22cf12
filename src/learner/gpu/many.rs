//! Many learners on the GPU: those of one kind of rule side by side in one dispatch, a workgroup each.
//!
//! Each predicts and learns what it would alone, to the tolerance of the backend; their losses are added up on the device,
//! so that no logit of theirs comes back. It never makes a thread.

use super::adapter::Adapter;
use super::variant::Variant;
use super::{GpuLearner, are_alike, open_many};
use crate::error::Result;
use crate::examples::MicroBatch;
use crate::learner::many::{Field, ManyLearners, Standing};
use crate::learner::{Learner, Model, Settings};

/// Opens the learners of a sweep on an adapter.
///
/// # Errors
///
/// Where the device cannot hold their weights.
pub fn open(adapter: &Adapter, field: &Field) -> Result<Box<dyn ManyLearners>> {
    let variant = Variant::likely(adapter);
    let groups: Result<_> =
        groups(field).into_iter().map(|group| Group::open(adapter, field, group, variant)).collect();
    Ok(Box::new(Groups { groups: groups? }))
}

/// The settings, with their places, in groups of those that one kernel can learn.
fn groups(field: &Field) -> Vec<Vec<(usize, Settings)>> {
    let mut groups: Vec<Vec<(usize, Settings)>> = Vec::new();
    for (place, settings) in field.settings.iter().enumerate() {
        let own = Settings { hash_bits: field.shape.hash_bits, frozen: false, ..*settings };
        match groups.iter_mut().find(|group| are_alike(&group[0].1, &own)) {
            Some(group) => group.push((place, own)),
            None => groups.push(vec![(place, own)]),
        }
    }
    groups
}

/// Learners of every kind.
struct Groups {
    groups: Vec<Group>,
}

/// Learners of one kind.
struct Group {
    learner: GpuLearner,
    /// Of each, its place in the list of settings, while it has not been dropped.
    places: Vec<Option<usize>>,
    batch: usize,
    spare: Vec<MicroBatch>,
}

impl Group {
    fn open(adapter: &Adapter, field: &Field, group: Vec<(usize, Settings)>, variant: Variant) -> Result<Self> {
        let (places, settings): (Vec<_>, Vec<_>) = group.into_iter().map(|(place, own)| (Some(place), own)).unzip();
        let models = settings.iter().map(|own| Model::new(field.shape, own.optimizer, own.penalty)).collect();
        let learner = open_many(adapter, models, &settings, variant)?;
        Ok(Self { learner, places, batch: settings[0].batch, spare: Vec::new() })
    }

    /// Hands records on in micro-batches of the group's size.
    fn learn(&mut self, records: &MicroBatch) -> Result<()> {
        for start in (0..records.rows).step_by(self.batch.max(1)) {
            let mut batch = self.spare.pop().unwrap_or_default();
            batch.copy_rows(records, start..(start + self.batch).min(records.rows));
            self.learner.learn(batch)?;
            self.take_back()?;
        }
        Ok(())
    }

    fn take_back(&mut self) -> Result<()> {
        while let Some(mut scored) = self.learner.next_scored()? {
            self.spare.push(std::mem::take(&mut scored.batch));
            self.learner.recycle(scored);
        }
        Ok(())
    }

    fn standings(&mut self) -> Result<impl Iterator<Item = Standing>> {
        self.learner.finish()?;
        self.take_back()?;
        let all = self.places.iter().zip(self.learner.losses());
        Ok(all.filter_map(|(place, sum)| place.map(|place| Standing { place, loss: sum.loss })))
    }
}

impl ManyLearners for Groups {
    fn learn(&mut self, batch: &MicroBatch) -> Result<()> {
        self.groups.iter_mut().try_for_each(|group| group.learn(batch))
    }

    fn standings(&mut self) -> Result<Vec<Standing>> {
        let mut all = Vec::new();
        for group in &mut self.groups {
            all.extend(group.standings()?);
        }
        Ok(all)
    }

    fn model(&mut self, place: usize) -> Result<Option<Model>> {
        for group in &mut self.groups {
            if let Some(at) = group.places.iter().position(|held| *held == Some(place)) {
                return Ok(Some(group.learner.models()?[at].clone()));
            }
        }
        Ok(None)
    }

    fn drop_out(&mut self, places: &[usize]) -> Result<()> {
        for group in &mut self.groups {
            // Those that stay take no longer for it: a group without anybody is what saves time.
            group
                .places
                .iter_mut()
                .filter(|held| held.is_some_and(|place| places.contains(&place)))
                .for_each(|held| *held = None);
        }
        self.groups.retain(|group| group.places.iter().any(Option::is_some));
        Ok(())
    }
}

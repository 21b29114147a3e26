//! One scrape being put together: samples are added by whoever knows them, and become the families that
//! the `prometheus` encoder writes. Control runtime only.

use std::collections::BTreeMap;

use prometheus::proto::{self, MetricFamily, MetricType};

use super::counter::{Buckets, Times};
use super::metrics::{Form, Metric};

/// The samples of one scrape.
pub struct Scrape {
    families: BTreeMap<&'static str, MetricFamily>,
    buckets: Buckets,
    /// So many more series may be added.
    left: usize,
    /// So many were not.
    dropped: u64,
}

/// Label names and values.
pub type Labels<'a> = &'a [(&'static str, &'a str)];

impl Scrape {
    /// Of at most so many series, its histograms with these buckets.
    pub fn new(buckets: &Buckets, most: usize) -> Self {
        Self { families: BTreeMap::new(), buckets: buckets.clone(), left: most, dropped: 0 }
    }

    /// How many series were left out.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// From now on none is left out.
    pub fn unlimited(&mut self) {
        self.left = usize::MAX;
    }

    /// Whether so many more series may be added, which then they are.
    fn takes(&mut self, series: usize) -> bool {
        match self.left.checked_sub(series) {
            Some(left) => {
                self.left = left;
                true
            }
            None => {
                self.dropped += series as u64;
                false
            }
        }
    }

    /// Adds a sample of a counter or a gauge.
    pub fn add(&mut self, metric: Metric, labels: Labels<'_>, value: f64) {
        if !self.takes(1) {
            return;
        }
        let mut sample = sample(labels);
        if metric.form == Form::Counter {
            let mut counter = proto::Counter::default();
            counter.set_value(value);
            sample.set_counter(counter);
        } else {
            let mut gauge = proto::Gauge::default();
            gauge.set_value(value);
            sample.set_gauge(gauge);
        }
        self.push(metric, sample);
    }

    /// Adds the samples of a histogram.
    pub fn add_times(&mut self, metric: Metric, labels: Labels<'_>, times: &Times) {
        // Above the highest bound, the sum and the count.
        if !self.takes(self.buckets.bounds().len() + 3) {
            return;
        }
        let mut histogram = proto::Histogram::default();
        histogram.set_sample_count(times.count());
        histogram.set_sample_sum(times.sum as f64 / 1e9);
        let mut cumulative = 0;
        let buckets = self.buckets.bounds().iter().zip(times.buckets).map(|(bound, count)| {
            cumulative += count;
            let mut bucket = proto::Bucket::default();
            bucket.set_upper_bound(*bound as f64 / 1e9);
            bucket.set_cumulative_count(cumulative);
            bucket
        });
        histogram.set_bucket(buckets.collect());
        let mut sample = sample(labels);
        sample.set_histogram(histogram);
        self.push(metric, sample);
    }

    /// What was added, for the encoder.
    pub fn into_families(self) -> Vec<MetricFamily> {
        self.families.into_values().collect()
    }

    fn push(&mut self, metric: Metric, sample: proto::Metric) {
        let family = self.families.entry(metric.name).or_insert_with(|| {
            let mut family = MetricFamily::default();
            family.set_name(metric.name.to_owned());
            family.set_help(metric.help.to_owned());
            family.set_field_type(match metric.form {
                Form::Counter => MetricType::COUNTER,
                Form::Gauge => MetricType::GAUGE,
                Form::Histogram => MetricType::HISTOGRAM,
            });
            family
        });
        family.mut_metric().push(sample);
    }
}

fn sample(labels: Labels<'_>) -> proto::Metric {
    let pairs = labels.iter().map(|(name, value)| {
        let mut pair = proto::LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    });
    proto::Metric::from_label(pairs.collect())
}

// G_f = sum_e residual_row(e) x_e over the entries e of every distinct hashed coordinate f of the micro-batch, then
// the step. The host has grouped the entries by coordinate, in row order, those with more than LONG entries first.
//
// Order of the sums: a coordinate with at most LONG entries is added by one thread in row order. A longer one has a
// workgroup: lane k of 64 adds entries k, k + 64, ... in order; the lanes are added as a tree, 64 to 32 to ... to 1,
// each with its upper half.

// Also twin of `learner::gpu::order::LONG`.
const THREADS: u32 = 64u;

@group(0) @binding(0) var<uniform> plan: Plan;
@group(0) @binding(1) var<storage, read> words: array<u32>;
@group(0) @binding(2) var<storage, read> numbers: array<f32>;
@group(0) @binding(3) var<storage, read> residual: array<f32>;
@group(0) @binding(4) var<storage, read_write> table: array<vec2<f32>>;

var<workgroup> lanes: array<f32, 64>;

// Adds every `stride`th entry of a coordinate, from entry `first` on.
fn sum_entries(feature: u32, first: u32, stride: u32) -> f32 {
    let end = words[plan.feature_start_at + feature + 1u];
    var sum = 0.0;
    for (var e = words[plan.feature_start_at + feature] + first; e < end; e += stride) {
        let row = words[plan.ordered_row_at + e];
        sum += residual[plan.row_at + row] * numbers[plan.ordered_value_at + e];
    }
    return sum;
}

fn finish(feature: u32, gradient: f32) {
    let index = words[plan.feature_at + feature];
    let count = numbers[plan.count_at + feature];
    table[index] = batch_step(table[index], gradient, count, plan.rate, penalised());
}

fn long_feature(feature: u32, lane: u32) {
    lanes[lane] = sum_entries(feature, lane, THREADS);
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane < half {
            lanes[lane] += lanes[lane + half];
        }
    }
    if lane == 0u {
        finish(feature, lanes[0]);
    }
}

@compute @workgroup_size(64)
fn hashed(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let number = number_of(workgroup, grid);
    if number < plan.long_features {
        long_feature(number, local.x);
        return;
    }
    let feature = plan.long_features + (number - plan.long_features) * THREADS + local.x;
    if feature < plan.features {
        finish(feature, sum_entries(feature, 0u, 1u));
    }
}

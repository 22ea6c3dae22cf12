// The step of every hashed coordinate that `spread.wgsl` has touched, on the gradient and the count it left there, each
//   (a + b / limb + c / limb^2) unit, added from the smallest part up.
//
// A coordinate has a thread for each of its entries, or with PAIRS a lane of a row. The first to take the touch away makes the step and the others
// find 0; which one is first does not matter, because they would all do the same.

@group(0) @binding(0) var<uniform> plan: Plan;
@group(0) @binding(1) var<storage, read> words: array<u32>;
@group(0) @binding(6) var<storage, read> numbers: array<f32>;
@group(0) @binding(2) var<storage, read_write> table: array<vec2<f32>>;
// (a, b) of the gradient of each coordinate.
@group(0) @binding(3) var<storage, read_write> high: array<atomic<i32>>;
// (c of the gradient, touch) of each coordinate.
@group(0) @binding(4) var<storage, read_write> low: array<atomic<i32>>;
// (b, c) of the count of each coordinate; nothing where counts are not asked for.
@group(0) @binding(5) var<storage, read_write> count_rest: array<atomic<i32>>;

fn joined(a: i32, b: i32, c: i32, unit: f32) -> f32 {
    let rest = (f32(c) * plan.inverse_limb + f32(b)) * plan.inverse_limb;
    return (rest + f32(a)) * unit;
}

// Takes the gradient of coordinate `index` away, leaving 0.
fn take_gradient(index: u32) -> f32 {
    let a = atomicExchange(&high[2u * index], 0);
    let b = atomicExchange(&high[2u * index + 1u], 0);
    let c = atomicExchange(&low[2u * index], 0);
    return joined(a, b, c, plan.gradient_unit);
}

// Takes the rest of the count of coordinate `index` away; `touch` is what was in its touch.
fn take_count(index: u32, touch: i32) -> f32 {
    if !asks_for_counts() {
        return 0.0;
    }
    let b = atomicExchange(&count_rest[2u * index], 0);
    let c = atomicExchange(&count_rest[2u * index + 1u], 0);
    return joined(touch & (MARK - 1), b, c, plan.count_unit);
}

// Makes the step of a coordinate, if nobody has.
fn step(index: u32) {
    let touch = atomicExchange(&low[2u * index + 1u], 0);
    if touch == 0 {
        return;
    }
    let gradient = take_gradient(index);
    table[index] = batch_step(table[index], gradient, take_count(index, touch), plan.decay, penalised());
}

fn step_lane(row: u32, lane: u32) {
    if row >= plan.rows {
        return;
    }
    let count = sent(row);
    for (var at = first_feature(lane, count); is_feature(at, count); at = advance(at, LANES, count)) {
        step(feature(row, at).index);
    }
}

@compute @workgroup_size(64)
fn hashed(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    setting = alone();
    let thread = number_of(workgroup, grid) * 64u + local.x;
    if PAIRS {
        step_lane(thread / LANES, thread % LANES);
    } else if thread < plan.entries {
        step(words[plan.index_at + thread]);
    }
}

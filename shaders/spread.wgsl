// G_f += residual_i x_if for every hashed feature f of every row i that is learned, and c_f += h_i: gradient and count
// of each coordinate, left in sums of integers for `hashed.wgsl`.
//
// Order of the sums: none, and none is needed, because they are sums of integers. A number is cut into three of them,
// each the rounded rest of the one before:
//   x / unit = a + b / limb + c / limb^2, with |b|, |c| <= limb / 2.
// Scaling by powers of two and taking the rest are exact, so only the last rounding, at unit / limb^2, loses anything.

@group(0) @binding(0) var<uniform> plan: Plan;
@group(0) @binding(1) var<storage, read> words: array<u32>;
@group(0) @binding(2) var<storage, read> numbers: array<f32>;
@group(0) @binding(3) var<storage, read> residual: array<f32>;
// (a, b) of the gradient of each coordinate.
@group(0) @binding(4) var<storage, read_write> high: array<atomic<i32>>;
// (c of the gradient, touch) of each coordinate. A touch is not 0 where anybody was there: a of the count, or MARK.
@group(0) @binding(5) var<storage, read_write> low: array<atomic<i32>>;
// (b, c) of the count of each coordinate; nothing where counts are not asked for.
@group(0) @binding(6) var<storage, read_write> count_rest: array<atomic<i32>>;

fn cut(x: f32, inverse_unit: f32) -> vec3<i32> {
    let whole = x * inverse_unit;
    let a = round(whole);
    let rest = (whole - a) * plan.limb;
    let b = round(rest);
    return vec3<i32>(i32(a), i32(b), i32(round((rest - b) * plan.limb)));
}

fn add_gradient(index: u32, gradient: vec3<i32>) {
    atomicAdd(&high[2u * index], gradient.x);
    atomicAdd(&high[2u * index + 1u], gradient.y);
    atomicAdd(&low[2u * index], gradient.z);
}

// Leaves a touch, and the count where it is asked for. Most counts are whole units, so the rest is mostly 0.
fn add_count(index: u32, count: vec3<i32>) {
    if !asks_for_counts() {
        atomicStore(&low[2u * index + 1u], MARK);
        return;
    }
    if count.x != 0 {
        atomicAdd(&low[2u * index + 1u], count.x);
    } else {
        atomicOr(&low[2u * index + 1u], MARK);
    }
    if count.y != 0 {
        atomicAdd(&count_rest[2u * index], count.y);
    }
    if count.z != 0 {
        atomicAdd(&count_rest[2u * index + 1u], count.z);
    }
}

@compute @workgroup_size(16, 16)
fn spread(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    setting = alone();
    let row = number_of(workgroup, grid) * ROWS + local.y;
    if row >= plan.rows {
        return;
    }
    let weight = numbers[plan.weight_at + row];
    if weight == 0.0 {
        return;
    }
    let count = cut(weight, plan.inverse_count_unit);
    let own_residual = residual[plan.row_at + row];
    let features = sent(row);
    for (var at = first_feature(local.x, features); is_feature(at, features); at = advance(at, LANES, features)) {
        let own = feature(row, at);
        add_gradient(own.index, cut(own_residual * own.value, plan.inverse_gradient_unit));
        add_count(own.index, count);
    }
}

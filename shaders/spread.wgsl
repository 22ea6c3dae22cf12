// G_f += residual_i x_if for every hashed feature f of every row i that is learned, and c_f += h_i: gradient and count
// of each coordinate, left in sums of integers for `hashed.wgsl`.
//
// Order of the sums: none, and none is needed, because they are sums of integers. A gradient g within plus and minus
// `largest` is cut into three of them, each the rounded rest of the one before:
//   g / largest = a / limb + b / limb^2 + c / limb^3, with |a|, |b|, |c| <= limb.
// Scaling by powers of two and taking the rest are exact, so only the last rounding, at largest / limb^3, loses anything.

@group(0) @binding(0) var<uniform> plan: Plan;
@group(0) @binding(1) var<storage, read> words: array<u32>;
@group(0) @binding(2) var<storage, read> numbers: array<f32>;
@group(0) @binding(3) var<storage, read> residual: array<f32>;
// (a, b) of each coordinate.
@group(0) @binding(4) var<storage, read_write> high: array<atomic<i32>>;
// (c, count) of each coordinate.
@group(0) @binding(5) var<storage, read_write> low: array<atomic<i32>>;

// Adds to the sums of coordinate `index`.
fn add(index: u32, gradient: f32, count: i32) {
    let whole = gradient * plan.inverse_largest * plan.limb;
    let a = round(whole);
    let rest = (whole - a) * plan.limb;
    let b = round(rest);
    let c = round((rest - b) * plan.limb);
    atomicAdd(&high[2u * index], i32(a));
    atomicAdd(&high[2u * index + 1u], i32(b));
    atomicAdd(&low[2u * index], i32(c));
    atomicAdd(&low[2u * index + 1u], count);
}

@compute @workgroup_size(16, 16)
fn spread(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let row = number_of(workgroup, grid) * ROWS + local.y;
    if row >= plan.rows {
        return;
    }
    let weight = numbers[plan.weight_at + row];
    if weight == 0.0 {
        return;
    }
    // At least 1, because a count of 0 says that nobody touched the coordinate.
    let count = max(i32(round(weight * plan.inverse_count_unit)), 1);
    let own_residual = residual[plan.row_at + row];
    let end = words[plan.row_start_at + row + 1u];
    for (var e = words[plan.row_start_at + row] + local.x; e < end; e += LANES) {
        add(words[plan.index_at + e], own_residual * numbers[plan.value_at + e], count);
    }
}

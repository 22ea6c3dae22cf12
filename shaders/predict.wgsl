// z_i = sum_j w_j x_ij + sum_f w_f x_if + b, kept within plus and minus MAX_LOGIT;
// residual_i = (sigmoid(z_i) - y_i) h_i, h being the example weight.
//
// Order of the sums: 16 lanes a row, lane k adds every 16th product in order; the lanes are added as a tree, 16 to 8
// to 4 to 2 to 1, each with its upper half; dense and hashed part apart, then dense + hashed + bias.

@group(0) @binding(0) var<uniform> plan: Plan;
@group(0) @binding(1) var<storage, read> words: array<u32>;
@group(0) @binding(2) var<storage, read> numbers: array<f32>;
@group(0) @binding(3) var<storage, read> dense_slots: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read> table: array<vec2<f32>>;
@group(0) @binding(5) var<storage, read_write> logit: array<f32>;
@group(0) @binding(6) var<storage, read_write> residual: array<f32>;

// (dense, hashed) of each row and lane.
var<workgroup> lanes: array<vec2<f32>, 256>;

fn dense_lane(row: u32, lane: u32) -> f32 {
    let start = plan.dense_at + row * plan.width;
    var sum = 0.0;
    for (var j = lane; j < plan.width; j += LANES) {
        sum += weight(dense_slots[j], penalised()) * numbers[start + j];
    }
    return sum;
}

fn hashed_lane(row: u32, lane: u32) -> f32 {
    var sum = 0.0;
    if plan.entries == 0u {
        return sum;
    }
    let count = sent(row);
    for (var at = first_feature(lane, count); is_feature(at, count); at = advance(at, LANES, count)) {
        let own = feature(row, at);
        sum += weight(table[own.index], penalised()) * own.value;
    }
    return sum;
}

fn finish(row: u32, sums: vec2<f32>) {
    let bias = weight(dense_slots[plan.width], unpenalised());
    let z = within_bounds(sums.x + sums.y + bias);
    logit[plan.row_at + row] = z;
    residual[plan.row_at + row] = (sigmoid(z) - numbers[plan.label_at + row]) * numbers[plan.weight_at + row];
}

@compute @workgroup_size(16, 16)
fn predict(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    setting = alone();
    let row = number_of(workgroup, grid) * ROWS + local.y;
    let place = local.y * LANES + local.x;
    var sums = vec2<f32>(0.0, 0.0);
    if row < plan.rows {
        sums = vec2<f32>(dense_lane(row, local.x), hashed_lane(row, local.x));
    }
    lanes[place] = sums;
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if local.x < half {
            lanes[place] += lanes[place + half];
        }
    }
    if local.x == 0u && row < plan.rows {
        finish(row, lanes[place]);
    }
}

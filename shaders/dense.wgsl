// G_j = sum_i residual_i x_ij for every numeric column j, then the step; column `width` is the bias, whose x is 1 and
// which has no penalties.
//
// Order of the sums: 32 lanes a column, lane k adds rows k, k + 32, k + 64, ... in order; the lanes are added as a
// tree, 32 to 16 to 8 to 4 to 2 to 1, each with its upper half. The shape depends on the number of rows alone.

const COLUMNS: u32 = 8u;
const ROW_LANES: u32 = 32u;

@group(0) @binding(0) var<uniform> plan: Plan;
@group(0) @binding(1) var<storage, read> numbers: array<f32>;
@group(0) @binding(2) var<storage, read> residual: array<f32>;
@group(0) @binding(3) var<storage, read_write> dense_slots: array<vec2<f32>>;

var<workgroup> lanes: array<f32, 256>;

fn column_lane(column: u32, lane: u32) -> f32 {
    var sum = 0.0;
    for (var row = lane; row < plan.rows; row += ROW_LANES) {
        sum += residual[plan.row_at + row] * numbers[plan.dense_at + row * plan.width + column];
    }
    return sum;
}

fn bias_lane(lane: u32) -> f32 {
    var sum = 0.0;
    for (var row = lane; row < plan.rows; row += ROW_LANES) {
        sum += residual[plan.row_at + row];
    }
    return sum;
}

fn finish(column: u32, gradient: f32) {
    var penalty = penalised();
    if column == plan.width {
        penalty = unpenalised();
    }
    dense_slots[column] = batch_step(dense_slots[column], gradient, plan.count, plan.decay, penalty);
}

@compute @workgroup_size(8, 32)
fn dense(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    setting = alone();
    let column = number_of(workgroup, grid) * COLUMNS + local.x;
    let place = local.y * COLUMNS + local.x;
    var sum = 0.0;
    if column < plan.width {
        sum = column_lane(column, local.y);
    } else if column == plan.width {
        sum = bias_lane(local.y);
    }
    lanes[place] = sum;
    for (var half = ROW_LANES / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if local.y < half {
            lanes[place] += lanes[place + half * COLUMNS];
        }
    }
    if local.y == 0u && column <= plan.width {
        finish(column, lanes[place]);
    }
}

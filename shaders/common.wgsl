// Put in front of every kernel: the plan of one micro-batch, constants and the sigmoid.

// Twin of `learner::MAX_LOGIT`.
const MAX_LOGIT: f32 = 30.0;
// Twin of `examples::LANES`.
const LANES: u32 = 16u;

// Where one micro-batch lies in its slot, and what its step needs. Twin of `learner::gpu::plan::Plan`.
// Places (`*_at`) count words from the start of the slot's data, except `row_at`.
struct Plan {
    // Examples.
    rows: u32,
    // Floats of a dense row, padding included.
    width: u32,
    // Hashed features of all rows together.
    entries: u32,
    // Distinct hashed coordinates that learn.
    features: u32,
    // The first so many of them have more than `LONG` entries.
    long_features: u32,
    // f32, rows x width.
    dense_at: u32,
    // f32, one a row: 1 or 0; 0 too without a label.
    label_at: u32,
    // f32, one a row: the example weight; 0 where nothing is learned.
    weight_at: u32,
    // u32, rows + 1 offsets into `index` and `value`.
    row_start_at: u32,
    // u32, one an entry: its coordinate in the table.
    index_at: u32,
    // f32, one an entry: its value.
    value_at: u32,
    // u32, one a distinct coordinate: its place in the table.
    feature_at: u32,
    // u32, features + 1 offsets into `ordered_row` and `ordered_value`.
    feature_start_at: u32,
    // f32, one a distinct coordinate: the summed weight of its entries.
    count_at: u32,
    // u32, one a learned entry, grouped by coordinate, in row order: its row.
    ordered_row_at: u32,
    // f32, one a learned entry, in the same order: its value.
    ordered_value_at: u32,
    // Place of the first row in the group's logits and residuals.
    row_at: u32,
    // SGD's rate for this step.
    rate: f32,
    // Summed weight of the rows that are learned.
    count: f32,
    reserved: u32,
}

// 1 / (1 + e^-z), without overflow.
fn sigmoid(z: f32) -> f32 {
    let e = exp(-abs(z));
    return select(e, 1.0, z >= 0.0) / (1.0 + e);
}

// The number of a workgroup in a grid folded into two dimensions, because one dimension ends at 65535.
fn number_of(workgroup: vec3<u32>, grid: vec3<u32>) -> u32 {
    return workgroup.y * grid.x + workgroup.x;
}

// Put in front of every kernel: the plan of one micro-batch, constants and the sigmoid.

// Twin of `learner::MAX_LOGIT`.
const MAX_LOGIT: f32 = 30.0;
// Twin of `examples::LANES`.
const LANES: u32 = 16u;
// Rows of a workgroup that gives every row LANES threads.
const ROWS: u32 = 16u;

// In a coordinate's touch: somebody was there, even if no whole unit was counted. Counts stay below it.
const MARK: i32 = 1073741824;

// Where one micro-batch lies in its slot, and what its step needs. Twin of `learner::gpu::plan::Plan`.
// Places (`*_at`) count words from the start of the slot's data, except `row_at`.
struct Plan {
    // Examples.
    rows: u32,
    // Floats of a dense row, padding included.
    width: u32,
    // Hashed features of all rows together.
    entries: u32,
    // f32, rows x width.
    dense_at: u32,
    // f32, one a row: 1 or 0; 0 too without a label.
    label_at: u32,
    // f32, one a row: the example weight; 0 where nothing is learned.
    weight_at: u32,
    // u32, rows + 1 offsets into `index` and `value`.
    row_start_at: u32,
    // u32, one an entry: its coordinate in the table; its whole hash where it is still to be crossed.
    index_at: u32,
    // f32, one an entry: its value.
    value_at: u32,
    // Place of the first row in the group's logits and residuals.
    row_at: u32,
    // SGD's rate for this step is the learning rate times this.
    decay: f32,
    // Summed weight of the rows that are learned.
    count: f32,
    // The unit, a power of two, in which the gradients of a coordinate's entries are added, and its inverse.
    gradient_unit: f32,
    inverse_gradient_unit: f32,
    // Two to the number of bits of each of the two integers that take what is left below a unit, and its inverse.
    limb: f32,
    inverse_limb: f32,
    // The unit, a power of two, in which the weights of a coordinate's entries are added, and its inverse.
    count_unit: f32,
    inverse_count_unit: f32,
    // u32, one an entry: what follows it in its chain; see `persistent.wgsl`.
    link_at: u32,
    // f32, one a row: its own `decay`; 0 where all have the same.
    decay_at: u32,
    // 1 where rates are folded after 1, 2, 4, 8, ... rows and not only at the end.
    warming: u32,
    // What is left of a hash in the table.
    mask: u32,
    // Keeps the size a multiple of 16 bytes, as uniform buffers want it.
    reserved: vec2<u32>,
}

// 1 / (1 + e^-z), without overflow.
fn sigmoid(z: f32) -> f32 {
    let e = exp(-abs(z));
    return select(e, 1.0, z >= 0.0) / (1.0 + e);
}

// Not `clamp`, which makes a bound of a NaN on some drivers: a model that has diverged is to be seen.
fn within_bounds(z: f32) -> f32 {
    return select(select(z, MAX_LOGIT, z > MAX_LOGIT), -MAX_LOGIT, z < -MAX_LOGIT);
}

// The number of a workgroup in a grid folded into two dimensions, because one dimension ends at 65535.
fn number_of(workgroup: vec3<u32>, grid: vec3<u32>) -> u32 {
    return workgroup.y * grid.x + workgroup.x;
}

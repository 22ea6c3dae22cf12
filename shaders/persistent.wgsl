// Many micro-batches in one dispatch, one workgroup a learner: no launch between two steps, and learners that run side by
// side because they never talk. Both update rules.
//
// A micro-batch is taken in blocks of BLOCK rows, which fit a workgroup. `--update batch` predicts every block with the
// weights before the micro-batch and makes one step at its end (`step.wgsl`). `--update record` is a sequence by nature:
//   z_i depends on the residuals r_j of the rows before it,
//   z_i = f_i(r_1 ... r_{i-1}), r_i = sigmoid(z_i) - y_i,
// so within a block it is solved by iteration: every row at once from the residuals of the last round (`record.wgsl`). Since
// row i asks for earlier rows alone, round m has at least the first m rows right, and a round that changes no bit has all
// of them: the solution is that of learning row by row, whatever the size of a block. A handful of rounds does.
//
// Hashed coordinates that occur in several rows of a block are chained by the host (`links.rs`): the thread that has the
// first entry of a chain walks it, and nobody else touches the coordinate.

override BY_RECORD: bool = true;
// Rows of a block, at most MOST_ROWS.
override BLOCK: u32 = 32u;
const MOST_ROWS: u32 = 64u;
const THREADS: u32 = 256u;
// Threads of a row while its products are added; each takes two of its LANES.
const ROW_THREADS: u32 = 8u;
// Lanes in which the rows of a column are added; twin of ROW_LANES in `dense.wgsl`.
const ROW_LANES: u32 = 32u;

// Micro-batches of a slot, at most; twin of `learner::gpu::GROUP`.
const PLANS: u32 = 32u;
// Words from one plan to the next.
const PLAN_WORDS: u32 = 64u;

// A link: the first entry of its chain has HEAD; its row's place in the block; and how far it is to the next, 0 at the end.
const HEAD: u32 = 0x80000000u;
const LINK_ROW_SHIFT: u32 = 25u;
const LINK_ROW_MASK: u32 = 63u;
const LINK_NEXT_MASK: u32 = 0x1FFFFFFu;

// What one dispatch does: some micro-batches, or some rows of one. Twin of `learner::gpu::plan::Run`.
struct Run {
    // Number of the first micro-batch in the slot.
    place: u32,
    // How many.
    batches: u32,
    // Rows of each that are left out at the start; a block begins there.
    start: u32,
    // Rows of each that are taken at most, counted from its start.
    end: u32,
    // Floats of a dense row, padding included.
    width: u32,
    // Entries of a block of rows, at most; the size of what a learner keeps of one.
    block_entries: u32,
    reserved: vec2<u32>,
}

@group(0) @binding(0) var<uniform> run: Run;
// The slot: plans, then data.
@group(0) @binding(1) var<storage, read> words: array<u32>;
@group(0) @binding(2) var<storage, read> learners: array<Setting>;
// (learner, column): its two floats; the bias is behind the columns.
@group(0) @binding(3) var<storage, read_write> dense_slots: array<vec2<f32>>;
// (learner, coordinate): its two floats.
@group(0) @binding(4) var<storage, read_write> table: array<vec2<f32>>;
// (learner, coordinate): what a micro-batch has left for its end, all 0 between them. By record the squared gradients and
// nothing; in batches the weighted count and the gradient. Floats by their bits.
@group(0) @binding(5) var<storage, read_write> pending: array<atomic<u32>>;
// What a learner keeps of the block in hand; see `layout_of`.
@group(0) @binding(6) var<storage, read_write> scratch: array<f32>;
// The logits of the first learner; at the end (micro-batch, learner): log loss, weight, blocks and rounds.
@group(0) @binding(7) var<storage, read_write> scored: array<f32>;

// Where the learner's own part of each buffer begins.
struct Own {
    learner: u32,
    dense: u32,
    table: u32,
    // (row of the block, column): the weight before the row.
    before: u32,
    // (column): the first float after the block.
    after: u32,
    // (column): squared gradients since the last fold; or (lane, column): gradients since the last step.
    sums: u32,
    // (entry of the block): weight times value.
    product: u32,
    // (entry of the block), for the first of a chain: the first float after the block.
    left: u32,
}

var<private> own: Own;
var<private> plan: Plan;
// Rows of the micro-batch before the block in hand, and rows in it.
var<private> block_start: u32;
var<private> block_rows: u32;
// Entries of the micro-batch before the block in hand, and behind it.
var<private> block_entry: u32;
var<private> block_entry_end: u32;
// Rounds so far in this dispatch.
var<private> round: u32;
var<private> thread: u32;
// Where the thread stands while rows are added: neighbours in a subgroup are neighbours here.
var<private> item: u32;

// Of the rows of the block in hand.
var<workgroup> residual: array<f32, 64>;
var<workgroup> squared: array<f32, 64>;
// How far the logit falls per unit of residual; of rows whose weight is neither 0 nor 1.
var<workgroup> curvature: array<f32, 64>;
// (what is linear in the logit, e^-|z|) of each row's log loss.
var<workgroup> lost: array<vec2<f32>, 64>;
// The last round that changed a residual.
var<workgroup> last_change: atomic<u32>;

fn number(at: u32) -> f32 {
    return bitcast<f32>(words[at]);
}

fn plan_at(place: u32) -> Plan {
    let at = place * PLAN_WORDS;
    return Plan(
        words[at], words[at + 1u], words[at + 2u], words[at + 3u], words[at + 4u], words[at + 5u], words[at + 6u],
        words[at + 7u], words[at + 8u], words[at + 9u], number(at + 10u), number(at + 11u), number(at + 12u),
        number(at + 13u), number(at + 14u), number(at + 15u), number(at + 16u), number(at + 17u), words[at + 18u],
        words[at + 19u], words[at + 20u], 0u, vec2<u32>(0u, 0u),
    );
}

fn layout_of(learner: u32, learner_count: u32) -> Own {
    let columns = run.width + 1u;
    let before = learner * (arrayLength(&scratch) / learner_count);
    let after = before + BLOCK * columns;
    let sums = after + columns;
    let product = sums + ROW_LANES * columns;
    return Own(
        learner, learner * columns, learner * (arrayLength(&table) / learner_count), before, after, sums, product,
        product + run.block_entries,
    );
}

// A numeric column's value in a row of the block; the bias stands behind the columns and is always 1.
fn value_of(row: u32, column: u32) -> f32 {
    if column == plan.width {
        return 1.0;
    }
    return number(plan.dense_at + (block_start + row) * plan.width + column);
}

fn penalty_of(column: u32) -> Penalty {
    if column == plan.width {
        return unpenalised();
    }
    return penalised();
}

fn weight_of(row: u32) -> f32 {
    return number(plan.weight_at + block_start + row);
}

fn decay_of(row: u32) -> f32 {
    if plan.decay_at == 0u {
        return plan.decay;
    }
    return number(plan.decay_at + block_start + row);
}

fn entry_of(row: u32) -> u32 {
    if plan.entries == 0u {
        return 0u;
    }
    return words[plan.row_start_at + row];
}

fn row_of(link: u32) -> u32 {
    return (link >> LINK_ROW_SHIFT) & LINK_ROW_MASK;
}

// (dense, hashed) sums of lanes `part` and `part + 8` of a row, added.
fn lanes_of(row: u32, part: u32) -> vec2<f32> {
    let before = own.before + before_row(row);
    let values = plan.dense_at + (block_start + row) * plan.width;
    var dense = vec2<f32>(0.0, 0.0);
    for (var j = part; j < plan.width; j += LANES) {
        dense.x += scratch[before + j] * number(values + j);
        dense.y += scratch[before + j + ROW_THREADS] * number(values + j + ROW_THREADS);
    }
    let end = entry_of(block_start + row + 1u) - block_entry;
    var hashed = vec2<f32>(0.0, 0.0);
    for (var e = entry_of(block_start + row) - block_entry + part; e < end; e += LANES) {
        hashed.x += scratch[own.product + e];
        if e + ROW_THREADS < end {
            hashed.y += scratch[own.product + e + ROW_THREADS];
        }
    }
    return vec2<f32>(dense.x + dense.y, hashed.x + hashed.y);
}

// Predicts a row from its sums (dense, hashed): what it leaves is for the others to see.
fn finish_row(row: u32, sums: vec2<f32>) {
    let bias = scratch[own.before + before_row(row) + plan.width];
    let z = within_bounds(sums.x + sums.y + bias);
    let label = number(plan.label_at + block_start + row);
    let weight = weight_of(row);
    // (residual, its squares); a row that is not learned has none.
    var learned = vec2<f32>(0.0, 0.0);
    if weight != 0.0 {
        learned = lesson_of(z, label, weight, curvature[row]);
    }
    if bitcast<u32>(learned.x) != bitcast<u32>(residual[row]) {
        residual[row] = learned.x;
        atomicMax(&last_change, round);
    }
    squared[row] = learned.y;
    lost[row] = vec2<f32>(max(z, 0.0) - label * z, exp(-abs(z)));
    if own.learner == 0u {
        scored[plan.row_at + block_start + row] = z;
    }
}

// In micro-batches all rows have the same weights before them.
fn before_row(row: u32) -> u32 {
    if BY_RECORD {
        return row * (plan.width + 1u);
    }
    return 0u;
}

// (weighted log loss, weight) of the block; one logarithm for all rows of weight 1.
fn block_loss() -> vec2<f32> {
    var sum = vec2<f32>(0.0, 0.0);
    var product = 1.0;
    for (var row = 0u; row < block_rows; row++) {
        let weight = weight_of(row);
        sum += weight * vec2<f32>(lost[row].x, 1.0);
        if weight == 1.0 {
            product *= 1.0 + lost[row].y;
        } else {
            sum.x += weight * log(1.0 + lost[row].y);
        }
    }
    return vec2<f32>(sum.x + log(product), sum.y);
}

// The first row since the last fold; folds come after 1, 2, 4, 8, ... rows while the model is warming.
fn segment_at(row: u32) -> u32 {
    if plan.warming == 0u || row == 0u {
        return 0u;
    }
    return 1u << firstLeadingBit(row);
}

// The row before which the next fold comes.
fn segment_end_of(segment: u32) -> u32 {
    if plan.warming == 0u {
        return plan.rows;
    }
    return min(max(2u * segment, 1u), plan.rows);
}

// Learns the rows of the micro-batch in hand that the run is for; gives (log loss, weight, blocks), which only the first
// thread adds up.
fn learn_micro_batch() -> vec3<f32> {
    var tally = vec3<f32>(0.0, 0.0, 0.0);
    let end = min(plan.rows, run.end);
    begin_micro_batch();
    for (block_start = run.start; block_start < end; block_start += block_rows) {
        let segment = segment_at(block_start);
        let segment_end = segment_end_of(segment);
        block_rows = min(BLOCK, segment_end - block_start);
        block_entry = entry_of(block_start);
        block_entry_end = entry_of(block_start + block_rows);
        learn_block();
        if thread == 0u {
            tally += vec3<f32>(block_loss(), 1.0);
        }
        storageBarrier();
        workgroupBarrier();
        if block_start + block_rows == segment_end {
            end_segment(segment, segment_end);
        }
        storageBarrier();
    }
    return tally;
}

fn learn_all(learner: u32) {
    let learner_count = arrayLength(&learners);
    if learner >= learner_count {
        return; // the grid is a rectangle
    }
    setting = learners[learner];
    own = layout_of(learner, learner_count);
    round = 0u;
    if thread == 0u {
        atomicStore(&last_change, 0u);
    }
    workgroupBarrier();
    let tallies = arrayLength(&scored) - PLANS * 4u * learner_count;
    for (var k = run.place; k < run.place + run.batches; k++) {
        plan = plan_at(k);
        let rounds_before = round;
        let tally = learn_micro_batch();
        if thread == 0u {
            let at = tallies + (k * learner_count + learner) * 4u;
            scored[at] += tally.x;
            scored[at + 1u] += tally.y;
            scored[at + 2u] += tally.z;
            scored[at + 3u] += f32(round - rounds_before);
        }
    }
}

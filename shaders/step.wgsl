// `--update batch` within `persistent.wgsl`: twin of `src/learner/cpu/batch.rs`.
//
// The numeric columns are added in the lanes of `dense.wgsl` and in the same order, so that both give the same bits. A
// hashed coordinate's gradient is added in the order of the rows.

// The weights before the micro-batch.
fn begin_micro_batch() {
    for (var column = thread; column <= plan.width; column += THREADS) {
        scratch[own.before + column] = weight(dense_slots[own.dense + column], penalty_of(column));
    }
}

fn lesson_of(z: f32, label: f32, weight: f32, curvature: f32) -> vec2<f32> {
    return vec2<f32>((sigmoid(z) - label) * weight, 0.0);
}

// Predicts the rows of the block and adds their gradients.
fn learn_block() {
    round += 1u;
    for (var entry = block_entry + thread; entry < block_entry_end; entry += THREADS) {
        let slots = table[own.table + words[plan.index_at + entry]];
        scratch[own.product + entry - block_entry] = weight(slots, penalised()) * number(plan.value_at + entry);
    }
    storageBarrier();
    sum_rows();
    workgroupBarrier();
    let columns = plan.width + 1u;
    for (var place = thread; place < columns * min(ROW_LANES, block_rows); place += THREADS) {
        var sum = scratch[own.sums + place];
        for (var row = place / columns; row < block_rows; row += ROW_LANES) {
            sum += residual[row] * value_of(row, place % columns);
        }
        scratch[own.sums + place] = sum;
    }
    for (var entry = block_entry + thread; entry < block_entry_end; entry += THREADS) {
        if (words[plan.link_at + entry] & HEAD) != 0u {
            gather_chain(entry);
        }
    }
}

// Adds what a chain says of its coordinate.
fn gather_chain(head: u32) {
    let at = 2u * (own.table + words[plan.index_at + head]);
    var count = bitcast<f32>(atomicLoad(&pending[at]));
    var gradient = bitcast<f32>(atomicLoad(&pending[at + 1u]));
    var entry = head;
    loop {
        let link = words[plan.link_at + entry];
        gradient += residual[row_of(link)] * number(plan.value_at + entry);
        count += weight_of(row_of(link));
        let next = link & LINK_NEXT_MASK;
        if next == 0u {
            break;
        }
        entry += next;
    }
    atomicStore(&pending[at], bitcast<u32>(count));
    atomicStore(&pending[at + 1u], bitcast<u32>(gradient));
}

// Lanes 32 to 16 to 8 to 4 to 2 to 1, each with its upper half.
fn take_gradient(column: u32) -> f32 {
    let columns = plan.width + 1u;
    var lanes: array<f32, 32>;
    for (var lane = 0u; lane < ROW_LANES; lane++) {
        lanes[lane] = scratch[own.sums + lane * columns + column];
        scratch[own.sums + lane * columns + column] = 0.0;
    }
    for (var half = ROW_LANES / 2u; half > 0u; half /= 2u) {
        for (var lane = 0u; lane < half; lane++) {
            lanes[lane] += lanes[lane + half];
        }
    }
    return lanes[0];
}

// The step of every coordinate that the micro-batch has touched. A hashed one has a thread for each of its entries; the
// first to take its count away makes the step, and the others find 0.
fn end_segment(start: u32, end: u32) {
    for (var column = thread; column <= plan.width; column += THREADS) {
        let at = own.dense + column;
        dense_slots[at] = batch_step(dense_slots[at], take_gradient(column), plan.count, plan.decay, penalty_of(column));
    }
    for (var entry = entry_of(start) + thread; entry < entry_of(end); entry += THREADS) {
        let at = own.table + words[plan.index_at + entry];
        let count = bitcast<f32>(atomicExchange(&pending[2u * at], 0u));
        if count != 0.0 {
            let gradient = bitcast<f32>(atomicExchange(&pending[2u * at + 1u], 0u));
            table[at] = batch_step(table[at], gradient, count, plan.decay, penalised());
        }
    }
}

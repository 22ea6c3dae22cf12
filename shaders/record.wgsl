// `--update record` within `persistent.wgsl`: twin of `src/learner/cpu/record.rs`.
//
// Rates stand still during a micro-batch, so what a row does to a weight follows from its residual alone. Each round
// replays that, coordinate by coordinate, and leaves the weight before every row; then all rows are predicted from these.

fn begin_micro_batch() {}

// One numeric column, or the bias, through the rows of the block.
fn replay_column(column: u32) {
    let penalty = penalty_of(column);
    let slots = dense_slots[own.dense + column];
    var now = slots;
    for (var row = 0u; row < block_rows; row++) {
        scratch[own.before + row * (plan.width + 1u) + column] = weight(now, penalty);
        let count = weight_of(row);
        if count != 0.0 {
            let x = value_of(row, column);
            let rate = record_rate(slots, x, decay_of(row), penalty);
            now = record_step(now, residual[row] * x, rate, count, penalty);
        }
    }
    scratch[own.after + column] = now.x;
}

// One hashed coordinate through the rows of the block that have it. A row that has it twice reads it once.
fn replay_chain(head: u32) {
    let slots = table[own.table + words[plan.index_at + head]];
    var now = slots;
    var before = slots;
    var last_row = MOST_ROWS;
    var entry = head;
    loop {
        let link = words[plan.link_at + entry];
        let row = row_of(link);
        if row != last_row {
            before = now;
            last_row = row;
        }
        let x = number(plan.value_at + entry);
        scratch[own.product + entry - block_entry] = weight(before, penalised()) * x;
        let count = weight_of(row);
        if count != 0.0 {
            let rate = record_rate(slots, x, decay_of(row), penalised());
            now = record_step(now, residual[row] * x, rate, count, penalised());
        }
        let next = link & LINK_NEXT_MASK;
        if next == 0u {
            break;
        }
        entry += next;
    }
    scratch[own.left + head - block_entry] = now.x;
}

fn replay() {
    for (var column = thread; column <= plan.width; column += THREADS) {
        replay_column(column);
    }
    for (var entry = block_entry + thread; entry < block_entry_end; entry += THREADS) {
        if (words[plan.link_at + entry] & HEAD) != 0u {
            replay_chain(entry);
        }
    }
}

// How far a row's logit falls per unit of its residual: the sum of rate times squared value.
fn curvature_of(row: u32) -> f32 {
    var sum = 0.0;
    for (var column = 0u; column <= plan.width; column++) {
        let x = value_of(row, column);
        sum += record_rate(dense_slots[own.dense + column], x, decay_of(row), penalty_of(column)) * x * x;
    }
    let end = entry_of(block_start + row + 1u);
    for (var entry = entry_of(block_start + row); entry < end; entry++) {
        let x = number(plan.value_at + entry);
        let slots = table[own.table + words[plan.index_at + entry]];
        sum += record_rate(slots, x, decay_of(row), penalised()) * x * x;
    }
    return sum;
}

fn lesson_of(z: f32, label: f32, weight: f32, curvature: f32) -> vec2<f32> {
    if weight == 1.0 {
        let one = sigmoid(z) - label;
        return vec2<f32>(one, one * one);
    }
    return repeated(z, label, weight, curvature);
}

// Solves the block by iteration, then moves the weights.
fn learn_block() {
    if thread < block_rows {
        residual[thread] = 0.0;
        let weight = weight_of(thread);
        if weight != 0.0 && weight != 1.0 {
            curvature[thread] = curvature_of(thread);
        }
    }
    let first_round = round;
    workgroupBarrier();
    loop {
        round += 1u;
        replay();
        storageBarrier();
        sum_rows();
        workgroupBarrier();
        if atomicLoad(&last_change) < round || round - first_round > block_rows {
            break;
        }
    }
    apply();
}

// Takes over what the last round has left, and adds to the squared gradients.
fn apply() {
    for (var column = thread; column <= plan.width; column += THREADS) {
        dense_slots[own.dense + column].x = scratch[own.after + column];
        if OPTIMIZER != SGD {
            var sum = scratch[own.sums + column];
            for (var row = 0u; row < block_rows; row++) {
                let x = value_of(row, column);
                sum += squared[row] * x * x;
            }
            scratch[own.sums + column] = sum;
        }
    }
    for (var entry = block_entry + thread; entry < block_entry_end; entry += THREADS) {
        if (words[plan.link_at + entry] & HEAD) != 0u {
            apply_chain(entry);
        }
    }
}

fn apply_chain(head: u32) {
    let at = own.table + words[plan.index_at + head];
    table[at].x = scratch[own.left + head - block_entry];
    if OPTIMIZER == SGD {
        return;
    }
    var sum = bitcast<f32>(atomicLoad(&pending[at]));
    var entry = head;
    loop {
        let link = words[plan.link_at + entry];
        let x = number(plan.value_at + entry);
        sum += squared[row_of(link)] * x * x;
        let next = link & LINK_NEXT_MASK;
        if next == 0u {
            break;
        }
        entry += next;
    }
    atomicStore(&pending[at], bitcast<u32>(sum));
}

// Folds the squared gradients of rows `start..end` into the slots. A coordinate has a thread for each of its entries; the
// first to take its sum away folds it, and the others find 0.
fn end_segment(start: u32, end: u32) {
    if OPTIMIZER == SGD {
        return;
    }
    for (var column = thread; column <= plan.width; column += THREADS) {
        let at = own.dense + column;
        dense_slots[at] = record_fold(dense_slots[at], scratch[own.sums + column], penalty_of(column));
        scratch[own.sums + column] = 0.0;
    }
    for (var entry = entry_of(start) + thread; entry < entry_of(end); entry += THREADS) {
        let at = own.table + words[plan.index_at + entry];
        let sum = bitcast<f32>(atomicExchange(&pending[at], 0u));
        if sum != 0.0 {
            table[at] = record_fold(table[at], sum, penalised());
        }
    }
}

// Sums of the rows of a block for `persistent.wgsl`, by exchanging values within subgroups of 8 or more threads: one barrier
// and one trip through memory less. Twin of `sum_in_memory.wgsl`: same order, same bits, whatever the subgroup's size.

fn sum_rows() {
    // Every thread takes part in every exchange, also those that have no row.
    for (var base = 0u; base < block_rows * ROW_THREADS; base += THREADS) {
        let place = base + item;
        let row = place / ROW_THREADS;
        var part = vec2<f32>(0.0, 0.0);
        if row < block_rows {
            part = lanes_of(row, place % ROW_THREADS);
        }
        part += subgroupShuffleXor(part, 4u);
        part += subgroupShuffleXor(part, 2u);
        part += subgroupShuffleXor(part, 1u);
        if place % ROW_THREADS == 0u && row < block_rows {
            finish_row(row, part);
        }
    }
}

@compute @workgroup_size(256)
fn persistent(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_size) subgroup_size: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    thread = index;
    item = subgroup * subgroup_size + lane;
    learn_all(number_of(workgroup, grid));
}

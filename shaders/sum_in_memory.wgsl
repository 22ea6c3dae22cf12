// Sums of the rows of a block for `persistent.wgsl`, through workgroup memory: for every adapter.
//
// Order of the sums: 16 lanes a row, lane k adds every 16th product in order; the lanes are added as a tree, 16 to 8 to 4
// to 2 to 1, each with its upper half; dense and hashed part apart. Twin of `sum_in_subgroups.wgsl`.

// (dense, hashed) of each row and thread.
var<workgroup> parts: array<vec2<f32>, 512>;

fn sum_rows() {
    for (var place = item; place < block_rows * ROW_THREADS; place += THREADS) {
        parts[place] = lanes_of(place / ROW_THREADS, place % ROW_THREADS);
    }
    workgroupBarrier();
    if thread < block_rows {
        let at = thread * ROW_THREADS;
        let even = (parts[at] + parts[at + 4u]) + (parts[at + 2u] + parts[at + 6u]);
        let odd = (parts[at + 1u] + parts[at + 5u]) + (parts[at + 3u] + parts[at + 7u]);
        finish_row(thread, even + odd);
    }
}

@compute @workgroup_size(256)
fn persistent(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    thread = index;
    item = index;
    learn_all(number_of(workgroup, grid));
}

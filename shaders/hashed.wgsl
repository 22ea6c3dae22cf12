// The step of every hashed coordinate that `spread.wgsl` has touched, on the gradient and the count it left there:
//   G = largest (a / limb + b / limb^2 + c / limb^3), added from the smallest part up.
//
// A coordinate has a thread for each of its entries. The first to take the count away makes the step and the others
// find 0; which one is first does not matter, because they would all do the same.

@group(0) @binding(0) var<uniform> plan: Plan;
@group(0) @binding(1) var<storage, read> words: array<u32>;
@group(0) @binding(2) var<storage, read_write> table: array<vec2<f32>>;
// (a, b) of each coordinate.
@group(0) @binding(3) var<storage, read_write> high: array<atomic<i32>>;
// (c, count) of each coordinate.
@group(0) @binding(4) var<storage, read_write> low: array<atomic<i32>>;

// Takes the gradient of coordinate `index` away, leaving 0.
fn take_gradient(index: u32) -> f32 {
    let a = f32(atomicExchange(&high[2u * index], 0));
    let b = f32(atomicExchange(&high[2u * index + 1u], 0));
    let c = f32(atomicExchange(&low[2u * index], 0));
    let rest = (c * plan.inverse_limb + b) * plan.inverse_limb;
    return (rest + a) * plan.inverse_limb * plan.largest;
}

@compute @workgroup_size(64)
fn hashed(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let entry = number_of(workgroup, grid) * 64u + local.x;
    if entry >= plan.entries {
        return;
    }
    let index = words[plan.index_at + entry];
    let count = atomicExchange(&low[2u * index + 1u], 0);
    if count == 0 {
        return;
    }
    let gradient = take_gradient(index);
    table[index] = batch_step(table[index], gradient, f32(count) * plan.count_unit, plan.rate, penalised());
}

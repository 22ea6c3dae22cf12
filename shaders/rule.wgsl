// The optimizers, one coordinate at a time. Twin of `src/learner/cpu/rule.rs`: same names, same formulas.
//
// A coordinate is two floats (a, b): SGD (w, -), AdaGrad (w, n), FTRL (z, n). With G the summed gradient and c the
// weighted number of records that touched the coordinate:
//   SGD      w <- shrink(w - eta (G + c l2 w), c eta l1)
//            with w on the right taken as 0 where c eta l2 > 1
//   AdaGrad  n <- n + G^2, eta_j = eta / sqrt(n + eps), w as for SGD with eta_j
//   FTRL     z <- z + G - w (sqrt(n + G^2) - sqrt(n)) / alpha, n <- n + G^2,
//            w = -shrink(z, l1) / (l2 + (beta + sqrt(n)) / alpha)

const SGD: u32 = 0u;
const ADAGRAD: u32 = 1u;
const FTRL: u32 = 2u;

override OPTIMIZER: u32 = 0u;
override LEARNING_RATE: f32 = 0.1;
override BETA: f32 = 1.0;
override L1: f32 = 0.0;
override L2: f32 = 0.0;

// Twin of `Optimizer::ADAGRAD_EPSILON`.
const ADAGRAD_EPSILON: f32 = 1e-8;

struct Penalty {
    l1: f32,
    l2: f32,
}

// The penalties of every coordinate but the bias.
fn penalised() -> Penalty {
    return Penalty(L1, L2);
}

// Those of the bias.
fn unpenalised() -> Penalty {
    return Penalty(0.0, 0.0);
}

// Whether steps depend on how often a coordinate was touched; twin of `kernels::asks_for_counts`.
fn asks_for_counts() -> bool {
    return OPTIMIZER != FTRL && (L1 != 0.0 || L2 != 0.0);
}

// x moved towards 0 by `amount`, and no further than 0. A NaN stays one wherever the driver keeps to IEEE 754, which WGSL
// does not ask of it: `max(NaN, 0)` would be a plausible weight on some. What is read back is checked on the host.
fn shrink(x: f32, amount: f32) -> f32 {
    let size = abs(x) - amount;
    return select(select(-size, size, x >= 0.0), 0.0, abs(x) <= amount);
}

// FTRL: the strength of the quadratic that holds the weight, for a sum of squared gradients n.
fn strength(n: f32, penalty: Penalty) -> f32 {
    return penalty.l2 + (BETA + sqrt(n)) * (1.0 / LEARNING_RATE);
}

// The weight that `slots` stand for.
fn weight(slots: vec2<f32>, penalty: Penalty) -> f32 {
    if OPTIMIZER == FTRL {
        return -shrink(slots.x, penalty.l1) / strength(slots.y, penalty);
    }
    return slots.x;
}

// SGD's and AdaGrad's step at a given rate; `penalised_step` in the twin. The squared penalty pulls a weight to 0 and
// never past it.
fn step_at(slots: vec2<f32>, gradient: f32, rate: f32, count: f32, penalty: Penalty) -> vec2<f32> {
    let strength = count * penalty.l2;
    let pulled = select(slots.x, 0.0, rate * strength > 1.0);
    let pull = gradient + strength * pulled;
    return vec2<f32>(shrink(pulled - rate * pull, count * rate * penalty.l1), slots.y);
}

// FTRL: folds squared gradients into the slots, leaving the weight where it is.
fn fold(slots: vec2<f32>, squared: f32, penalty: Penalty) -> vec2<f32> {
    let n = slots.y + squared;
    let growth = (sqrt(n) - sqrt(slots.y)) * (1.0 / LEARNING_RATE);
    return vec2<f32>(slots.x - growth * weight(slots, penalty), n);
}

// One whole step on a summed gradient; `rate` is SGD's, by its schedule.
fn batch_step(slots: vec2<f32>, gradient: f32, count: f32, rate: f32, penalty: Penalty) -> vec2<f32> {
    if OPTIMIZER == SGD {
        return step_at(slots, gradient, rate, count, penalty);
    }
    if OPTIMIZER == ADAGRAD {
        let n = slots.y + gradient * gradient;
        let own_rate = LEARNING_RATE / sqrt(n + ADAGRAD_EPSILON);
        return step_at(vec2<f32>(slots.x, n), gradient, own_rate, count, penalty);
    }
    let folded = fold(slots, gradient * gradient, penalty);
    return vec2<f32>(folded.x + gradient, folded.y);
}

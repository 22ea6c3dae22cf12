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
// Whether any learner has a penalty.
override PENALISED: bool = false;

// The parameters of one learner. Twin of `learner::gpu::setting::Setting`.
struct Setting {
    learning_rate: f32,
    beta: f32,
    l1: f32,
    l2: f32,
}

// Those of the learner in hand: an entry point fills it in first.
var<private> setting: Setting;

// Twin of `Optimizer::ADAGRAD_EPSILON`.
const ADAGRAD_EPSILON: f32 = 1e-8;

struct Penalty {
    l1: f32,
    l2: f32,
}

// The penalties of every coordinate but the bias.
fn penalised() -> Penalty {
    return Penalty(setting.l1, setting.l2);
}

// Those of the bias.
fn unpenalised() -> Penalty {
    return Penalty(0.0, 0.0);
}

// Whether steps depend on how often a coordinate was touched; twin of `setting::asks_for_counts`.
fn asks_for_counts() -> bool {
    return OPTIMIZER != FTRL && PENALISED;
}

// x moved towards 0 by `amount`, and no further than 0. A NaN stays one wherever the driver keeps to IEEE 754, which WGSL
// does not ask of it: `max(NaN, 0)` would be a plausible weight on some. What is read back is checked on the host.
fn shrink(x: f32, amount: f32) -> f32 {
    let size = abs(x) - amount;
    return select(select(-size, size, x >= 0.0), 0.0, abs(x) <= amount);
}

// FTRL: the strength of the quadratic that holds the weight, for a sum of squared gradients n.
fn strength(n: f32, penalty: Penalty) -> f32 {
    return penalty.l2 + (setting.beta + sqrt(n)) * (1.0 / setting.learning_rate);
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
    if !PENALISED {
        return vec2<f32>(slots.x - rate * gradient, slots.y);
    }
    let strength = count * penalty.l2;
    let pulled = select(slots.x, 0.0, rate * strength > 1.0);
    let pull = gradient + strength * pulled;
    return vec2<f32>(shrink(pulled - rate * pull, count * rate * penalty.l1), slots.y);
}

// FTRL: folds squared gradients into the slots, leaving the weight where it is.
fn fold(slots: vec2<f32>, squared: f32, penalty: Penalty) -> vec2<f32> {
    let n = slots.y + squared;
    let growth = (sqrt(n) - sqrt(slots.y)) * (1.0 / setting.learning_rate);
    return vec2<f32>(slots.x - growth * weight(slots, penalty), n);
}

// One whole step on a summed gradient; `decay` is that of SGD's schedule.
fn batch_step(slots: vec2<f32>, gradient: f32, count: f32, decay: f32, penalty: Penalty) -> vec2<f32> {
    if OPTIMIZER == SGD {
        return step_at(slots, gradient, setting.learning_rate * decay, count, penalty);
    }
    if OPTIMIZER == ADAGRAD {
        let n = slots.y + gradient * gradient;
        let own_rate = setting.learning_rate / sqrt(n + ADAGRAD_EPSILON);
        return step_at(vec2<f32>(slots.x, n), gradient, own_rate, count, penalty);
    }
    let folded = fold(slots, gradient * gradient, penalty);
    return vec2<f32>(folded.x + gradient, folded.y);
}

// How far the weight moves per unit of gradient while rates stand still, for a feature value x; `rate` in the twin.
fn record_rate(slots: vec2<f32>, x: f32, decay: f32, penalty: Penalty) -> f32 {
    if OPTIMIZER == SGD {
        return setting.learning_rate * decay;
    }
    if OPTIMIZER == ADAGRAD {
        return setting.learning_rate / sqrt(slots.y + x * x + ADAGRAD_EPSILON);
    }
    return 1.0 / strength(slots.y + x * x, penalty);
}

// One record's step at a frozen rate; `step` in the twin.
fn record_step(slots: vec2<f32>, gradient: f32, rate: f32, count: f32, penalty: Penalty) -> vec2<f32> {
    if OPTIMIZER == FTRL {
        return vec2<f32>(slots.x + gradient * (rate * strength(slots.y, penalty)), slots.y);
    }
    return step_at(slots, gradient, rate, count, penalty);
}

// Folds the squared gradients of a stretch of records into the slots, leaving the weight where it is.
fn record_fold(slots: vec2<f32>, squared: f32, penalty: Penalty) -> vec2<f32> {
    if OPTIMIZER == ADAGRAD {
        return vec2<f32>(slots.x, slots.y + squared);
    }
    if OPTIMIZER == FTRL {
        return fold(slots, squared, penalty);
    }
    return slots;
}

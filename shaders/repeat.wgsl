// A record of weight h is learned h times in a row. Since a step lies along the rates times x, the logit after each
// repetition follows from the one before; twin of `repeat` and `flow` in `src/learner/cpu/record.rs`.

// Times that a record of a large weight is learned one by one; the rest goes in one piece.
const REPEATED: f32 = 64.0;

// (residual, squared residuals) of all repetitions; the last one may be a fraction.
fn repeated(start: f32, label: f32, weight: f32, curvature: f32) -> vec2<f32> {
    var z = start;
    var sums = vec2<f32>(0.0, 0.0);
    for (var left = min(weight, REPEATED); left > 0.0; left -= 1.0) {
        let one = (sigmoid(z) - label) * min(left, 1.0);
        z = within_bounds(z - one * curvature);
        sums += vec2<f32>(one, one * one);
    }
    if weight > REPEATED {
        sums += flow(z, label, weight - REPEATED, curvature);
    }
    return sums;
}

// The same for a `time`, in steps that have become small. With u the logit of the label's own class and E = e^u at the
// start, u grows by the d for which E (e^d - 1) + d = curvature time.
fn flow(z: f32, label: f32, time: f32, curvature: f32) -> vec2<f32> {
    let sign = 2.0 * label - 1.0;
    let u = z * sign;
    let grown = exp(u);
    let target_sum = curvature * time;
    // Newton's method on a convex function, from where it is too large: it comes down and never overshoots.
    var d = min(target_sum, log(1.0 + target_sum / grown));
    for (var k = 0u; k < 30u; k++) {
        d -= (grown * growth(d) + d - target_sum) / (grown * (growth(d) + 1.0) + 1.0);
    }
    d = max(min(d, MAX_LOGIT - u), 0.0);
    let fall = -growth(-d) * exp(-u) / (1.0 + exp(-u - d));
    return vec2<f32>(-sign * d, log_of_sum(fall)) / curvature;
}

// e^x - 1
fn growth(x: f32) -> f32 {
    return select(exp(x) - 1.0, x * (1.0 + x * (0.5 + x * 0.16666667)), abs(x) < 0.01);
}

// ln(1 + x)
fn log_of_sum(x: f32) -> f32 {
    return select(log(1.0 + x), x * (1.0 - x * (0.5 - x * 0.33333333)), abs(x) < 0.01);
}

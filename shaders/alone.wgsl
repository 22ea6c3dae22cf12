// In front of the kernels that learn one learner: its parameters, which are known when they are compiled.

override LEARNING_RATE: f32 = 0.1;
override BETA: f32 = 1.0;
override L1: f32 = 0.0;
override L2: f32 = 0.0;

fn alone() -> Setting {
    return Setting(LEARNING_RATE, BETA, L1, L2);
}

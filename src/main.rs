use clap::Parser;
use tidemill::config::*;
#[derive(Parser)]
struct A { named: Vec<String>, #[command(flatten)] s: SourceOptions, #[command(flatten)] l: LearnerOptions, #[command(flatten)] o: OutputOptions }
fn main() {
    let a = A::parse();
    let plan = Plan::new(Options { source: a.s, learner: a.l, output: a.o }, &a.named).unwrap();
    let o = match tidemill::pipeline::run(&plan, None, &mut |_| {}) { Ok(o) => o, Err(e) => { eprintln!("{e}"); return; } };
    let t = &o.metrics.total;
    println!("{}", o.inferred);
    println!("records {} rejected {} {:?} loss {:.5} auc {:.5} best {:?} {:.3}s {:.3} M rec/s {:.3} GB/s", o.counts.records, o.counts.rejected, o.counts.by_reason, t.log_loss.mean().unwrap_or(f64::NAN), o.metrics.auc.value().unwrap_or(f64::NAN), o.counts.best_loss.map(|b| b.loss / b.records as f64), o.elapsed.as_secs_f64(), o.counts.records as f64 / o.elapsed.as_secs_f64() / 1e6, o.counts.bytes as f64 / o.elapsed.as_secs_f64() / 1e9);
    for s in &o.stages { println!("{s:?}"); }
    if let Some(e) = o.stopped { println!("{e}"); }
}

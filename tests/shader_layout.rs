//! The shaders as they are handed to the driver: that each is valid, and that the structs that host and device share
//! have the same members at the same places on both sides. No GPU is needed.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::mem::{offset_of, size_of};

use tidemill::examples::LANES;
use tidemill::learner::gpu::GROUP;
use tidemill::learner::gpu::kernels::SOURCES;
use tidemill::learner::gpu::plan::{Plan, Run};
use tidemill::learner::gpu::setting::Setting;
use tidemill::learner::{MAX_LOGIT, Optimizer};
use wgpu::naga;

/// Name and place of every member of [`Plan`], by the name.
macro_rules! members_of_plan {
    ($($member:ident),* $(,)?) => {
        [$((stringify!($member), offset_of!(Plan, $member) as u32)),*]
    };
}

#[test]
fn every_shader_parses_and_is_valid() {
    for (name, source) in SOURCES {
        let module = parse(name, source);
        let mut validator = naga::valid::Validator::new(naga::valid::ValidationFlags::all(), capabilities(source));
        if let Err(error) = validator.validate(&module) {
            panic!("{name}: {}", error.emit_to_string(source));
        }
    }
}

#[test]
fn every_kernel_has_one_entry_point_with_its_name() {
    for (name, source) in SOURCES {
        let module = parse(name, source);
        let entries: Vec<&str> = module.entry_points.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(entries, [name]);
        let threads: u32 = module.entry_points[0].workgroup_size.iter().product();
        assert!(threads <= 256, "{name}: {threads} threads, more than every adapter has");
    }
}

#[test]
fn the_plan_lies_in_memory_as_the_kernels_read_it() {
    let members = members_of_plan![
        rows,
        width,
        entries,
        dense_at,
        label_at,
        weight_at,
        row_start_at,
        index_at,
        value_at,
        row_at,
        decay,
        count,
        gradient_unit,
        inverse_gradient_unit,
        limb,
        inverse_limb,
        count_unit,
        inverse_count_unit,
        link_at,
        decay_at,
        warming,
        mask,
        reserved,
    ];
    for (name, source) in SOURCES {
        let module = parse(name, source);
        let (have, span) = members_of(&module, "Plan");
        let want: Vec<(String, u32)> = members.iter().map(|&(member, at)| (member.to_owned(), at)).collect();
        assert_eq!(have, want, "{name}");
        assert_eq!(span as usize, size_of::<Plan>(), "{name}");
        assert_eq!(span % 16, 0, "uniform buffers want multiples of 16 bytes");
    }
}

#[test]
fn runs_and_settings_lie_in_memory_as_the_persistent_kernel_reads_them() {
    let places =
        |module: &naga::Module, name| members_of(module, name).0.into_iter().map(|(_, at)| at).collect::<Vec<_>>();
    for (_, source) in SOURCES.iter().filter(|(name, _)| *name == "persistent") {
        let module = parse("persistent", source);
        let run = [
            offset_of!(Run, place),
            offset_of!(Run, batches),
            offset_of!(Run, start),
            offset_of!(Run, end),
            offset_of!(Run, width),
            offset_of!(Run, block_entries),
            offset_of!(Run, reserved),
        ];
        assert_eq!(places(&module, "Run"), run.map(|at| at as u32));
        assert_eq!(members_of(&module, "Run").1 as usize, size_of::<Run>());
        let names: Vec<String> = members_of(&module, "Run").0.into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["place", "batches", "start", "end", "width", "block_entries", "reserved"]);
        let setting = [
            offset_of!(Setting, learning_rate),
            offset_of!(Setting, beta),
            offset_of!(Setting, l1),
            offset_of!(Setting, l2),
        ];
        assert_eq!(places(&module, "Setting"), setting.map(|at| at as u32));
        let names: Vec<String> = members_of(&module, "Setting").0.into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["learning_rate", "beta", "l1", "l2"]);
    }
}

#[test]
fn constants_are_the_same_on_both_sides() {
    for (name, source) in SOURCES {
        let module = parse(name, source);
        assert_eq!(float(&module, "MAX_LOGIT"), MAX_LOGIT, "{name}");
        assert_eq!(float(&module, "ADAGRAD_EPSILON"), Optimizer::ADAGRAD_EPSILON, "{name}");
        assert_eq!(word(&module, "LANES") as usize, LANES, "{name}");
        if name == "persistent" {
            assert_eq!(word(&module, "PLANS") as usize, GROUP);
            // Every entry of a block has a link, and a link has room for any row of a block.
            assert_eq!(word(&module, "LINK_ROW_MASK") + 1, word(&module, "MOST_ROWS"));
            assert_eq!(word(&module, "LINK_NEXT_MASK") + 1, 1 << word(&module, "LINK_ROW_SHIFT"));
        }
    }
}

#[test]
fn no_kernel_adds_with_float_atomics_or_looks_for_nan() {
    for (name, source) in SOURCES {
        // Of what subgroups can do, only exchanges between numbered neighbours: their sums have an order of their own.
        let exchanges = source.replace("subgroupShuffleXor(", "");
        for word in
            ["atomic<f32>", "atomicCompareExchange", "isNan", "isInf", "subgroupAdd", "subgroupMul", "subgroupIn"]
        {
            assert!(!exchanges.contains(word), "{name} has {word}: its bits would depend on more than the job");
        }
    }
}

/// What a shader asks of an adapter beyond what every one has.
fn capabilities(source: &str) -> naga::valid::Capabilities {
    if source.contains("subgroupShuffleXor") {
        naga::valid::Capabilities::SUBGROUP
    } else {
        naga::valid::Capabilities::empty()
    }
}

fn parse(name: &str, source: &str) -> naga::Module {
    naga::front::wgsl::parse_str(source).unwrap_or_else(|error| panic!("{name}: {}", error.emit_to_string(source)))
}

/// Members of a struct with their places, and its size.
fn members_of(module: &naga::Module, name: &str) -> (Vec<(String, u32)>, u32) {
    let found = module.types.iter().map(|(_, ty)| ty).find(|ty| ty.name.as_deref() == Some(name)).unwrap();
    let naga::TypeInner::Struct { members, span } = &found.inner else { panic!("{name} is no struct") };
    (members.iter().map(|member| (member.name.clone().unwrap(), member.offset)).collect(), *span)
}

fn literal(module: &naga::Module, name: &str) -> naga::Literal {
    let named = module.constants.iter().map(|(_, constant)| constant).find(|c| c.name.as_deref() == Some(name));
    match module.global_expressions[named.unwrap_or_else(|| panic!("no constant {name}")).init] {
        naga::Expression::Literal(literal) => literal,
        ref other => panic!("{name} is {other:?}"),
    }
}

fn float(module: &naga::Module, name: &str) -> f32 {
    match literal(module, name) {
        naga::Literal::F32(value) => value,
        other => panic!("{name} is {other:?}"),
    }
}

fn word(module: &naga::Module, name: &str) -> u32 {
    match literal(module, name) {
        naga::Literal::U32(value) => value,
        other => panic!("{name} is {other:?}"),
    }
}

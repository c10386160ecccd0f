//! Random functions: the pass must make each of them sound by the checks, which share no code with it.

use super::*;
use crate::ir::Module;
use crate::ownership::insert_into;

/// A small generator of numbers (xorshift), so that a failing seed can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// Variables by type; all have a value from the entry on.
struct Vars {
    texts: Vec<Var>,
    arrays: Vec<Var>,
    options: Vec<Var>,
    /// Those that may be assigned and mutated.
    own_texts: Vec<Var>,
    own_arrays: Vec<Var>,
    flag: Var,
}

fn random_function(random: &mut Random) -> Build {
    let kind = random.pick(&[FunctionKind::Normal, FunctionKind::Entry]);
    let mut build = Build::new(kind).returning(Ty::STRING);
    let callee = build.callee(
        FunctionKind::Normal,
        &[Ty::STRING, build.strings, build.reference],
    );
    let vars = declare(&mut build);
    let first = build.block();
    build.end(BlockId(0), Terminator::Jump(first));
    let blocks: Vec<BlockId> = (0..5).map(|_| build.block()).chain([first]).collect();
    for &block in &blocks {
        for _ in 0..random.below(6) {
            instruction(&mut build, random, &vars, callee, block);
        }
        match random.below(4) {
            0 => build.ret(block, Some(random.pick(&vars.texts))),
            1 => build.end(block, Terminator::Jump(random.pick(&blocks))),
            _ => {
                let (then, otherwise) = (random.pick(&blocks), random.pick(&blocks));
                build.branch(block, vars.flag, then, otherwise);
            }
        }
    }
    build
}

fn declare(build: &mut Build) -> Vars {
    let entry = BlockId(0);
    let flag = build.param("flag", Ty::BOOL);
    let text = build.param("p", Ty::STRING);
    let array = build.param("q", build.strings);
    let own_texts: Vec<Var> = (0..4).map(|_| build.var("t", Ty::STRING)).collect();
    let own_arrays: Vec<Var> = (0..3).map(|_| build.var("a", build.strings)).collect();
    let options: Vec<Var> = (0..2).map(|_| build.var("o", build.maybe)).collect();
    for &var in &own_texts {
        build.fresh(entry, var);
    }
    for &var in &own_arrays {
        build.fresh_array(entry, var);
    }
    for &dst in &options {
        let value = Operand::Const(Const::Zero(build.maybe));
        build.op(entry, Op::Set { dst, value });
    }
    Vars {
        texts: own_texts.iter().copied().chain([text]).collect(),
        arrays: own_arrays.iter().copied().chain([array]).collect(),
        options,
        own_texts,
        own_arrays,
        flag,
    }
}

fn instruction(
    build: &mut Build,
    random: &mut Random,
    vars: &Vars,
    callee: ir::FnId,
    block: BlockId,
) {
    let (text, other) = (random.pick(&vars.texts), random.pick(&vars.texts));
    let (own, array) = (random.pick(&vars.own_texts), random.pick(&vars.arrays));
    let own_array = random.pick(&vars.own_arrays);
    let option = random.pick(&vars.options);
    match random.below(12) {
        0 => build.set(block, own, text),
        1 => build.set(block, own_array, array),
        2 => build.load(block, own, build.element(array)),
        3 => {
            // A new variable, of one definition: it may be borrowed.
            let part = build.var("part", Ty::STRING);
            build.load(block, part, build.element(array));
            if random.below(2) == 0 {
                instruction(build, random, vars, callee, block);
            }
            build.print(block, part);
            if random.below(3) == 0 {
                build.push(block, own_array, part);
            }
        }
        4 => {
            let snapshot = build.var("s", build.strings);
            build.set(block, snapshot, array);
            instruction(build, random, vars, callee, block);
            build.load(block, own, build.element(snapshot));
            instruction(build, random, vars, callee, block);
            build.wait_with(block, snapshot);
        }
        5 => build.push(block, own_array, text),
        6 => {
            let place = build.element(own_array);
            let value = Operand::Var(text);
            build.op(block, Op::Store { place, value });
        }
        7 => {
            let args = vec![
                RtArg::Value(Operand::Var(text)),
                RtArg::Value(Operand::Var(other)),
            ];
            build.runtime(block, Some(own), "echo_string_concat", args);
        }
        8 => {
            let place = build.whole(own_array);
            let args = vec![
                Arg::Value(Operand::Var(text)),
                Arg::Value(Operand::Var(array)),
                Arg::Ref(place),
            ];
            build.call(block, callee, args);
        }
        9 => build.op(
            block,
            Op::Variant {
                dst: option,
                tag: 1,
                payload: vec![Operand::Var(text)],
            },
        ),
        10 => build.load(block, own, build.payload(option)),
        _ => build.op(
            block,
            Op::Array {
                dst: own_array,
                element: Ty::STRING,
                elements: vec![Operand::Var(text), Operand::Var(other)],
            },
        ),
    }
}

#[test]
fn random_functions_are_counted_soundly() {
    for seed in 1..=3000_u64 {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let (program, mut module) = random_function(&mut random).module();
        ir::verify(&program, &module).unwrap_or_else(|fault| panic!("seed {seed}: {fault}"));
        let text = |module: &Module| {
            let function = &module.functions[0];
            ir::dump_function(&program, module, &SourceMap::new(), function)
        };
        let before = text(&module);
        insert_into(&program, &mut module.functions[0]);
        let result = ir::verify(&program, &module).and_then(|()| verify(&program, &module));
        if let Err(fault) = result {
            panic!("seed {seed}: {fault}\n{before}\n{}", text(&module));
        }
    }
}

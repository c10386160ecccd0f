//! Rust without a runtime of coroutines: serial programs, rayon, locks, threads with channels.

use crate::{Case, Figure, each, whole};
use std::hint::black_box;

pub const CASES: &[Case] = &[
    ("fib", "Rust", |_| whole(3, || assert_eq!(fib(black_box(40)), 102_334_155))),
    ("fib_cut", "rayon", |workers| with_pool(workers, || whole(5, || assert_eq!(fib_cut(black_box(38)), 39_088_169)))),
    ("fib_tasks", "rayon", |workers| with_pool(workers, || whole(5, || assert_eq!(fib_join(black_box(27)), 196_418)))),
    ("skynet", "rayon", |workers| with_pool(workers, || whole(3, || assert_eq!(skynet(0, 1_000_000), 499_999_500_000)))),
    ("mutex", "parking_lot", |_| mutex()),
    ("rwlock", "parking_lot", |_| rwlock()),
    ("producer_consumer", "crossbeam threads", |_| crossbeam()),
    ("matrix", "Rust", |_| matrix()),
    ("nbody", "Rust", |_| nbody()),
    ("spectral", "Rust", |_| spectral()),
];

fn with_pool(workers: usize, run: impl FnOnce() -> Figure + Send) -> Figure {
    rayon::ThreadPoolBuilder::new().num_threads(workers).build().expect("a pool").install(run)
}

fn fib(n: u64) -> u64 {
    if n < 2 { n } else { fib(n - 1) + fib(n - 2) }
}

fn fib_join(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = rayon::join(|| fib_join(n - 1), || fib_join(n - 2));
    a + b
}

fn fib_cut(n: u64) -> u64 {
    if n < 20 {
        return fib(n);
    }
    let (a, b) = rayon::join(|| fib_cut(n - 1), || fib_cut(n - 2));
    a + b
}

fn skynet(number: u64, size: u64) -> u64 {
    use rayon::prelude::*;
    if size == 1 {
        return number;
    }
    let part = size / 10;
    (0..10u64).into_par_iter().map(|i| skynet(number + i * part, part)).sum()
}

fn mutex() -> Figure {
    let count = 10_000_000;
    let mutex = parking_lot::Mutex::new(0usize);
    each(5, count, || {
        for i in 0..count {
            *black_box(&mutex).lock() += i & 1;
        }
    })
}

fn rwlock() -> Figure {
    let count = 10_000_000;
    let lock = parking_lot::RwLock::new(1usize);
    each(5, count, || {
        let sum: usize = (0..count).map(|i| *black_box(&lock).read() & i).sum();
        assert_eq!(sum, count / 2);
    })
}

fn crossbeam() -> Figure {
    let count = 5_000_000;
    each(5, count, || {
        let (to, from) = crossbeam_channel::bounded::<usize>(128);
        let producer = std::thread::spawn(move || (0..count).for_each(|i| to.send(i & 1).expect("open")));
        assert_eq!(from.iter().sum::<usize>(), count / 2);
        producer.join().expect("no panic");
    })
}

fn matrix() -> Figure {
    let n = 512;
    let a: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| ((i * j) % 7) as f64).collect()).collect();
    let b: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| ((i + j) % 5) as f64).collect()).collect();
    whole(15, || {
        let mut c: Vec<Vec<f64>> = Vec::new();
        for row_of_a in black_box(&a) {
            let mut row = vec![0.0; n];
            for (x, other) in row_of_a.iter().zip(&b) {
                for (sum, y) in row.iter_mut().zip(other) {
                    *sum += x * y;
                }
            }
            c.push(row);
        }
        let expected: f64 = (0..n).map(|k| a[17][k] * b[k][400]).sum();
        assert_eq!(c[17][400], expected);
    })
}

#[derive(Clone, Copy)]
struct Body {
    at: [f64; 3],
    speed: [f64; 3],
    mass: f64,
}

fn bodies() -> [Body; 5] {
    const MASS: f64 = 4.0 * std::f64::consts::PI * std::f64::consts::PI;
    const DAYS: f64 = 365.24;
    let body = |at, speed: [f64; 3], mass| Body { at, speed: speed.map(|v| v * DAYS), mass: mass * MASS };
    [
        body([0.0; 3], [0.0; 3], 1.0),
        body(
            [4.84143144246472090, -1.16032004402742839, -0.103622044471123109],
            [0.00166007664274403694, 0.00769901118419740425, -0.0000690460016972063023],
            0.000954791938424326609,
        ),
        body(
            [8.34336671824457987, 4.12479856412430479, -0.403523417114321381],
            [-0.00276742510726411021, 0.00499852801234917238, 0.0000230417297573763929],
            0.000285885980666130812,
        ),
        body(
            [12.8943695621391310, -15.1111514016986312, -0.223307578892655734],
            [0.00296460137564761618, 0.00237847173959480950, -0.0000296589568540237556],
            0.0000436624404335156298,
        ),
        body(
            [15.3796971148509165, -25.9193146099879641, 0.179258772950371181],
            [0.00268067772490389322, 0.00162824170038242295, -0.0000951592254519715870],
            0.0000515138902046611451,
        ),
    ]
}

fn advance(bodies: &mut [Body; 5], dt: f64) {
    for i in 0..5 {
        for j in i + 1..5 {
            let d: [f64; 3] = std::array::from_fn(|k| bodies[i].at[k] - bodies[j].at[k]);
            let square = d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
            let magnitude = dt / (square * square.sqrt());
            let (mi, mj) = (bodies[i].mass * magnitude, bodies[j].mass * magnitude);
            for k in 0..3 {
                bodies[i].speed[k] -= d[k] * mj;
                bodies[j].speed[k] += d[k] * mi;
            }
        }
    }
    for body in bodies {
        for k in 0..3 {
            body.at[k] += dt * body.speed[k];
        }
    }
}

fn energy(bodies: &[Body; 5]) -> f64 {
    let mut sum = 0.0;
    for (i, a) in bodies.iter().enumerate() {
        sum += 0.5 * a.mass * a.speed.iter().map(|v| v * v).sum::<f64>();
        for b in &bodies[i + 1..] {
            let square: f64 = (0..3).map(|k| (a.at[k] - b.at[k]).powi(2)).sum();
            sum -= a.mass * b.mass / square.sqrt();
        }
    }
    sum
}

fn nbody() -> Figure {
    whole(3, || {
        let mut bodies = bodies();
        let before = energy(&bodies);
        for _ in 0..5_000_000 {
            advance(black_box(&mut bodies), 0.01);
        }
        assert!((energy(&bodies) - before).abs() < 1e-3);
    })
}

fn spectral() -> Figure {
    fn entry(i: usize, j: usize) -> f64 {
        1.0 / ((i + j) * (i + j + 1) / 2 + i + 1) as f64
    }
    fn times(v: &[f64]) -> Vec<f64> {
        (0..v.len()).map(|i| v.iter().enumerate().map(|(j, x)| entry(i, j) * x).sum()).collect()
    }
    fn times_transposed(v: &[f64]) -> Vec<f64> {
        (0..v.len()).map(|i| v.iter().enumerate().map(|(j, x)| entry(j, i) * x).sum()).collect()
    }
    whole(10, || {
        let (mut u, mut v) = (vec![1.0; black_box(1000)], Vec::new());
        for _ in 0..10 {
            v = times_transposed(&times(&u));
            u = times_transposed(&times(&v));
        }
        let vbv: f64 = u.iter().zip(&v).map(|(a, b)| a * b).sum();
        let vv: f64 = v.iter().map(|x| x * x).sum();
        let norm = (vbv / vv).sqrt();
        assert!(norm > 1.2742241 && norm < 1.2742242);
    })
}

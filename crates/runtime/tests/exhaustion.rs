//! No room for another mapping (`vm.max_map_count`): coroutines with page stacks that get none fail, the others go on. No address space for another thread: the
//! workers there are do the work. No memory for a thread that is no worker: it has what is kept back. In child processes, which use it up.

use echo_runtime::c_api::COptions;
use echo_runtime::future::{REJECTED, RESOLVED};
use std::ffi::c_void;
use std::process::Command;
use std::ptr;
use std::sync::{Arc, Barrier};

type Function = unsafe extern "C" fn(*mut c_void, *mut c_void);

unsafe extern "C" {
    fn echo_run(main: Function, argument: *mut c_void, options: *const COptions) -> i32;
    fn echo_coroutine_spawn(entry: Function, argument: *mut c_void, size: i64) -> *mut c_void;
    fn await_future(future: *mut c_void, out: *mut c_void) -> i32;
    fn echo_future_state(future: *mut c_void) -> i32;
    fn echo_future_error(future: *mut c_void, buffer: *mut u8, size: i64) -> i64;
    fn echo_handle_release(handle: *mut c_void, kind: i32);
    fn yield_coroutine();
    fn echo_mutex_create() -> *mut c_void;
}

const SCENE: &str = "ECHO_TEST_EXHAUSTION";
/// More than find a stack in the region there is, but not more than find a control block in a worker's first slab.
const COROUTINES: usize = 300;

#[test]
fn no_mapping_for_a_stack() {
    run_child("mappings");
}

#[test]
fn no_thread_for_a_worker() {
    run_child("threads");
}

#[test]
fn what_is_kept_back_is_for_pieces_of_other_threads() {
    run_child("pieces");
}

#[test]
fn what_is_kept_back_is_for_libraries_of_other_threads() {
    run_child("libraries");
}

fn run_child(scene: &str) {
    let output = Command::new(std::env::current_exe().expect("tests know themselves"))
        .args(["--exact", "child", "--nocapture"])
        .env(SCENE, scene)
        .output()
        .expect("it starts");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn child() {
    let (main, workers): (Function, u32) = match std::env::var(SCENE).as_deref() {
        Ok("mappings") => (without_mappings, 1),
        Ok("threads") => (without_threads, 8),
        Ok("pieces") => (pieces_at_last, 1),
        Ok("libraries") => (libraries_at_last, 1),
        _ => return,
    };
    // A thread that makes an arena of its own leaves gaps around it, where a mapping could grow.
    // SAFETY: always allowed.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
    let options = COptions {
        workers,
        flags: 0,
        max_stack: 0,
    };
    // SAFETY: the contracts of the header.
    let code = unsafe { echo_run(main, ptr::null_mut(), &options) };
    std::process::exit(code);
}

unsafe extern "C" fn without_threads(_: *mut c_void, code: *mut c_void) {
    // SAFETY: the contracts of the header; a result of 8 bytes.
    unsafe {
        // Page stacks are reserved in regions: there are enough.
        let first = echo_coroutine_spawn(nothing, ptr::null_mut(), 0);
        await_future(first, ptr::null_mut());
        echo_handle_release(first, echo_abi::layout::Kind::Future as i32);
        use_up_address_space();
        let futures: Vec<_> = (0..30)
            .map(|_| echo_coroutine_spawn(linger, ptr::null_mut(), 0))
            .collect();
        for future in futures {
            await_future(future, ptr::null_mut());
            assert_eq!(echo_future_state(future), RESOLVED as i32);
            echo_handle_release(future, echo_abi::layout::Kind::Future as i32);
        }
        code.cast::<i64>().write(0);
    }
}

unsafe extern "C" fn pieces_at_last(_: *mut c_void, code: *mut c_void) {
    at_last(|| {
        for _ in 0..50_000 {
            // SAFETY: any thread may.
            let mutex = unsafe { echo_mutex_create() };
            assert!(!mutex.is_null());
        }
    });
    // SAFETY: a result of 8 bytes.
    unsafe { code.cast::<i64>().write(0) };
}

unsafe extern "C" fn libraries_at_last(_: *mut c_void, code: *mut c_void) {
    at_last(|| assert_eq!(std::hint::black_box(vec![1u8; 1 << 16])[1000], 1));
    // SAFETY: a result of 8 bytes.
    unsafe { code.cast::<i64>().write(0) };
}

/// Does something on a thread that is no worker, when there is no address space left, and nothing that was freed.
fn at_last(work: impl FnOnce() + Send + 'static) {
    let turns = Arc::new(Barrier::new(2));
    let own_turns = turns.clone();
    let outsider = std::thread::spawn(move || {
        own_turns.wait();
        own_turns.wait();
        for bytes in [16 << 10, 1 << 10, 64, 16] {
            // SAFETY: any size may be asked for.
            while !unsafe { std::hint::black_box(libc::malloc(bytes)) }.is_null() {}
        }
        work();
    });
    turns.wait();
    use_up_address_space();
    turns.wait();
    outsider.join().expect("no panic");
}

/// From here on there is no more than now.
fn use_up_address_space() {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("it can be read");
    let pages = statm.split(' ').next().expect("the first number");
    let limit = libc::rlimit {
        rlim_cur: pages.parse::<u64>().expect("a number") * PAGE_BYTES as u64,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: the structure is valid.
    let refused = unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const limit) };
    assert_eq!(refused, 0);
}

unsafe extern "C" fn nothing(_: *mut c_void, _: *mut c_void) {}

unsafe extern "C" fn without_mappings(_: *mut c_void, code: *mut c_void) {
    // SAFETY: the contracts of the header; a result of 8 bytes.
    unsafe {
        // The worker has its slab then, and a region of stacks.
        let first = echo_coroutine_spawn(nothing, ptr::null_mut(), 0);
        await_future(first, ptr::null_mut());
        echo_handle_release(first, echo_abi::layout::Kind::Future as i32);
        let region = use_up_mappings();
        let futures: Vec<_> = (0..COROUTINES)
            .map(|_| echo_coroutine_spawn(linger, ptr::null_mut(), 0))
            .collect();
        let mut failed = 0;
        for future in futures {
            assert!(!future.is_null(), "only stacks need mappings");
            await_future(future, ptr::null_mut());
            if echo_future_state(future) == REJECTED as i32 {
                failed += 1;
                assert_eq!(message(future), "out of memory: cannot start a coroutine");
            }
            echo_handle_release(future, echo_abi::layout::Kind::Future as i32);
        }
        assert!(
            0 < failed && failed < COROUTINES,
            "{failed} coroutines failed"
        );
        libc::munmap(region, REGION_BYTES);
        let future = echo_coroutine_spawn(linger, ptr::null_mut(), 0);
        await_future(future, ptr::null_mut());
        assert_eq!(echo_future_state(future), RESOLVED as i32);
        echo_handle_release(future, echo_abi::layout::Kind::Future as i32);
        code.cast::<i64>().write(0);
    }
}

/// Keeps its stack while the others start.
unsafe extern "C" fn linger(_: *mut c_void, _: *mut c_void) {
    for _ in 0..3 {
        // SAFETY: it is a coroutine.
        unsafe { yield_coroutine() };
    }
}

unsafe fn message(future: *mut c_void) -> String {
    let mut text = vec![0u8; 100];
    // SAFETY: the buffer has that size; the future is the caller's.
    let len = unsafe { echo_future_error(future, text.as_mut_ptr(), text.len() as i64) };
    text.truncate(len as usize);
    String::from_utf8(text).expect("messages are text")
}

const PAGE_BYTES: usize = 4096;
/// More pages than there can be mappings.
const REGION_BYTES: usize = 2 * (1 << 20) * PAGE_BYTES;

/// Less than a region of stacks.
const GAP_BYTES: usize = 1 << 20;

/// Protects every other page of a region until the system refuses another mapping. Before that, gaps above it are filled, and the next place below it is: there, a region of
/// stacks could become part of the mapping beside it.
unsafe fn use_up_mappings() -> *mut c_void {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a fresh mapping that nobody uses.
    unsafe {
        let region = libc::mmap(ptr::null_mut(), REGION_BYTES, libc::PROT_NONE, flags, -1, 0);
        assert_ne!(region, libc::MAP_FAILED);
        loop {
            let gap = libc::mmap(ptr::null_mut(), GAP_BYTES, libc::PROT_NONE, flags, -1, 0);
            assert_ne!(gap, libc::MAP_FAILED);
            if gap < region {
                break;
            }
        }
        let mut page = region;
        while libc::mprotect(page, PAGE_BYTES, libc::PROT_READ) == 0 {
            page = page.add(2 * PAGE_BYTES);
            assert!(page < region.add(REGION_BYTES), "vm.max_map_count is huge");
        }
        region
    }
}

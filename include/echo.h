/*
 * echo.h: the C interface of the Echo runtime, for C programs and for compilers.
 *
 * Part 1 is what a C program uses: running a program, coroutines, futures, channels, select, locks, time.
 * Part 2 is what compiled code uses besides: the memory layouts, and every row of the runtime's symbol table.
 *
 * A small program:
 *
 *     #include <echo.h>
 *     #include <stdio.h>
 *
 *     static void twice(void *argument, void *result) { *(int64_t *)result = 2 * *(int64_t *)argument; }
 *
 *     static void program(void *argument, void *result) {
 *         int64_t number = 21, answer;
 *         echo_future *future = echo_coroutine_spawn(twice, &number, sizeof answer);
 *         if (await_future(future, &answer) == ECHO_OK)
 *             printf("%lld\n", (long long)answer);
 *         echo_future_release(future);
 *     }
 *
 *     int main(void) { return echo_run(program, NULL, NULL); }
 *
 * Build: cc program.c libecho_runtime.a -lgcc_s -lpthread -lm -ldl -Wl,-z,now     (or -lecho_runtime for the shared library)
 *
 * WHERE CODE RUNS
 *   C functions run as coroutines on stacks of their own of 64 KiB (committed page by page), with a guard page below: more is a
 *   segmentation fault. Keep large arrays elsewhere. A coroutine can wake on another thread than it was suspended on: do not keep
 *   the address of a thread-local variable (errno included) across a call that can suspend. The runtime's own functions run on
 *   the threads' stacks and need none of yours.
 *   C coroutines are not preempted. One that computes for long calls yield_coroutine() now and then. A blocking system call blocks the
 *   worker thread, and with it what is queued there until the other workers have taken it.
 *
 * WHAT MAY BE CALLED WHERE
 *   Functions marked ECHO_PARK can suspend the calling coroutine. On a thread that is no coroutine (the program's own threads) they
 *   block that thread instead, while a program runs. Functions marked ECHO_PLAIN may be called anywhere, unless said otherwise; not in signal
 *   handlers. ECHO_RAISE, ECHO_PARK and ECHO_NEVER functions of part 2 can panic: outside a coroutine that ends the process.
 *
 * THE END OF THE PROGRAM
 *   When the main coroutine has returned, the program goes on until no coroutine can make progress. Threads of your own that will still
 *   start or wake coroutines announce that by echo_external_begin(); else the runtime cannot know, and may end the program or report
 *   a deadlock. When the program has ended, other threads only release handles; one that still waits in a function waits for ever.
 *
 * OWNERSHIP
 *   Channels, futures, promises and locks are counted handles. Functions borrow the handles they are given; those that return one give it
 *   to the caller, who releases it by the matching ..._release(). A party that waits must own a reference (its own, or one that
 *   somebody keeps for it) until it is woken. echo_retain() counts one more owner, for example for another coroutine.
 *   Elements and results given by size are plain bytes: they are copied, and nothing is done when they are thrown away. Those with owned
 *   contents have a type descriptor: an echo_foreign_desc names a destructor. They are moved into channels and promises, and awaiting copies
 *   them (one more owner).
 *
 *   A lock is looked at until echo_mutex_give_up() and the like return, even if somebody else has it by then.
 *
 * SANDBOXES
 *   Where the kernel offers membarrier() when a program starts, the runtime relies on it: a filter of system calls that is installed later has to allow it.
 *
 * ERRORS
 *   Part 1 reports them by return values. A coroutine fails by echo_panic_message(): its stack is unwound, and whoever awaits its future is
 *   told ECHO_FAILED. A failure nobody looked at is printed when its future goes away, or at the end, and makes exit code 0 a 2.
 *
 * UNWINDING
 *   A panic, and the cancellation of coroutines at the end (ECHO_OPTION_CHECK_LEAKS), unwinds the coroutine's stack like pthread_cancel does,
 *   by _Unwind_ForcedUnwind. C frames have no cleanups and are passed over; they need unwind tables, which compilers for x86-64 emit unless told
 *   not to (-fno-asynchronous-unwind-tables). With -fexceptions __attribute__((cleanup)) functions run. Destructors of C++ frames run; a
 *   catch (...) must throw again. Without tables the process ends with a message. Panics of Rust code never cross into C.
 */
#ifndef ECHO_H
#define ECHO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How a function behaves. */
#if defined(__GNUC__) || defined(__clang__)
#define ECHO_NORETURN __attribute__((noreturn))
#else
#define ECHO_NORETURN
#endif
#define ECHO_PLAIN                      /* neither waits nor fails */
#define ECHO_RAISE                      /* may end the calling coroutine with a panic */
#define ECHO_PARK                       /* may also suspend the calling coroutine */
#define ECHO_NEVER ECHO_NORETURN        /* panics */

/* Version of this interface; ModuleInfo carries it, and a program compiled for another version is refused. */
#define ECHO_ABI_VERSION 1

/* ================================================================== PART 1: C programs */

typedef struct echo_coroutine echo_coroutine;
typedef struct echo_future echo_future;
typedef struct echo_channel echo_channel;
typedef struct echo_mutex echo_mutex;
typedef struct echo_type_desc echo_type_desc;

/** Code of a coroutine. `result` has room for the bytes announced when it was made, all zero at first. */
typedef void (*echo_function)(void *argument, void *result);

/* ---- running a program */

typedef struct echo_options {
    uint32_t workers;   /**< worker threads; 0: as many as there are cores */
    uint32_t flags;     /**< ECHO_OPTION_... */
    uint64_t max_stack; /**< of a coroutine that runs Echo code, in bytes; 0: 1 MiB */
} echo_options;

#define ECHO_OPTION_STATS 1u       /* prints counters to standard error at the end */
#define ECHO_OPTION_LEAKS 2u       /* lists coroutines that were blocked for ever */
#define ECHO_OPTION_MAIN_EXIT 4u   /* the program ends when main returns */
#define ECHO_OPTION_CHECK_LEAKS 8u /* cancels what is blocked at the end; exit code 99 if a handle or block is left */
#define ECHO_OPTION_ONE_NODE 16u   /* does not bind workers and memory to the machine's NUMA nodes */

/** Returned by echo_run when nothing could be run. */
#define ECHO_NOT_RUN (-1)

/** Runs `main` as the main coroutine, on worker threads; returns when the program has ended. The result of `main` is an `int64_t`, the exit
 *  code, 0 unless written. Returns that, or 2 after a failure or a deadlock (reported on standard error), or ECHO_NOT_RUN: there is a
 *  program running already, or an ECHO_... variable makes no sense. Without `options` the environment decides: ECHO_WORKERS, ECHO_MAX_STACK,
 *  ECHO_NUMA, ECHO_STATS, ECHO_LEAKS, ECHO_MAIN_EXIT, ECHO_CHECK_LEAKS. Programs can be run one after the other. */
ECHO_PLAIN int32_t echo_run(echo_function main, void *argument, const echo_options *options);

/** Whether a program runs, so that coroutines can be started. */
ECHO_PLAIN bool echo_is_running(void);

/** The calling thread (or a callback of the system) will start or wake coroutines: the program does not end before echo_external_end. */
ECHO_PLAIN void echo_external_begin(void);
ECHO_PLAIN void echo_external_end(void);

/* ---- coroutines */

/** What echo_coroutine_state returns. */
enum {
    ECHO_STATE_READY = 1, /* not started yet, or in a queue */
    ECHO_STATE_RUNNING = 2,
    ECHO_STATE_SUSPENDED = 3,
    ECHO_STATE_COMPLETED = 4,
    ECHO_STATE_FAILED = 5
};

/** A coroutine that does not run yet; NULL when there is no memory. The caller owns the handle and may set it up until it is started. */
ECHO_PLAIN echo_coroutine *create_coroutine(void);
/** What it will run. */
ECHO_PLAIN void echo_coroutine_set_entry(echo_coroutine *coroutine, echo_function entry);
/** The pointer its function gets; what it points to is the program's business. */
ECHO_PLAIN void echo_coroutine_set_argument(echo_coroutine *coroutine, void *argument);
/** Bytes of its result, less than 2 GiB; 0 at first. */
ECHO_PLAIN void echo_coroutine_set_result_size(echo_coroutine *coroutine, size_t size);
/** Instead of a size: a result with owned contents; NULL for none. */
ECHO_PLAIN void echo_coroutine_set_result_type(echo_coroutine *coroutine, const echo_type_desc *desc);
/** What reports call it; copied. */
ECHO_PLAIN void echo_coroutine_set_name(echo_coroutine *coroutine, const char *name);
/** Lets it run. The owned future of its result; NULL when it has no entry, was started before, or no program runs,
 *  or when there is no memory. */
ECHO_PLAIN echo_future *start_coroutine(echo_coroutine *coroutine);
/** All of the above at once; NULL when `entry` is NULL, no program runs, or there is no memory. */
ECHO_PLAIN echo_future *echo_coroutine_spawn(echo_function entry, void *argument, size_t result_size);
/** ECHO_STATE_READY and so on, as it is at some moment during the call. */
ECHO_PLAIN int32_t echo_coroutine_state(const echo_coroutine *coroutine);
/** Its number, as in reports. The main coroutine is 0. */
ECHO_PLAIN int64_t echo_coroutine_id(const echo_coroutine *coroutine);
/** The number of the coroutine that calls, -1 on other threads. */
ECHO_PLAIN int64_t echo_coroutine_current_id(void);
/** Gives the handle up; a started coroutine goes on. */
ECHO_PLAIN void echo_coroutine_release(echo_coroutine *coroutine);
/** Lets others run. */
ECHO_PARK void yield_coroutine(void);
/** Ends the calling coroutine with a panic; the message is copied. */
ECHO_NEVER void echo_panic_message(const char *message);

/* ---- futures and promises (one kind of object) */

#define ECHO_OK 0
#define ECHO_FAILED 1

enum { ECHO_PENDING = 0, ECHO_RESOLVED = 1, ECHO_REJECTED = 2 };

/** Waits for the end of a coroutine, or for a promise. ECHO_OK, and its bytes are copied to `out` (unless that is NULL); or ECHO_FAILED, see
 *  echo_future_error. Any number of parties may wait, any number of times. */
ECHO_PARK int32_t await_future(echo_future *future, void *out);
/** ECHO_PENDING, ECHO_RESOLVED or ECHO_REJECTED. */
ECHO_PLAIN int32_t echo_future_state(const echo_future *future);
/** The message of a failure, cut to `size` bytes with its final zero (`buffer` may be NULL when `size` is 0). Its full length; -1 when there is
 *  no failure. The failure counts as seen. */
ECHO_PLAIN int64_t echo_future_error(const echo_future *future, char *buffer, size_t size);
/** Once the future is settled (at once if it is), `callback(data)` runs in a coroutine of its own, where it may do anything. Never when the
 *  future goes away unsettled. False when no program runs. */
ECHO_PLAIN bool echo_future_then(echo_future *future, void (*callback)(void *data), void *data);
/** A promise of a value of `size` bytes: a future that is settled by hand. NULL when the size makes no sense. */
ECHO_PLAIN echo_future *echo_promise_create(size_t size);
/** A promise of a value with owned contents; NULL for none. */
ECHO_PLAIN echo_future *echo_promise_create_typed(const echo_type_desc *desc);
/** False when it is settled already. */
ECHO_PLAIN bool echo_promise_fail(echo_future *promise, const char *message);
/* bool echo_promise_resolve(void *promise, void *value): part 2; copies the value, false when settled already. */

/* ---- channels */

/** A channel of elements of `element_size` bytes (0 is fine) with room for `capacity` of them; with 0 a send waits for its receive. NULL when the
 *  sizes make no sense. */
ECHO_PLAIN echo_channel *echo_channel_create(size_t element_size, size_t capacity);
/** A channel of elements with owned contents: what is sent is moved, what is received is the receiver's to give up by echo_drop, and what is still
 *  in the buffer when the channel goes away is dropped. See echo_foreign_desc for types of your own. */
ECHO_PLAIN echo_channel *echo_channel_create_typed(const echo_type_desc *element, size_t capacity);
/** False when it was closed already. Buffered elements can still be received; whoever waits is told. */
ECHO_PLAIN bool echo_channel_close(echo_channel *channel);

/* ---- locks */

/** A lock for coroutines. It is not recursive; one whose holder fails is released. */
ECHO_PLAIN echo_mutex *echo_mutex_create(void);

/** Gives up a handle; `kind` is ECHO_KIND_CHAN, ..._FUTURE, ..._MUTEX, ..._WAIT_GROUP and so on. The functions below do it with types. */
ECHO_PLAIN void echo_handle_release(void *handle, int32_t kind);

/* ================================================================== PART 2: compilers
 *
 * Class of a function: see ECHO_PLAIN and so on above. All run on the thread's own stack; generated code may call them from segments of a few
 * hundred bytes.
 *
 * `value`, `out`, `place` and `key` point to memory of the caller, which stays in place during the call (also while suspended). Moved:
 * ownership passes to the runtime in every case, also when the call fails. Borrowed: the caller keeps it. An `out` is uninitialised before
 * and owned by the caller after. Handles and strings passed by pointer are borrowed unless said otherwise; results are owned by the caller.
 * `position` is an index into the module's table of positions, 0 for unknown. `desc` is an echo_type_desc of the value's own type, `element`
 * of the element's. Pointers must be valid and of the described type: nothing is checked.
 *
 * Generated code carries LLVM's attribute "split-stack" (and uwtable), and its section .note.GNU-split-stack renamed; __morestack is the
 * runtime's. Landing pads use __gcc_personality_v0 and end in a call of echo_unwind_resume instead of `resume`. A loop polls by comparing the word
 * at %fs:ECHO_STACK_LIMIT_OFFSET with all ones, and calls echo_poll if equal. An executable's `main` calls echo_start. A switch of LLVM is needed:
 * -no-x86-call-frame-opt, and -disable-nounwind-inference where supported.
 */

/* ---- layouts */

/** First word of every counted block. count > 0: owners, plain arithmetic; < 0: shared between coroutines, -count owners, atomic arithmetic;
 *  0: immortal. */
typedef struct echo_block_header {
    int32_t count;
    uint32_t flags; /**< private to the runtime; zero in constants */
} echo_block_header;

/** A string; UTF-8 bytes follow. */
typedef struct echo_string_block {
    echo_block_header header;
    int64_t byte_len;
    int64_t char_len;
} echo_string_block;
#define ECHO_STRING_DATA_OFFSET 24

/** An array; elements follow, aligned to 16. */
typedef struct echo_array_block {
    echo_block_header header;
    int64_t len;
    int64_t capacity;
    int64_t reserved;
} echo_array_block;
#define ECHO_ARRAY_DATA_OFFSET 32

/** A function value: code(self, arguments...); captures follow. */
typedef struct echo_closure_block {
    echo_block_header header;
    const void *code;
    const echo_type_desc *captures; /**< NULL when there are none */
} echo_closure_block;
#define ECHO_CLOSURE_DATA_OFFSET 24

/** What empty strings, arrays and maps point to. */
extern const unsigned char echo_empty[64];

enum {
    ECHO_KIND_VOID = 0,
    ECHO_KIND_BOOL = 1,
    ECHO_KIND_CHAR = 2,
    ECHO_KIND_I8 = 3,
    ECHO_KIND_I16 = 4,
    ECHO_KIND_I32 = 5,
    ECHO_KIND_I64 = 6,
    ECHO_KIND_U8 = 7,
    ECHO_KIND_U16 = 8,
    ECHO_KIND_U32 = 9,
    ECHO_KIND_U64 = 10,
    ECHO_KIND_F32 = 11,
    ECHO_KIND_F64 = 12,
    ECHO_KIND_STRING = 13,
    ECHO_KIND_ARRAY = 14,  /* fields[0]: element */
    ECHO_KIND_MAP = 15,    /* fields[0]: key, fields[1]: value */
    ECHO_KIND_STRUCT = 16, /* fields: in order, named */
    ECHO_KIND_TUPLE = 17,  /* fields: in order */
    ECHO_KIND_ENUM = 18,   /* int32_t tag at offset 0; fields[tag]: name and payload */
    ECHO_KIND_FUNC = 19,
    ECHO_KIND_CHAN = 20,   /* this and the following: fields[0] is the element where there is one */
    ECHO_KIND_FUTURE = 21,
    ECHO_KIND_PROMISE = 22,
    ECHO_KIND_MUTEX = 23,
    ECHO_KIND_RW_LOCK = 24,
    ECHO_KIND_ATOMIC = 25,
    ECHO_KIND_WAIT_GROUP = 26,
    ECHO_KIND_SEMAPHORE = 27,
    ECHO_KIND_ONCE = 28,
    ECHO_KIND_STRING_BUILDER = 29,
    ECHO_KIND_FOREIGN = 30 /* the type of an echo_foreign_desc */
};

/** In echo_type_desc.flags when values hold counted references. */
#define ECHO_DESC_MANAGED 1

typedef struct echo_field_desc {
    const echo_type_desc *desc; /**< NULL for a variant without payload */
    const char *name;           /**< UTF-8, not terminated */
    uint32_t name_len;
    uint32_t offset;
} echo_field_desc;

/** Describes a type; a constant that lives as long as the program. */
struct echo_type_desc {
    uint8_t kind; /**< ECHO_KIND_... */
    uint8_t flags;
    uint16_t align;
    uint32_t size;
    const char *name;
    uint32_t name_len;
    uint32_t field_count;
    const echo_field_desc *fields;
    const void *zero; /**< `size` bytes; NULL when the type has no zero value */
};

/** The type of pointers to blocks of your own (from echo_alloc; their first 8 bytes are an echo_block_header), which are counted like all
 *  blocks: echo_retain, echo_release(block, &desc.desc). */
typedef struct echo_foreign_desc {
    echo_type_desc desc; /**< kind ECHO_KIND_FOREIGN, flags ECHO_DESC_MANAGED, size and align of a pointer */
    /** Gives up what the block holds when its last owner is gone; the runtime frees the block itself. Runs on any of the runtime's threads, outside
     *  coroutines; it may call functions that neither wait nor panic. May be NULL. */
    void (*destroy)(void *block);
} echo_foreign_desc;

#define ECHO_STACK_SEGMENTED 0u /* code compiled with "split-stack" */
#define ECHO_STACK_PAGES 1u     /* any other code */

/** A function that echo_spawn can start: void code(args, result), which takes over what `args` points to: on ECHO_STACK_SEGMENTED it reads them before it first calls what
 *  can wait, as then they are gone. Not constant: the runtime learns. */
typedef struct echo_entry_desc {
    const void *code;
    const char *name;
    uint32_t name_len;
    uint32_t stack;
    const echo_type_desc *args;   /**< a tuple; NULL when there are none */
    const echo_type_desc *result; /**< NULL for void */
    uint32_t learned_class;       /**< zero at first */
    uint32_t learned_future;      /**< zero at first */
} echo_entry_desc;

typedef struct echo_text {
    const char *bytes;
    uint64_t len;
} echo_text;

typedef struct echo_position {
    uint32_t file; /**< index into echo_module_info.files */
    uint32_t line;
    uint32_t column;
    uint32_t function; /**< index into echo_module_info.functions */
} echo_position;

/** From `offset` on, up to the next row, code belongs to that line. */
typedef struct echo_line_row {
    uint32_t offset;
    uint32_t file;
    uint32_t line;
    uint32_t function;
} echo_line_row;

typedef struct echo_line_table {
    const void *base;
    const echo_line_row *rows; /**< sorted by offset */
    uint64_t count;
    uint64_t code_size;
} echo_line_table;

typedef struct echo_module_info {
    uint32_t abi_version; /**< ECHO_ABI_VERSION */
    uint32_t position_count;
    const echo_position *positions; /**< the first one is "unknown" */
    const echo_text *files;
    const echo_text *functions;
    uint32_t file_count;
    uint32_t function_count;
    echo_entry_desc *main;        /**< result: int64_t, the exit code */
    const echo_line_table *lines; /**< may be NULL */
    const void *drop_globals;     /**< void drop(void), may be NULL */
} echo_module_info;

#define ECHO_CASE_SEND 0u
#define ECHO_CASE_RECEIVE 1u
#define ECHO_CASE_SEND_RESULT 2u /* as ECHO_CASE_SEND, but a closed channel gives ok = 0 instead of a panic */
#define ECHO_SELECT_DEFAULT (-1) /* returned with ECHO_SELECT_POLL when no case was ready */
#define ECHO_SELECT_TIMEOUT (-2) /* returned when the time was up */
#define ECHO_SELECT_FOREVER (-1) /* as timeout_ms */
#define ECHO_SELECT_POLL (-2)    /* as timeout_ms: does not wait */

/** One case of a select. */
typedef struct echo_select_case {
    void *channel;
    void *value; /**< what to send, or where the received element goes */
    uint32_t kind;
    uint32_t position;
    uint32_t ok; /**< set to 1: sent, or an element came; 0: the channel is closed */
    uint32_t reserved;
} echo_select_case;

#define ECHO_STACK_LIMIT_OFFSET 0x70

/** Ends a landing pad: goes on unwinding with the exception. */
ECHO_NEVER void echo_unwind_resume(void *exception);
/** Runs the program of an executable; its result is that of `main`. */
ECHO_PLAIN int32_t echo_start(int32_t argc, const unsigned char *const *argv, const echo_module_info *module);

/* ---- the symbol table */

/* memory: blocks and generic walks over a TypeDesc */
/** A block of `size` bytes (header included) with count 1. */
ECHO_PLAIN void *echo_alloc(int64_t size);
/** Frees the memory of a block whose contents are already dropped. */
ECHO_PLAIN void echo_free(void *block);
/** Counts one more owner of a block; any state of the count. */
ECHO_PLAIN void echo_retain(void *block);
/** Gives up one owner of the block a value of type `desc` points to; drops what it holds when that was the last. */
ECHO_PLAIN void echo_release(void *block, const void *desc);
/** Makes the value and all it reaches fit to be seen by several coroutines. */
ECHO_PLAIN void echo_share(void *value, const void *desc);
/** One more owner for everything the value holds (a bitwise copy of `value` is then owned). */
ECHO_PLAIN void echo_dup(void *value, const void *desc);
/** Gives up everything the value holds. */
ECHO_PLAIN void echo_drop(void *value, const void *desc);
/** Structural equality. */
ECHO_PLAIN bool echo_equal(void *left, void *right, const void *desc);
/** Structural order: negative, zero, positive. */
ECHO_PLAIN int32_t echo_compare(void *left, void *right, const void *desc);
/** The string `print` would print. */
ECHO_PLAIN void *echo_format(void *value, const void *desc);
/** Prints value and newline in one atomic write. */
ECHO_PLAIN void echo_print(void *value, const void *desc);
/** Prints without newline. */
ECHO_PLAIN void echo_print_string(void *text);
/** Prints without newline. */
ECHO_PLAIN void echo_print_int(int64_t number);
/** `out` becomes a consistent snapshot of a global, behind whose value lies its lock, a byte. */
ECHO_PLAIN void echo_global_load(void *global, void *out, const void *desc);
/** The global takes `value` (moved); what it held is dropped. */
ECHO_PLAIN void echo_global_store(void *global, void *value, const void *desc);
/** Takes the lock of a global, at that address, which somebody else holds. */
ECHO_PLAIN void echo_global_lock(void *lock);

/* strings */
ECHO_PLAIN void *echo_string_concat(void *left, void *right);
/** As echo_string_concat, but `left` is moved; in place where it has no other owner. */
ECHO_PLAIN void *echo_string_append(void *left, void *right);
/** The string in `place` gets the text at its end; in place, unless it has other owners. */
ECHO_PLAIN void echo_string_push(void *place, void *text);
ECHO_PLAIN bool echo_string_equal(void *left, void *right);
ECHO_PLAIN int32_t echo_string_compare(void *left, void *right);
/** The character at `index`, counted in characters; panics when out of range. */
ECHO_RAISE int32_t echo_string_char_at(void *text, int64_t index, int32_t position);
/** Characters `from..to`; panics unless `0 <= from <= to <= len`. */
ECHO_RAISE void *echo_string_slice(void *text, int64_t from, int64_t to, int32_t position);
/** The character at byte `*offset`, which is moved behind it; -1 at the end. */
ECHO_PLAIN int32_t echo_string_next(void *text, void *offset);
/** `[string]`; an empty separator splits into characters. */
ECHO_PLAIN void *echo_string_split(void *text, void *separator);
ECHO_PLAIN bool echo_string_contains(void *text, void *part);
ECHO_PLAIN bool echo_string_starts_with(void *text, void *part);
ECHO_PLAIN bool echo_string_ends_with(void *text, void *part);
ECHO_PLAIN void *echo_string_trim(void *text);
ECHO_PLAIN void *echo_string_to_upper(void *text);
ECHO_PLAIN void *echo_string_to_lower(void *text);
ECHO_PLAIN void *echo_string_replace(void *text, void *from, void *to);
/** `[char]` */
ECHO_PLAIN void *echo_string_chars(void *text);
/** Parses a decimal integer; false and `*error` (an owned string) when it is none. */
ECHO_PLAIN bool echo_string_parse_int(void *text, void *out, void *error);
ECHO_PLAIN bool echo_string_parse_float(void *text, void *out, void *error);
ECHO_PLAIN void *echo_builder_new(void);
ECHO_PLAIN void echo_builder_write(void *builder, void *text);
ECHO_PLAIN int64_t echo_builder_len(void *builder);
/** A copy of the text so far. */
ECHO_PLAIN void *echo_builder_text(void *builder);
ECHO_PLAIN void echo_builder_clear(void *builder);

/* arrays (`place` is the variable that holds the array) */
/** Array of `len` uninitialised elements, which the caller must write. */
ECHO_RAISE void *echo_array_alloc(const void *element, int64_t len, int32_t position);
/** `[value; len]`; `value` borrowed. */
ECHO_RAISE void *echo_array_repeat(const void *element, void *value, int64_t len, int32_t position);
/** Makes the array in `place` the only owner of its block, by copying when needed. */
ECHO_PLAIN void echo_array_unique(void *place, const void *element);
/** `value` moved. */
ECHO_PLAIN void echo_array_push(void *place, const void *element, void *value);
ECHO_RAISE void echo_array_pop(void *place, const void *element, void *out, int32_t position);
/** `value` moved. */
ECHO_RAISE void echo_array_insert(void *place, const void *element, int64_t index, void *value, int32_t position);
ECHO_RAISE void echo_array_remove(void *place, const void *element, int64_t index, int32_t position);
ECHO_PLAIN void echo_array_clear(void *place, const void *element);
ECHO_PLAIN bool echo_array_contains(void *array, const void *element, void *value);
/** Ascending, stable, in the order of `<` (structural for compound elements). */
ECHO_PLAIN void echo_array_sort(void *place, const void *element);
ECHO_RAISE void *echo_array_slice(void *array, const void *element, int64_t from, int64_t to, int32_t position);
/** Elements as `print` shows them, `separator` between. */
ECHO_PLAIN void *echo_array_join(void *array, const void *element, void *separator);

/* maps (`desc` is the map's own TypeDesc) */
ECHO_PLAIN int64_t echo_map_len(void *map);
/** Address of the value, or null. Borrowed, valid until the map changes. */
ECHO_PLAIN void *echo_map_get(void *map, const void *desc, void *key);
/** Key and value moved; an existing entry keeps its place and its key. */
ECHO_PLAIN void echo_map_insert(void *place, const void *desc, void *key, void *value);
/** Address of the value in a map made unique; a missing one is inserted as the zero value. Key borrowed. */
ECHO_PLAIN void *echo_map_entry(void *place, const void *desc, void *key);
ECHO_PLAIN bool echo_map_remove(void *place, const void *desc, void *key);
ECHO_PLAIN void echo_map_clear(void *place, const void *desc);
ECHO_PLAIN void *echo_map_keys(void *map, const void *desc);
ECHO_PLAIN void *echo_map_values(void *map, const void *desc);
/** Walks in insertion order: `cursor` 0 at first, then what was returned, which is -1 at the end. The addresses
 *  of key and value are stored in `*key` and `*value`, borrowed. */
ECHO_PLAIN int64_t echo_map_next(void *map, const void *desc, int64_t cursor, void *key, void *value);

/* floats that need libm */
ECHO_PLAIN double echo_math_fmod(double x, double y);
ECHO_PLAIN double echo_math_pow(double x, double y);
ECHO_PLAIN double echo_math_exp(double x);
ECHO_PLAIN double echo_math_log(double x);
ECHO_PLAIN double echo_math_log2(double x);
ECHO_PLAIN double echo_math_log10(double x);
ECHO_PLAIN double echo_math_sin(double x);
ECHO_PLAIN double echo_math_cos(double x);
ECHO_PLAIN double echo_math_tan(double x);
ECHO_PLAIN double echo_math_asin(double x);
ECHO_PLAIN double echo_math_acos(double x);
ECHO_PLAIN double echo_math_atan(double x);
ECHO_PLAIN double echo_math_atan2(double y, double x);
ECHO_PLAIN double echo_math_floor(double x);
ECHO_PLAIN double echo_math_ceil(double x);
ECHO_PLAIN double echo_math_round(double x);
ECHO_PLAIN double echo_math_trunc(double x);
ECHO_PLAIN double echo_math_cbrt(double x);
ECHO_PLAIN double echo_math_hypot(double x, double y);

/* failure */
/** Panics with a message (moved). */
ECHO_NEVER void echo_panic(void *message, int32_t position);
/** Panics with constant text of the program. */
ECHO_NEVER void echo_panic_text(void *bytes, int64_t len, int32_t position);
/** `index out of range: index I, length N` */
ECHO_NEVER void echo_panic_index(int64_t index, int64_t len, int32_t position);
/** `integer overflow` */
ECHO_NEVER void echo_panic_overflow(int32_t position);
/** `division by zero` */
ECHO_NEVER void echo_panic_divide(int32_t position);
/** Ends the process at once, standard output flushed. */
ECHO_PLAIN void echo_exit(int64_t code);

/* coroutines */
/** Starts `entry` as a coroutine with `args` (moved); the owned future of its result, plain. */
ECHO_RAISE void *echo_spawn(void *entry, void *args, int32_t position);
/** As echo_spawn, for arguments that are two words, or less: then the rest may be anything. */
ECHO_RAISE void *echo_spawn_words(void *entry, int64_t first, int64_t second, int32_t position);
/** As echo_spawn, for an entry without result whose future nobody wants. */
ECHO_RAISE void echo_spawn_detached(void *entry, void *args, int32_t position);
ECHO_PARK void echo_yield(int32_t position);
ECHO_PARK void echo_sleep(int64_t milliseconds, int32_t position);
/** Called at a loop's back edge when the stack limit reads as all ones: a preemption request. */
ECHO_PARK void echo_poll(void);

/* futures and promises (one kind of block) */
/** Waits; `out` gets a copy of the value, or the failure is raised again. */
ECHO_PARK void echo_await(void *future, void *out, int32_t position);
/** As echo_await, but that the value stays in the future, 48 bytes behind its start. */
ECHO_PARK void echo_future_wait(void *future, int32_t position);
/** As echo_future_wait, where the value holds no counted references. True when it has given up the caller's reference, which was the last: then the value has
    to be read at once, before the next call. */
ECHO_PARK bool echo_future_wait_last(void *future, int32_t position);
/** Waits; 0 and the value in `out`, or 1 and the bare message (owned string) in `*error`. */
ECHO_PARK int32_t echo_try_await(void *future, void *out, void *error, int32_t position);
ECHO_PLAIN bool echo_future_is_done(void *future);
/** `promise[T]()`; `result` describes T, null for void. Plain, like all blocks: to be shared before others see it. */
ECHO_PLAIN void *echo_promise_new(const void *result);
/** `value` moved. False when already settled. */
ECHO_PLAIN bool echo_promise_resolve(void *promise, void *value);
ECHO_PLAIN bool echo_promise_reject(void *promise, void *message, int32_t position);
/** Spawns `entry` with `args` (moved; the first is the future itself) once the future is settled; never when it goes away unsettled. */
ECHO_PLAIN void echo_future_on_done(void *future, void *entry, void *args, int32_t position);
/** `all(futures)`: `futures` is a borrowed array of futures; `array` describes an array (null: T is void). */
ECHO_PLAIN void *echo_all(void *futures, void *array, int32_t position);
/** `race(futures)`; `result` describes T. */
ECHO_PLAIN void *echo_race(void *futures, const void *result, int32_t position);

/* channels (`element` may describe a type of size 0) */
ECHO_RAISE void *echo_chan_new(const void *element, int64_t capacity, int32_t position);
/** `value` moved. Panics when the channel is closed. */
ECHO_PARK void echo_chan_send(void *channel, void *value, int32_t position);
/** As `echo_chan_send`, but false instead of a panic. */
ECHO_PARK bool echo_chan_send_result(void *channel, void *value, int32_t position);
/** True and a value; when closed and drained false and the zero value, or a panic where the type has none. */
ECHO_PARK bool echo_chan_receive(void *channel, void *out, int32_t position);
/** True and a value; false when closed and drained, `out` untouched. */
ECHO_PARK bool echo_chan_receive_option(void *channel, void *out, int32_t position);
/** `value` moved; false when it could not be sent at once, or the channel is closed. */
ECHO_PLAIN bool echo_chan_try_send(void *channel, void *value);
ECHO_PLAIN bool echo_chan_try_receive(void *channel, void *out);
ECHO_RAISE void echo_chan_close(void *channel, int32_t position);
ECHO_PLAIN bool echo_chan_is_closed(void *channel);
ECHO_PLAIN int64_t echo_chan_len(void *channel);
ECHO_PLAIN int64_t echo_chan_cap(void *channel);
/** `cases` points to `count` `SelectCase`; `timeout_ms` as in `layout`. The index of the case that took effect,
 *  or `SELECT_DEFAULT`/`SELECT_TIMEOUT`. */
ECHO_PARK int64_t echo_select(void *cases, int64_t count, int64_t timeout_ms, int32_t position);

/* locks and counters */
/** `value` (of type `desc`) moved. */
ECHO_PLAIN void *echo_mutex_new(const void *desc, void *value);
ECHO_PARK void echo_mutex_lock(void *mutex, int32_t position);
ECHO_PLAIN bool echo_mutex_try_lock(void *mutex);
ECHO_RAISE void echo_mutex_unlock(void *mutex, int32_t position);
ECHO_RAISE void echo_mutex_get(void *mutex, void *out, int32_t position);
/** `value` moved. */
ECHO_RAISE void echo_mutex_set(void *mutex, void *value, int32_t position);
ECHO_PLAIN bool echo_mutex_is_poisoned(void *mutex);
ECHO_PLAIN void *echo_rwlock_new(const void *desc, void *value);
ECHO_PARK void echo_rwlock_lock(void *lock, int32_t position);
ECHO_PLAIN bool echo_rwlock_try_lock(void *lock);
ECHO_RAISE void echo_rwlock_unlock(void *lock, int32_t position);
ECHO_PARK void echo_rwlock_read_lock(void *lock, int32_t position);
ECHO_RAISE void echo_rwlock_read_unlock(void *lock, int32_t position);
ECHO_RAISE void echo_rwlock_get(void *lock, void *out, int32_t position);
ECHO_RAISE void echo_rwlock_set(void *lock, void *value, int32_t position);
ECHO_PLAIN bool echo_rwlock_is_poisoned(void *lock);
/** Of either kind: who has gone with a plain store finds that others have come to wait. */
ECHO_PLAIN void echo_lock_settle(void *lock);
/** A writer or a first reader has entered, and goes again because the other may be in. */
ECHO_PLAIN void echo_rwlock_give_way(void *lock, int32_t as_reader);
ECHO_PLAIN void *echo_atomic_new(int64_t value);
ECHO_PLAIN int64_t echo_atomic_load(void *atomic);
ECHO_PLAIN void echo_atomic_store(void *atomic, int64_t value);
ECHO_PLAIN int64_t echo_atomic_swap(void *atomic, int64_t value);
ECHO_PLAIN bool echo_atomic_compare_and_swap(void *atomic, int64_t old, int64_t replacement);
/** The new value; wraps. */
ECHO_PLAIN int64_t echo_atomic_add(void *atomic, int64_t value);
ECHO_PLAIN void *echo_wait_group_new(void);
ECHO_RAISE void echo_wait_group_add(void *group, int64_t count, int32_t position);
ECHO_PARK void echo_wait_group_wait(void *group, int32_t position);
ECHO_RAISE void *echo_semaphore_new(int64_t permits, int32_t position);
ECHO_PARK void echo_semaphore_acquire(void *semaphore, int32_t position);
ECHO_PLAIN bool echo_semaphore_try_acquire(void *semaphore);
ECHO_PLAIN void echo_semaphore_release(void *semaphore);
ECHO_PLAIN void *echo_once_new(void);
/** True: the caller runs the function, then calls `echo_once_end`. False: it has been run (waits while it runs). */
ECHO_PARK bool echo_once_begin(void *once, int32_t position);
ECHO_PLAIN void echo_once_end(void *once);

/* time */
/** Monotonic. */
ECHO_PLAIN int64_t echo_time_now_ns(void);
/** Nanoseconds since 1970 UTC. */
ECHO_PLAIN int64_t echo_time_unix_ns(void);
/** A channel of `int` that gets the tick number (from 1) every so many milliseconds while it has other owners; a
 *  slow receiver misses ticks. */
ECHO_RAISE void *echo_time_ticker(int64_t milliseconds, int32_t position);

/* ================================================================== PART 1, continued: with types, without positions */

/** Sends a copy of the element; waits while there is no room. False when the channel is (or gets) closed. */
static inline bool echo_channel_send(echo_channel *channel, const void *value) {
    return echo_chan_send_result(channel, (void *)value, 0);
}

/** Receives an element; waits while there is none. False when the channel is closed and drained. */
static inline bool echo_channel_receive(echo_channel *channel, void *out) {
    return echo_chan_receive_option(channel, out, 0);
}

/** Sends if that is possible at once. */
static inline bool echo_channel_try_send(echo_channel *channel, const void *value) {
    return echo_chan_try_send(channel, (void *)value);
}

/** Receives if that is possible at once. */
static inline bool echo_channel_try_receive(echo_channel *channel, void *out) {
    return echo_chan_try_receive(channel, out);
}

/** Cases for echo_channel_select. */
static inline echo_select_case echo_case_send(echo_channel *channel, const void *value) {
    echo_select_case result = {channel, (void *)value, ECHO_CASE_SEND_RESULT, 0, 0, 0};
    return result;
}
static inline echo_select_case echo_case_receive(echo_channel *channel, void *out) {
    echo_select_case result = {channel, out, ECHO_CASE_RECEIVE, 0, 0, 0};
    return result;
}

/** Carries out one of the cases: its index. A random one if several are ready; a closed channel is ready, with `ok` 0. Waits `timeout_ms`, or
 *  ECHO_SELECT_FOREVER, or not at all: ECHO_SELECT_POLL. Or ECHO_SELECT_TIMEOUT or ECHO_SELECT_DEFAULT. Channels may occur several times. */
static inline int64_t echo_channel_select(echo_select_case *cases, size_t count, int64_t timeout_ms) {
    return echo_select(cases, (int64_t)count, timeout_ms, 0);
}

static inline void echo_channel_release(echo_channel *channel) { echo_handle_release(channel, ECHO_KIND_CHAN); }
static inline void echo_future_release(echo_future *future) { echo_handle_release(future, ECHO_KIND_FUTURE); }

/** Settles a promise with a copy of the value (NULL for one of size 0). False when it is settled already. */
static inline bool echo_promise_fulfil(echo_future *promise, const void *value) {
    return echo_promise_resolve(promise, (void *)value);
}

static inline void echo_mutex_acquire(echo_mutex *mutex) { echo_mutex_lock(mutex, 0); }
static inline bool echo_mutex_try_acquire(echo_mutex *mutex) { return echo_mutex_try_lock(mutex); }
/** Panics unless the caller holds the lock. */
static inline void echo_mutex_give_up(echo_mutex *mutex) { echo_mutex_unlock(mutex, 0); }
static inline void echo_mutex_release(echo_mutex *mutex) { echo_handle_release(mutex, ECHO_KIND_MUTEX); }

/** Suspends the caller for so long. */
static inline void echo_sleep_ms(int64_t milliseconds) { echo_sleep(milliseconds, 0); }

#ifdef __cplusplus
}
#endif
#endif

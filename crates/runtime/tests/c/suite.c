/* Programs in C against the runtime; the first argument names one. Each prints what crates/runtime/tests/c_api.rs expects. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include <echo.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define CHECK(condition)                                                                  \
    do {                                                                                  \
        if (!(condition)) {                                                               \
            fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition);       \
            exit(70);                                                                     \
        }                                                                                 \
    } while (0)

/* ---- ping-pong over one unbuffered channel */

static void pong(void *argument, void *result) {
    echo_channel *channel = argument;
    int64_t number, count = 0;
    while (echo_channel_receive(channel, &number)) {
        number++;
        CHECK(echo_channel_send(channel, &number));
        count++;
    }
    *(int64_t *)result = count;
}

static void ping_pong(void *argument, void *result) {
    (void)argument, (void)result;
    echo_channel *channel = echo_channel_create(sizeof(int64_t), 0);
    echo_future *future = echo_coroutine_spawn(pong, channel, sizeof(int64_t));
    int64_t number = 0, count;
    for (int i = 0; i < 20000; i++) {
        CHECK(echo_channel_send(channel, &number));
        CHECK(echo_channel_receive(channel, &number));
    }
    CHECK(echo_channel_close(channel));
    CHECK(!echo_channel_close(channel));
    CHECK(!echo_channel_send(channel, &number));
    CHECK(await_future(future, &count) == ECHO_OK);
    printf("ping-pong %lld %lld\n", (long long)number, (long long)count);
    echo_future_release(future);
    echo_channel_release(channel);
}

/* ---- a pipeline; elements of 24 bytes */

struct item {
    int64_t number;
    double half;
    char name[8];
};

struct stage {
    echo_channel *in, *out;
};

static void stage(void *argument, void *result) {
    (void)result;
    struct stage *stage = argument;
    struct item item;
    while (echo_channel_receive(stage->in, &item)) {
        item.number += 1;
        item.half += 0.5;
        CHECK(strcmp(item.name, "item") == 0);
        CHECK(echo_channel_send(stage->out, &item));
    }
    CHECK(echo_channel_close(stage->out));
}

static void source(void *argument, void *result) {
    (void)result;
    echo_channel *out = argument;
    for (int i = 0; i < 2000; i++) {
        struct item item = {i, i / 2.0, "item"};
        CHECK(echo_channel_send(out, &item));
    }
    CHECK(echo_channel_close(out));
}

static void pipeline(void *argument, void *result) {
    (void)argument, (void)result;
    enum { STAGES = 8 };
    echo_channel *channels[STAGES + 1];
    struct stage stages[STAGES];
    echo_future *futures[STAGES + 1];
    for (int i = 0; i <= STAGES; i++)
        channels[i] = echo_channel_create(sizeof(struct item), (size_t)i % 3);
    futures[STAGES] = echo_coroutine_spawn(source, channels[0], 0);
    for (int i = 0; i < STAGES; i++) {
        stages[i].in = channels[i];
        stages[i].out = channels[i + 1];
        futures[i] = echo_coroutine_spawn(stage, &stages[i], 0);
    }
    struct item item;
    int64_t numbers = 0, count = 0;
    double halves = 0;
    while (echo_channel_receive(channels[STAGES], &item)) {
        CHECK(item.number == count + STAGES);
        numbers += item.number;
        halves += item.half;
        count++;
    }
    for (int i = 0; i <= STAGES; i++) {
        CHECK(await_future(futures[i], NULL) == ECHO_OK);
        echo_future_release(futures[i]);
        echo_channel_release(channels[i]);
    }
    printf("pipeline %lld %lld %.1f\n", (long long)count, (long long)numbers, halves);
}

/* ---- fan-in by select, sends among the cases, and time running out */

static void producer(void *argument, void *result) {
    (void)result;
    for (int64_t i = 1; i <= 1000; i++)
        CHECK(echo_channel_send(argument, &i));
}

static void fan_in(void *argument, void *result) {
    (void)argument, (void)result;
    echo_channel *channels[3];
    echo_future *futures[3];
    for (int i = 0; i < 3; i++) {
        channels[i] = echo_channel_create(sizeof(int64_t), (size_t)i);
        futures[i] = echo_coroutine_spawn(producer, channels[i], 0);
    }
    echo_channel *sent = echo_channel_create(sizeof(int64_t), 1000);
    int64_t sum = 0, values[3], out = 5, sends = 0;
    for (int received = 0; received < 3000;) {
        echo_select_case cases[4] = {
            echo_case_receive(channels[0], &values[0]),
            echo_case_receive(channels[1], &values[1]),
            echo_case_receive(channels[2], &values[2]),
            echo_case_send(sent, &out),
        };
        size_t count = sends < 1000 ? 4 : 3;
        int64_t which = echo_channel_select(cases, count, 10000);
        CHECK(which >= 0 && which < 4 && cases[which].ok);
        if (which == 3) {
            sends++;
        } else {
            sum += values[which];
            received++;
        }
    }
    for (int i = 0; i < 3; i++) {
        CHECK(await_future(futures[i], NULL) == ECHO_OK);
        echo_future_release(futures[i]);
    }
    echo_select_case wait = echo_case_receive(channels[0], &values[0]);
    CHECK(echo_channel_select(&wait, 1, ECHO_SELECT_POLL) == ECHO_SELECT_DEFAULT);
    int64_t start = echo_time_now_ns();
    CHECK(echo_channel_select(&wait, 1, 20) == ECHO_SELECT_TIMEOUT);
    CHECK(echo_time_now_ns() - start >= 20 * 1000000);
    CHECK(echo_channel_close(channels[0]));
    CHECK(echo_channel_select(&wait, 1, ECHO_SELECT_FOREVER) == 0 && !wait.ok);
    echo_select_case send = echo_case_send(channels[0], &out);
    CHECK(echo_channel_select(&send, 1, ECHO_SELECT_FOREVER) == 0 && !send.ok);
    for (int i = 0; i < 3; i++)
        echo_channel_release(channels[i]);
    echo_channel_release(sent);
    printf("fan-in %lld\n", (long long)sum);
}

/* ---- who waits first is served first */

/* Where a channel's queues lie; c_api.rs compares. */
#define CHANNEL_SENDERS_OFFSET 32
#define CHANNEL_RECEIVERS_OFFSET 40

struct visitor {
    echo_channel *channel;
    int64_t number;
};

static void receive_in_turn(void *argument, void *result) {
    struct visitor *visitor = argument;
    CHECK(echo_channel_receive(visitor->channel, result));
}

static void send_in_turn(void *argument, void *result) {
    struct visitor *visitor = argument;
    CHECK(echo_channel_send(visitor->channel, &visitor->number));
    *(int64_t *)result = visitor->number;
}

/* Spawns a visitor, and returns when it is the newest in a queue of the channel. */
static echo_future *come(struct visitor *visitor, echo_function visit, size_t queue) {
    void **newest = (void **)((char *)visitor->channel + queue);
    void *before = __atomic_load_n(newest, __ATOMIC_ACQUIRE);
    echo_future *future = echo_coroutine_spawn(visit, visitor, sizeof(int64_t));
    while (__atomic_load_n(newest, __ATOMIC_ACQUIRE) == before)
        yield_coroutine();
    return future;
}

static void in_turn(void *argument, void *result) {
    (void)argument, (void)result;
    enum { COUNT = 50 };
    struct visitor visitors[COUNT];
    echo_future *futures[COUNT];
    int64_t number;
    for (int64_t capacity = 0; capacity < 3; capacity++) {
        echo_channel *channel = echo_channel_create(sizeof(int64_t), (size_t)capacity);
        for (int64_t i = 0; i < COUNT; i++) {
            visitors[i] = (struct visitor){channel, i};
            futures[i] = come(&visitors[i], receive_in_turn, CHANNEL_RECEIVERS_OFFSET);
        }
        for (int64_t i = 0; i < COUNT; i++)
            CHECK(echo_channel_send(channel, &i));
        for (int64_t i = 0; i < COUNT; i++) {
            CHECK(await_future(futures[i], &number) == ECHO_OK && number == i);
            echo_future_release(futures[i]);
        }
        for (int64_t i = -capacity; i < 0; i++)
            CHECK(echo_channel_send(channel, &i));
        for (int64_t i = 0; i < COUNT; i++)
            futures[i] = come(&visitors[i], send_in_turn, CHANNEL_SENDERS_OFFSET);
        for (int64_t i = -capacity; i < COUNT; i++)
            CHECK(echo_channel_receive(channel, &number) && number == i);
        for (int64_t i = 0; i < COUNT; i++) {
            CHECK(await_future(futures[i], &number) == ECHO_OK && number == i);
            echo_future_release(futures[i]);
        }
        echo_channel_release(channel);
    }
    printf("in turn\n");
}

/* A select that waits to send is told when the channel is closed. */
static void closer(void *argument, void *result) {
    (void)result;
    echo_sleep_ms(5);
    CHECK(echo_channel_close(argument));
}

static void closed_send(void *argument, void *result) {
    (void)argument, (void)result;
    echo_channel *channel = echo_channel_create(4, 0);
    int value = 1;
    echo_future *future = echo_coroutine_spawn(closer, channel, 0);
    echo_select_case send = echo_case_send(channel, &value);
    CHECK(echo_channel_select(&send, 1, ECHO_SELECT_FOREVER) == 0 && !send.ok);
    CHECK(await_future(future, NULL) == ECHO_OK);
    echo_future_release(future);
    echo_channel_release(channel);
    printf("closed send\n");
}

/* ---- 10,000 coroutines at the same time */

struct crowd {
    echo_channel *gate;
    void *waiting;
};

static void member(void *argument, void *result) {
    struct crowd *crowd = argument;
    char frame[2000];
    memset(frame, 7, sizeof frame);
    echo_atomic_add(crowd->waiting, 1);
    char nothing;
    CHECK(!echo_channel_receive(crowd->gate, &nothing));
    int64_t sum = 0;
    for (size_t i = 0; i < sizeof frame; i++)
        sum += frame[i];
    *(int64_t *)result = sum;
}

static void crowd(void *argument, void *result) {
    (void)argument, (void)result;
    enum { COUNT = 10000 };
    struct crowd crowd = {echo_channel_create(1, 0), echo_atomic_new(0)};
    echo_future **futures = malloc(COUNT * sizeof *futures);
    for (int i = 0; i < COUNT; i++)
        futures[i] = echo_coroutine_spawn(member, &crowd, sizeof(int64_t));
    while (echo_atomic_load(crowd.waiting) < COUNT)
        yield_coroutine();
    CHECK(echo_channel_close(crowd.gate));
    int64_t sum = 0, one;
    for (int i = 0; i < COUNT; i++) {
        CHECK(await_future(futures[i], &one) == ECHO_OK);
        sum += one;
        echo_future_release(futures[i]);
    }
    free(futures);
    echo_channel_release(crowd.gate);
    echo_handle_release(crowd.waiting, ECHO_KIND_ATOMIC);
    printf("crowd %lld\n", (long long)sum);
}

/* ---- failures */

static int64_t __attribute__((noinline)) fails_deeper(int64_t depth, const char *message) {
    char frame[100];
    memset(frame, (int)depth, sizeof frame);
    if (depth == 0 && message != NULL)
        echo_panic_message(message);
    return depth == 0 ? 0 : fails_deeper(depth - 1, message) + frame[depth];
}

static void fails(void *argument, void *result) {
    (void)argument, (void)result;
    yield_coroutine();
    fails_deeper(20, "no good");
}

static void failure(void *argument, void *result) {
    (void)argument, (void)result;
    char text[100], cut[4];
    for (int i = 0; i < 200; i++) {
        echo_future *future = echo_coroutine_spawn(fails, NULL, sizeof(int64_t));
        int64_t value = 3;
        CHECK(await_future(future, &value) == ECHO_FAILED && value == 3);
        CHECK(echo_future_state(future) == ECHO_REJECTED);
        CHECK(echo_future_error(future, text, sizeof text) == 7 && strcmp(text, "no good") == 0);
        CHECK(echo_future_error(future, cut, sizeof cut) == 7 && strcmp(cut, "no ") == 0);
        CHECK(echo_future_error(future, NULL, 0) == 7);
        echo_future_release(future);
    }
    printf("failure %s\n", text);
}

/* Nobody looks at it. */
static void unobserved(void *argument, void *result) {
    (void)argument, (void)result;
    echo_future_release(echo_coroutine_spawn(fails, NULL, 0));
}

static void main_fails(void *argument, void *result) {
    fails(argument, result);
}

/* ---- two steps, states */

static void waits_for_go(void *argument, void *result) {
    char go;
    CHECK(echo_channel_receive(argument, &go));
    *(int64_t *)result = echo_coroutine_current_id();
}

static void two_steps(void *argument, void *result) {
    (void)argument, (void)result;
    CHECK(echo_coroutine_current_id() == 0);
    echo_channel *go = echo_channel_create(1, 0);
    echo_coroutine *coroutine = create_coroutine();
    CHECK(start_coroutine(coroutine) == NULL);
    echo_coroutine_set_entry(coroutine, waits_for_go);
    echo_coroutine_set_argument(coroutine, go);
    echo_coroutine_set_result_size(coroutine, sizeof(int64_t));
    echo_coroutine_set_name(coroutine, "waits for go");
    int64_t id = echo_coroutine_id(coroutine);
    CHECK(id > 0);
    CHECK(echo_coroutine_state(coroutine) == ECHO_STATE_READY);
    echo_future *future = start_coroutine(coroutine);
    CHECK(future != NULL && start_coroutine(coroutine) == NULL);
    CHECK(echo_future_state(future) == ECHO_PENDING);
    while (echo_coroutine_state(coroutine) != ECHO_STATE_SUSPENDED) {
        int32_t state = echo_coroutine_state(coroutine);
        CHECK(state == ECHO_STATE_READY || state == ECHO_STATE_RUNNING || state == ECHO_STATE_SUSPENDED);
        yield_coroutine();
    }
    CHECK(echo_channel_send(go, "!"));
    int64_t value;
    CHECK(await_future(future, &value) == ECHO_OK && value == id);
    CHECK(echo_coroutine_state(coroutine) == ECHO_STATE_COMPLETED);
    echo_future_release(future);
    echo_coroutine_release(coroutine);

    coroutine = create_coroutine();
    echo_coroutine_set_entry(coroutine, fails);
    future = start_coroutine(coroutine);
    CHECK(await_future(future, NULL) == ECHO_FAILED);
    CHECK(echo_coroutine_state(coroutine) == ECHO_STATE_FAILED);
    echo_coroutine_release(coroutine);
    echo_future_release(future);
    echo_coroutine_release(create_coroutine());
    echo_channel_release(go);
    printf("two steps\n");
}

/* ---- states, seen by itself and by another, whichever way the turn comes */

static int worker_count;

struct observer {
    echo_coroutine *self, *other;
    echo_channel *channel;
    bool sends;
};

static void observe(void *argument, void *result) {
    (void)result;
    struct observer *observer = argument;
    for (int i = 0; i < 200; i++) {
        CHECK(echo_coroutine_state(observer->self) == ECHO_STATE_RUNNING);
        /* The other may be ahead at the end. */
        CHECK(worker_count > 1 || i > 190 || echo_coroutine_state(observer->other) == ECHO_STATE_READY);
        yield_coroutine();
    }
    for (int i = 0; i < 200; i++) {
        char letter = 'a';
        if (observer->sends)
            CHECK(echo_channel_send(observer->channel, &letter));
        else
            CHECK(echo_channel_receive(observer->channel, &letter));
        CHECK(echo_coroutine_state(observer->self) == ECHO_STATE_RUNNING);
    }
}

static void states(void *argument, void *result) {
    (void)argument, (void)result;
    echo_channel *channel = echo_channel_create(1, 0);
    echo_coroutine *pair[2] = {create_coroutine(), create_coroutine()};
    struct observer observers[2];
    echo_future *futures[2];
    for (int i = 0; i < 2; i++) {
        observers[i] = (struct observer){pair[i], pair[1 - i], channel, i == 0};
        echo_coroutine_set_entry(pair[i], observe);
        echo_coroutine_set_argument(pair[i], &observers[i]);
    }
    for (int i = 0; i < 2; i++)
        futures[i] = start_coroutine(pair[i]);
    for (int i = 0; i < 2; i++) {
        CHECK(await_future(futures[i], NULL) == ECHO_OK);
        echo_future_release(futures[i]);
        echo_coroutine_release(pair[i]);
    }
    echo_channel_release(channel);
    printf("states\n");
}

/* ---- promises and callbacks */

struct note {
    echo_channel *channel;
    int64_t number;
};

static void notes(void *data) {
    struct note *note = data;
    CHECK(echo_channel_send(note->channel, &note->number));
}

static void promises(void *argument, void *result) {
    (void)argument, (void)result;
    echo_channel *channel = echo_channel_create(sizeof(int64_t), 0);
    echo_future *promise = echo_promise_create(sizeof(int64_t));
    struct note before = {channel, 40}, after = {channel, 2};
    CHECK(echo_future_then(promise, notes, &before));
    int64_t value = 11, a, b;
    CHECK(echo_promise_fulfil(promise, &value));
    CHECK(!echo_promise_fulfil(promise, &value));
    CHECK(!echo_promise_fail(promise, "late"));
    CHECK(echo_future_then(promise, notes, &after));
    CHECK(echo_channel_receive(channel, &a) && echo_channel_receive(channel, &b));
    CHECK(await_future(promise, &value) == ECHO_OK && value == 11);
    CHECK(echo_future_error(promise, NULL, 0) == -1);
    echo_future_release(promise);

    promise = echo_promise_create(0);
    CHECK(echo_promise_fail(promise, "refused"));
    char text[20];
    CHECK(await_future(promise, NULL) == ECHO_FAILED);
    CHECK(echo_future_error(promise, text, sizeof text) == 7);
    echo_future_release(promise);
    echo_channel_release(channel);
    printf("promises %lld %s\n", (long long)(a + b), text);
}

/* ---- elements with owned contents: counted blocks with a destructor */

struct box {
    echo_block_header header;
    char *text;
};

static void *destroyed; /* how many, an atomic: destructors may call the runtime */

static void destroy_box(void *block) {
    free(((struct box *)block)->text);
    echo_atomic_add(destroyed, 1);
}

static const echo_foreign_desc box_desc = {
    {ECHO_KIND_FOREIGN, ECHO_DESC_MANAGED, sizeof(void *), sizeof(void *), "box", 3, 0, NULL, NULL},
    destroy_box,
};

static struct box *new_box(int number) {
    struct box *box = echo_alloc(sizeof *box);
    box->text = malloc(20);
    snprintf(box->text, 20, "box %d", number);
    return box;
}

static void gives_box(void *argument, void *result) {
    (void)argument;
    yield_coroutine();
    *(struct box **)result = new_box(7);
}

static void takes_boxes(void *argument, void *result) {
    struct box *box;
    int64_t count = 0;
    while (count < 500 && echo_channel_receive(argument, &box)) {
        CHECK(strncmp(box->text, "box ", 4) == 0);
        echo_drop(&box, &box_desc.desc);
        count++;
    }
    *(int64_t *)result = count;
}

static void owned(void *argument, void *result) {
    (void)argument, (void)result;
    destroyed = echo_atomic_new(0);
    echo_channel *channel = echo_channel_create_typed(&box_desc.desc, 100);
    echo_future *taker = echo_coroutine_spawn(takes_boxes, channel, sizeof(int64_t));
    struct box *box;
    for (int i = 0; i < 599; i++) {
        box = new_box(i);
        CHECK(echo_channel_send(channel, &box));
    }
    CHECK(await_future(taker, NULL) == ECHO_OK);
    CHECK(echo_channel_close(channel));
    box = new_box(-1);
    CHECK(!echo_channel_send(channel, &box)); /* moved all the same */
    CHECK(echo_atomic_load(destroyed) == 501);
    echo_channel_release(channel); /* with 99 in the buffer */
    int64_t first = echo_atomic_load(destroyed);

    for (int i = 0; i < 400; i++) {
        echo_coroutine *coroutine = create_coroutine();
        echo_coroutine_set_entry(coroutine, gives_box);
        echo_coroutine_set_result_type(coroutine, &box_desc.desc);
        echo_future *future = start_coroutine(coroutine);
        echo_coroutine_release(coroutine);
        CHECK(await_future(future, &box) == ECHO_OK && strcmp(box->text, "box 7") == 0);
        echo_future_release(future);
        CHECK(strcmp(box->text, "box 7") == 0);
        echo_release(box, &box_desc.desc);
    }
    printf("owned %lld %lld\n", (long long)echo_atomic_load(destroyed), (long long)first);
    echo_future_release(taker);
    echo_handle_release(destroyed, ECHO_KIND_ATOMIC);
}

/* ---- a lock around an ordinary number */

struct shared {
    echo_mutex *mutex;
    int64_t number;
};

static void counts(void *argument, void *result) {
    (void)result;
    struct shared *shared = argument;
    for (int i = 0; i < 1000; i++) {
        echo_mutex_acquire(shared->mutex);
        int64_t number = shared->number;
        if (i % 16 == 0)
            yield_coroutine();
        shared->number = number + 1;
        echo_mutex_give_up(shared->mutex);
    }
}

static void locks(void *argument, void *result) {
    (void)argument, (void)result;
    struct shared shared = {echo_mutex_create(), 0};
    echo_future *futures[10];
    for (int i = 0; i < 10; i++)
        futures[i] = echo_coroutine_spawn(counts, &shared, 0);
    for (int i = 0; i < 10; i++) {
        CHECK(await_future(futures[i], NULL) == ECHO_OK);
        echo_future_release(futures[i]);
    }
    CHECK(echo_mutex_try_acquire(shared.mutex));
    CHECK(!echo_mutex_try_acquire(shared.mutex));
    echo_mutex_give_up(shared.mutex);
    echo_mutex_release(shared.mutex);
    printf("locks %lld\n", (long long)shared.number);
}

/* ---- plain threads: they send, receive, select, await and lock while the program runs */

struct outside {
    echo_channel *in, *out;
    echo_mutex *mutex;
    int64_t number;
    pthread_t thread;
};

static void doubles(void *argument, void *result) {
    *(int64_t *)result = 2 * *(int64_t *)argument;
}

static void *outside_thread(void *argument) {
    struct outside *outside = argument;
    int64_t value;
    CHECK(echo_coroutine_current_id() == -1);
    while (echo_channel_receive(outside->in, &value)) {
        echo_future *future = echo_coroutine_spawn(doubles, &value, sizeof value);
        int64_t twice;
        CHECK(await_future(future, &twice) == ECHO_OK);
        echo_future_release(future);
        echo_mutex_acquire(outside->mutex);
        outside->number += 1;
        echo_mutex_give_up(outside->mutex);
        echo_select_case send = echo_case_send(outside->out, &twice);
        CHECK(echo_channel_select(&send, 1, 10000) == 0 && send.ok);
    }
    echo_select_case never = echo_case_receive(outside->out, &value);
    CHECK(echo_channel_select(&never, 1, 5) == ECHO_SELECT_TIMEOUT);
    echo_sleep_ms(1);
    CHECK(echo_channel_close(outside->out));
    echo_external_end();
    return NULL;
}

static void threads(void *argument, void *result) {
    (void)argument, (void)result;
    enum { THREADS = 3, ROUNDS = 500 };
    struct outside outside[THREADS];
    int64_t sum = 0, numbers = 0, value;
    for (int i = 0; i < THREADS; i++) {
        outside[i].in = echo_channel_create(sizeof(int64_t), 0);
        outside[i].out = echo_channel_create(sizeof(int64_t), 0);
        outside[i].mutex = echo_mutex_create();
        outside[i].number = 0;
        echo_external_begin();
        CHECK(pthread_create(&outside[i].thread, NULL, outside_thread, &outside[i]) == 0);
    }
    for (int64_t round = 0; round < ROUNDS; round++)
        for (int i = 0; i < THREADS; i++) {
            CHECK(echo_channel_send(outside[i].in, &round));
            CHECK(echo_channel_receive(outside[i].out, &value));
            sum += value;
        }
    for (int i = 0; i < THREADS; i++) {
        CHECK(echo_channel_close(outside[i].in));
        CHECK(!echo_channel_receive(outside[i].out, &value));
        pthread_join(outside[i].thread, NULL);
        echo_mutex_acquire(outside[i].mutex);
        numbers += outside[i].number;
        echo_mutex_give_up(outside[i].mutex);
        echo_channel_release(outside[i].in);
        echo_channel_release(outside[i].out);
        echo_mutex_release(outside[i].mutex);
    }
    printf("threads %lld %lld\n", (long long)sum, (long long)numbers);
}

/* ---- locks, each of which somebody waits for a first time just when another thread goes: nobody is forgotten */

enum { LOCKS = 300, TURNS = 300 };

struct meeting {
    struct shared shared[LOCKS];
    int arrived;
};

static void *meets(void *argument) {
    struct meeting *meeting = argument;
    for (int i = 0; i < LOCKS; i++) {
        struct shared *shared = &meeting->shared[i];
        __atomic_add_fetch(&meeting->arrived, 1, __ATOMIC_SEQ_CST);
        while (__atomic_load_n(&meeting->arrived, __ATOMIC_SEQ_CST) < 2 * (i + 1)) {
        }
        for (int turn = 0; turn < TURNS; turn++) {
            echo_mutex_acquire(shared->mutex);
            shared->number++;
            echo_mutex_give_up(shared->mutex);
        }
    }
    return NULL;
}

static void first_waits(void *argument, void *result) {
    (void)argument, (void)result;
    struct meeting meeting = {.arrived = 0};
    pthread_t threads[2];
    int64_t sum = 0;
    for (int i = 0; i < LOCKS; i++)
        meeting.shared[i] = (struct shared){echo_mutex_create(), 0};
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, meets, &meeting) == 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < LOCKS; i++) {
        sum += meeting.shared[i].number;
        echo_mutex_release(meeting.shared[i].mutex);
    }
    printf("first waits %lld\n", (long long)sum);
}

/* ---- the end */

static void receives(void *argument, void *result) {
    (void)result;
    int64_t value;
    echo_channel_receive(argument, &value);
    CHECK(!"nobody sends");
}

static void deadlock(void *argument, void *result) {
    (void)result;
    echo_coroutine *coroutine = create_coroutine();
    echo_coroutine_set_entry(coroutine, receives);
    echo_coroutine_set_argument(coroutine, argument);
    echo_coroutine_set_name(coroutine, "receiver");
    echo_future *future = start_coroutine(coroutine);
    echo_coroutine_release(coroutine);
    await_future(future, NULL);
}

/* Blocked for ever when main returns; cancelled through frames of C. */
static void left(void *argument, void *result) {
    (void)result;
    for (int i = 0; i < 100; i++)
        echo_future_release(echo_coroutine_spawn(receives, argument, 0));
    echo_sleep_ms(5);
    printf("left\n");
}

static void exit_code(void *argument, void *result) {
    (void)argument;
    *(int64_t *)result = 9;
}

static void nested_run(void *argument, void *result) {
    (void)argument, (void)result;
    CHECK(echo_is_running());
    CHECK(echo_run(exit_code, NULL, NULL) == ECHO_NOT_RUN);
    printf("nested run\n");
}

/* Programs while another thread starts coroutines whenever one runs, be it before its main coroutine or at its end. */
static _Atomic int over;

static void nothing(void *argument, void *result) { (void)argument, (void)result; }

static void *eager_thread(void *argument) {
    (void)argument;
    while (!over) {
        echo_future *future = echo_is_running() ? echo_coroutine_spawn(nothing, NULL, 0) : NULL;
        if (future != NULL)
            echo_future_release(future);
        /* A thread that never paused would keep the program going for as long as it is faster than the worker. */
        nanosleep(&(struct timespec){0, 50000}, NULL);
    }
    return NULL;
}

static int eager(echo_options *options) {
    pthread_t thread;
    int failed = 0;
    options->flags = 0;
    CHECK(pthread_create(&thread, NULL, eager_thread, NULL) == 0);
    for (int i = 0; i < 200; i++)
        failed |= echo_run(nothing, NULL, options) != 0;
    over = 1;
    pthread_join(thread, NULL);
    return failed;
}

/* Arguments at the end of mapped memory: nothing behind them is read. Needs next to no stack. */
static int64_t edge_sum;

static void edge_add(void *argument, void *result) {
    (void)result;
    __atomic_fetch_add(&edge_sum, *(int64_t *)argument, __ATOMIC_RELAXED);
}

static void edge(void *argument, void *result) {
    static const echo_type_desc number = {.kind = ECHO_KIND_I64, .align = 8, .size = 8, .name = "int", .name_len = 3};
    static const echo_field_desc fields[] = {{.desc = &number}, {.desc = &number, .offset = 8}, {.desc = &number, .offset = 16}};
    static const echo_type_desc tuples[] = {
        {.kind = ECHO_KIND_TUPLE, .align = 8, .size = 8, .name = "(1)", .name_len = 3, .field_count = 1, .fields = fields},
        {.kind = ECHO_KIND_TUPLE, .align = 8, .size = 16, .name = "(2)", .name_len = 3, .field_count = 2, .fields = fields},
        {.kind = ECHO_KIND_TUPLE, .align = 8, .size = 24, .name = "(3)", .name_len = 3, .field_count = 3, .fields = fields},
    };
    static const echo_type_desc future = {.kind = ECHO_KIND_FUTURE, .flags = ECHO_DESC_MANAGED, .align = 8, .size = 8, .name = "future", .name_len = 6};
    static echo_entry_desc entries[3];
    (void)argument, (void)result;
    long page = sysconf(_SC_PAGESIZE);
    char *memory = mmap(NULL, 2 * (size_t)page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED && munmap(memory + page, (size_t)page) == 0);
    for (int words = 1; words <= 3; words++) {
        echo_entry_desc *entry = &entries[words - 1];
        *entry = (echo_entry_desc){.code = (const void *)edge_add, .name = "edge", .name_len = 4, .stack = ECHO_STACK_SEGMENTED, .args = &tuples[words - 1]};
        int64_t *arguments = (int64_t *)(memory + page) - words;
        arguments[0] = words;
        for (int i = 0; i < 10; i++) {
            echo_release(echo_spawn(entry, arguments, 0), &future);
            echo_spawn_detached(entry, arguments, 0);
        }
    }
    while (__atomic_load_n(&edge_sum, __ATOMIC_RELAXED) < 120)
        yield_coroutine();
    munmap(memory, (size_t)page);
    printf("edge %d\n", (int)edge_sum);
}

static const struct {
    const char *name;
    echo_function function;
} programs[] = {
    {"ping_pong", ping_pong}, {"pipeline", pipeline},   {"fan_in", fan_in},         {"closed_send", closed_send},
    {"crowd", crowd},         {"failure", failure},     {"unobserved", unobserved}, {"main_fails", main_fails},
    {"two_steps", two_steps}, {"promises", promises},   {"locks", locks},           {"threads", threads},
    {"first_waits", first_waits},
    {"deadlock", deadlock},   {"left", left},           {"cancelled", left},        {"exit_code", exit_code},
    {"nested_run", nested_run}, {"owned", owned},
    {"edge", edge},           {"in_turn", in_turn},     {"states", states},
};

int main(int argc, char **argv) {
    CHECK(argc == 3);
    CHECK(!echo_is_running());
    CHECK(echo_coroutine_spawn(exit_code, NULL, 8) == NULL);
    worker_count = atoi(argv[2]);
    echo_options options = {(uint32_t)worker_count, ECHO_OPTION_CHECK_LEAKS, 0};
    if (strcmp(argv[1], "eager") == 0)
        return eager(&options);
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        if (strcmp(programs[i].name, argv[1]) != 0)
            continue;
        /* These leave coroutines behind that wait on a channel, which has to outlive them. */
        int leaves = programs[i].function == deadlock || programs[i].function == left;
        echo_channel *channel = leaves ? echo_channel_create(8, 0) : NULL;
        if (leaves && strcmp(argv[1], "cancelled") != 0)
            options.flags = ECHO_OPTION_LEAKS;
        int code = echo_run(programs[i].function, channel, &options);
        CHECK(!echo_is_running());
        if (leaves)
            echo_channel_release(channel);
        fflush(stdout);
        return code;
    }
    return 71;
}

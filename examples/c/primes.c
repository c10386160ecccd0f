/* A sieve of coroutines: each stage holds one prime and passes on what it does not divide. */
#include <echo.h>
#include <stdio.h>
#include <stdlib.h>

enum { PRIMES = 100 };

struct stage {
    int64_t prime;
    echo_channel *in, *out;
};

static void numbers(void *argument, void *result) {
    (void)result;
    /* Ends when the last stage closes its channel, and every stage before it in turn. */
    for (int64_t number = 2; echo_channel_send(argument, &number); number++) {
    }
    echo_channel_release(argument);
}

static void sieve(void *argument, void *result) {
    (void)result;
    struct stage *stage = argument;
    int64_t number;
    while (echo_channel_receive(stage->in, &number))
        if (number % stage->prime != 0 && !echo_channel_send(stage->out, &number))
            break;
    echo_channel_close(stage->in);
    echo_channel_release(stage->in);
    echo_channel_release(stage->out);
    free(stage);
}

static void program(void *argument, void *result) {
    (void)argument, (void)result;
    echo_channel *channel = echo_channel_create(sizeof(int64_t), 16);
    echo_retain(channel); /* one owner is the coroutine that sends, one is this one */
    echo_future_release(echo_coroutine_spawn(numbers, channel, 0));
    for (int i = 0; i < PRIMES; i++) {
        struct stage *stage = malloc(sizeof *stage);
        if (!echo_channel_receive(channel, &stage->prime))
            echo_panic_message("the numbers have run out");
        stage->in = channel; /* now the stage's */
        stage->out = channel = echo_channel_create(sizeof(int64_t), 16);
        echo_retain(channel);
        printf("%lld%c", (long long)stage->prime, i % 10 == 9 ? '\n' : ' ');
        echo_future_release(echo_coroutine_spawn(sieve, stage, 0));
    }
    echo_channel_close(channel);
    echo_channel_release(channel);
}

int main(void) {
    return echo_run(program, NULL, NULL);
}

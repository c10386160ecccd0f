// The header as C++: it compiles, and its functions have C linkage.
#include <echo.h>

static void entry(void *, void *result) { *static_cast<int64_t *>(result) = 5; }

int main() {
    echo_options options = {1, ECHO_OPTION_CHECK_LEAKS, 0};
    return echo_run(entry, nullptr, &options);
}

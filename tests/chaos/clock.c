// Sets the wall clock of a process ahead by a number of seconds, through LD_PRELOAD.
// Clocks that measure how long something takes run as they are.

#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = syscall(SYS_clock_gettime, clock, now);
    const char *ahead = getenv("CLOCK_AHEAD_SECONDS");
    if (!failed && clock == CLOCK_REALTIME && ahead)
        now->tv_sec += atol(ahead);
    return failed;
}

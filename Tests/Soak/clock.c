// Shows a program a wall clock that runs ahead by as many seconds as stand, as a 64-bit number, at the beginning of the file that
// FAKETIME_OFFSET_FILE names. Preloaded by Tests/Soak/world.py. What measures durations is not touched: moments of the wall clock that a program
// hands to the kernel to wait for are set back by as much; those of the monotonic clock are told from them by being much smaller.
// (libfaketime takes timers of the monotonic clock for the wall clock's, and changes the environment before Swift reads its arguments.)
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *shown;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FAKETIME_OFFSET_FILE");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *found = mmap(NULL, 8, PROT_READ, MAP_SHARED, file, 0);
    if (found != MAP_FAILED) shown = found;
    close(file);
}

static int64_t ahead(void) { return shown ? *shown : 0; }
static int is_wall(const struct timespec *moment) { return moment && moment->tv_sec > 1000000000; }

static void *next(const char *name) { return dlsym(RTLD_NEXT, name); }

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = next("clock_gettime");
    int code = real ? real(clock, now) : (int)syscall(SYS_clock_gettime, clock, now);
    if (code == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += ahead();
    return code;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec moment;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &moment) == 0) {
        now->tv_sec = moment.tv_sec;
        now->tv_usec = moment.tv_nsec / 1000;
    }
    return 0;
}

time_t time(time_t *now) {
    struct timespec moment;
    clock_gettime(CLOCK_REALTIME, &moment);
    if (now) *now = moment.tv_sec;
    return moment.tv_sec;
}

int timerfd_settime(int timer, int flags, const struct itimerspec *wanted, struct itimerspec *before) {
    static int (*real)(int, int, const struct itimerspec *, struct itimerspec *);
    if (!real) real = next("timerfd_settime");
    if (!(flags & TFD_TIMER_ABSTIME) || !wanted || !is_wall(&wanted->it_value)) return real(timer, flags, wanted, before);
    struct itimerspec set = *wanted;
    set.it_value.tv_sec -= ahead();
    return real(timer, flags, &set, before);
}

int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex, const struct timespec *restrict until) {
    static int (*real)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    // The old version, of before 2.3.2, has another condition.
    if (!real) real = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
    if (!real) real = next("pthread_cond_timedwait");
    if (!is_wall(until)) return real(condition, mutex, until);
    struct timespec set = *until;
    set.tv_sec -= ahead();
    return real(condition, mutex, &set);
}

int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict until) {
    static int (*real)(sem_t *, const struct timespec *);
    if (!real) real = next("sem_timedwait");
    if (!is_wall(until)) return real(semaphore, until);
    struct timespec set = *until;
    set.tv_sec -= ahead();
    return real(semaphore, &set);
}

// A file that was just written is not days old.
#define SHIFT(found)                                                                                                                        \
    do {                                                                                                                                   \
        (found)->st_atim.tv_sec += ahead(), (found)->st_mtim.tv_sec += ahead(), (found)->st_ctim.tv_sec += ahead();                          \
    } while (0)
#define STAT(name, parameters, arguments)                                                                                            \
    int name parameters {                                                                                                                  \
        static int(*real) parameters;                                                                                                      \
        if (!real) real = next(#name);                                                                                                     \
        int code = real arguments;                                                                                                         \
        if (code == 0) SHIFT(found);                                                                                                       \
        return code;                                                                                                                       \
    }
STAT(stat, (const char *restrict path, struct stat *restrict found), (path, found))
STAT(lstat, (const char *restrict path, struct stat *restrict found), (path, found))
STAT(fstat, (int file, struct stat *found), (file, found))
STAT(fstatat, (int folder, const char *restrict path, struct stat *restrict found, int flags), (folder, path, found, flags))
STAT(stat64, (const char *restrict path, struct stat64 *restrict found), (path, found))
STAT(lstat64, (const char *restrict path, struct stat64 *restrict found), (path, found))
STAT(fstat64, (int file, struct stat64 *found), (file, found))
STAT(fstatat64, (int folder, const char *restrict path, struct stat64 *restrict found, int flags), (folder, path, found, flags))

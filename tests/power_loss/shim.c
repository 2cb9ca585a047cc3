/* Records, in order, what a process asks of the disk (writes, syncs, truncations, unlinks), and makes the n-th sync
 * fail when told to. Loaded with LD_PRELOAD by the power-loss tests; one mutex, one log, no allocation.
 *
 * A record of the log: 1 byte kind, 8 bytes offset, 4 bytes path length, 4 bytes data length, path, data; numbers are
 * little endian. Kinds: W write, S sync of a file, D sync of a directory, T truncate (offset is the length), U unlink,
 * C a file that was created, F a sync that was made to fail.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define FDS 1024
static char paths[FDS][512];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -1;
static long fail_at = -1, syncs = 0;
static const char *root = NULL;

static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_open)(const char *, int, ...);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_ftruncate)(int, off_t);
static int (*real_unlink)(const char *);
static int (*real_close)(int);

__attribute__((constructor)) static void start(void) {
    real_write = dlsym(RTLD_NEXT, "write");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_open = dlsym(RTLD_NEXT, "open64");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
    real_unlink = dlsym(RTLD_NEXT, "unlink");
    real_close = dlsym(RTLD_NEXT, "close");
    const char *log = getenv("SHIM_LOG");
    root = getenv("SHIM_ROOT");
    if (log) log_fd = real_open(log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (getenv("SHIM_FAIL_SYNC")) fail_at = atol(getenv("SHIM_FAIL_SYNC"));
}

static int watched(const char *path) { return log_fd >= 0 && root && strncmp(path, root, strlen(root)) == 0; }
static const char *path_of(int fd) { return fd >= 0 && fd < FDS && paths[fd][0] ? paths[fd] : NULL; }

static void record(char kind, uint64_t offset, const char *path, const void *data, uint32_t length) {
    uint32_t path_length = strlen(path);
    char head[17];
    head[0] = kind;
    memcpy(head + 1, &offset, 8);
    memcpy(head + 9, &path_length, 4);
    memcpy(head + 13, &length, 4);
    struct iovec parts[3] = {{head, 17}, {(void *)path, path_length}, {(void *)data, length}};
    ssize_t all = 17 + path_length + length;
    if (writev(log_fd, parts, 3) != all) abort();
}

static int do_open(const char *path, int flags, mode_t mode) {
    struct stat before;
    int existed = stat(path, &before) == 0;
    int fd = real_open(path, flags, mode);
    if (fd >= 0 && fd < FDS && watched(path)) {
        pthread_mutex_lock(&lock);
        snprintf(paths[fd], sizeof paths[fd], "%s", path);
        if (!existed) record('C', 0, path, "", 0);
        pthread_mutex_unlock(&lock);
    }
    return fd;
}
int open(const char *path, int flags, ...) {
    va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest);
    return do_open(path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest);
    return do_open(path, flags, mode);
}
int close(int fd) {
    pthread_mutex_lock(&lock);
    if (fd >= 0 && fd < FDS) paths[fd][0] = 0;
    pthread_mutex_unlock(&lock);
    return real_close(fd);
}
ssize_t write(int fd, const void *data, size_t length) {
    const char *path = path_of(fd);
    if (!path) return real_write(fd, data, length);
    pthread_mutex_lock(&lock);
    off_t at = lseek(fd, 0, SEEK_CUR);
    ssize_t done = real_write(fd, data, length);
    if (done > 0) record('W', at, path, data, done);
    pthread_mutex_unlock(&lock);
    return done;
}
ssize_t pwrite64(int fd, const void *data, size_t length, off_t at) {
    const char *path = path_of(fd);
    if (!path) return real_pwrite(fd, data, length, at);
    pthread_mutex_lock(&lock);
    ssize_t done = real_pwrite(fd, data, length, at);
    if (done > 0) record('W', at, path, data, done);
    pthread_mutex_unlock(&lock);
    return done;
}
ssize_t pwrite(int fd, const void *data, size_t length, off_t at) { return pwrite64(fd, data, length, at); }

static int do_sync(int fd, int (*real)(int)) {
    const char *path = path_of(fd);
    if (!path) return real(fd);
    pthread_mutex_lock(&lock);
    struct stat what;
    fstat(fd, &what);
    int result = 0;
    if (++syncs == fail_at) {
        record('F', 0, path, "", 0);
        errno = EIO;
        result = -1;
    } else if ((result = real(fd)) == 0) {
        record(S_ISDIR(what.st_mode) ? 'D' : 'S', 0, path, "", 0);
    }
    pthread_mutex_unlock(&lock);
    return result;
}
int fsync(int fd) { return do_sync(fd, real_fsync); }
int fdatasync(int fd) { return do_sync(fd, real_fdatasync); }

int ftruncate64(int fd, off_t length) {
    const char *path = path_of(fd);
    if (!path) return real_ftruncate(fd, length);
    pthread_mutex_lock(&lock);
    int result = real_ftruncate(fd, length);
    if (result == 0) record('T', length, path, "", 0);
    pthread_mutex_unlock(&lock);
    return result;
}
int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }
int unlink(const char *path) {
    pthread_mutex_lock(&lock);
    int result = real_unlink(path);
    if (result == 0 && watched(path)) record('U', 0, path, "", 0);
    pthread_mutex_unlock(&lock);
    return result;
}

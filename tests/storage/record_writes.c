/* Records what a process does to the files below one folder, in order; loaded with LD_PRELOAD.
 *
 * NMER_RECORD names the log, NMER_RECORD_ROOT the folder. A record is a line "operation \t path \t number \t
 * length \n" and then `length` bytes: the data of a write at offset `number`, or the new path of a rename.
 * With NMER_NO_FLOCK=1, flock fails as it does on a file system that has no locks.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int log_file(void) {
    static int found = -2;
    if (found == -2) {
        const char *path = getenv("NMER_RECORD");
        found = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND, 0644) : -1;
    }
    return found;
}

static int inside(const char *path) {
    const char *root = getenv("NMER_RECORD_ROOT");
    return root && log_file() >= 0 && strncmp(path, root, strlen(root)) == 0;
}

static void record(const char *what, const char *path, long long number, const void *data, size_t length) {
    char head[PATH_MAX + 64];
    int kept = errno;
    int size = snprintf(head, sizeof head, "%s\t%s\t%lld\t%zu\n", what, path, number, length);
    struct iovec parts[2] = {{head, (size_t)size}, {(void *)data, length}};
    if (syscall(SYS_writev, log_file(), parts, 2) != (long)((size_t)size + length)) abort();
    errno = kept;
}

static int name_of(int file, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    path[length > 0 ? length : 0] = 0;
    return inside(path);
}

static void full_name(int folder, const char *path, char *full) {
    char base[PATH_MAX];
    if (path[0] == '/') { snprintf(full, PATH_MAX, "%s", path); return; }
    if (folder == AT_FDCWD) { if (!getcwd(base, sizeof base)) base[0] = 0; }
    else name_of(folder, base);
    if (snprintf(full, PATH_MAX, "%s/%s", base, path) >= PATH_MAX) abort();
}

static void wrote(int file, const void *data, ssize_t length, off_t at) {
    char path[PATH_MAX];
    if (length > 0 && name_of(file, path)) record("write", path, at, data, (size_t)length);
}

static off_t place(int file) {
    struct stat now;
    if (fcntl(file, F_GETFL) & O_APPEND) return fstat(file, &now) ? 0 : now.st_size;
    return lseek(file, 0, SEEK_CUR);
}

ssize_t write(int file, const void *data, size_t length) {
    off_t at = place(file);
    ssize_t done = REAL(write)(file, data, length);
    wrote(file, data, done, at);
    return done;
}

ssize_t pwrite(int file, const void *data, size_t length, off_t at) {
    ssize_t done = REAL(pwrite)(file, data, length, at);
    wrote(file, data, done, at);
    return done;
}

ssize_t pwrite64(int file, const void *data, size_t length, off64_t at) {
    ssize_t done = REAL(pwrite64)(file, data, length, at);
    wrote(file, data, done, at);
    return done;
}

static void cut(int file, int failed, long long length) {
    char path[PATH_MAX];
    if (!failed && name_of(file, path)) record("truncate", path, length, "", 0);
}

int ftruncate(int file, off_t length) {
    int failed = REAL(ftruncate)(file, length);
    cut(file, failed, length);
    return failed;
}

int ftruncate64(int file, off64_t length) {
    int failed = REAL(ftruncate64)(file, length);
    cut(file, failed, length);
    return failed;
}

static void synced(int file, int failed) {
    char path[PATH_MAX];
    if (!failed && name_of(file, path)) record("fsync", path, 0, "", 0);
}

int fsync(int file) {
    int failed = REAL(fsync)(file);
    synced(file, failed);
    return failed;
}

int fdatasync(int file) {
    int failed = REAL(fdatasync)(file);
    synced(file, failed);
    return failed;
}

static int opened(int file, int existed, int flags) {
    char path[PATH_MAX];
    if (file >= 0 && name_of(file, path)) {
        if (!existed) record("create", path, 0, "", 0);
        else if (flags & O_TRUNC) record("truncate", path, 0, "", 0);
    }
    return file;
}

#define OPEN(name, first, folder, passed)                              \
    int name(first const char *path, int flags, ...) {                 \
        va_list rest;                                                  \
        va_start(rest, flags);                                         \
        mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest);                                                  \
        int existed = !(flags & O_CREAT) || faccessat(folder, path, F_OK, 0) == 0; \
        return opened(REAL(name)(passed path, flags, mode), existed, flags); \
    }
#define NOTHING
#define FOLDER int at,
#define AT at,
OPEN(open, NOTHING, AT_FDCWD, NOTHING)
OPEN(open64, NOTHING, AT_FDCWD, NOTHING)
OPEN(openat, FOLDER, at, AT)
OPEN(openat64, FOLDER, at, AT)

static void named(const char *what, int folder, const char *path, int failed) {
    char full[PATH_MAX];
    full_name(folder, path, full);
    if (!failed && inside(full)) record(what, full, 0, "", 0);
}

int unlink(const char *path) {
    int failed = REAL(unlink)(path);
    named("unlink", AT_FDCWD, path, failed);
    return failed;
}

int unlinkat(int folder, const char *path, int flags) {
    int failed = REAL(unlinkat)(folder, path, flags);
    named(flags & AT_REMOVEDIR ? "rmdir" : "unlink", folder, path, failed);
    return failed;
}

int rmdir(const char *path) {
    int failed = REAL(rmdir)(path);
    named("rmdir", AT_FDCWD, path, failed);
    return failed;
}

int mkdir(const char *path, mode_t mode) {
    int failed = REAL(mkdir)(path, mode);
    named("mkdir", AT_FDCWD, path, failed);
    return failed;
}

static void renamed(int from, const char *old, int to, const char *new, int failed) {
    char full_old[PATH_MAX], full_new[PATH_MAX];
    full_name(from, old, full_old);
    full_name(to, new, full_new);
    if (!failed && inside(full_old)) record("rename", full_old, 0, full_new, strlen(full_new));
}

int rename(const char *old, const char *new) {
    int failed = REAL(rename)(old, new);
    renamed(AT_FDCWD, old, AT_FDCWD, new, failed);
    return failed;
}

int renameat(int from, const char *old, int to, const char *new) {
    int failed = REAL(renameat)(from, old, to, new);
    renamed(from, old, to, new, failed);
    return failed;
}

/* What is not followed must not happen unseen. */
static void refused(const char *what) {
    fprintf(stderr, "record_writes.c does not follow %s\n", what);
    abort();
}

ssize_t writev(int file, const struct iovec *parts, int count) {
    char path[PATH_MAX];
    if (name_of(file, path)) refused("writev");
    return REAL(writev)(file, parts, count);
}

ssize_t sendfile64(int out, int in, off64_t *offset, size_t count) {
    (void)in, (void)offset, (void)count;
    char path[PATH_MAX];
    if (name_of(out, path)) { errno = ENOSYS; return -1; } /* Python falls back to read and write */
    return syscall(SYS_sendfile, out, in, offset, count);
}

ssize_t sendfile(int out, int in, off_t *offset, size_t count) {
    return sendfile64(out, in, (off64_t *)offset, count);
}

ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t count, unsigned flags) {
    char path[PATH_MAX];
    if (name_of(out, path)) refused("copy_file_range");
    return syscall(SYS_copy_file_range, in, from, out, to, count, flags);
}

int link(const char *old, const char *new) {
    if (inside(old) || inside(new)) refused("link");
    return REAL(link)(old, new);
}

int flock(int file, int operation) {
    if (getenv("NMER_NO_FLOCK")) { errno = ENOSYS; return -1; }
    return REAL(flock)(file, operation);
}

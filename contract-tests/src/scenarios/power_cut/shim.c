// Records what a process does to the files of one folder, so that a test can
// work out what a power cut at any moment would have left on the disk.
//
// Build: gcc -O2 -shared -fPIC -Wall -Wextra -Werror shim.c -o libshim.so -ldl -lpthread
// Use:   LD_PRELOAD=libshim.so POWER_CUT_FOLDER=/folder POWER_CUT_JOURNAL=/journal program
//
// Every call is really made. If it worked and changed something below the
// folder, one record of it is added to the journal. disk.rs reads the journal.
//
// The journal is a row of records. All numbers are little endian.
//   u32 size    of the whole record; a last record that is shorter was torn by a kill
//   u32 kind    one of the kinds below
//   u64 inode   which file; a CREATE starts a new file even if the number was used before
//   u64 value   see below
//   payload     paths are relative to the folder, "" is the folder itself
// Kinds:
//   SNAPSHOT    payload: MKDIR and CREATE records of all that is in the folder
//   CREATE      value: length of the path; payload: path, then the content (in a SNAPSHOT only)
//   MKDIR       payload: path
//   WRITE       value: offset; payload: the bytes
//   TRUNCATE    value: the new length, which may be greater than the old one
//   SYNC        the content of the file is on the disk
//   SYNC_DIR    payload: path of the directory whose names are on the disk
//   RENAME      value: length of the old path; payload: old path, then new path
//   LINK        as RENAME
//   REMOVE      payload: path of a file or of an empty directory
//
// A process writes a SNAPSHOT before its first record. The first one says what
// was there before. A later one shows the single effect that is missing if the
// process before was killed after a call and before its record.
//
// Not seen: stdio (fopen, remove), system calls without glibc, io_uring, links
// and sockets. Not taken as a sync: sync, syncfs, sync_file_range. Files whose
// name ends in -shm are left out: SQLite builds its shared memory anew.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SNAPSHOT = 1, CREATE, MKDIR, WRITE, TRUNCATE, SYNC, SYNC_DIR, RENAME, LINK, REMOVE };

struct header {
    uint32_t size, kind;
    uint64_t inode, value;
};

// The structure is written as it is, and the 64 variants of calls are aliases.
_Static_assert(sizeof(struct header) == 24, "the header must have no gaps");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the journal is little endian");
_Static_assert(sizeof(off_t) == 8, "offsets must have 64 bits");

// The same function in the next library, which is glibc.
#define REAL(name)                                                                       \
    ({                                                                                   \
        static __typeof__(&name) real;                                                   \
        if (!real)                                                                       \
            real = (__typeof__(&name))dlsym(RTLD_NEXT, #name);                           \
        real;                                                                            \
    })

static char folder[PATH_MAX];
static FILE *journal;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static bool started;

static void die(const char *why)
{
    dprintf(STDERR_FILENO, "power cut shim: %s\n", why);
    abort();
}

// Writes one record. The two parts together are its payload.
static void emit(FILE *to, uint32_t kind, uint64_t inode, uint64_t value,
                 const void *first, size_t n, const void *second, size_t m)
{
    struct header head = {sizeof head + n + m, kind, inode, value};
    if (n + m > UINT32_MAX - sizeof head)
        die("a record is too big");
    fwrite(&head, sizeof head, 1, to);
    fwrite(first, 1, n, to);
    fwrite(second, 1, m, to);
    if (fflush(to))
        die("cannot write the journal");
}

// Is this real path below the folder? Then `name` is its relative path.
static bool below(const char *path, char *name)
{
    size_t n = strlen(folder), end = strlen(path);
    if (strncmp(path, folder, n) || (path[n] && path[n] != '/'))
        return false;
    if (end >= 4 && !strcmp(path + end - 4, "-shm"))
        return false;
    strcpy(name, path + n + (path[n] == '/'));
    return true;
}

static void before_fork(void) { pthread_mutex_lock(&mutex); }
static void after_fork(void) { pthread_mutex_unlock(&mutex); }

static void setup(void)
{
    const char *place = getenv("POWER_CUT_FOLDER"), *file = getenv("POWER_CUT_JOURNAL");
    char path[PATH_MAX], name[PATH_MAX];
    if (!place || !file || !realpath(place, folder))
        die("POWER_CUT_FOLDER must be a folder and POWER_CUT_JOURNAL a file");
    journal = fopen(file, "a+e");
    if (!journal || !realpath(file, path) || below(path, name))
        die("the journal must be a file outside of the folder");
    // A child must not inherit the mutex in the hands of a thread that it does not have.
    pthread_atfork(before_fork, after_fork, after_fork);
}

// Is the file or directory of this descriptor below the folder? Asking the
// kernel each time needs no table of descriptors, so dup, fork and exec are right.
static bool tracked(int fd, struct stat *st, char *name)
{
    char link[32], path[PATH_MAX + 16];
    pthread_once(&once, setup);
    if (fstat(fd, st) || !(S_ISREG(st->st_mode) || S_ISDIR(st->st_mode)))
        return false;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0)
        return false;
    path[n] = 0;
    // The kernel marks a file without a name. It is still written to.
    char *mark = st->st_nlink ? NULL : strstr(path, " (deleted)");
    if (mark)
        *mark = 0;
    return below(path, name);
}

// Is this path below the folder? Only its parent must exist.
static bool inside(int dir, const char *path, char *name)
{
    char full[PATH_MAX], parent[PATH_MAX], real[2 * PATH_MAX];
    pthread_once(&once, setup);
    bool plain = path[0] == '/' || dir == AT_FDCWD;
    int n = plain ? snprintf(full, sizeof full, "%s", path)
                  : snprintf(full, sizeof full, "/proc/self/fd/%d/%s", dir, path);
    if (n >= (int)sizeof full)
        return false;
    while (n > 1 && full[n - 1] == '/')
        full[--n] = 0;
    char *slash = strrchr(full, '/');
    if (slash)
        *slash = 0;
    if (!realpath(!slash ? "." : slash == full ? "/" : full, parent))
        return false;
    n = snprintf(real, sizeof real, "%s/%s", parent, slash ? slash + 1 : full);
    return n < PATH_MAX && below(real, name);
}

static FILE *found;

static int find(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    char name[PATH_MAX];
    (void)ftw;
    if (type == FTW_DNR || type == FTW_NS)
        die("cannot read the folder");
    if (!below(path, name) || !*name)
        return 0;
    if (type == FTW_D)
        emit(found, MKDIR, 0, 0, name, strlen(name), NULL, 0);
    if (!S_ISREG(st->st_mode))
        return 0;
    size_t size = st->st_size;
    char *content = malloc(size + 1);
    FILE *file = fopen(path, "re");
    if (!content || !file || fread(content, 1, size + 1, file) != size)
        die("cannot read a file of the folder");
    emit(found, CREATE, st->st_ino, strlen(name), name, strlen(name), content, size);
    fclose(file);
    free(content);
    return 0;
}

static void start(void)
{
    // A process that was killed may have left half a record. It must go, because
    // nothing that follows it could be read.
    struct header head;
    struct stat st;
    off_t whole = 0;
    if (fstat(fileno(journal), &st))
        die("cannot read the journal");
    while (pread(fileno(journal), &head, sizeof head, whole) == sizeof head
           && head.size >= sizeof head && whole + head.size <= st.st_size)
        whole += head.size;
    char *bytes;
    size_t size;
    found = open_memstream(&bytes, &size);
    if (!found || REAL(ftruncate)(fileno(journal), whole) || nftw(folder, find, 16, FTW_PHYS)
        || fclose(found))
        die("cannot take the snapshot");
    emit(journal, SNAPSHOT, 0, 0, bytes, size, NULL, 0);
    free(bytes);
    started = true;
}

// From here to `end` no other thread and no other process under this shim makes
// a call that is recorded. So the order of the records is the order of the effects.
static void begin(void)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    pthread_mutex_lock(&mutex);
    while (fcntl(fileno(journal), F_SETLKW, &lock))
        if (errno != EINTR)
            die("cannot lock the journal");
    if (!started)
        start();
}

// Hands on the result of the real call, and the errno that it left.
static long end(long result)
{
    struct flock lock = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
    int error = errno;
    fcntl(fileno(journal), F_SETLK, &lock);
    pthread_mutex_unlock(&mutex);
    errno = error;
    return result;
}

// Opening. Only an open that creates or empties a file changes anything.

static int open_at(int dir, const char *path, int flags, mode_t mode)
{
    char name[PATH_MAX];
    struct stat st;
    bool temporary = (flags & O_TMPFILE) == O_TMPFILE;
    if (!(flags & (O_CREAT | O_TRUNC | O_DIRECT) || temporary) || !inside(dir, path, name))
        return REAL(openat)(dir, path, flags, mode);
    if (temporary || flags & O_DIRECT)
        die("O_TMPFILE and O_DIRECT are not recorded");
    begin();
    bool existed = !fstatat(dir, path, &st, 0);
    int fd = REAL(openat)(dir, path, flags, mode);
    if (fd >= 0 && fstat(fd, &st))
        die("cannot look at a file that was opened");
    if (fd >= 0 && !existed)
        emit(journal, CREATE, st.st_ino, strlen(name), name, strlen(name), NULL, 0);
    else if (fd >= 0 && flags & O_TRUNC && S_ISREG(st.st_mode))
        emit(journal, TRUNCATE, st.st_ino, 0, NULL, 0, NULL, 0);
    return end(fd);
}

// The mode is there only for flags that create a file.
#define MODE(flags)                                                                      \
    ({                                                                                   \
        mode_t mode = 0;                                                                 \
        if ((flags) & O_CREAT || ((flags) & O_TMPFILE) == O_TMPFILE) {                   \
            va_list rest;                                                                \
            va_start(rest, flags);                                                       \
            mode = va_arg(rest, mode_t);                                                 \
            va_end(rest);                                                                \
        }                                                                                \
        mode;                                                                            \
    })

int open(const char *path, int flags, ...)
{
    return open_at(AT_FDCWD, path, flags, MODE(flags));
}

int openat(int dir, const char *path, int flags, ...)
{
    return open_at(dir, path, flags, MODE(flags));
}

int creat(const char *path, mode_t mode)
{
    return open_at(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

// Writing. Offset -1 means the position of the descriptor, as for pwritev2.

static ssize_t write_at(int fd, const struct iovec *parts, int count, off_t offset, int flags)
{
    struct stat st;
    begin();
    int mode = fcntl(fd, F_GETFL);
    if (mode < 0 || fstat(fd, &st))
        die("cannot look at a file that is written");
    ssize_t n = REAL(pwritev2)(fd, parts, count, offset, flags);
    if (n <= 0)
        return end(n);
    // Linux appends with O_APPEND even if the call names an offset.
    if (mode & O_APPEND || flags & RWF_APPEND)
        offset = st.st_size;
    else if (offset == -1)
        offset = lseek(fd, 0, SEEK_CUR) - n;
    char *bytes = malloc(n);
    if (!bytes)
        die("no memory");
    // A call may write less than it was asked to.
    size_t done = 0;
    for (int i = 0; done < (size_t)n; i++) {
        size_t left = n - done, size = parts[i].iov_len < left ? parts[i].iov_len : left;
        memcpy(bytes + done, parts[i].iov_base, size);
        done += size;
    }
    emit(journal, WRITE, st.st_ino, offset, bytes, n, NULL, 0);
    free(bytes);
    if (mode & O_DSYNC || flags & (RWF_DSYNC | RWF_SYNC))
        emit(journal, SYNC, st.st_ino, 0, NULL, 0, NULL, 0);
    return end(n);
}

static bool tracked_file(int fd)
{
    struct stat st;
    char name[PATH_MAX];
    return tracked(fd, &st, name) && S_ISREG(st.st_mode);
}

ssize_t write(int fd, const void *bytes, size_t n)
{
    struct iovec part = {(void *)bytes, n};
    return tracked_file(fd) ? write_at(fd, &part, 1, -1, 0) : REAL(write)(fd, bytes, n);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    return tracked_file(fd) ? write_at(fd, parts, count, -1, 0)
                            : REAL(writev)(fd, parts, count);
}

// A negative offset goes to the real call, because it is an error there.
ssize_t pwrite(int fd, const void *bytes, size_t n, off_t offset)
{
    struct iovec part = {(void *)bytes, n};
    return offset >= 0 && tracked_file(fd) ? write_at(fd, &part, 1, offset, 0)
                                           : REAL(pwrite)(fd, bytes, n, offset);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    return offset >= 0 && tracked_file(fd) ? write_at(fd, parts, count, offset, 0)
                                           : REAL(pwritev)(fd, parts, count, offset);
}

ssize_t pwritev2(int fd, const struct iovec *parts, int count, off_t offset, int flags)
{
    return tracked_file(fd) ? write_at(fd, parts, count, offset, flags)
                            : REAL(pwritev2)(fd, parts, count, offset, flags);
}

// Lengths.

int ftruncate(int fd, off_t length)
{
    struct stat st;
    char name[PATH_MAX];
    if (!tracked(fd, &st, name))
        return REAL(ftruncate)(fd, length);
    begin();
    int result = REAL(ftruncate)(fd, length);
    if (!result)
        emit(journal, TRUNCATE, st.st_ino, length, NULL, 0, NULL, 0);
    return end(result);
}

int truncate(const char *path, off_t length)
{
    struct stat st;
    char name[PATH_MAX];
    if (!inside(AT_FDCWD, path, name))
        return REAL(truncate)(path, length);
    begin();
    int result = REAL(truncate)(path, length);
    if (!result && stat(path, &st))
        die("cannot look at a file that was truncated");
    if (!result)
        emit(journal, TRUNCATE, st.st_ino, length, NULL, 0, NULL, 0);
    return end(result);
}

// New space reads as zeroes, so only a new length is a change.
static int allocated(int fd, off_t old, int result)
{
    struct stat st;
    if (!result && fstat(fd, &st))
        die("cannot look at a file that was allocated");
    if (!result && st.st_size > old)
        emit(journal, TRUNCATE, st.st_ino, st.st_size, NULL, 0, NULL, 0);
    return end(result);
}

int fallocate(int fd, int mode, off_t offset, off_t length)
{
    struct stat st;
    char name[PATH_MAX];
    if (!tracked(fd, &st, name))
        return REAL(fallocate)(fd, mode, offset, length);
    if (mode & ~FALLOC_FL_KEEP_SIZE)
        die("this mode of fallocate is not recorded");
    begin();
    off_t old = fstat(fd, &st) ? 0 : st.st_size;
    return allocated(fd, old, REAL(fallocate)(fd, mode, offset, length));
}

int posix_fallocate(int fd, off_t offset, off_t length)
{
    struct stat st;
    char name[PATH_MAX];
    if (!tracked(fd, &st, name))
        return REAL(posix_fallocate)(fd, offset, length);
    begin();
    off_t old = fstat(fd, &st) ? 0 : st.st_size;
    return allocated(fd, old, REAL(posix_fallocate)(fd, offset, length));
}

// Syncs.

static int sync_with(int (*real)(int), int fd)
{
    struct stat st;
    char name[PATH_MAX];
    if (!tracked(fd, &st, name))
        return real(fd);
    begin();
    int result = real(fd);
    if (!result && S_ISREG(st.st_mode))
        emit(journal, SYNC, st.st_ino, 0, NULL, 0, NULL, 0);
    // Another directory may have the name of one that was removed.
    else if (!result && st.st_nlink)
        emit(journal, SYNC_DIR, 0, 0, name, strlen(name), NULL, 0);
    return end(result);
}

int fsync(int fd) { return sync_with(REAL(fsync), fd); }
int fdatasync(int fd) { return sync_with(REAL(fdatasync), fd); }

// Names.

// A file that comes from outside has no record, and one that leaves has no name.
static long end_pair(long result, uint32_t kind, bool both, const char *from, const char *to)
{
    if (!result && !both)
        die("a file may not be moved or linked across the border of the folder");
    if (!result)
        emit(journal, kind, 0, strlen(from), from, strlen(from), to, strlen(to));
    return end(result);
}

int renameat2(int old_dir, const char *old, int new_dir, const char *new, unsigned flags)
{
    char from[PATH_MAX], to[PATH_MAX];
    bool source = inside(old_dir, old, from), target = inside(new_dir, new, to);
    if (!source && !target)
        return REAL(renameat2)(old_dir, old, new_dir, new, flags);
    if (flags & ~RENAME_NOREPLACE)
        die("this kind of renameat2 is not recorded");
    begin();
    int result = REAL(renameat2)(old_dir, old, new_dir, new, flags);
    return end_pair(result, RENAME, source && target, from, to);
}

int renameat(int old_dir, const char *old, int new_dir, const char *new)
{
    return renameat2(old_dir, old, new_dir, new, 0);
}

int rename(const char *old, const char *new)
{
    return renameat2(AT_FDCWD, old, AT_FDCWD, new, 0);
}

int linkat(int old_dir, const char *old, int new_dir, const char *new, int flags)
{
    char from[PATH_MAX], to[PATH_MAX];
    bool source = inside(old_dir, old, from), target = inside(new_dir, new, to);
    if (!source && !target)
        return REAL(linkat)(old_dir, old, new_dir, new, flags);
    begin();
    int result = REAL(linkat)(old_dir, old, new_dir, new, flags);
    return end_pair(result, LINK, source && target, from, to);
}

int link(const char *old, const char *new)
{
    return linkat(AT_FDCWD, old, AT_FDCWD, new, 0);
}

int unlinkat(int dir, const char *path, int flags)
{
    char name[PATH_MAX];
    struct stat st;
    if (!inside(dir, path, name))
        return REAL(unlinkat)(dir, path, flags);
    begin();
    // Sockets and symbolic links have no record of their creation.
    bool kept = !fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW)
                && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
    int result = REAL(unlinkat)(dir, path, flags);
    if (!result && kept)
        emit(journal, REMOVE, 0, 0, name, strlen(name), NULL, 0);
    return end(result);
}

int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

int mkdirat(int dir, const char *path, mode_t mode)
{
    char name[PATH_MAX];
    if (!inside(dir, path, name))
        return REAL(mkdirat)(dir, path, mode);
    begin();
    int result = REAL(mkdirat)(dir, path, mode);
    if (!result)
        emit(journal, MKDIR, 0, 0, name, strlen(name), NULL, 0);
    return end(result);
}

int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

// What would change a file without a record. A test must not pass because of it.

void *mmap(void *where, size_t length, int protection, int flags, int fd, off_t offset)
{
    bool shared = (flags & MAP_TYPE) != MAP_PRIVATE && !(flags & MAP_ANONYMOUS);
    if (shared && protection & PROT_WRITE && tracked_file(fd))
        die("a writable shared mapping is not recorded");
    return REAL(mmap)(where, length, protection, flags, fd, offset);
}

ssize_t copy_file_range(int in, off_t *from, int out, off_t *to, size_t n, unsigned flags)
{
    if (tracked_file(out))
        die("copy_file_range is not recorded");
    return REAL(copy_file_range)(in, from, out, to, n, flags);
}

ssize_t sendfile(int out, int in, off_t *offset, size_t n)
{
    if (tracked_file(out))
        die("sendfile is not recorded");
    return REAL(sendfile)(out, in, offset, n);
}

ssize_t splice(int in, off_t *from, int out, off_t *to, size_t n, unsigned flags)
{
    if (tracked_file(out))
        die("splice is not recorded");
    return REAL(splice)(in, from, out, to, n, flags);
}

// With offsets of 64 bits these are the same calls under a second name.
#define SAME(name) __attribute__((alias(#name)))
int open64(const char *, int, ...) SAME(open);
int openat64(int, const char *, int, ...) SAME(openat);
int creat64(const char *, mode_t) SAME(creat);
ssize_t pwrite64(int, const void *, size_t, off64_t) SAME(pwrite);
ssize_t pwritev64(int, const struct iovec *, int, off64_t) SAME(pwritev);
ssize_t pwritev64v2(int, const struct iovec *, int, off64_t, int) SAME(pwritev2);
int ftruncate64(int, off64_t) SAME(ftruncate);
int truncate64(const char *, off64_t) SAME(truncate);
int fallocate64(int, int, off64_t, off64_t) SAME(fallocate);
int posix_fallocate64(int, off64_t, off64_t) SAME(posix_fallocate);
void *mmap64(void *, size_t, int, int, int, off64_t) SAME(mmap);
ssize_t sendfile64(int, int, off64_t *, size_t) SAME(sendfile);

/* One large body over one connection, as any client moves it: written from memory, read into
 * memory.
 *
 *     bulk put PORT HEAD BLOCK SIZE     HEAD: a file with a whole request head; BLOCK: a file that
 * is bulk get PORT HEAD BLOCK SIZE     sent again and again, or that the reply must be made of
 *
 * Prints status, seconds (from the first byte sent to the last byte of the reply) and bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/time.h"
#include "bytes.h"

enum { READ_SIZE = 256 * 1024 };

static struct bytes read_whole(const char *path)
{
    struct bytes bytes = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        die("%s: %s", path, strerror(errno));
    for (;;) {
        bytes_reserve(&bytes, READ_SIZE);
        ssize_t got = read(fd, bytes.ptr + bytes.len, READ_SIZE);
        if (got < 0)
            die("%s: %s", path, strerror(errno));
        if (got == 0)
            break;
        bytes.len += (size_t)got;
    }
    close(fd);
    return bytes;
}

static int connect_to(uint64_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) != 0)
        die("port %llu: %s", (unsigned long long)port, strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static void send_all(int fd, struct str s)
{
    while (s.len > 0) {
        ssize_t sent = send(fd, s.ptr, s.len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            die("the server hung up: %s", strerror(errno));
        s = str_slice(s, (size_t)sent, s.len);
    }
}

/* The head of the reply; what of the body came with it stays in *in behind *head_len. */
static int read_head(int fd, struct bytes *in, size_t *head_len)
{
    for (;;) {
        size_t end = bytes_find(bytes_str(in), 0, STR("\r\n\r\n"));
        if (end != SIZE_MAX) {
            uint64_t status;
            *head_len = end + 4;
            if (in->len < 12 || !str_to_u64(str_make(in->ptr + 9, 3), &status))
                die("the reply is no HTTP");
            return (int)status;
        }
        bytes_reserve(in, READ_SIZE);
        ssize_t got = recv(fd, in->ptr + in->len, READ_SIZE, 0);
        if (got <= 0)
            die("the server hung up: %s", got < 0 ? strerror(errno) : "no reply");
        in->len += (size_t)got;
    }
}

static void put_body(int fd, struct str block, uint64_t size)
{
    for (uint64_t left = size; left > 0;) {
        size_t part = left < block.len ? (size_t)left : block.len;
        send_all(fd, str_slice(block, 0, part));
        left -= part;
    }
}

/* Samples of the body are compared: all of it would measure the comparison. */
static void check_sample(struct str block, uint64_t at, struct str got)
{
    size_t within = (size_t)(at % block.len), part = block.len - within;
    if (part > got.len)
        part = got.len;
    if (part > 64)
        part = 64;
    if (memcmp(block.ptr + within, got.ptr, part) != 0)
        die("another body came at %llu", (unsigned long long)at);
}

static void get_body(int fd, struct str block, uint64_t size, struct str begun)
{
    static char room[READ_SIZE];
    uint64_t done = begun.len;
    while (done < size) {
        ssize_t got = recv(fd, room, sizeof room, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            die("the body ended at %llu: %s", (unsigned long long)done,
                got < 0 ? strerror(errno) : "the server hung up");
        check_sample(block, done, str_make(room, (size_t)got));
        done += (uint64_t)got;
    }
}

int main(int argc, char **argv)
{
    uint64_t port, size;
    if (argc != 6 || !str_to_u64(str_from_c(argv[2]), &port) ||
        !str_to_u64(str_from_c(argv[5]), &size))
        die("usage: bulk put|get PORT HEAD BLOCK SIZE");
    bool put = strcmp(argv[1], "put") == 0;
    struct bytes head = read_whole(argv[3]), block = read_whole(argv[4]), in = {0};
    size_t head_len;
    if (block.len == 0)
        die("an empty block");
    int fd = connect_to(port);
    uint64_t begin = time_monotonic_ns();
    send_all(fd, bytes_str(&head));
    if (put)
        put_body(fd, bytes_str(&block), size);
    int status = read_head(fd, &in, &head_len);
    if (!put && status == 200)
        get_body(fd, bytes_str(&block), size, str_make(in.ptr + head_len, in.len - head_len));
    uint64_t took = time_monotonic_ns() - begin;
    if (status != 200)
        fprintf(stderr, "%.*s\n", (int)in.len, in.ptr);
    printf("{\"status\": %d, \"seconds\": %.6f, \"bytes\": %llu}\n", status, (double)took / 1e9,
           (unsigned long long)size);
    close(fd);
    return status == 200 ? 0 : 1;
}
